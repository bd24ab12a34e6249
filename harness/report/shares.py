"""The shares of a mix of proposers, in words.

Owns: how they are worded. Does not know: how turns are taken. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping


def shares_words(mix: Mapping[str, float]) -> str:
    """`llm 6, catalogue 2 of every 8 attempts`; "" for no mix."""
    if not mix:
        return ""
    each = ", ".join(f"{name} {share:g}" for name, share in mix.items())
    return f"{each} of every {sum(mix.values()):g} attempts"
