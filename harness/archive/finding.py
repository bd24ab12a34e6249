"""The error message when a name matches no attempt, or several. Pure.

Owns: the wording. Does not know: how attempts are found or stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from harness.types import Entry


def no_such(text: str, matches: Sequence[Entry], entries: Sequence[Entry], damage: Iterable[str], run: Path) -> str:
    """Why `text` does not name an attempt of the run: it matches none, or several."""
    if matches:
        several = ", ".join(f"{entry.number} ({entry.id[:12]})" for entry in matches[:5])
        return f"expected the id of one attempt, found {text!r}, which begins {len(matches)} ids: {several}"
    if not entries:
        return f"expected an attempt {text!r}, found an archive without attempts at {run}"
    hint = f"numbers run from {entries[0].number} to {entries[-1].number}"
    if len(text) >= 4:
        near = max(entries, key=lambda entry: _shared(entry.id, text))
        hint += f", the nearest id is {near.id[:12]} (attempt {near.number})"
    damaged = "".join(f"; {problem}" for problem in damage if text in problem)
    return f"expected the number or the commit id of an attempt, `best` or `seed`, found {text!r}: {hint}{damaged}"


def _shared(text: str, other: str) -> int:
    """The length of the common prefix of two texts."""
    return next((index for index, pair in enumerate(zip(text, other, strict=False)) if len(set(pair)) > 1), len(other))
