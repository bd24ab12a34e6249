"""From a chart to a drawing: where panels, ticks, marks and labels stand. Pure.

Owns: the measures of the layout, in pixels. Does not know: SVG, PNG, what is charted.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.figures.chart import Axis, Chart, Line, Mark, Panel, Point, Points, Rule
from harness.figures.drawing import Dots, Drawing, Item, Label, Place, Stroke, Symbol, text_width
from harness.figures.legend import legend
from harness.figures.ticks import ticks

WIDTH = 760
_LEAST_LEFT, _RIGHT, _TOP, _BOTTOM, _GAP = 56, 14, 12, 44, 20
_TITLE, _NOTE = 20, 15
_SIZE, _SMALL = 12.0, 11.0
_MANY = 40
"""From this many points on, those without a label or an interval are drawn as small dots."""
_RADIUS = 4.6
_CROWD = 300
"""Among more points than this, labels may cover those without one."""

Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""


def draw(chart: Chart, width: int = WIDTH) -> Drawing:
    """The chart as a drawing of this width; its height follows from the rows and the legend."""
    heading, top = legend(chart, width)
    items: list[Item] = list(heading)
    for row in chart.rows:
        share = (width - _GAP * (len(row) - 1)) / len(row)
        for at, panel in enumerate(row):
            left = at * (share + _GAP)
            items += _panel(panel, (left, top, left + share, top + chart.height))
        top += chart.height
    return Drawing(width=width, height=round(top), title=chart.title, description=chart.description, items=tuple(items))


def _panel(panel: Panel, around: Box) -> Iterator[Item]:
    left, top, right, bottom = around
    inside = (
        left + _margin(panel.y),
        top + _TOP + (_TITLE if panel.title else 0) + (_NOTE if panel.note else 0),
        right - _RIGHT,
        bottom - _BOTTOM,
    )
    at = top + _TOP + 4
    if panel.title:
        yield Label(place=(inside[0], at), text=panel.title, size=13, bold=True)
        at += _TITLE - 2
    if panel.note:
        yield Label(place=(inside[0], at), text=panel.note, size=_SMALL, colour="muted")
    yield from _across(panel.x, inside)
    yield from _upward(panel.y, inside)
    middle = (inside[1] + inside[3]) / 2
    yield Label(place=((inside[0] + inside[2]) / 2, bottom - 6), text=panel.x.title, anchor="middle", size=_SIZE)
    yield Label(place=(left + 13, middle), text=panel.y.title, anchor="middle", size=_SIZE, turned=True)
    taken: list[Box] = []
    for mark in panel.marks:
        yield from _mark(mark, panel, inside)
        if isinstance(mark, Points):
            taken += _covered(mark, panel, inside)
    for mark in reversed(panel.marks):  # the labels of the top mark come first
        yield from _labels(mark, panel, inside, taken)


def _margin(axis: Axis) -> float:
    """The width of the title and the tick labels to the left of a panel."""
    return max(_LEAST_LEFT, 32 + max((text_width(text, _SMALL) for _, text in ticks(axis, 12)), default=0.0))


def _across(axis: Axis, inside: Box) -> Iterator[Item]:
    left, top, right, bottom = inside
    for value, text in ticks(axis, max(2, int((right - left) / 42))):
        x = left + axis.share(value) * (right - left)
        yield Stroke(places=((x, top), (x, bottom)), colour="grid")
        yield Label(place=(x, bottom + 16), text=text, anchor="middle", colour="muted", size=_SMALL)
    yield Stroke(places=((left, bottom), (right, bottom)), colour="muted")


def _upward(axis: Axis, inside: Box) -> Iterator[Item]:
    left, top, right, bottom = inside
    for value, text in ticks(axis, max(2, int((bottom - top) / 38))):
        y = bottom - axis.share(value) * (bottom - top)
        yield Stroke(places=((left, y), (right, y)), colour="grid")
        yield Label(place=(left - 6, y + 4), text=text, anchor="end", colour="muted", size=_SMALL)


def _place(panel: Panel, inside: Box, point: Point) -> Place:
    return _at(panel, inside, point.x, point.y)


def _at(panel: Panel, inside: Box, x: float, y: float) -> Place:
    return inside[0] + panel.x.share(x) * (inside[2] - inside[0]), _height(panel, inside, y)


def _mark(mark: Mark, panel: Panel, inside: Box) -> Iterator[Item]:
    match mark:
        case Rule():
            yield _rule(mark, panel, inside)
        case Line():
            yield from _line(mark, panel, inside)
        case Points():
            yield from _points(mark, panel, inside)


def _rule(rule: Rule, panel: Panel, inside: Box) -> Item:
    y = _height(panel, inside, rule.value)
    return Stroke(places=((inside[0], y), (inside[2], y)), colour="muted", dash=1)


def _height(panel: Panel, inside: Box, value: float) -> float:
    return inside[3] - panel.y.share(value) * (inside[3] - inside[1])


def _line(line: Line, panel: Panel, inside: Box) -> Iterator[Item]:
    if line.band:
        low = [(x, low) for (x, _), (low, _) in zip(line.points, line.band, strict=True)]
        high = [(x, high) for (x, _), (_, high) in zip(line.points, line.band, strict=True)]
        edge = [*_vertices(tuple(high), line.stairs), *reversed(_vertices(tuple(low), line.stairs))]
        places = tuple(_at(panel, inside, x, y) for x, y in edge)
        yield Stroke(places=places, colour=None, fill=line.tone, opacity=0.18)
    places = tuple(_at(panel, inside, x, y) for x, y in _vertices(line.points, line.stairs))
    yield Stroke(places=places, colour=line.tone, width=2, dash=line.dash)


def _vertices(points: tuple[Place, ...], stairs: bool) -> list[Place]:
    if not stairs:
        return list(points)
    found = list(points[:1])
    for x, y in points[1:]:
        found += [(x, found[-1][1]), (x, y)]
    return found


def _points(series: Points, panel: Panel, inside: Box) -> Iterator[Item]:
    plain = [point for point in series.points if not (point.label or point.x_range or point.y_range)]
    many = len(plain) >= _MANY
    if many:
        places = tuple(_place(panel, inside, point) for point in plain)
        radius = 2.2 if len(plain) < 1000 else 1.5
        yield Dots(places=places, colour=series.tone, radius=radius, opacity=0.55)
    for point in series.points:
        if many and not (point.label or point.x_range or point.y_range):
            continue
        place = _place(panel, inside, point)
        yield from _ranges(series, point, panel, inside, place)
        radius = _RADIUS if point.label else 3.4
        yield Symbol(place=place, shape=series.shape, colour=series.tone, radius=radius, hint=point.hint)


def _ranges(series: Points, point: Point, panel: Panel, inside: Box, place: Place) -> Iterator[Item]:
    for ends, across in ((point.x_range, True), (point.y_range, False)):
        if ends is None:
            continue
        first, last = (_at(panel, inside, *((end, point.y) if across else (point.x, end))) for end in ends)
        if abs(first[0] - last[0]) + abs(first[1] - last[1]) > 2:
            yield Stroke(places=(first, last), colour=series.tone, width=1.4)


def _covered(series: Points, panel: Panel, inside: Box) -> Iterator[Box]:
    """Where labels of points would hide something: the points, unless there are very many, and their intervals."""
    for point in series.points:
        place = _place(panel, inside, point)
        if point.label or len(series.points) <= _CROWD:
            yield _around(place, 5)
        for ends, across in ((point.x_range, True), (point.y_range, False)):
            if ends is not None and point.label:
                first, last = (_at(panel, inside, *((end, point.y) if across else (point.x, end))) for end in ends)
                yield min(first[0], last[0]), min(first[1], last[1]) - 1, max(first[0], last[0]), max(first[1], last[1])


def _labels(mark: Mark, panel: Panel, inside: Box, taken: list[Box]) -> Iterator[Item]:
    """The labels of a mark where there is room; `taken` is what is drawn over already, and grows."""
    if isinstance(mark, Rule) and mark.label:
        place = (inside[0] + 6, _height(panel, inside, mark.value) - 5)
        yield Label(place=place, text=mark.label, colour="muted", size=_SMALL)
        taken.append(_text_box(place, mark.label, "start"))
    elif isinstance(mark, Points):
        for point in mark.points:
            if point.label:
                yield from _beside(_place(panel, inside, point), point.label, inside, taken)


def _beside(place: Place, text: str, inside: Box, taken: list[Box]) -> Iterator[Item]:
    """A label to the right or left of a place, else above or below it, where it covers nothing; else no label."""
    x, y = place
    tries: list[tuple[Place, str]] = []
    for lift in (4.0, -7.0, 16.0, -18.0, 27.0):
        tries += [((x + 8, y + lift), "start"), ((x - 8, y + lift), "end")]
    for where, anchor in tries:
        box = _text_box(where, text, anchor)
        fits = box[0] >= inside[0] and box[2] <= inside[2] + 8 and box[1] >= inside[1] - 4 and box[3] <= inside[3] - 2
        if fits and not any(_cover(box, other) for other in taken):
            taken.append(box)
            yield _plate(box)
            yield Label(place=where, text=text, anchor="start" if anchor == "start" else "end", size=_SIZE)
            return


def _plate(box: Box) -> Stroke:
    """The ground behind a label, so that it can be read over many dots."""
    left, top, right, bottom = box
    places = ((left, top), (right, top), (right, bottom), (left, bottom))
    return Stroke(places=places, colour=None, fill="ground", opacity=0.75)


def _text_box(place: Place, text: str, anchor: str) -> Box:
    x, y = place
    width = text_width(text, _SIZE)
    left = x if anchor == "start" else x - width
    return left, y - 10, left + width, y + 3


def _around(place: Place, radius: float) -> Box:
    return place[0] - radius, place[1] - radius, place[0] + radius, place[1] + radius


def _cover(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
