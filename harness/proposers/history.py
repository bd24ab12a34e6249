"""What a proposer has to look up in a search's entries, kept up as they grow.

Owns: indices that follow from the entries alone: by id, rejected and scored children, who was repaired already.
Does not know: prompts, models, which of it is used.

A search of n attempts would otherwise read its entries n times.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from evaluator.types import Rejected
from harness.types import Entry

NO_REPLY = frozenset({"no_reply", "refused", "empty_reply"})
"""Reasons of attempts whose model said nothing that could be judged."""
_FARTHEST = 64
"""So many ancestors of a program are looked at."""


class Follower:
    """Hands on each entry of growing views once. Where the entries are not those of before with more at the end, all
    are forgotten and read again.
    """

    def __init__(self, forget: Callable[[], None], add: Callable[[Entry], None]) -> None:
        self._forget, self._add = forget, add
        self._last: Entry | None = None
        self._count = 0

    def follow(self, entries: Sequence[Entry]) -> None:
        count = self._count
        if count > len(entries) or (count and entries[count - 1] is not self._last):
            self._forget()
            count = 0
        for entry in entries[count:]:
            self._add(entry)
        self._count = len(entries)
        self._last = entries[-1] if entries else None


class History:
    """The indices; `follow` brings them up to a view's entries."""

    def __init__(self) -> None:
        self._forget()
        self.follow = Follower(self._forget, self._add).follow

    def _forget(self) -> None:
        self.by_id: dict[str, Entry] = {}
        self._rejected: dict[str, list[Entry]] = defaultdict(list)
        self._scored: dict[str, list[Entry]] = defaultdict(list)
        self._failures: list[Entry] = []
        self._repaired: set[str] = set()

    def _add(self, entry: Entry) -> None:
        self.by_id[entry.id] = entry
        if entry.kind == "seed":
            return
        if entry.kind == "repair":
            self._repaired.update((entry.parents[0], *entry.inspirations[:1]))
        for parent in dict.fromkeys(entry.parents):
            if entry.scored is not None:
                self._scored[parent].append(entry)
            elif replied(entry):
                self._rejected[parent].append(entry)
        if replied(entry) and not entry.same_as:  # a repair of the first of equal programs is one of all of them
            self._failures.append(entry)

    def failures(self, among: int) -> list[Entry]:
        """The latest rejected attempts that nobody has tried to repair, latest first."""
        found: list[Entry] = []
        for entry in reversed(self._failures):
            if len(found) == among:
                break
            if entry.id not in self._repaired:
                found.append(entry)
        return found

    def rejections(self, of: Entry, most: int) -> list[Entry]:
        """Rejected attempts made from an entry, latest first, then those made from its ancestors, nearest first; none
        that says the same as one before.
        """
        found: list[Entry] = []
        told: set[tuple[str, str, str]] = set()
        for ancestor in self._line(of):
            for entry in reversed(self._rejected.get(ancestor.id, ())):
                verdict = entry.verdict
                assert isinstance(verdict, Rejected)
                if len(found) == most:
                    return found
                if (said := (verdict.stage, verdict.reason, verdict.detail)) not in told:
                    told.add(said)
                    found.append(entry)
        return found

    def scored_children(self, of: Entry) -> Iterator[Entry]:
        """Attempts made from an entry that were scored, latest first."""
        return reversed(self._scored.get(of.id, []))

    def related(self, one: Entry, other: Entry) -> bool:
        """Whether one of two entries descends from the other."""
        return any(entry is other for entry in self._line(one)) or any(entry is one for entry in self._line(other))

    def _line(self, of: Entry) -> Iterator[Entry]:
        """An entry and its ancestors, nearest first."""
        waiting, seen = [of], {of.id}
        while waiting and len(seen) <= _FARTHEST:
            here = waiting.pop(0)
            yield here
            for parent in here.parents:
                if parent in self.by_id and parent not in seen:
                    seen.add(parent)
                    waiting.append(self.by_id[parent])


def replied(entry: Entry) -> bool:
    """Whether an entry is a rejected attempt of which a model said something."""
    return isinstance(entry.verdict, Rejected) and entry.kind != "seed" and entry.verdict.reason not in NO_REPLY
