"""What to say where no attempt, or more than one, goes by what somebody asked for. Pure.

Owns: these words. Does not know: how attempts are found or stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from harness.types import Entry


def no_such(text: str, found: Sequence[Entry], entries: Sequence[Entry], damage: Iterable[str], run: Path) -> str:
    """What is wrong with asking the attempts of a run for `text`, which fits those `found`."""
    if found:
        several = ", ".join(f"{entry.number} ({entry.id[:12]})" for entry in found[:5])
        return f"{text!r} begins the ids of {len(found)} attempts, expected of one: {several}"
    if not entries:
        return f"expected an attempt {text!r}, found an archive without attempts at {run}"
    hint = f"numbers run from {entries[0].number} to {entries[-1].number}"
    if len(text) >= 4:
        near = max(entries, key=lambda entry: _shared(entry.id, text))
        hint += f", the nearest id is {near.id[:12]} (attempt {near.number})"
    damaged = "".join(f"; {one}" for one in damage if text in one)
    return f"expected the number or the commit id of an attempt, `best` or `seed`, found {text!r}: {hint}{damaged}"


def _shared(one: str, other: str) -> int:
    """How many characters two texts begin with alike."""
    return next((index for index, pair in enumerate(zip(one, other, strict=False)) if len(set(pair)) > 1), len(other))
