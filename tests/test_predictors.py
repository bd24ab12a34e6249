"""The parts of the benchmark of predictors that can be wrong without a look at its table."""

from __future__ import annotations

import numpy as np
import pytest

from tests.benchmarks import predictors


def test_every_trace_is_left_out_with_each_other_as_the_latest() -> None:
    made = list(predictors.orders(4))
    assert len({(past[-1], out) for past, out in made}) == len(made) == 12
    assert all(sorted([*past, out]) == [0, 1, 2, 3] for past, out in made)


def test_all_pairings_of_eight_groups() -> None:
    made = {frozenset(map(frozenset, pairs)) for pairs in predictors.pairings(tuple(range(8)))}
    assert len(made) == 105
    assert all(sorted(one for pair in pairs for one in pair) == list(range(8)) for pairs in made)


@pytest.mark.parametrize("terms", ["linear", "curved"])
def test_a_mixture_of_windows_is_told_exactly(terms: str) -> None:
    past_TLE = np.random.default_rng(0).lognormal(size=(3, 2, 64))
    past_TLE /= past_TLE.sum(axis=2, keepdims=True)
    out_LE = np.tensordot([0.5, 0.3, 0.2], past_TLE, axes=1)
    assert np.allclose(predictors.told(past_TLE, out_LE, terms), out_LE, atol=1e-9)


def test_groups_whose_pairs_are_known_are_level() -> None:
    load_G = np.array([1.0, 7, 2, 6, 3, 5, 4, 4])
    shares_TLE = np.tile(np.repeat(load_G, 2) / 64, (4, 3, 1))
    figures = predictors.of_groups(shares_TLE, (32, 8, 4, 8))
    assert figures == pytest.approx(dict.fromkeys(figures, 1.0))
