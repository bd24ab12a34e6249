"""Whether circles fit a rectangle without overlap: decided exactly, with no tolerance.

Owns: the walls and pairs that are violated and by how much, and radii lowered until none is (`shrink`).
Does not know: programs, answers, scores.

A float is a whole number times a power of two. All floats of a packing become whole numbers of one common power, and
the conditions r <= x <= W - r and dx^2 + dy^2 >= (r1 + r2)^2 are decided in whole numbers, so nothing is rounded. Only
the depth of a violation is, when it is shown.

Shapes: n circles; a packing is float64 `[n, 3]` with x, y and r of each, finite, in a rectangle from (0, 0) to (W, H).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_ROUNDS = 50
"""More than `shrink` needs: after the first round only roundings are left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A circle that reaches beyond a wall, or two that overlap. `depth`: by how much, as a length; above 0."""

    circles: tuple[int, ...]
    depth: float

    def __post_init__(self) -> None:
        if len(self.circles) not in (1, 2) or not self.depth > 0:
            raise ValueError(f"expected one or two circles and a positive depth, found {self.circles}, {self.depth}")

    def __str__(self) -> str:
        if len(self.circles) == 1:
            return f"circle {self.circles[0]} reaches beyond a wall by {self.depth:.3g}"
        return f"circles {self.circles[0]} and {self.circles[1]} overlap by {self.depth:.3g}"


def violations(circles_N3: Floats, width: float, height: float) -> Iterator[Violation]:
    """Every wall and every pair that is violated, walls first."""
    *whole, wide, high, shift = _whole_numbers([*circles_N3.ravel().tolist(), width, height])
    unit = 1 << shift
    xs, ys, rs = whole[0::3], whole[1::3], whole[2::3]
    for index, (x, y, r) in enumerate(zip(xs, ys, rs, strict=True)):
        beyond = max(r - x, x + r - wide, r - y, y + r - high)
        if beyond > 0:
            yield Violation(circles=(index,), depth=beyond / unit)
    for one, (x, y, r) in enumerate(zip(xs, ys, rs, strict=True)):
        for other in range(one + 1, len(xs)):
            reach = r + rs[other]
            squared = (x - xs[other]) ** 2 + (y - ys[other]) ** 2
            if reach > 0 and squared < reach * reach:
                yield Violation(circles=(one, other), depth=_depth(reach, squared, unit))


def worst(circles_N3: Floats, width: float, height: float) -> Violation | None:
    """The deepest violation; None for a packing that is valid exactly."""
    return max(violations(circles_N3, width, height), key=lambda violation: violation.depth, default=None)


def inside(circles_N3: Floats, width: float, height: float) -> bool:
    """Whether every circle is within the walls, overlaps aside."""
    *whole, wide, high, _ = _whole_numbers([*circles_N3.ravel().tolist(), width, height])
    return all(
        r <= x <= wide - r and r <= y <= high - r for x, y, r in zip(whole[0::3], whole[1::3], whole[2::3], strict=True)
    )


def shrink(circles_N3: Floats, width: float, height: float) -> Floats:
    """A packing that is valid exactly, of one that needs a tolerance: the same centres, radii lowered where they must.

    Each radius is lowered by the depth at its walls, or by half the depth of its deepest overlap, whichever is more;
    then by single floats until nothing is violated. So the sum of the radii falls by at most n times the deepest
    violation. It is one valid packing, not the best on these centres. Raises ValueError if a circle vanishes.
    """
    fitted_N3 = circles_N3.copy()
    for _ in range(_ROUNDS):
        cut_N = np.zeros(len(fitted_N3))
        for violation in violations(fitted_N3, width, height):
            for circle in violation.circles:
                cut_N[circle] = max(cut_N[circle], violation.depth / len(violation.circles))
        if not cut_N.any():
            return fitted_N3
        lowered_N = np.nextafter(fitted_N3[:, 2] - cut_N, -np.inf)
        fitted_N3[:, 2] = np.where(cut_N > 0, lowered_N, fitted_N3[:, 2])
        if fitted_N3[:, 2].min() <= 0:
            raise ValueError(f"circle {fitted_N3[:, 2].argmin()} vanishes: its centre is in another circle or outside")
    raise ValueError(f"expected a valid packing after {_ROUNDS} rounds")


def _whole_numbers(values: list[float]) -> list[int]:
    """The values as whole numbers of 2^-shift, and then shift, the least that leaves none with a fraction."""
    ratios = [value.as_integer_ratio() for value in values]
    shift = max(divisor.bit_length() - 1 for _, divisor in ratios)
    return [*(number << (shift - divisor.bit_length() + 1) for number, divisor in ratios), shift]


def _depth(reach: int, squared: int, unit: int) -> float:
    """reach - sqrt(squared), in units; with as many more bits as a difference of one in `squared` needs to show."""
    bits = reach.bit_length() + 2
    return ((reach << bits) - math.isqrt(squared << 2 * bits)) / (unit << bits)
