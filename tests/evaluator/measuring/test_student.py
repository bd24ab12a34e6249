"""Student's t against tables, and the interval of a mean against one worked by hand."""

from __future__ import annotations

import pytest

from evaluator.measuring.student import joint_degrees, mean_interval, t_quantile


@pytest.mark.parametrize(
    ("degrees", "quantile"),
    [(1, 12.706), (2, 4.303), (4, 2.776), (9, 2.262), (10, 2.228), (30, 2.042), (200, 1.972)],
)
def test_students_t_matches_the_table(degrees: int, quantile: float) -> None:
    assert t_quantile(degrees, 0.025) == pytest.approx(quantile, rel=2e-3)


def test_degrees_of_a_sum_are_those_of_its_largest_parts() -> None:
    assert joint_degrees([2.0, 2.0, 2.0], [3, 3, 3]) == 9
    assert joint_degrees([2.0, 0.0, 0.0], [3, 3, 3]) == 3
    assert joint_degrees([1.0, 2.0], [1, 2]) == 3, "9 / (1 + 2)"
    assert joint_degrees([0.0, 0.0], [1, 2]) == 3


def test_the_interval_of_a_mean() -> None:
    """Of 1, 2, 3: s = 1, so the half-width is 4.303 / sqrt(3)."""
    found = mean_interval([1.0, 2.0, 3.0])
    assert (found.low, found.median, found.high) == pytest.approx((2 - 2.4843, 2.0, 2 + 2.4843), abs=1e-3)
    assert mean_interval([0.5, 0.5]).low == 0.5
    with pytest.raises(ValueError, match="found 1"):
        mean_interval([1.0])
