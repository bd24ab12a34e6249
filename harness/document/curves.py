"""Charts of the best programs of runs against effort: speed, quality and hypervolume.

Owns: which curves there are, and their axes. Does not know: how a chart is drawn, formats, which runs compare.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from evaluator import Interval
from harness.figures.chart import LETTERS, Axis, Chart, Line, Mark, Panel, spanning
from harness.readings.contrast import Level
from harness.readings.course import Change, Effort

TITLES = {"attempts": "attempts", "minutes": "minutes", "dollars": "dollars", "judged": "seconds of judging"}
_FEW = 3
"""With up to this many runs, intervals are drawn as bands."""
_HEIGHT = 250

Curve = Callable[[Change], Interval]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """What is drawn upward: its title, its value after a change, and whether the axis is logarithmic."""

    title: str
    curve: Curve
    log: bool = False
    unit: str = ""


def measures(level: Level, quality: str, *, volume: bool) -> tuple[Measure, ...]:
    """The champion's speed-up and quality, and with `volume` the hypervolume of the front."""
    found = [
        Measure(title="speed-up", curve=lambda change: level.figures(change.champion)[1], log=True, unit="x"),
        Measure(title=quality, curve=lambda change: level.quality(change.champion)),
    ]
    if level.relative:
        title = f"points of {quality} over the reference"
        found[1] = Measure(title=title, curve=lambda change: _in_points(level.quality(change.champion)))
    if volume:
        found.append(Measure(title="hypervolume", curve=level.hypervolume))
    return tuple(found)


def _in_points(gain: Interval) -> Interval:
    return Interval(median=100 * gain.median, low=100 * gain.low, high=100 * gain.high)


def efforts(level: Level) -> tuple[Effort, ...]:
    """The kinds of effort that any of the runs made."""
    every: tuple[Effort, ...] = ("attempts", "minutes", "dollars", "judged")
    return tuple(effort for effort in every if any(run.course.total(effort) > 0 for run in level.members))


def chart(level: Level, kinds: Sequence[Effort], *, quality: str, title: str, volume: bool) -> Chart:
    """A row of panels for each kind of effort: the champion of each run, or its front, after so much of it."""
    drawn = measures(level, quality, volume=volume)
    rows = tuple(tuple(_panel(level, effort, measure) for measure in drawn) for effort in kinds or ("attempts",))
    runs = ", ".join(run.name for run in level.members)
    what = "the champion's speed-up and quality" + (", and the front's hypervolume" if volume else "")
    return Chart(
        title=title,
        description=f"{what[0].upper()}{what[1:]}, against {', '.join(TITLES[kind] for kind in kinds)}: {runs}.",
        rows=rows,
        height=_HEIGHT,
    )


def _panel(level: Level, effort: Effort, measure: Measure) -> Panel:
    lines: list[Mark] = []
    ends: list[float] = []
    for at, run in enumerate(level.members):
        steps = run.course.steps(effort)
        values = [(spent, measure.curve(change)) for spent, change in steps]
        if not values:
            continue
        values.append((max(run.course.total(effort), values[-1][0]), values[-1][1]))
        banded = len(level.members) <= _FEW
        ends += [end for _, value in values for end in ((value.low, value.high) if banded else (value.median,))]
        lines.append(
            Line(
                name=run.name,
                tone=LETTERS[at % len(LETTERS)],
                dash=at + at // len(LETTERS),
                points=tuple((spent, value.median) for spent, value in values),
                band=tuple((value.low, value.high) for _, value in values) if banded else (),
                stairs=True,
            )
        )
    most = max([run.course.total(effort) for run in level.members] or [1.0])
    x = Axis(title=TITLES[effort], low=0.0, high=most or 1.0, whole=effort == "attempts")
    return Panel(x=x, y=spanning(measure.title, ends, log=measure.log, unit=measure.unit), marks=tuple(lines))
