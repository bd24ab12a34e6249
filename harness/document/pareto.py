"""The chart of all scored programs of a run: quality against speed.

Owns: what it shows, and its range. Does not know: how a chart is drawn, formats.

The range holds the front, the seed program and the reference, and of the others all but the farthest: a few programs
of very low quality would leave no room for the front. How many lie outside is said in the chart.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from evaluator import Interval
from harness.document.report import Report
from harness.figures.chart import Axis, Chart, Line, Mark, Panel, Point, Points, Rule, spanning
from harness.report.tables import ratio, with_half_width
from harness.text import one_line
from harness.types import Entry

_LABEL, _HINT = 24, 80
_MOST_ROOM = 3.0
"""The others may stretch an axis to this many times what the marked programs need."""


def chart(report: Report) -> Chart:
    """All scored programs, the front with intervals, the champion, the seed program and the reference."""
    front, special = list(report.course.standing.front), {report.champion.id, report.seed.id}
    on_front = {entry.id for entry in front} | special
    others = [entry for entry in report.entries if entry.scored and not entry.same_as and entry.id not in on_front]
    reference = _reference(report)
    marked = {entry.id: entry for entry in [*front, report.champion, report.seed]}
    needed = [*map(_figures, marked.values()), *((_certain(x), _certain(y)) for x, y in reference)]
    everything = [_figures(entry) for entry in others]
    x = _axis("speed-up over the reference", [x for x, _ in needed], [x for x, _ in everything], log=True)
    y = _axis(report.facts.quality, [y for _, y in needed], [y for _, y in everything], log=False)
    inside = [entry for entry in others if x.holds(_figures(entry)[0].median) and y.holds(_figures(entry)[1].median)]
    outside = len(others) - len(inside)
    marks: list[Mark] = [
        Points(name="other scored programs", tone="muted", shape="dot", points=tuple(map(_plain, inside))),
        *_way(report),
        Points(
            name="Pareto front",
            tone="a",
            shape="diamond",
            points=tuple(_labelled(entry, str(entry.number)) for entry in front if entry.id not in special),
        ),
        Points(name="seed program", tone="c", shape="square", points=(_labelled(report.seed, "seed"),)),
        Points(
            name=f"reference ({one_line(report.facts.reference, _LABEL)})",
            tone="d",
            shape="triangle",
            points=tuple(Point(x=x, y=y, label="reference", hint="the reference") for x, y in reference),
        ),
    ]
    if report.champion.id != report.seed.id:
        best = _labelled(report.champion, f"{report.champion.number}, champion")
        marks.append(Points(name="champion", tone="b", shape="dot", points=(best,)))
    ceiling = _ceiling(report)
    if y.holds(ceiling):
        marks.insert(0, Rule(value=ceiling, label="ceiling"))
    kept = tuple(mark for mark in marks if not isinstance(mark, Points) or mark.points)
    more = "1 further program lies" if outside == 1 else f"{outside:,} further programs lie"
    note = f"{more} outside of this range" if outside else ""
    return Chart(
        title="Quality against speed",
        description=_description(report, front),
        rows=((Panel(x=x, y=y, marks=kept, note=note),),),
    )


def _way(report: Report) -> Iterator[Line]:
    """The way from the seed program to the champion, by the patches that were applied."""
    places = [_figures(step.entry) for step in report.line.steps if step.entry.scored is not None]
    if len(places) > 1:
        points = tuple((speed.median, quality.median) for speed, quality in places)
        yield Line(name="way to the champion", tone="muted", points=points, dash=2)


def _description(report: Report, front: Sequence[Entry]) -> str:
    scored = sum(entry.scored is not None for entry in report.entries)
    return (
        f"{report.facts.quality} against speed-up over the reference for {scored:,} scored programs; higher and "
        f"further right is better. The front has {len(front)}; the champion is attempt {report.champion.number}."
    )


def _figures(entry: Entry) -> tuple[Interval, Interval]:
    """The speed-up and the quality of a scored entry."""
    assert entry.scored is not None, "only scored entries are drawn"
    return entry.scored.score.speedup, entry.scored.score.quality_interval


def _certain(value: float) -> Interval:
    return Interval(median=value, low=value, high=value)


def _reference(report: Report) -> list[tuple[float, float]]:
    """Where the reference lies; nowhere in records of earlier versions, which do not have its quality."""
    level = report.against[-1].overall.before
    return [] if level is None else [(1.0, level.median)]


def _ceiling(report: Report) -> float:
    assert report.champion.scored is not None, "a champion has a score"
    return report.champion.scored.score.quality.ceiling


def _axis(title: str, needed: Sequence[Interval], others: Iterable[Interval], *, log: bool) -> Axis:
    """An axis that holds all intervals that are needed, and others as far as there is room."""
    unit = "x" if log else ""
    ends = [end for each in needed for end in (each.low, each.high)]
    least = spanning(title, ends, log=log, unit=unit)
    if log:
        room = (least.high / least.low) ** ((_MOST_ROOM - 1) / 2)
        low, high = least.low / room, least.high * room
    else:
        wide = (least.high - least.low) * (_MOST_ROOM - 1) / 2
        low, high = least.low - wide, least.high + wide
    return spanning(title, [*ends, *(each.median for each in others if low <= each.median <= high)], log=log, unit=unit)


def _plain(entry: Entry) -> Point:
    speed, quality = _figures(entry)
    return Point(x=speed.median, y=quality.median, hint=_hint(entry))


def _labelled(entry: Entry, label: str) -> Point:
    speed, quality = _figures(entry)
    return Point(
        x=speed.median,
        y=quality.median,
        x_range=(speed.low, speed.high),
        y_range=(quality.low, quality.high),
        label=label,
        hint=_hint(entry),
    )


def _hint(entry: Entry) -> str:
    speed, quality = _figures(entry)
    return f"{entry.number} {one_line(entry.name, _HINT)}: {with_half_width(quality)}, {ratio(speed.median)}"
