"""Merge two programs: a three-way merge over their latest common ancestor.

Owns: finding the ancestor and merging. Does not know: which pairs are worth merging, patches, scores.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from harness.git import merge_file
from harness.types import Entry


def _lineage(entry: Entry, entries: Mapping[str, Entry]) -> dict[str, Entry]:
    """An entry and all its ancestors, by id."""
    lineage: dict[str, Entry] = {}
    waiting = [entry]
    while waiting:
        here = waiting.pop()
        if here.id not in lineage:
            lineage[here.id] = here
            waiting.extend(entries[parent] for parent in here.parents if parent in entries)
    return lineage


def common_ancestor(first: Entry, second: Entry, entries: Mapping[str, Entry]) -> Entry | None:
    """The latest entry that is each of the two or its ancestor; None if there is no such entry."""
    mine, theirs = _lineage(first, entries), _lineage(second, entries)
    shared = [entry for entry_id, entry in mine.items() if entry_id in theirs]
    return max(shared, key=lambda entry: entry.number, default=None)


def merged(first: Entry, second: Entry, entries: Mapping[str, Entry], source: Callable[[str], str]) -> str | None:
    """The program with both entries' changes since their common ancestor.

    None where one descends from the other, where their changes conflict, or where the merge equals one of the two.
    """
    base = common_ancestor(first, second, entries)
    if base is None or base.id in (first.id, second.id):
        return None
    ours, theirs = source(first.id), source(second.id)
    result = merge_file(ours, source(base.id), theirs)
    return result if result is not None and result not in (ours, theirs) else None
