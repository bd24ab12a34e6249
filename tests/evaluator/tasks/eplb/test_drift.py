"""Drift, its noise and regimes, on loads worked out by hand and on draws whose scatter is known."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from evaluator.loads import Drift
from evaluator.tasks.eplb.drift import (
    ageing,
    begins_regime,
    drift_between,
    drift_by_layer,
    noise_by_layer,
    regimes,
    thue_morse,
)

LN2 = math.log(2)


def test_drift_by_hand() -> None:
    before = np.array([[1.0, 1.0, 2.0, 0.0], [1.0, 2.0, 3.0, 4.0], [5.0, 0.0, 0.0, 0.0]])
    after = np.array([[2.0, 2.0, 8.0, 7.0], [10.0, 20.0, 30.0, 40.0], [5.0, 5.0, 0.0, 0.0]])
    # ln 2, ln 2 and ln 4; the expert without load before is left out. Ten times the tokens is no drift.
    np.testing.assert_allclose(drift_by_layer(before, after), [math.sqrt(2) / 3 * LN2, 0, np.nan], atol=1e-12)


def test_the_worst_layer_has_its_number_and_noise_adds_in_squares() -> None:
    before, after = np.ones((2, 2)), np.array([[1.0, 1.0], [1.0, 4.0]])
    found = drift_between(before, after, [3, 7], (np.array([0.01, 0.01]), np.array([0.03, 0.03])))
    assert found is not None
    assert (found.worst_layer, found.worst) == (7, pytest.approx(LN2))
    assert (found.median, found.noise) == (pytest.approx(LN2 / 2), pytest.approx(0.2))
    assert found.beyond_noise == pytest.approx(math.sqrt((LN2 / 2) ** 2 - 0.04))
    assert drift_between(np.eye(2), np.eye(2)[::-1], [0, 1]) is None


def test_the_halves_of_thue_and_morse_share_trends() -> None:
    assert "".join("AB"[int(term)] for term in thue_morse(8)) == "ABBABAAB"
    assert thue_morse(1).tolist() == [False]
    steps = np.arange(64)
    halves = thue_morse(64)
    assert steps[halves].sum() == steps[~halves].sum()
    assert (steps[halves] ** 2).sum() == (steps[~halves] ** 2).sum()


def test_noise_of_two_steps_by_hand() -> None:
    # The halves are the steps; their log ratio is ln 1 and ln 4, its deviation ln 2; both halves have load 5 of 10.
    steps = np.array([[[4.0, 1.0]], [[4.0, 4.0]]])
    a, b = 5 / 13, 8 / 13
    np.testing.assert_allclose(noise_by_layer(steps), [LN2**2 * a * b])
    np.testing.assert_allclose(noise_by_layer(np.array([[[4.0, 2.0, 0.0]]])), [(1 / 4 + 1 / 2) / 2])
    assert noise_by_layer(np.array([[[0.4, 0.2]]])) is None, "fractions are no counts"
    idle = noise_by_layer(np.zeros((2, 1, 3)))
    assert idle is not None and np.isnan(idle).all()


@pytest.mark.parametrize("uneven", [False, True], ids=["even steps", "few large steps"])
def test_noise_of_counts_is_that_of_poisson(uneven: bool) -> None:
    rng = np.random.default_rng(1)
    mean = np.where(np.arange(64) % 9 == 0, 900.0, 3.0) if uneven else np.full(64, 100.0)
    steps = rng.poisson(mean[:, None, None], (64, 4, 256)).astype(float)
    found = noise_by_layer(steps)
    assert found is not None
    assert float(np.median(found)) == pytest.approx(1 / mean.sum(), rel=0.2)


def drift(median: float, noise: float | None = None) -> Drift:
    return Drift(median=median, worst=median, worst_layer=0, noise=noise)


def test_a_regime_begins_where_loads_differ_by_far_and_beyond_noise() -> None:
    assert [begins_regime(drift(size)) for size in (0.19, 0.2, 0.5)] == [False, True, True]
    assert not begins_regime(drift(0.5, 0.45)), "what is beyond the noise is less than the noise"
    assert begins_regime(drift(0.5, 0.3))
    assert not begins_regime(None)


def test_a_regime_that_comes_back_gets_its_letter_again() -> None:
    day, night = np.array([[1.0, 2.0, 4.0]]), np.array([[4.0, 2.0, 1.0]])
    windows = [day, day, night, night, day, night * 3]
    drifts = [drift_between(a, b, [0]) for a, b in itertools.pairwise(windows)]
    assert regimes(windows, [None, *drifts]) == list("AABBAB")


def test_ageing_is_drift_by_distance() -> None:
    # Each window multiplies one of two experts by e, so that k windows apart the drift is k / 2.
    windows = [np.array([[1.0, math.exp(step)]]) for step in range(6)]
    assert [(distance, round(size, 9)) for distance, size in ageing(windows)] == [(1, 0.5), (2, 1.0), (4, 2.0)]
    assert ageing(windows[:1]) == ()
