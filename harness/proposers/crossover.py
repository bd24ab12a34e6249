"""Cross two programs: a three-way merge over their latest common ancestor.

Owns: finding the ancestor, merging, and the reply that makes the merge of the first program.
Does not know: which pairs are worth crossing, prompts, scores.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

from harness import patch
from harness.git import Conflict, merge_pieces
from harness.patch import PatchError
from harness.text import one_line
from harness.types import Entry

_MOST_ANCESTORS = 1_000
"""The most entries that are visited in search of a common ancestor; half a millisecond."""

_LONGEST_NAME = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """A merge of two programs, with the first one's lines wherever their changes conflict."""

    text: str
    conflicts: tuple[Conflict, ...] = ()


def common_ancestor(first: Entry, second: Entry, entries: Mapping[str, Entry]) -> Entry | None:
    """The latest entry that is each of the two or its ancestor; None if there is no such entry, or it is far away.

    Entries are visited from the latest to the oldest. An entry's children are later than it, so when it is visited, it
    is known of which of the two it is an ancestor.
    """
    of: dict[str, set[str]] = {first.id: {first.id}}
    of.setdefault(second.id, set()).add(second.id)
    both = {first.id, second.id}
    waiting = [(-entry.number, entry.id, entry) for entry in {first.id: first, second.id: second}.values()]
    heapify(waiting)
    for _ in range(_MOST_ANCESTORS):
        if not waiting:
            break
        *_, here = heappop(waiting)
        if of[here.id] == both:
            return here
        for parent in filter(None, map(entries.get, here.parents)):
            if parent.id not in of:
                of[parent.id] = set()
                heappush(waiting, (-parent.number, parent.id, parent))
            of[parent.id] |= of[here.id]
    return None


def crossing(ours: str, base: str, theirs: str) -> Crossing | None:
    """The merge of two programs' changes of `base`.

    None where git cannot make it, and where it equals one of the two programs. Raises GitError.
    """
    pieces = merge_pieces(ours, base, theirs)
    if pieces is None:
        return None
    text = "".join(piece if isinstance(piece, str) else piece.ours for piece in pieces)
    conflicts = tuple(piece for piece in pieces if isinstance(piece, Conflict))
    return Crossing(text=text, conflicts=conflicts) if conflicts or text not in (ours, theirs) else None


def merged(first: Entry, second: Entry, entries: Mapping[str, Entry], source: Callable[[str], str]) -> str | None:
    """The program with both entries' changes since their common ancestor.

    None where one descends from the other, where their changes conflict, or where the merge equals one of the two.
    """
    base = common_ancestor(first, second, entries)
    if base is None or base.id in (first.id, second.id):
        return None
    found = crossing(source(first.id), source(base.id), source(second.id))
    return None if found is None or found.conflicts else found.text


def _named(entry: Entry) -> str:
    """A name without a tag and on a short line: it is a model's, and could keep a reply from being read."""
    return one_line(entry.name.replace("<", " "), _LONGEST_NAME)


def merge_reply(first: Entry, second: Entry, ours: str, text: str) -> str | None:
    """The reply that makes the merge `text` of two entries from the first one's program; None where no patch does."""
    names = " and ".join(f"{_named(each)} (attempt {each.number})" for each in (first, second))
    name = f"cross_{first.number}_with_{second.number}"
    return as_reply(ours, text, name, f"The changes of {names}, merged.")


def as_reply(old: str, new: str, name: str = "", description: str = "") -> str | None:
    """The reply that turns one program into the other; None where no patch does."""
    try:
        reply = patch.render(patch.diff(old, new, name=name, description=description))
        return reply if patch.apply_reply(reply, old).source == new else None
    except PatchError:
        return None
