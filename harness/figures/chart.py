"""A chart as a value: panels with axes, and what is drawn in them in the data's own units. Pure.

Owns: what a chart consists of. Does not know: pixels, colours, files, runs.

Whatever tells two series apart does so twice, so that a chart can be read without colour: series of points differ in
shape, lines in their dashes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

Tone = Literal["ink", "muted", "a", "b", "c", "d", "e", "f"]
"""A colour by its use: `ink` for what matters, `muted` for context, letters for series."""
LETTERS: tuple[Tone, ...] = ("a", "b", "c", "d", "e", "f")
Shape = Literal["dot", "square", "diamond", "triangle"]
SHAPES: tuple[Shape, ...] = get_args(Shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """The range of an axis, `low` < `high`; with `log`, both above 0. `unit` follows every tick's number. `whole`: it
    counts something, so that ticks are whole numbers.

    Raises ValueError for an empty or infinite range.
    """

    title: str
    low: float
    high: float
    log: bool = False
    unit: str = ""
    whole: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"axis {self.title}: expected a finite range, found {self.low} to {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"axis {self.title}: expected a logarithmic range above 0, found {self.low}")

    def share(self, value: float) -> float:
        """Where a value lies along the axis: 0 at its low end, 1 at its high end; values beyond an end lie on it."""
        low, high, at = self.low, self.high, min(max(value, self.low), self.high)
        if self.log:
            low, high, at = math.log(low), math.log(high), math.log(at)
        return (at - low) / (high - low)

    def holds(self, value: float) -> bool:
        return self.low <= value <= self.high


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A point, its intervals, the label beside it, and the text that a pointer over it shows; "" is none."""

    x: float
    y: float
    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float] | None = None
    label: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Points:
    """A series of points of one look; `name` stands in the legend."""

    name: str
    tone: Tone
    shape: Shape
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line through points, in order of x; with `stairs`, each y holds until the next x. `band` has the low and the
    high end of each y. Lines with other `dash` numbers look different.
    """

    name: str
    tone: Tone
    points: tuple[tuple[float, float], ...]
    dash: int = 0
    stairs: bool = False
    band: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        if self.band and len(self.band) != len(self.points):
            raise ValueError(f"line {self.name}: expected a band for each of {len(self.points)} points")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A line across the panel at one y, with a label."""

    value: float
    label: str


Mark = Points | Line | Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Two axes and what is drawn between them, the first mark at the bottom. `note` is a line below the title."""

    x: Axis
    y: Axis
    marks: tuple[Mark, ...]
    title: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Rows of panels. `description` says in a sentence what is to be seen, for those who cannot see it.

    The legend names every series once, in the order of their first panel. Raises ValueError without a panel.
    """

    title: str
    description: str
    rows: tuple[tuple[Panel, ...], ...]
    height: int = 420
    """Pixels of a row."""

    def __post_init__(self) -> None:
        if not self.rows or not all(self.rows):
            raise ValueError("expected at least one panel in every row")


def spanning(title: str, values: list[float], *, log: bool = False, unit: str = "", pad: float = 0.06) -> Axis:
    """An axis that holds all values with some space at both ends; values that a logarithm lacks are left out."""
    held = [value for value in values if math.isfinite(value) and (value > 0 or not log)] or [1.0]
    low, high = min(held), max(held)
    if log:
        low, high = math.log(low), math.log(high)
        room = max((high - low) * pad, 0.03)
        return Axis(title=title, low=math.exp(low - room), high=math.exp(high + room), log=True, unit=unit)
    room = (high - low) * pad or max(abs(high) * 0.01, 1e-6)
    return Axis(title=title, low=low - room, high=high + room, unit=unit)
