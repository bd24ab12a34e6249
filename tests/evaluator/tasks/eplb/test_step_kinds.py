"""Decode and prefill steps are told apart where there are two kinds, and only there."""

from __future__ import annotations

import numpy as np
import pytest

from evaluator.tasks.eplb.step_kinds import prefill_threshold

RNG = np.random.default_rng(0)


def test_two_heaps_are_cut_between_them() -> None:
    decode, prefill = RNG.integers(60, 128, 300), RNG.integers(2000, 8192, 12)
    totals = RNG.permutation(np.concatenate([decode, prefill, np.zeros(40)])).astype(float)
    assert prefill_threshold(totals) == prefill.min()


@pytest.mark.parametrize(
    "totals",
    [
        np.full(100, 7.0),
        RNG.uniform(0.01, 1, 1000),
        RNG.lognormal(0, 1, 1000),
        RNG.exponential(1, 1000),
        np.arange(1.0, 1001.0),
        np.repeat([100.0, 300.0], 50),
        np.array([1.0] * 15 + [1000.0]),
        np.zeros(100),
    ],
    ids=["equal", "uniform", "log-normal", "exponential", "ramp", "too near", "too few", "idle"],
)
def test_one_heap_is_not_cut(totals: np.ndarray) -> None:
    assert prefill_threshold(totals) is None
