"""The standing and the spending of a search, folded from the archive's entries.

Owns: the live standing, what is spent, and whether the budget allows more. Does not know: tickets, judges, models.

Entries are folded in the order of their numbers. If one arrives late, because another process was slow to write it, all
are folded again, so that the standing always matches the archive.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from harness.archive import Archive
from harness.gate import GatedStanding, gated_standing
from harness.search.budget import Budget, Spent
from harness.select import Objective
from harness.types import Entry


class Tally:
    """The standing and the spending of one invocation."""

    def __init__(
        self,
        archive: Archive,
        objective: Objective,
        budget: Budget,
        *,
        clock: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self._archive, self._objective, self._budget = archive, objective, budget
        self._clock, self._wall = clock, wall
        self._begun = clock()
        self._last = -1
        self._attempts, self._judge_s = 0, 0.0
        self.standing = GatedStanding(objective=objective)
        for entry in archive.entries:
            self.fold(entry)

    def fold(self, entry: Entry) -> None:
        """Add an entry of the archive."""
        self._attempts += entry.number > 0
        self._judge_s += entry.seconds
        if entry.number > self._last:
            self.standing = self.standing.add(entry)
            self._last = entry.number
        else:
            self.standing = gated_standing(self._archive.entries, self._objective)

    def spent_out(self, in_flight: int) -> str | None:
        """Which limit of the budget is reached, counting what is in flight, as a sentence; None while none is."""
        return self._budget.exhausted(self._spent(in_flight))

    def time_is_up(self) -> bool:
        """Whether a limit other than attempts and patience is reached, so that no repair may be asked for either."""
        spent = replace(self._spent(0), attempts=0, since_best=0)
        return self._budget.exhausted(spent) is not None

    def _spent(self, in_flight: int) -> Spent:
        champion = self.standing.champion
        return Spent(
            attempts=self._attempts + in_flight,
            minutes=(self._clock() - self._begun) / 60,
            judge_s=self._judge_s,
            since_best=0 if champion is None else self._archive.next_number - 1 - champion.number,
            now_s=self._wall(),
        )
