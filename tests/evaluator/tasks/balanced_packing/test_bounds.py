"""Bounds and exact optima of balanced packing, against trying all packings."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluator.tasks.balanced_packing import BalancedPacking
from evaluator.tasks.balanced_packing.bounds import largest_load_bound
from evaluator.tasks.balanced_packing.cases import PackingCase
from evaluator.tasks.balanced_packing.exact import least_largest_load
from evaluator.types import WorkloadError
from tests.evaluator.tasks.balanced_packing.packings import least_largest

SIZES = ((6, 2), (6, 3), (8, 2), (9, 3), (8, 4), (4, 4), (5, 1))
"""Items and packs."""


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_packing_is_below_the_bound(data: st.DataObject) -> None:
    items, packs = data.draw(st.sampled_from(SIZES))
    row = data.draw(st.lists(st.integers(0, 15), min_size=items, max_size=items))
    [bound] = largest_load_bound(np.array([row], dtype=np.float64), packs)
    assert bound <= least_largest(tuple(row), packs)
    if items // packs <= 2:
        assert bound == least_largest(tuple(row), packs), "with two items a pack the bound is the optimum"


@pytest.mark.parametrize(
    ("row", "packs", "bound"),
    [
        ((5, 5, 5, 5, 5, 5), 2, 15),
        ((9, 1, 1, 1, 1, 1), 2, 11),  # the heaviest and the two lightest
        ((4, 4, 4, 0, 0, 0), 2, 8),  # two of the three heaviest share a pack
        ((9, 9, 1, 1, 1, 1, 1, 1, 1), 3, 11),
        ((9, 9, 9, 9, 9, 9, 9, 9, 1), 3, 27),  # two packs hold no lightest item
        ((3, 3, 3, 3, 3, 3, 3, 3, 0), 3, 9),
        ((3, 3, 2, 2, 2, 1), 2, 7),  # the mean is 6.5, and whole weights have whole loads
        ((6, 6, 4, 4, 4, 2), 2, 14),  # and even ones even loads
        ((1.5, 1.5, 1, 1, 1, 0.5), 2, 3.25),
        ((0, 0, 0, 0), 1, 0),
    ],
)
def test_each_bound_where_it_is_the_largest(row: tuple[float, ...], packs: int, bound: float) -> None:
    assert largest_load_bound(np.array([row, row]), packs).tolist() == [bound, bound]


def test_rounding_raises_no_bound_beyond_the_optimum() -> None:
    """Whole weights up to 2**40 with a perfect packing: the bound is the mean exactly."""
    rng = np.random.default_rng(0)
    parts_XPk = rng.integers(1, 2**40, (40, 7, 3))
    parts_XPk[:, :, 2] = 3 * 2**40 - parts_XPk[:, :, :2].sum(axis=2)
    assert (largest_load_bound(parts_XPk.reshape(40, 21).astype(np.float64), 7) == 3 * 2**40).all()


def test_the_exact_solver_agrees_with_trying_all_packings() -> None:
    pytest.importorskip("ortools", reason="OR-Tools is not installed")
    rng = np.random.default_rng(1)
    for items, packs in SIZES:
        weight_Xn = rng.integers(0, 12, (4, items)).astype(np.float64)
        weight_Xn[0] *= rng.integers(0, 2, items)
        load_X, proved_X = least_largest_load(weight_Xn, packs, largest_load_bound(weight_Xn, packs))
        assert proved_X.all()
        assert load_X.tolist() == [least_largest(tuple(row), packs) for row in weight_Xn.tolist()]


def test_exact_ceilings_are_at_most_those_of_the_bounds_and_leave_large_cases_alone() -> None:
    pytest.importorskip("ortools", reason="OR-Tools is not installed")
    sizes = (
        PackingCase(name="small", rows=8, items=12, packs=3, weights="narrow"),
        PackingCase(name="large", rows=8, items=24, packs=6, weights="narrow"),
    )
    plain, exact = BalancedPacking(sizes=sizes), BalancedPacking(sizes=sizes, exact=12)
    assert exact.identity() == {**plain.identity(), "exact": 12}
    differ = []
    for case in plain.cases(2):
        slot = np.tile(np.arange(case.sizes["items"]), (8, 1))
        ours, theirs = plain.score(case, (slot,)), exact.score(case, (slot,))
        assert theirs == exact.score(case, (slot,)) and theirs.value == ours.value <= theirs.ceiling <= ours.ceiling
        differ.append(theirs.ceiling < ours.ceiling)
        assert (theirs.metrics["known_optimum_share"] == 1) == (case.name == "small")
    assert differ == [True, False]


@pytest.mark.parametrize("weight", [0.5, -1.0, 2.0**41])
def test_the_exact_solver_counts_in_whole_numbers(weight: float) -> None:
    with pytest.raises(WorkloadError, match="exact: expected whole weights"):
        least_largest_load(np.full((1, 4), weight), 2, np.zeros(1))
