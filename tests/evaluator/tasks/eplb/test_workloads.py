"""Generated loads have the statistics of recorded loads."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from evaluator.tasks.eplb.workloads import LoadModel, generate_loads
from evaluator.types import WorkloadError


def model(**changes: Any) -> LoadModel:
    return LoadModel(**{"layers": 58, "experts": 256, "group_size": 32, **changes})


def loads(seed: int = 0, **changes: Any) -> np.ndarray:
    return generate_loads(model(**changes), np.random.default_rng(seed))


def gini(row: np.ndarray) -> float:
    rising, n = np.sort(row), len(row)
    return float(((2 * np.arange(1, n + 1) - n - 1) * rising).sum() / (n * rising.sum()))


def log_ratio_sd(before: np.ndarray, after: np.ndarray) -> float:
    return float(np.log(after / before).std(axis=-1).mean())


@pytest.mark.parametrize("seed", range(5))
def test_a_window_is_like_a_recorded_one(seed: int) -> None:
    """The ranges come from traces of DeepSeek-V3: per trace, the value of the median layer."""
    window = loads(seed, windows=1)[0]
    sigma = np.log(window).std(axis=1)
    peak = window.max(axis=1) / window.mean(axis=1)
    group_share = window.reshape(58, 8, 32).mean(axis=2).var(axis=1) / window.var(axis=1)
    top_eight = np.sort(window, axis=1)[:, -8:].sum(axis=1) / window.sum(axis=1)
    assert 0.59 <= np.median(sigma) <= 0.86
    assert 5.2 <= np.median(peak) <= 8.2
    assert 9 <= peak.max() <= 14.5
    assert 0.33 <= np.median([gini(row) for row in window]) <= 0.44
    assert 0.15 <= np.median(group_share) <= 0.31
    assert 0.12 <= np.median(top_eight) <= 0.17


@pytest.mark.parametrize("drift", [0.03, 0.05, 0.15])
def test_windows_drift_by_as_much_as_asked(drift: float) -> None:
    series = loads(drift=drift)
    for before, after in pairwise(series):
        assert log_ratio_sd(before, after) == pytest.approx(drift, rel=0.1)


def test_without_drift_nothing_changes() -> None:
    series = loads(drift=0, windows=3)
    assert log_ratio_sd(series[0], series[2]) < 1e-4


def test_drift_accumulates_and_preserves_the_distribution() -> None:
    series = loads(windows=60, drift=0.15)
    assert log_ratio_sd(series[0], series[30]) > 3 * log_ratio_sd(series[0], series[1])
    spread = [float(np.log(window).std(axis=1).mean()) for window in series]
    assert max(spread) < 1.15 * min(spread)


def test_a_regime_change_is_a_larger_change_at_its_window_only() -> None:
    series = loads(windows=6, regime_changes=(3,))
    steps = [log_ratio_sd(before, after) for before, after in pairwise(series)]
    assert 0.27 <= steps[2] <= 0.46
    assert max(steps[:2] + steps[3:]) < 0.06


def test_the_mean_of_two_windows_tells_more_than_the_last() -> None:
    """Solvers that use the history gain from this: part of the drift is transient."""
    series = np.log(loads(windows=40))
    before, last, following = series[:-2], series[1:-1], series[2:]
    assert ((before + last) / 2 - following).std() < (last - following).std()


def test_counts_are_whole_the_same_in_all_layers_and_exact_in_float32() -> None:
    series = loads()
    assert series.dtype == np.float64
    np.testing.assert_array_equal(series, np.rint(series))
    np.testing.assert_array_equal(series, series.astype(np.float32))
    np.testing.assert_array_equal(series.sum(axis=2), 256 * 2**18)
    assert series.min() >= 0


def test_loads_depend_on_the_generator_state() -> None:
    np.testing.assert_array_equal(loads(3), loads(3))
    assert not np.array_equal(loads(3), loads(4))


@pytest.mark.parametrize("experts", [1, 2, 33])
def test_any_number_of_experts_works(experts: int) -> None:
    series = loads(layers=1, experts=experts, windows=2)
    assert series.shape == (2, 1, experts)
    assert np.isfinite(series).all()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"windows": 0}, "at least one layer, expert and window"),
        ({"layers": 0}, "at least one layer"),
        ({"group_size": 0}, "group size of 1 or more"),
        ({"windows": 10**6}, "ask for fewer windows"),
        ({"drift": 0.6}, "drift between 0 and 0.55, found 0.6"),
        ({"drift": float("nan")}, "found nan"),
        ({"regime_changes": (0,)}, "found 0"),
        ({"regime_changes": (5,)}, "windows 1 to 4"),
    ],
)
def test_an_invalid_model_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(WorkloadError, match=says):
        model(**changes)
