"""Champion and front as attempts come, also where one comes late. Pure.

Owns: the standing of a run that is read on and on, and the champions it has had. Does not know: archives, pages.

A standing is a fold by number, and several writers may finish out of order. So the last few standings are kept: a late
attempt is folded in where it belongs. A standing's list of valid programs is dropped from time to time: it would hold
every entry, and only a search needs it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

from harness.gate import GatedStanding
from harness.select import Objective
from harness.series import Series
from harness.types import Entry

KEPT = 512
"""How many attempts may have come before a late one with a lower number."""


@dataclass(frozen=True, slots=True)
class _Step:
    entry: Entry
    before: GatedStanding
    champions: int


class TooLate(Exception):
    """An attempt came later than the standings that are kept: the run has to be read anew."""


class Ranks:
    """The standing after the attempts so far, in the order of their numbers."""

    def __init__(self, objective: Objective) -> None:
        self.standing = GatedStanding(objective=objective)
        self.champions: list[int] = []
        """The numbers of all that were champion, in order."""
        self._steps: deque[_Step] = deque(maxlen=KEPT)

    def add(self, entry: Entry) -> bool:
        """Fold in one more attempt, whatever its number; whether it counts as valid: scored, new and above the floor.

        Raises TooLate.
        """
        later: list[Entry] = []
        while self._steps and self._steps[-1].entry.number > entry.number:
            step = self._steps.pop()
            later.append(step.entry)
            self.standing = step.before
            del self.champions[step.champions :]
        if later and not self._steps:
            raise TooLate
        valid = self._fold(entry)
        for each in reversed(later):
            self._fold(each)
        return valid

    def _fold(self, entry: Entry) -> bool:
        before = self.standing
        after = before.add(entry)
        self._steps.append(_Step(entry, before, len(self.champions)))
        if after is before:
            return False
        self.standing = replace(after, valid=Series()) if len(after.valid) > KEPT else after
        if after.best is not None and after.best is not before.best:
            self.champions.append(after.best.number)
        return True
