"""Exchanging slots so that no GPU holds an expert twice."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluator.tasks.eplb.apart import kept_apart
from evaluator.tasks.eplb.appraisal import doubled

SIZES = {"nodes": 1, "groups": 1, "gpus": 2}


def test_the_exchange_that_costs_least() -> None:
    """GPU 0 holds expert 0 twice, 4 each, and 10 in all. Exchanged for expert 1, 2 or 4, the larger GPU has 10.2, 9.2
    or 10.2.
    """
    slots, loads = np.array([[0, 0, 3, 1, 2, 4]]), np.array([[8.0, 1.0, 2.0, 2.0, 4.2]])
    np.testing.assert_array_equal(kept_apart(slots, loads, SIZES), [[2, 0, 3, 1, 0, 4]])
    np.testing.assert_array_equal(slots, [[0, 0, 3, 1, 2, 4]])


def test_what_cannot_be_parted_stays() -> None:
    for row, experts in (([0, 0, 0, 1], 2), ([0, 0, 0, 0], 1)):
        np.testing.assert_array_equal(kept_apart(np.array([row]), np.ones((1, experts)), SIZES), [row])


def test_under_the_hierarchy_nothing_leaves_its_node() -> None:
    sizes = {"nodes": 2, "groups": 2, "gpus": 4}
    slots = np.array([[0, 0, 1, 1, 2, 3, 2, 3]])
    parted = kept_apart(slots, np.ones((1, 4)), sizes)
    assert doubled(parted, 4, 4) == 0
    assert sorted(parted[0, :4]) == [0, 0, 1, 1] and parted[0, 4:].tolist() == [2, 3, 2, 3]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 4), st.integers(1, 4), st.integers(2, 9), st.randoms(use_true_random=False))
def test_the_same_replicas_and_never_more_doubles(gpus: int, per_gpu: int, experts: int, random: object) -> None:
    draw = random.randrange  # type: ignore[attr-defined]
    slots = np.array([[draw(experts) for _ in range(gpus * per_gpu)] for _ in range(2)])
    loads = np.array([[draw(100) for _ in range(experts)] for _ in range(2)], dtype=float)
    counts = np.array([np.bincount(row, minlength=experts) for row in slots])
    slots, loads, counts = slots[:1], loads[:1], counts[:1]
    held = np.flatnonzero(counts[0])
    compact, load = np.searchsorted(held, slots), loads[:, held]  # every expert has a slot, as in a placement
    parted = kept_apart(compact, load, {"nodes": 1, "groups": 1, "gpus": gpus})
    np.testing.assert_array_equal(np.sort(parted), np.sort(compact))
    before, after = (doubled(each, len(held), gpus) for each in (compact, parted))
    assert after <= before and (before or (parted == compact).all())
