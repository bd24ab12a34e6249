"""Figures of skew on loads worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluator.tasks.eplb.skew import gini, layer_skews, ln_sigma, peak, top_share

LOADS = np.array([[1.0, 4.0, 2.0, 1.0], [3.0, 3.0, 3.0, 3.0], [0.0, 0.0, 8.0, 0.0]])


def test_each_figure_by_hand() -> None:
    np.testing.assert_allclose(peak(LOADS), [2, 1, 4])
    # Sorted 1, 1, 2, 4 with the weights -3, -1, 1, 3: 10 / (4 * 8).
    np.testing.assert_allclose(gini(LOADS), [10 / 32, 0, 3 / 4])
    np.testing.assert_allclose(top_share(LOADS, 2), [6 / 8, 1 / 2, 1])
    # In units of ln 2: 0, 2, 1, 0, whose mean is 3/4 and whose variance is 11/16.
    np.testing.assert_allclose(ln_sigma(LOADS), [math.sqrt(11 / 16) * math.log(2), 0, 0])


def test_layers_keep_their_numbers() -> None:
    first, _, last = layer_skews(LOADS, [3, 4, 9])
    assert (first.layer, first.hottest, first.unused) == (3, 1, 0)
    assert (last.layer, last.hottest, last.unused) == (9, 2, 3)
    assert first.top_share == 1, "there are fewer than eight experts"


@given(st.lists(st.integers(0, 1000), min_size=2, max_size=9).filter(any))
def test_gini_is_half_the_relative_mean_difference(loads: list[int]) -> None:
    differences = sum(abs(a - b) for a in loads for b in loads)
    expected = differences / (2 * len(loads) * sum(loads))
    assert gini(np.array([loads], dtype=float))[0] == pytest.approx(expected)
