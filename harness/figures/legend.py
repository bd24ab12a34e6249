"""The title and the legend above a chart. Pure.

Owns: which series it names, and where they stand. Does not know: panels' places, files.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.figures.chart import Chart, Line, Points
from harness.figures.drawing import Item, Label, Stroke, Symbol, text_width

_ROW, _SAMPLE, _GAP = 20, 26, 18
_SIZE = 12.0


def legend(chart: Chart, width: int) -> tuple[list[Item], float]:
    """The title and the legend, and the height that they take. A chart of one series needs no legend."""
    items: list[Item] = [Label(place=(2, 16), text=chart.title, size=15, bold=True)] if chart.title else []
    top = 26.0 if chart.title else 4.0
    series = list(_series(chart))
    if len(series) < 2:
        return items, top
    x, y = 4.0, top + 14
    for mark in series:
        wide = _SAMPLE + text_width(mark.name, _SIZE) + _GAP
        if x + wide > width and x > 4:
            x, y = 4.0, y + _ROW
        items += [*_sample(mark, x, y - 4), Label(place=(x + _SAMPLE, y), text=mark.name, size=_SIZE)]
        x += wide
    return items, y + 8


def _series(chart: Chart) -> Iterator[Points | Line]:
    """Every series that has a name, once."""
    named: set[str] = set()
    for row in chart.rows:
        for panel in row:
            for mark in panel.marks:
                if isinstance(mark, Points | Line) and mark.name and mark.name not in named:
                    named.add(mark.name)
                    yield mark


def _sample(mark: Points | Line, x: float, y: float) -> Iterator[Item]:
    if isinstance(mark, Line):
        yield Stroke(places=((x, y), (x + _SAMPLE - 6, y)), colour=mark.tone, width=2, dash=mark.dash)
    else:
        yield Symbol(place=(x + 10, y), shape=mark.shape, colour=mark.tone, radius=4.2)
