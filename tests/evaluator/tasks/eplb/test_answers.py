"""Validating EPLB answers: valid ones in any integer dtype, every single corruption, and arbitrary arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluator.tasks.eplb.answers import answer_bytes, read_answer
from evaluator.tasks.eplb.cases import STANDARD_CASES, EplbCase, is_hierarchical
from evaluator.types import InvalidAnswer
from tests.evaluator.tasks.eplb.plans import random_plan, triple

WEIGHTS_README = (
    (90, 132, 40, 61, 104, 165, 39, 4, 73, 56, 183, 86),
    (20, 107, 104, 64, 19, 197, 187, 157, 172, 86, 16, 27),
)
PLAN_README = np.array(
    [
        [5, 6, 5, 7, 8, 4, 3, 4, 10, 9, 10, 2, 0, 1, 11, 1],
        [7, 10, 6, 8, 6, 11, 8, 9, 2, 4, 5, 1, 5, 0, 3, 1],
    ]
)
README = EplbCase(layers=2, experts=12, replicas=16, groups=4, nodes=2, gpus=8).sizes
SMALL = EplbCase(layers=2, experts=8, replicas=12, groups=4, nodes=2, gpus=4).sizes
FLAT = EplbCase(layers=2, experts=8, replicas=12, groups=1, nodes=1, gpus=4).sizes

seeds = st.integers(0, 2**32 - 1)
sizes_of_cases = st.sampled_from(
    [
        SMALL,
        FLAT,
        README,
        EplbCase(layers=1, experts=1, replicas=1, groups=1, nodes=1, gpus=1).sizes,
        EplbCase(layers=3, experts=6, replicas=6, groups=3, nodes=3, gpus=6).sizes,
        EplbCase(layers=2, experts=6, replicas=8, groups=3, nodes=2, gpus=4).sizes,
    ]
)


def refusal(answer: tuple[np.ndarray, ...], sizes: Any, form: Any = "triple") -> InvalidAnswer:
    with pytest.raises(InvalidAnswer) as refused:
        read_answer(answer, sizes, form)
    return refused.value


def test_the_plan_of_deepseeks_readme_is_valid() -> None:
    np.testing.assert_array_equal(read_answer(triple(PLAN_README, 12), README, "triple"), PLAN_README)


@given(sizes_of_cases, seeds, st.sampled_from("bhilBHILq"), st.booleans())
def test_a_random_valid_plan_is_accepted_in_any_integer_dtype(sizes: Any, seed: int, code: str, swapped: bool) -> None:
    rng = np.random.default_rng(seed)
    plan = random_plan(sizes, rng)
    most = sizes["replicas"] - sizes["experts"] + 1
    phy2log, log2phy, logcnt = triple(plan, sizes["experts"])
    log2phy = np.pad(log2phy, ((0, 0), (0, 0), (0, int(rng.integers(most - log2phy.shape[2] + 1)))), constant_values=-1)
    for row, count in zip(log2phy.reshape(-1, log2phy.shape[2]), logcnt.ravel(), strict=True):
        row[:count] = rng.permutation(row[:count])
    dtype = np.dtype(code).newbyteorder() if swapped else np.dtype(code)
    signed = dtype if dtype.kind == "i" else np.dtype(np.int64)
    answer = (phy2log.astype(dtype), log2phy.astype(signed), logcnt.astype(dtype))
    read = read_answer(answer, sizes, "triple")
    assert read.dtype == np.int64
    np.testing.assert_array_equal(read, plan)
    np.testing.assert_array_equal(read_answer((phy2log.astype(dtype),), sizes, "phy2log"), plan)
    assert sum(array.astype(np.int64).nbytes for array in answer) <= answer_bytes(sizes)


@given(sizes_of_cases, seeds, st.data())
def test_any_other_entry_of_logcnt_or_log2phy_is_refused(sizes: Any, seed: int, data: st.DataObject) -> None:
    plan = random_plan(sizes, np.random.default_rng(seed))
    width = sizes["replicas"] - sizes["experts"] + 1
    answer = list(triple(plan, sizes["experts"]))
    answer[1] = np.pad(answer[1], ((0, 0), (0, 0), (0, width - answer[1].shape[2])), constant_values=-1)
    which = data.draw(st.sampled_from([1, 2]))
    changed = answer[which].copy()
    index = data.draw(st.integers(0, changed.size - 1))
    value = data.draw(st.integers(-(2**63), 2**63 - 1) | st.integers(-2, sizes["replicas"]))
    if changed.flat[index] == value:
        value = value - 1 if value > -(2**63) else value + 1
    changed.flat[index] = value
    answer[which] = changed
    assert refusal(tuple(answer), sizes).reason == {1: "log2phy", 2: "logcnt"}[which]


@given(sizes_of_cases, seeds, st.data())
def test_any_other_entry_of_phy2log_is_refused_in_a_triple(sizes: Any, seed: int, data: st.DataObject) -> None:
    phy2log, log2phy, logcnt = triple(random_plan(sizes, np.random.default_rng(seed)), sizes["experts"])
    changed = phy2log.copy()
    index = data.draw(st.integers(0, changed.size - 1))
    value = data.draw(st.integers(-2, sizes["experts"] + 1).filter(lambda value: value != phy2log.flat[index]))
    changed.flat[index] = value
    reason = refusal((changed, log2phy, logcnt), sizes).reason
    outside = not 0 <= value < sizes["experts"]
    assert reason == "range" if outside else reason in ("missing_expert", "hierarchy", "logcnt")


def arbitrary(sizes: Any, rng: np.random.Generator) -> np.ndarray:
    """An array of any dtype with any bytes in it, or of numbers near the valid ones, of a shape near the valid ones."""
    layers, experts, replicas = sizes["layers"], sizes["experts"], sizes["replicas"]
    shapes = [(layers, replicas), (layers, experts), (layers, experts, 2), (), (0,), (1, 2, 3, 4), (layers, 0)]
    shape = shapes[rng.integers(len(shapes))]
    dtypes = ("b", "B", "<h", ">i", "q", "Q", "e", "d", "F", "?", "S3", "U2", "M8[s]", "m8[s]", "V5", "i4,(2,3)f8")
    dtype = np.dtype(dtypes[rng.integers(len(dtypes))])
    if rng.random() < 0.5:
        return rng.integers(-1, max(experts, replicas) + 1, shape)
    return np.frombuffer(rng.bytes(dtype.itemsize * int(np.prod(shape))) or b"", dtype=dtype).reshape(shape)


@settings(max_examples=500)
@given(sizes_of_cases, st.sampled_from([1, 3]), seeds)
def test_arbitrary_arrays_give_a_plan_or_a_refusal(sizes: Any, count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    valid = triple(random_plan(sizes, rng), sizes["experts"])
    answer = tuple(array if rng.random() < 0.4 else arbitrary(sizes, rng) for array in valid[:count])
    form = "triple" if count == 3 else "phy2log"
    try:
        plan = read_answer(answer, sizes, form)
    except InvalidAnswer as refused:
        assert refused.reason in ("dtype", "shape", "range", "missing_expert", "hierarchy", "logcnt", "log2phy")
        return
    assert plan.shape == (sizes["layers"], sizes["replicas"])
    assert all(set(range(sizes["experts"])) == set(row.tolist()) for row in plan)


@given(seeds)
def test_a_hierarchical_plan_is_one_with_whole_groups_on_nodes(seed: int) -> None:
    plan = random_plan(FLAT, np.random.default_rng(seed))
    layers = range(plan.shape[0])
    nodes_of = [
        [{int(s) // 6 for s in np.flatnonzero(plan[layer] // 2 == group)} for group in range(4)] for layer in layers
    ]
    whole = all(len(nodes) == 1 for layer in nodes_of for nodes in layer)
    valid = whole and all(sum(0 in nodes for nodes in layer) == 2 for layer in nodes_of)
    if valid:
        read_answer((plan,), SMALL, "phy2log")
    else:
        assert refusal((plan,), SMALL, "phy2log").reason == "hierarchy"


def test_the_form_must_be_that_of_the_run() -> None:
    answer = triple(PLAN_README, 12)
    single = refusal(answer[:1], README, "triple")
    assert single.reason == "form"
    assert "expected three arrays (phy2log, log2phy, logcnt), found one array" in single.detail
    three = refusal(answer, README, "phy2log")
    assert three.reason == "form"
    assert "expected phy2log alone, one array, found three arrays" in three.detail
    assert "found 2 arrays" in refusal(answer[:2], README).detail


def changed(array: np.ndarray, index: tuple[int, ...], value: int) -> np.ndarray:
    copy = array.copy()
    copy[index] = value
    return copy


PHY, LOG, CNT = triple(PLAN_README, 12)


@pytest.mark.parametrize(
    ("answer", "reason", "says"),
    [
        ((PHY.astype(float), LOG, CNT), "dtype", "phy2log: expected an integer dtype, found float64"),
        ((PHY.astype(bool), LOG, CNT), "dtype", "found bool"),
        ((PHY, LOG.astype(float), CNT), "dtype", "log2phy: expected an integer dtype"),
        ((PHY, LOG, CNT + 0.25), "dtype", "logcnt: expected an integer dtype"),
        ((PHY[:, :-1], LOG, CNT), "shape", "[layers, replicas] = [2, 16], found [2, 15]"),
        ((PHY.reshape(-1), LOG, CNT), "shape", "found [32]"),
        ((PHY, LOG, CNT[:1]), "shape", "logcnt: expected the shape [layers, experts] = [2, 12], found [1, 12]"),
        ((PHY, LOG[..., None], CNT), "shape", "X from 2 (the largest count) to 5, found [2, 12, 2, 1]"),
        ((PHY, LOG[:, :, :1], CNT), "shape", "found [2, 12, 1]"),
        ((PHY, np.pad(LOG, ((0, 0), (0, 0), (0, 4))), CNT), "shape", "found [2, 12, 6]"),
        ((changed(PHY, (1, 3), 12), LOG, CNT), "range", "expected experts 0 to 11, found 12 at layer 1, slot 3"),
        ((changed(PHY, (0, 2), -1), LOG, CNT), "range", "found -1 at layer 0, slot 2"),
        (
            (changed(PHY, (0, 2), -1).astype(np.uint64), LOG, CNT),
            "range",
            "found 18446744073709551615 at layer 0, slot 2",
        ),
        ((changed(PHY, (0, 12), 1), LOG, CNT), "missing_expert", "found expert 0 of layer 0 in no slot"),
        (
            (np.array([PHY[0], PHY[1][[8, 1, 2, 3, 4, 5, 6, 7, 0, 9, 10, 11, 12, 13, 14, 15]]]), LOG, CNT),
            "hierarchy",
            "found group 0 of layer 1 on nodes 0, 1",
        ),
        ((PHY, LOG, changed(CNT, (1, 2), 2)), "logcnt", "expected 1, the number of slots of expert 2"),
        ((PHY, changed(LOG, (0, 1, 1), 13), CNT), "log2phy", "[13, 15] in any order, then -1, found [13, 13]"),
        ((PHY, changed(LOG, (0, 0, 0), 3), CNT), "log2phy", "expert 0 of layer 0, [12] in any order, then -1"),
        ((PHY, changed(LOG, (0, 0, 1), 12), CNT), "log2phy", "found [12, 12]"),
        ((PHY, LOG[:, :, ::-1], CNT), "log2phy", "in any order, then -1, found [-1, 12]"),
    ],
)  # fmt: skip
def test_a_refusal_says_what_was_expected_found_and_where(answer: Any, reason: str, says: str) -> None:
    refused = refusal(answer, README)
    assert refused.reason == reason
    assert says in refused.detail


def test_a_list_of_another_experts_slots_is_refused() -> None:
    swapped = LOG.copy()
    swapped[0, [0, 2]] = swapped[0, [2, 0]]
    refused = refusal((PHY, swapped, CNT), README)
    assert refused.reason == "log2phy"
    assert "the slots of expert 0 of layer 0, [12] in any order, then -1, found [11, -1]" in refused.detail


def test_nodes_need_equal_numbers_of_groups() -> None:
    sizes = EplbCase(layers=1, experts=4, replicas=8, groups=4, nodes=2, gpus=2).sizes
    uneven = np.array([[0, 0, 0, 0, 1, 2, 3, 3]])
    refused = refusal((uneven,), sizes, "phy2log")
    assert refused.reason == "hierarchy"
    assert "expected 2 groups on each node, found 1 on node 0 of layer 0" in refused.detail


def test_groups_that_do_not_divide_among_the_nodes_allow_any_plan() -> None:
    sizes = EplbCase(layers=2, experts=6, replicas=8, groups=3, nodes=2, gpus=4).sizes
    assert not is_hierarchical(sizes)
    plan = np.array([[0, 2, 4, 0, 1, 3, 5, 1]] * 2)
    np.testing.assert_array_equal(read_answer((plan,), sizes, "phy2log"), plan)


def test_the_plan_is_a_read_only_copy() -> None:
    mine = PLAN_README.copy()
    plan = read_answer(triple(mine, 12), README, "triple")
    mine[:] = 0
    np.testing.assert_array_equal(plan, PLAN_README)
    assert not plan.flags.writeable


@pytest.mark.parametrize("name", STANDARD_CASES)
def test_a_plan_of_full_size_reads_back(name: str) -> None:
    sizes = {**STANDARD_CASES[name].sizes, "layers": 2}
    plan = random_plan(sizes, np.random.default_rng(0))
    answer = triple(plan, 256)
    np.testing.assert_array_equal(read_answer(answer, sizes, "triple"), plan)
