"""Indices over a search's entries, updated as the entries grow.

Owns: indices that follow from the entries alone: by id, rejected and scored children, attempts already repaired, pairs
of programs already crossed, programs already known.
Does not know: prompts, models, how the indices are used.

Without them, a search of n attempts would read all of its entries n times.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from evaluator.types import Rejected
from harness.knowledge import NO_REPLY
from harness.series import Follower
from harness.types import Entry

_MOST_ANCESTORS = 64
"""The most ancestors of a program that are visited."""


class History:
    """The indices; `follow` updates them to a view's entries."""

    def __init__(self) -> None:
        self._forget()
        self.follow = Follower(self._forget, self._add).follow

    def _forget(self) -> None:
        self.by_id: dict[str, Entry] = {}
        self._rejected: dict[str, list[Entry]] = defaultdict(list)
        self._scored: dict[str, list[Entry]] = defaultdict(list)
        self._failures: list[Entry] = []
        self._repaired: set[str] = set()
        self._crossed: Counter[frozenset[str]] = Counter()
        self._known: set[str] = set()

    def _add(self, entry: Entry) -> None:
        self.by_id[entry.id] = entry
        self._known.update((entry.program_id, entry.syntax_hash))
        if entry.kind == "seed":
            return
        if entry.kind == "repair":
            self._repaired.update((entry.parents[0], *entry.inspirations[:1]))
        if entry.kind == "crossover" and not _lost(entry):
            self._crossed[frozenset(entry.parents)] += 1
        for parent in dict.fromkeys(entry.parents):
            if entry.scored is not None:
                self._scored[parent].append(entry)
            elif replied(entry):
                self._rejected[parent].append(entry)
        if replied(entry) and not entry.same_as:  # repairing the first of equal programs repairs them all
            self._failures.append(entry)

    def failures(self, among: int) -> list[Entry]:
        """At most `among` rejected attempts that no repair was made for, latest first."""
        attempts: list[Entry] = []
        for entry in reversed(self._failures):
            if len(attempts) == among:
                break
            if entry.id not in self._repaired:
                attempts.append(entry)
        return attempts

    def rejections(self, of: Entry, most: int) -> list[Entry]:
        """Rejected attempts made from an entry, latest first, then those made from its ancestors, nearest first;
        without duplicate texts.
        """
        attempts: list[Entry] = []
        told: set[tuple[str, str, str]] = set()
        for ancestor in self._lineage(of):
            for entry in reversed(self._rejected.get(ancestor.id, ())):
                verdict = entry.verdict
                assert isinstance(verdict, Rejected)
                if len(attempts) == most:
                    return attempts
                if (said := (verdict.stage, verdict.reason, verdict.detail)) not in told:
                    told.add(said)
                    attempts.append(entry)
        return attempts

    def scored_children(self, of: Entry) -> Iterator[Entry]:
        """Scored attempts made from an entry, latest first."""
        return reversed(self._scored.get(of.id, []))

    def crossed(self, pair: frozenset[str]) -> int:
        """How many attempts are crossovers of two entries, in either order; calls without an answer do not count."""
        return self._crossed[pair]

    def knows(self, program_id: str, syntax_hash: str) -> bool:
        """Whether a program was tried, by its bytes or its syntax ("" for none)."""
        return program_id in self._known or (syntax_hash != "" and syntax_hash in self._known)

    def lineage(self, of: Entry) -> tuple[str, ...]:
        """The ids of an entry and of its ancestors, nearest first."""
        return tuple(entry.id for entry in self._lineage(of))

    def children(self, of: Entry, most: int) -> tuple[str, ...]:
        """The ids of attempts that were applied to an entry, scored or rejected with a reply, latest first. Looked for
        among the latest `most` of each that were made from it: crossovers may be applied to their other parent.
        """
        found = [*self._scored.get(of.id, [])[-most:], *self._rejected.get(of.id, [])[-most:]]
        applied = (entry for entry in found if entry.parents[0] == of.id)
        return tuple(entry.id for entry in sorted(applied, key=lambda entry: -entry.number)[:most])

    def related(self, first: Entry, second: Entry) -> bool:
        """Whether one of two entries descends from the other."""
        return any(entry is second for entry in self._lineage(first)) or any(
            entry is first for entry in self._lineage(second)
        )

    def _lineage(self, of: Entry) -> Iterator[Entry]:
        """An entry and its ancestors, nearest first."""
        waiting, seen = [of], {of.id}
        while waiting and len(seen) <= _MOST_ANCESTORS:
            here = waiting.pop(0)
            yield here
            for parent in here.parents:
                if parent in self.by_id and parent not in seen:
                    seen.add(parent)
                    waiting.append(self.by_id[parent])


def _lost(entry: Entry) -> bool:
    """Whether a call was made for an entry that no answer came to, as while an endpoint is down."""
    return isinstance(entry.verdict, Rejected) and entry.verdict.reason == "no_reply"


def replied(entry: Entry) -> bool:
    """Whether an entry is a rejected attempt with a text to judge."""
    return isinstance(entry.verdict, Rejected) and entry.kind != "seed" and entry.verdict.reason not in NO_REPLY
