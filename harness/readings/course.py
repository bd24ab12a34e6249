"""The course of a search: who was champion and what stood on the front after how much effort. Pure.

Owns: the sums of effort after each attempt, and the attempts after which the champion or the front changed.
Does not know: archives, how a champion is chosen, how a course is shown.

Minutes are those since the first attempt was archived, on the clock of the wall: pauses between invocations count.
Judged seconds are the sum over attempts, those judged at the same time included.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from harness.gate import GatedStanding
from harness.select import Objective
from harness.types import Entry

Effort = Literal["attempts", "minutes", "dollars", "judged"]
EFFORTS: tuple[Effort, ...] = get_args(Effort)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The champion and the front, fastest first, from attempt `at` on (its place in the course, from 0)."""

    at: int
    champion: Entry
    front: tuple[Entry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """The sums of each kind of effort after each attempt, in order, and the changes. The seed program is the first
    attempt, but counts as none. `standing` is that at the end.
    """

    spent: dict[Effort, tuple[float, ...]]
    changes: tuple[Change, ...]
    standing: GatedStanding

    def total(self, effort: Effort) -> float:
        """All of this effort; 0 without attempts."""
        return self.spent[effort][-1] if self.spent[effort] else 0.0

    def after(self, effort: Effort, most: float) -> Change | None:
        """The state once `most` of an effort was spent; None before there was a champion."""
        reached = bisect_right(self.spent[effort], most) - 1
        place = bisect_right(self.changes, reached, key=lambda change: change.at) - 1
        return self.changes[place] if place >= 0 else None

    def steps(self, effort: Effort) -> tuple[tuple[float, Change], ...]:
        """Each change with the effort spent when it came; of several at the same effort the last."""
        found: dict[float, Change] = {}
        for change in self.changes:
            found[self.spent[effort][change.at]] = change
        return tuple(found.items())


def course(entries: Iterable[Entry], objective: Objective) -> Course:
    """The course of a run's entries, in any order."""
    ordered = sorted(entries, key=lambda entry: entry.number)
    standing = GatedStanding(objective=objective)
    attempts, usd, judged, began, latest = 0, 0.0, 0.0, 0, 0
    rows: list[tuple[float, ...]] = []
    changes: list[Change] = []
    for at, entry in enumerate(ordered):
        before, standing = standing, standing.add(entry)
        began = entry.when_s if at == 0 else began
        latest = max(latest, entry.when_s)
        attempts += entry.kind != "seed"
        usd, judged = usd + entry.usd, judged + entry.seconds
        rows.append((attempts, max(0, latest - began) / 60, usd, judged))
        moved = standing.best is not before.best or standing.pareto is not before.pareto
        if moved and standing.best is not None:
            changes.append(Change(at=at, champion=standing.best, front=standing.front))
    columns = tuple(zip(*rows, strict=True)) if rows else ((), (), (), ())
    return Course(spent=dict(zip(EFFORTS, columns, strict=True)), changes=tuple(changes), standing=standing)
