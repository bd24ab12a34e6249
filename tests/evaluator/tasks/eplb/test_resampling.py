"""Fresh windows of a recorded trace: what a draw keeps of it, and what knowing the trace does not tell."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluator.tasks.eplb import Eplb
from evaluator.tasks.eplb.cases import EplbCase
from evaluator.tasks.eplb.relabelling import JITTER
from evaluator.tasks.eplb.resampling import MOST_WINDOWS, redraw
from evaluator.tasks.eplb.workloads import LoadModel, generate_loads

seeds = st.integers(0, 2**32 - 1)


def recorded(windows: int = 6, layers: int = 4, experts: int = 64, drift: float = 0.05, seed: int = 0) -> np.ndarray:
    """A trace `[T, L, E]` of whole counts."""
    model = LoadModel(layers=layers, experts=experts, group_size=8, windows=windows, drift=drift)
    return generate_loads(model, np.random.default_rng(seed))


def shares(loads_TLE: np.ndarray) -> np.ndarray:
    """ln of each expert's share of its layer."""
    return np.log(loads_TLE / loads_TLE.sum(axis=2, keepdims=True))


traces = st.one_of(
    st.builds(
        lambda shape, seed, zero: np.random.default_rng(seed).lognormal(5, 1, shape) * (seed % 97 >= zero),
        st.tuples(st.integers(1, 20), st.integers(1, 3), st.sampled_from([4, 8, 12])),
        seeds,
        st.integers(0, 5),
    ),
    st.builds(
        lambda shape, seed: np.random.default_rng(seed).integers(0, 4, shape).astype(float),
        st.tuples(st.integers(1, 20), st.integers(1, 3), st.sampled_from([4, 8, 12])),
        seeds,
    ),
)
"""Loads without any structure, whole or not, with windows, layers and experts that have none."""


@given(traces, seeds)
@settings(max_examples=150, deadline=None)
def test_any_trace_gives_windows_like_its_own(loads_TLE: np.ndarray, seed: int) -> None:
    given_TLE = loads_TLE.copy()
    drawn_TLE = redraw(loads_TLE, 4, np.random.default_rng(seed))
    np.testing.assert_array_equal(loads_TLE, given_TLE)
    windows = min(len(loads_TLE), MOST_WINDOWS)
    assert drawn_TLE.shape == (windows, *loads_TLE.shape[1:])
    assert np.isfinite(drawn_TLE).all() and (drawn_TLE >= 0).all()
    again_TLE = redraw(loads_TLE, 4, np.random.default_rng(seed))
    np.testing.assert_array_equal(drawn_TLE, again_TLE)
    whole = (loads_TLE == np.rint(loads_TLE)).all()
    if whole:
        np.testing.assert_array_equal(drawn_TLE, np.rint(drawn_TLE))
    # The totals of a window are those of the trace, in another order of layers; rounding moves half a token an expert.
    totals = np.sort(drawn_TLE.sum(axis=2), axis=1)
    slack = loads_TLE.shape[2] / 2 if whole else 1e-6
    starts = range(len(loads_TLE) - windows + 1)
    stretches = [np.sort(loads_TLE[begin : begin + windows].sum(axis=2), axis=1) for begin in starts]
    assert any(np.allclose(totals, stretch, rtol=1e-9, atol=slack) for stretch in stretches)


def test_windows_and_layers_without_load_stay_without() -> None:
    loads_TLE = recorded()
    loads_TLE[2] = 0
    loads_TLE[4, 1] = 0
    for seed in range(20):
        drawn_TLE = redraw(loads_TLE, 1, np.random.default_rng(seed))
        idle_TL = drawn_TLE.sum(axis=2) == 0
        assert idle_TL[2].all() and idle_TL[4].sum() == 1 and idle_TL.sum() == loads_TLE.shape[1] + 1
    np.testing.assert_array_equal(redraw(np.zeros((3, 2, 8)), 2, np.random.default_rng(0)), np.zeros((3, 2, 8)))


def test_a_layer_keeps_its_total_under_its_new_number() -> None:
    even, uneven = np.full(64, 1000.0), np.r_[np.full(63, 10.0), 1e6]
    firsts = set()
    for seed in range(10):
        drawn_LE = redraw(np.array([[even, uneven]]), 1, np.random.default_rng(seed))[0]
        busy = int(drawn_LE.sum(axis=1).argmax())
        assert drawn_LE[busy].sum() == pytest.approx(uneven.sum(), abs=32)
        assert drawn_LE[1 - busy].sum() == pytest.approx(even.sum(), abs=32)
        assert drawn_LE[busy].max() > 0.99 * uneven.sum() and drawn_LE[1 - busy].max() < 2000
        firsts.add(busy)
    assert firsts == {0, 1}


def test_a_single_window_keeps_its_levels() -> None:
    loads_TLE = recorded(windows=1)
    drawn_TLE = redraw(loads_TLE, 1, np.random.default_rng(0))
    assert not np.array_equal(drawn_TLE, loads_TLE)
    levels, drawn = (np.sort(shares(one).reshape(-1)) for one in (loads_TLE, drawn_TLE))
    assert np.abs(levels - drawn).max() < 0.3 and np.abs(levels - drawn).mean() < JITTER


def test_two_windows_differ_as_those_of_the_trace() -> None:
    loads_TLE = recorded(windows=2)
    drawn_TLE = redraw(loads_TLE, 1, np.random.default_rng(0))
    drift, drawn = (np.diff(shares(one), axis=0).std() for one in (loads_TLE, drawn_TLE))
    assert drift / 1.25 < drawn < drift * 1.25


def test_long_traces_give_stretches_from_anywhere() -> None:
    loads_TLE = recorded(windows=MOST_WINDOWS + 20, layers=1, experts=8)
    loads_TLE *= np.arange(1, len(loads_TLE) + 1)[:, None, None]  # a window's total says which it is
    totals = {total: at for at, total in enumerate(loads_TLE.sum(axis=(1, 2)))}
    begins = set()
    for seed in range(150):
        drawn_TLE = redraw(loads_TLE, 1, np.random.default_rng(seed))
        assert len(drawn_TLE) == MOST_WINDOWS
        near = [min(totals, key=lambda total: abs(total - found)) for found in drawn_TLE.sum(axis=(1, 2))]
        at = [totals[total] for total in near]
        assert at == list(range(at[0], at[0] + MOST_WINDOWS))
        begins.add(at[0])
    assert {0, 20} <= begins and len(begins) >= 18


def test_blocks_stay_together() -> None:
    """The experts of a group are neighbours in the placement rule, so a heavy group stays a heavy group."""
    loads_TLE = recorded(drift=0.01)
    group_E = np.arange(64) // 16
    loads_TLE *= np.array([1.0, 30.0, 900.0, 27000.0])[group_E]
    orders = set()
    for seed in range(30):
        drawn_TLE = redraw(loads_TLE, 4, np.random.default_rng(seed))
        sums_TLB = drawn_TLE.reshape(*drawn_TLE.shape[:2], 4, 16).sum(axis=3)
        parts = np.sort(sums_TLB, axis=2) / sums_TLB.sum(axis=2, keepdims=True)
        assert (parts[..., 3] > 0.9).all() and (parts[..., 0] < 1e-3).all()
        orders.update(tuple(row) for row in np.argsort(sums_TLB[0], axis=1).tolist())
    assert len(orders) > 12
    spread = redraw(loads_TLE, 1, np.random.default_rng(0)).reshape(6, 4, 4, 16).sum(axis=3)
    assert (spread.max(axis=2) / spread.sum(axis=2)).min() < 0.9


@pytest.mark.parametrize("drift", [0.01, 0.05, 0.2])
def test_levels_and_drift_are_those_of_the_trace(drift: float) -> None:
    loads_TLE = recorded(windows=8, layers=8, experts=64, drift=drift)
    step, level = np.diff(shares(loads_TLE), axis=0).std(), np.sort(shares(loads_TLE).mean(axis=0).reshape(-1))
    size = (shares(loads_TLE) - shares(loads_TLE).mean(axis=0)).std()
    steps, sizes = [], []
    for seed in range(5):
        drawn_TLE = redraw(loads_TLE, 1, np.random.default_rng(seed))
        steps.append(np.diff(shares(drawn_TLE), axis=0).std())
        drawn_level = np.sort(shares(drawn_TLE).mean(axis=0).reshape(-1))
        sizes.append((shares(drawn_TLE) - shares(drawn_TLE).mean(axis=0)).std())
        assert np.abs(drawn_level - level).mean() < JITTER + size / 2
    assert step / 1.2 < np.mean(steps) < step * 1.2
    assert size / 1.2 < np.mean(sizes) < size * 1.2


def test_the_size_of_the_drift_depends_on_the_level_as_in_the_trace() -> None:
    """Rare experts have fewer tokens and scatter more."""
    rng = np.random.default_rng(0)
    level_LE = rng.normal(0, 1, (4, 64))
    calm_LE = level_LE > 0
    log_TLE = level_LE + np.where(calm_LE, 0.02, 0.2) * rng.standard_normal((8, 4, 64))
    drawn_TLE = shares(redraw(np.exp(log_TLE), 1, rng))
    high_LE = drawn_TLE.mean(axis=0) > np.median(drawn_TLE.mean(axis=0), axis=1, keepdims=True)
    step_LE = np.diff(drawn_TLE, axis=0).std(axis=0)
    assert np.median(step_LE[~high_LE]) > 3 * np.median(step_LE[high_LE])


def test_what_one_window_tells_of_the_next_is_kept() -> None:
    """Walks stay walks and noise stays noise: the correlation of successive changes is that of the trace."""
    rng = np.random.default_rng(0)
    level_LE, noise_TLE = rng.normal(0, 1, (8, 64)), 0.05 * rng.standard_normal((9, 8, 64))
    for deviation_TLE, expected in ((noise_TLE, -0.5), (noise_TLE.cumsum(axis=0), 0.0)):
        drawn_TLE = shares(redraw(np.exp(level_LE + deviation_TLE), 1, rng))
        change_TLE = np.diff(drawn_TLE, axis=0)
        found = np.corrcoef(change_TLE[1:].reshape(-1), change_TLE[:-1].reshape(-1))[0, 1]
        assert found == pytest.approx(expected, abs=0.12)


def test_knowing_the_trace_does_not_tell_the_next_window() -> None:
    """An expert that is recognised by the changes of its load so far would give its next window away: the best match
    among all experts of the trace predicts no better than that nothing changes.
    """
    loads_TLE = recorded(windows=4, layers=4, experts=64)
    known = np.diff(shares(loads_TLE), axis=0).reshape(3, -1)
    recognised, errors, still = 0, [], []
    for seed in range(10):
        drawn = np.diff(shares(redraw(loads_TLE, 1, np.random.default_rng(seed))), axis=0).reshape(3, -1)
        gap = np.abs(known[:2, :, None] - drawn[:2, None, :]).sum(axis=0)
        match = gap.argmin(axis=0)
        recognised += (gap.min(axis=0) < 1e-6).sum()
        errors.append(np.abs(known[2, match] - drawn[2]).mean())
        still.append(np.abs(drawn[2]).mean())
    assert recognised == 0
    assert np.mean(errors) > 0.95 * np.mean(still)


def test_neither_sorted_loads_nor_their_ratios_come_again() -> None:
    loads_TLE = recorded()
    ratios = {round(value, 9) for value in np.exp(np.diff(shares(loads_TLE), axis=0)).reshape(-1).tolist()}
    seen = {np.sort(row).tobytes() for row in shares(loads_TLE).reshape(-1, 64)}
    for seed in range(20):
        drawn_TLE = shares(redraw(loads_TLE, 1, np.random.default_rng(seed)))
        found = {round(value, 9) for value in np.exp(np.diff(drawn_TLE, axis=0)).reshape(-1).tolist()}
        rows = {np.sort(row).tobytes() for row in drawn_TLE.reshape(-1, 64)}
        assert len(rows) == 24 and not rows & seen and len(found & ratios) <= 2
        seen |= rows


def test_the_task_draws_from_its_trace(tmp_path: Path) -> None:
    loads_TLE = recorded(windows=MOST_WINDOWS + 3, layers=2, experts=16)
    np.save(tmp_path / "t.npy", loads_TLE)
    sizes = EplbCase(layers=2, experts=16, replicas=24, groups=4, nodes=2, gpus=8)
    task = Eplb(sizes=(sizes,), traces=(tmp_path / "t.npy",))
    (case,) = task.cases(0)
    drawn = task.draw(case, np.random.default_rng(0))
    assert task.steps(case) == MOST_WINDOWS + 2 and task.steps(drawn) == MOST_WINDOWS - 1
    np.testing.assert_allclose(
        np.sort(drawn.data.sum(axis=2), axis=1), np.full((MOST_WINDOWS, 2), loads_TLE[0, 0].sum()), atol=8
    )
