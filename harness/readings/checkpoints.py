"""The state of runs after equal effort, and at their ends. Pure.

Owns: at which efforts runs are compared, and the figures there. Does not know: how they are shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from evaluator.types import Interval
from harness.readings.contrast import Contestant, Level
from harness.readings.course import EFFORTS, Change, Effort
from harness.types import Entry

_SHARES = (0.25, 0.5, 1.0)
"""Of the effort of the run that made the least of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """A run after `at` of an effort; `end`: after all of its own. The figures are None before there was a champion."""

    run: Contestant
    at: float
    end: bool
    change: Change | None
    quality: Interval | None
    speedup: Interval | None
    hypervolume: Interval | None

    @property
    def champion(self) -> Entry | None:
        return None if self.change is None else self.change.champion

    def spent(self, effort: Effort) -> float | None:
        """What had been spent of any effort when the champion of this state came; at the end, all; None without one."""
        if self.end:
            return self.run.course.total(effort)
        return None if self.change is None else self.run.course.spent[effort][self.change.at]


def shared(level: Level, effort: Effort) -> tuple[float, ...]:
    """Efforts that every run of the group made: a quarter, half and all of the least; () if one run made none."""
    least = min(run.course.total(effort) for run in level.members)
    if least <= 0:
        return ()
    marks = [least * share for share in _SHARES]
    if effort == "attempts":
        marks = [float(max(1, round(mark))) for mark in marks]
    return tuple(dict.fromkeys(marks))


def states(level: Level, effort: Effort) -> Iterator[State]:
    """Every run at each shared effort, then every run at its end."""
    for mark in shared(level, effort):
        for run in level.members:
            yield _state(level, run, mark, run.course.after(effort, mark), end=False)
    for run in level.members:
        changes = run.course.changes
        yield _state(level, run, run.course.total(effort), changes[-1] if changes else None, end=True)


def _state(level: Level, run: Contestant, at: float, change: Change | None, *, end: bool) -> State:
    figures = (None, None) if change is None else level.figures(change.champion)
    return State(
        run=run,
        at=at,
        end=end,
        change=change,
        quality=figures[0],
        speedup=figures[1],
        hypervolume=None if change is None else level.hypervolume(change),
    )


def curve(level: Level, run: Contestant) -> Iterator[tuple[dict[Effort, float], State]]:
    """Every change of champion or front, with all efforts spent when it came."""
    for change in run.course.changes:
        spent = {effort: run.course.spent[effort][change.at] for effort in EFFORTS}
        yield spent, _state(level, run, spent["attempts"], change, end=False)
