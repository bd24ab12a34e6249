"""The metrics of plans, against plain loops and values computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluator.tasks.eplb.cases import EplbCase
from evaluator.tasks.eplb.metrics import balance, gpu_loads, moved_shares, ratio, replica_loads, same_window_figures
from tests.evaluator.tasks.eplb.plans import random_plan

SIZES = EplbCase(layers=3, experts=8, replicas=12, groups=1, nodes=1, gpus=4).sizes


@given(st.integers(0, 2**32 - 1))
def test_loads_agree_with_plain_loops(seed: int) -> None:
    rng = np.random.default_rng(seed)
    plan, load = random_plan(SIZES, rng), rng.random((3, 8))
    on_slots, on_gpus = np.zeros((3, 12)), np.zeros((3, 4))
    for layer in range(3):
        for slot in range(12):
            expert = plan[layer, slot]
            on_slots[layer, slot] = load[layer, expert] / list(plan[layer]).count(expert)
            on_gpus[layer, slot // 3] += on_slots[layer, slot]
    np.testing.assert_allclose(replica_loads(plan, load), on_slots, rtol=1e-12)
    np.testing.assert_allclose(gpu_loads(plan, load, 4), on_gpus, rtol=1e-12)
    assert balance(plan, load, 4) == pytest.approx(on_gpus.mean(axis=1).sum() / on_gpus.max(axis=1).sum())
    assert on_gpus.sum() == pytest.approx(load.sum())


def test_metrics_match_values_computed_by_hand() -> None:
    """Two layers, two GPUs of two slots: layer 0 carries 6 | 2, layer 1 carries 2 | 2."""
    plan = np.array([[0, 0, 1, 2], [0, 1, 0, 2]])
    load = np.array([[6.0, 1, 1], [2, 1, 1]])
    figures = same_window_figures([plan], load[None], 2)
    assert figures == {
        "same_window_balance": pytest.approx((4 + 2) / (6 + 2)),
        "mean_layer_balance": pytest.approx((4 / 6 + 1) / 2),
        "worst_layer_balance": pytest.approx(4 / 6),
        "expert_balance": pytest.approx((2 + 1) / (3 + 1)),
        "duplicate_gpus_per_layer": 0.5,
    }


def test_a_layer_without_load_counts_for_nothing() -> None:
    plan = np.array([[0, 0, 1, 2]] * 2)
    load = np.array([[6.0, 1, 1], [0, 0, 0]])
    both, first = same_window_figures([plan], load[None], 2), same_window_figures([plan[:1]], load[None, :1], 2)
    assert both == first
    assert same_window_figures([plan], np.zeros((1, 2, 3)), 2)["mean_layer_balance"] == 1
    assert ratio(0, 0) == 1


def test_moves_are_new_pairs_and_cross_when_the_node_lacked_the_expert() -> None:
    """Two nodes of two GPUs of two slots."""
    old = np.array([[0, 1, 2, 3, 4, 5, 0, 1]])
    turned_in_the_gpu = np.array([[1, 0, 3, 2, 5, 4, 1, 0]])
    swapped_in_a_node = np.array([[2, 1, 0, 3, 4, 5, 0, 1]])
    swapped_across = np.array([[4, 1, 2, 3, 0, 5, 0, 1]])
    assert moved_shares([old, turned_in_the_gpu], 6, 4, 2) == {"moved_share": 0, "moved_across_nodes_share": 0}
    assert moved_shares([old, swapped_in_a_node], 6, 4, 2) == {"moved_share": 2 / 8, "moved_across_nodes_share": 0}
    assert moved_shares([old, swapped_across], 6, 4, 2) == {"moved_share": 2 / 8, "moved_across_nodes_share": 1 / 8}
    assert moved_shares([old, swapped_across, swapped_across], 6, 4, 2)["moved_share"] == 1 / 8
    assert moved_shares([old], 6, 4, 2) == {"moved_share": 0, "moved_across_nodes_share": 0}
