"""The hypervolume against a count of cells, and its units."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluator import Interval
from harness.readings.hypervolume import ReferencePoint, area, hypervolume
from tests.harness.builders import around

POINTS = st.lists(st.tuples(st.integers(-3, 9), st.integers(-3, 9)), max_size=8)
CORNER = st.tuples(st.integers(-2, 4), st.integers(-2, 4))


def cells(points: list[tuple[int, int]], corner: tuple[int, int]) -> int:
    """The unit cells above the corner that some point dominates, counted one by one."""
    return sum(
        any(px >= x + 1 and py >= y + 1 for px, py in points)
        for x in range(corner[0], 10)
        for y in range(corner[1], 10)
    )


@given(points=POINTS, corner=CORNER)
def test_the_area_is_that_of_all_dominated_cells(points: list[tuple[int, int]], corner: tuple[int, int]) -> None:
    assert area(points, corner) == cells(points, corner)


@given(points=POINTS, more=POINTS, corner=CORNER)
def test_another_point_never_takes_area_away(
    points: list[tuple[int, int]], more: list[tuple[int, int]], corner: tuple[int, int]
) -> None:
    assert area([*points, *more], corner) >= area(points, corner) == area(points[::-1], corner)


def test_the_unit_is_a_point_of_quality_times_a_doubling_of_speed() -> None:
    above = ReferencePoint(quality=0.9, speedup=0.5)
    found = hypervolume([(around(0.92, 0.005), Interval(median=2.0, low=1.0, high=4.0))], above)
    assert found.median == pytest.approx(2 * 2)
    assert (found.low, found.high) == (pytest.approx(1.5 * 1), pytest.approx(2.5 * 3))
    below = hypervolume([(around(0.89, 0.0), Interval(median=2.0, low=0.0, high=4.0))], above)
    assert (below.low, below.median, below.high) == (0, 0, 0)


@pytest.mark.parametrize(("quality", "speedup"), [(float("nan"), 1.0), (0.9, 0.0), (0.9, float("inf"))])
def test_a_reference_point_is_finite_and_its_speed_positive(quality: float, speedup: float) -> None:
    with pytest.raises(ValueError, match="expected a finite quality"):
        ReferencePoint(quality=quality, speedup=speedup)
