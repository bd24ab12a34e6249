"""Relabelling: the same problem under other names, and plans that come back as good as they were."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluator.tasks.eplb import Eplb
from evaluator.tasks.eplb_cases import EplbCase, placement_blocks
from evaluator.tasks.eplb_metrics import balance
from tests.evaluator.eplb_plans import random_plan, triple

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
def test_a_plan_is_as_good_under_its_new_names(size: EplbCase, seed: int) -> None:
    task, case, plans, rng = setting(size, seed)
    for step in range(2):
        variation = task.vary(case, step, plans, rng)
        plan = task.read(case, triple(random_plan(case.sizes, rng), size.experts))
        restored = variation.restore(plan)
        task.read(case, triple(restored, size.experts))
        weight = np.asarray(variation.call.args[0], dtype=np.float64)
        varied_score = balance(plan, weight, size.gpus)
        assert task.step_quality(case, step, restored) == pytest.approx(varied_score, rel=1e-12)


@given(cases, seeds)
def test_history_and_the_old_plan_take_the_same_names(size: EplbCase, seed: int) -> None:
    task, case, plans, rng = setting(size, seed)
    variation = task.vary(case, 1, plans, rng)
    history, old = variation.call.offered["history"], variation.call.offered["old_phy2log"]
    assert isinstance(history, np.ndarray) and isinstance(old, np.ndarray)
    assert history.dtype == np.float32 and old.dtype == np.int64
    np.testing.assert_array_equal(history[-1], np.asarray(variation.call.args[0]))
    np.testing.assert_array_equal(variation.restore(old), plans[0])
    for window in range(2):
        expected = balance(plans[0], case.data[window], size.gpus)
        assert balance(old, history[window].astype(np.float64), size.gpus) == pytest.approx(expected, rel=1e-12)


@given(cases, seeds)
def test_loads_are_the_same_numbers_times_one_power_of_two(size: EplbCase, seed: int) -> None:
    task, case, plans, rng = setting(size, seed)
    weight = np.asarray(task.vary(case, 0, plans, rng).call.args[0])
    scale = weight.astype(np.float64).sum() / case.data[0].sum()
    assert np.frexp(scale)[0] == 0.5
    blocks = placement_blocks(case.sizes)

    def sorted_blocks(load_LE: np.ndarray) -> list[Any]:
        return sorted(sorted(sorted(block) for block in row.reshape(blocks, -1).tolist()) for row in load_LE)

    assert sorted_blocks(weight.astype(np.float64)) == sorted_blocks(case.data[0] * scale)


def test_variations_move_layers_groups_and_ids() -> None:
    """Over many draws every layer, group and id is seen in every place, and so is every scale."""
    task, case, plans, rng = setting(EplbCase(layers=3, experts=8, replicas=12, groups=4, nodes=2, gpus=4), 0)
    places, scales = set(), set()
    for _ in range(300):
        weight = np.asarray(task.vary(case, 0, plans, rng).call.args[0], dtype=np.float64)
        scale = weight.sum() / case.data[0].sum()
        scales.add(scale)
        places.update((layer, expert, weight[layer, expert] / scale) for layer in range(3) for expert in range(8))
    assert len(np.unique(case.data[0])) == 24
    assert len(places) == 24 * 24
    assert scales == {2.0**exponent for exponent in range(-8, 9)}
