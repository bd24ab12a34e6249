"""Programs made of two: a three-way merge over their nearest common ancestor.

Owns: finding the ancestor and merging. Does not know: which pairs are worth it, patches, scores.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from harness.git import merge_file
from harness.types import Entry


def _line(entry: Entry, entries: Mapping[str, Entry]) -> dict[str, Entry]:
    """An entry and all its ancestors, by id."""
    found: dict[str, Entry] = {}
    waiting = [entry]
    while waiting:
        here = waiting.pop()
        if here.id not in found:
            found[here.id] = here
            waiting.extend(entries[parent] for parent in here.parents if parent in entries)
    return found


def common_ancestor(one: Entry, other: Entry, entries: Mapping[str, Entry]) -> Entry | None:
    """The latest entry that both descend from (or are), or None."""
    mine, theirs = _line(one, entries), _line(other, entries)
    shared = [entry for entry_id, entry in mine.items() if entry_id in theirs]
    return max(shared, key=lambda entry: entry.number, default=None)


def merged(one: Entry, other: Entry, entries: Mapping[str, Entry], source: Callable[[str], str]) -> str | None:
    """Both entries' changes since their common ancestor in one program.

    None where one descends from the other, where their changes conflict, or where the merge is one of the two.
    """
    base = common_ancestor(one, other, entries)
    if base is None or base.id in (one.id, other.id):
        return None
    ours, theirs = source(one.id), source(other.id)
    result = merge_file(ours, source(base.id), theirs)
    return result if result is not None and result not in (ours, theirs) else None
