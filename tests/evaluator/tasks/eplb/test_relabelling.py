"""Relabelling: the same problem under other labels, with slightly changed loads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluator.tasks.eplb import Eplb
from evaluator.tasks.eplb.cases import EplbCase, placement_blocks
from evaluator.tasks.eplb.metrics import balance
from evaluator.tasks.eplb.relabelling import JITTER, Relabelling
from tests.evaluator.tasks.eplb.plans import random_plan, triple

seeds = st.integers(0, 2**32 - 1)
cases = st.sampled_from(
    [
        EplbCase(layers=3, experts=8, replicas=12, groups=4, nodes=2, gpus=4),
        EplbCase(layers=3, experts=8, replicas=12, groups=1, nodes=1, gpus=4),
        EplbCase(layers=2, experts=6, replicas=8, groups=3, nodes=2, gpus=4),
        EplbCase(layers=1, experts=1, replicas=2, groups=1, nodes=1, gpus=2),
    ]
)


def setting(size: EplbCase, seed: int) -> Any:
    task = Eplb(sizes=(size,), windows=3)
    case = task.cases(seed)[0]
    rng = np.random.default_rng(seed)
    plans = tuple(random_plan(case.sizes, rng) for _ in range(2))
    return task, case, plans, rng


@given(cases, seeds)
def test_a_plan_is_judged_on_the_loads_it_was_made_for(size: EplbCase, seed: int) -> None:
    task, case, plans, rng = setting(size, seed)
    for step in range(2):
        variation = task.vary(case, step, plans, rng)
        plan = task.read(case, triple(random_plan(case.sizes, rng), size.experts))
        shown, scored = variation.qualities(plan)
        weight = np.asarray(variation.call.args[0], dtype=np.float64)
        assert shown == pytest.approx(balance(plan, weight, size.gpus), rel=1e-6)
        assert 0 < scored <= 1 + 1e-9


@given(cases, seeds)
def test_history_and_the_old_plan_get_the_same_labels(size: EplbCase, seed: int) -> None:
    task, case, plans, rng = setting(size, seed)
    variation = task.vary(case, 1, plans, rng)
    history, old = variation.call.offered["history"], variation.call.offered["old_phy2log"]
    assert isinstance(history, np.ndarray) and isinstance(old, np.ndarray)
    assert history.dtype == np.float32 and old.dtype == np.int64
    np.testing.assert_array_equal(history[-1], np.asarray(variation.call.args[0]))
    task.read(case, triple(old, size.experts))
    for window in range(2):
        expected = balance(plans[0], case.data[window], size.gpus)
        assert balance(old, history[window].astype(np.float64), size.gpus) == pytest.approx(expected, rel=3 * JITTER)


@given(cases, seeds)
def test_loads_change_by_one_power_of_two_and_a_factor_near_one(size: EplbCase, seed: int) -> None:
    task, case, plans, _ = setting(size, seed)
    call = task.vary(case, 1, plans, np.random.default_rng(seed)).call
    blocks = placement_blocks(case.sizes)
    names = Relabelling.draw(size.layers, size.experts, blocks, np.random.default_rng(seed))
    history = np.asarray(call.offered["history"], dtype=np.float64)
    original = case.data[:2][:, names.layer_L[:, None], names.expert_LE]
    factors = history / original / 2.0**names.exponent
    assert np.abs(factors - 1).max() <= JITTER * 1.001
    np.testing.assert_allclose(factors[0], factors[1], rtol=1e-6)
    assert sorted(names.layer_L.tolist()) == list(range(size.layers))
    assert (np.sort(names.expert_LE, axis=1) == np.arange(size.experts)).all()
    block_LBI = (names.expert_LE // (size.experts // blocks)).reshape(size.layers, blocks, -1)
    assert (block_LBI == block_LBI[:, :, :1]).all()


def test_sorted_loads_never_repeat() -> None:
    """The sorted loads, by which a program could recognise a window under any labels, are new on every call."""
    task, case, plans, rng = setting(EplbCase(layers=3, experts=8, replicas=12, groups=4, nodes=2, gpus=4), 0)
    seen = set()
    for _ in range(50):
        weight = np.asarray(task.vary(case, 0, plans, rng).call.args[0], dtype=np.float64)
        seen.update((np.sort(row) / row.sum()).tobytes() for row in weight)
    assert len(seen) == 150


def test_variations_permute_layers_groups_and_ids() -> None:
    """Over many draws every layer, group and id appears in every place, and every scale appears."""
    rng = np.random.default_rng(0)
    places, scales = set(), set()
    for _ in range(300):
        names = Relabelling.draw(3, 8, 4, rng)
        scales.add(names.exponent)
        for row, layer in enumerate(names.layer_L.tolist()):
            places.update((row, column, layer, expert) for column, expert in enumerate(names.expert_LE[row].tolist()))
    assert len(places) == 24 * 24
    assert scales == set(range(-8, 9))
