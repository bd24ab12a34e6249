"""The hypervolume of a front: how much of quality and speed it covers above a reference point. Pure.

Owns: the exact area in two dimensions, and the units in which a front's is given. Does not know: which programs are on
a front, archives, how it is shown.

The hypervolume (Zitzler and Thiele, 1998) of points in the plane is the area of all places that are above the reference
point and that some point is at least as good as in both dimensions. Here one dimension is quality in points
(hundredths), the other the binary logarithm of the speed-up, so the unit is a point of quality times a doubling of
speed. A program that is not above the reference point in both adds nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from evaluator.types import Interval
from harness.types import Entry

Figures = tuple[Interval, Interval]
"""The quality and the speed-up of a program."""
Quality = Callable[[Entry], Interval]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferencePoint:
    """The corner from which area counts. Raises ValueError unless both are finite and the speed-up is above 0."""

    quality: float
    speedup: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.quality) and math.isfinite(self.speedup) and self.speedup > 0):
            raise ValueError(f"expected a finite quality and a speed-up above 0, found {self.quality}, {self.speedup}")


def area(points: Iterable[tuple[float, float]], corner: tuple[float, float]) -> float:
    """The area that points dominate above a corner, both coordinates to be maximised; exact, in O(n log n)."""
    right, top = corner
    total = 0.0
    reached = top
    for x, y in sorted(points, reverse=True):
        if x > right and y > reached:
            total += (x - right) * (y - reached)
            reached = y
    return total


def hypervolume(front: Iterable[Figures], above: ReferencePoint) -> Interval:
    """The hypervolume of programs, between that of all low ends and that of all high ends of their 95 % intervals.

    The ends are no 95 % interval of the hypervolume but its bounds while every program lies within its own.
    """
    figures = list(front)
    at = {
        end: area(((_points(quality, end), _doublings(speed, end)) for quality, speed in figures), _corner(above))
        for end in ("low", "median", "high")
    }
    return Interval(median=at["median"], low=at["low"], high=at["high"])


def _corner(above: ReferencePoint) -> tuple[float, float]:
    return 100 * above.quality, math.log2(above.speedup)


def _points(quality: Interval, end: str) -> float:
    return 100 * float(getattr(quality, end))


def _doublings(speed: Interval, end: str) -> float:
    value = float(getattr(speed, end))
    return math.log2(value) if value > 0 else -math.inf
