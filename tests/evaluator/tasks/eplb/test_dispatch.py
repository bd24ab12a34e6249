"""What slots carry under each rule of dispatch: worked out by hand, and against plain loops."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from evaluator.tasks.eplb import Eplb, own_draws
from evaluator.tasks.eplb.bounds import largest_load_bound
from evaluator.tasks.eplb.cases import EplbCase
from evaluator.tasks.eplb.dispatch import RULES, Dispatch
from evaluator.tasks.eplb.fair_draws import extra_ranks, one_by_one
from evaluator.tasks.eplb.metrics import balance, gpu_loads, replica_loads
from evaluator.types import WorkloadError
from tests.evaluator.tasks.eplb.plans import random_plan, triple

STATIC = Dispatch(rule="sglang_static")
AT_START = Dispatch(rule="sglang_static", at_start=True)
ON_NODES = EplbCase(name="on-nodes", layers=2, experts=6, replicas=16, groups=1, nodes=4, gpus=8)
SHAPES = (
    ON_NODES,
    EplbCase(layers=2, experts=12, replicas=18, groups=1, nodes=3, gpus=9),
    EplbCase(layers=2, experts=8, replicas=12, groups=4, nodes=2, gpus=4),
    EplbCase(layers=2, experts=5, replicas=12, groups=1, nodes=1, gpus=4),
    EplbCase(layers=1, experts=2, replicas=28, groups=1, nodes=2, gpus=4),
)
LARGE = EplbCase(layers=3, experts=24, replicas=96, groups=1, nodes=4, gpus=32)


def static_ranks(plan_LR: np.ndarray, case: EplbCase, *, at_start: bool = False) -> np.ndarray:
    """How many ranks send to each slot, by loops: the rule as it reads. `at_start`: each rank has its own generator,
    draws only where it needs to, and takes its own part of the draw.
    """
    generators = [random.Random(42) for _ in range(case.gpus if at_start else 1)]
    ranks_LR = np.zeros(plan_LR.shape, dtype=int)
    for layer, row in enumerate(plan_LR.tolist()):
        for expert in range(case.experts):
            slots = [slot for slot, held in enumerate(row) if held == expert]
            gpus = [slot // (case.replicas // case.gpus) for slot in slots]
            nodes = [gpu // (case.gpus // case.nodes) for gpu in gpus]
            drawing = []
            for rank in range(case.gpus):
                node = rank // (case.gpus // case.nodes)
                if len(slots) == 1:
                    ranks_LR[layer, slots[0]] += 1
                elif rank in gpus:
                    ranks_LR[layer, slots[gpus.index(rank)]] += 1
                elif node in nodes and set(nodes) != {node}:
                    ranks_LR[layer, slots[nodes.index(node)]] += 1
                else:
                    drawing.append(rank)
            if drawing:
                each, more = divmod(len(drawing), len(slots))
                drawn = []
                for rank in drawing if at_start else [0]:
                    drawn.append(slots * each + generators[rank].sample(slots, more))
                    generators[rank].shuffle(drawn[-1])
                chosen = [dealt[at] for at, dealt in enumerate(drawn)] if at_start else drawn[0]
                np.add.at(ranks_LR[layer], chosen, 1)
    return ranks_LR


@pytest.mark.parametrize(
    ("ranks", "because"),
    [
        ({0: 4}, "there is one replica"),
        ({0: 2, 4: 2}, "there is one a node"),
        ({0: 1, 2: 1, 4: 2}, "there are two on one of two nodes"),
        ({0: 2, 4: 2, 5: 0}, "the first of two on a GPU is chosen"),
        ({0: 2, 2: 2}, "all are on one node, so the two ranks elsewhere draw, one each"),
        ({4: 3, 5: 1}, "all are on one GPU, whose rank takes the first; the others draw, two of them the first"),
        ({0: 1, 2: 1, 4: 1, 6: 1}, "there is one a GPU"),
    ],
)
def test_static_ranks_worked_out_by_hand(ranks: dict[int, int], because: str) -> None:
    """Two nodes of two GPUs of two slots; expert 0 in the given slots, an expert of its own in each other."""
    others = iter(range(1, 9))
    plan = np.array([[0 if slot in ranks else next(others) for slot in range(8)]])
    share_R = STATIC.shares(plan, 8, 4, 2)[0]
    assert [4 * share for share in share_R] == [ranks.get(slot, 4) for slot in range(8)], because


@pytest.mark.parametrize(
    ("tokens", "shares"),
    [
        (1, ((1, 0), (1, 0, 0), (1, 0, 0, 0))),
        (2, ((1 / 2, 1 / 2), (1, 0, 0), (1 / 2, 1 / 2, 0, 0))),
        (3, ((2 / 3, 1 / 3), (2 / 3, 0, 1 / 3), (1 / 3, 1 / 3, 1 / 3, 0))),
        (4, ((1 / 2, 1 / 2), (1 / 2, 0, 1 / 2), (1 / 4, 1 / 4, 1 / 4, 1 / 4))),
    ],
)
def test_hashed_shares_worked_out_by_hand(tokens: int, shares: tuple[tuple[float, ...], ...]) -> None:
    """Experts 0, 1, 2 with two, three and four replicas. The hashes of 0 to 3 are 0, 2654435769, 1013904242 and
    3668340011: modulo 2 they are 0, 1, 0, 1, modulo 3 0, 0, 2, 2, modulo 4 0, 1, 2, 3.
    """
    plan = np.array([[2, 1, 0, 2, 1, 2, 3, 0, 1, 2]])
    share_R = Dispatch(rule="vllm_hash", tokens_per_rank=tokens).shares(plan, 4, 5, 1)[0]
    for expert, expected in enumerate((*shares, (1,))):
        np.testing.assert_allclose(share_R[plan[0] == expert], expected, rtol=1e-15)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(SHAPES), st.integers(0, 2**32 - 1), st.booleans())
@example(LARGE, 0, False)
@example(LARGE, 0, True)
def test_static_ranks_agree_with_plain_loops(case: EplbCase, seed: int, at_start: bool) -> None:
    plan = random_plan(case.sizes, np.random.default_rng(seed))
    dispatch = AT_START if at_start else STATIC
    shares_LR = dispatch.shares(plan, case.experts, case.gpus, case.nodes)
    np.testing.assert_array_equal(shares_LR, static_ranks(plan, case, at_start=at_start) / case.gpus)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(SHAPES), st.sampled_from(RULES), st.integers(0, 2**32 - 1))
def test_an_experts_shares_sum_to_its_load(case: EplbCase, rule: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    plan, load = random_plan(case.sizes, rng), rng.random((case.layers, case.experts))
    dispatch = Dispatch(rule=rule)
    share, carried = (
        dispatch.shares(plan, case.experts, case.gpus, case.nodes),
        dispatch.slot_loads(plan, load, case.gpus, case.nodes),
    )
    for expert in range(case.experts):
        np.testing.assert_allclose((share * (plan == expert)).sum(axis=1), 1)
        np.testing.assert_allclose((carried * (plan == expert)).sum(axis=1), load[:, expert])
    if rule == "even":
        np.testing.assert_array_equal(carried, replica_loads(plan, load))
        np.testing.assert_allclose(carried, share * np.take_along_axis(load, plan, axis=1))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(2, 23), st.integers(1, 40))
@example(0, 1, 21, 40)
@example(0, 40, 2, 1)
def test_draws_are_those_of_the_generator(seed: int, draws: int, most: int, ranks: int) -> None:
    rng = np.random.default_rng(seed)
    count_X, ranks_X = rng.integers(2, most + 1, draws), rng.integers(1, ranks + 1, draws)
    fast, plain = (sorted(zip(*draw(count_X, ranks_X), strict=True)) for draw in (extra_ranks, one_by_one))
    assert fast == plain and len(fast) == (ranks_X % count_X).sum()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(2, 23), st.integers(1, 9))
@example(0, 9, 21, 9)
def test_each_ranks_own_draws_are_those_of_its_generator(seed: int, draws: int, most: int, ranks: int) -> None:
    rng = np.random.default_rng(seed)
    count_X, draws_XM = rng.integers(2, most + 1, draws), rng.random((draws, ranks)) < 0.7
    draws_XM[np.arange(draws), rng.integers(0, ranks, draws)] = True
    draw_P, replica_P = own_draws.own_choices(count_X, draws_XM)
    assert len(draw_P) == draws_XM.sum()
    np.testing.assert_array_equal(replica_P, own_draws.one_by_one(count_X, draws_XM)[np.nonzero(draws_XM)])


def test_many_draws_are_made_in_parts() -> None:
    draws_XM = np.ones((own_draws.PAIRS // 24, 32), dtype=bool)
    count_X = np.arange(len(draws_XM)) % 5 + 2
    draw_P, replica_P = own_draws.own_choices(count_X, draws_XM)
    each_X = np.bincount(draw_P, minlength=len(count_X))
    assert len(draw_P) > own_draws.PAIRS and (each_X == 32).all() and (replica_P < count_X[draw_P]).all()
    # All ranks draw every time, so all are at the same number and the parts are equal.
    times = np.bincount(draw_P * 6 + replica_P, minlength=6 * len(count_X)).reshape(-1, 6)
    assert all(row[:count].max() - row[:count].min() <= 1 for row, count in zip(times, count_X, strict=True))


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(SHAPES[:4]),
    st.sampled_from(
        [STATIC, AT_START, *(Dispatch(rule="vllm_hash", tokens_per_rank=tokens) for tokens in (1, 2, 3, 64))]
    ),
    st.integers(0, 2**32 - 1),
)
def test_no_plan_beats_the_ceiling(case: EplbCase, dispatch: Dispatch, seed: int) -> None:
    """Few experts and steep loads, so that the largest replica decides."""
    rng = np.random.default_rng(seed)
    load = np.exp(rng.normal(0, 2, (case.layers, case.experts)))
    dividers = dispatch.dividers(case.replicas - case.experts + 1, case.gpus)
    assert (np.diff(dividers) >= 0).all() and (dividers[1:] <= np.arange(1, len(dividers))).all()
    bound = largest_load_bound(load, case.sizes, dividers)
    for _ in range(4):
        plan = random_plan(case.sizes, rng)
        largest = gpu_loads(plan, load, case.gpus, dispatch.carried(case.gpus, case.nodes)).max(axis=1)
        assert (largest >= bound * (1 - 1e-12)).all()


def test_one_token_a_rank_leaves_no_use_for_replicas() -> None:
    """The ceiling says so too: the hottest expert is not split."""
    assert Dispatch(rule="vllm_hash", tokens_per_rank=1).dividers(4, 8).tolist() == [1, 1, 1, 1, 1]
    assert STATIC.dividers(5, 8).tolist() == pytest.approx([1, 1, 2, 8 / 3, 4, 4])


@pytest.mark.parametrize(
    "dispatch", [{"dispatch": "sglang_static"}, {"dispatch": "vllm_hash", "tokens_per_rank": 3}, {}]
)
def test_every_figure_follows_the_dispatch_of_the_task(dispatch: dict[str, Any]) -> None:
    sizes = {"name": "on-nodes", **ON_NODES.sizes}
    task = Eplb.from_options({"cases": [sizes], "windows": 3, **dispatch})
    case = task.cases(0)[0]
    plans = tuple(random_plan(case.sizes, np.random.default_rng(i)) for i in range(2))
    carried, score = task.dispatch.carried(8, 4), task.score(case, plans)
    rule = dispatch.get("dispatch", "even")
    assert score.value == score.metrics[f"balance_{rule}"] <= score.ceiling
    assert score.metrics["do_nothing_balance"] == task.score(case, plans[:1] * 2).value
    for step, plan in enumerate(plans):
        assert task.step_quality(case, step, plan) == balance(plan, case.data[step], 8, carried)
        assert task.pass_quality(case, step, plan) == balance(plan, case.data[step + 1], 8, carried)
    assert len({score.metrics[f"balance_{each}"] for each in RULES}) == 3
    assert task.ladder is not None
    assert ("programs/eplb/snake.py" in task.ladder.programs) == (rule == "even")


def test_a_solver_is_told_the_rule_and_the_nodes_also_where_placement_is_global() -> None:
    for dispatch, tokens in ((STATIC, None), (Dispatch(rule="vllm_hash"), 64), (Dispatch(), None)):
        task = Eplb(sizes=(ON_NODES,), dispatch=dispatch)
        case = task.cases(0)[0]
        calls = [task.call(case, 0, ()), *(hard.call for hard in task.hard_cases(0))]
        assert all(call.offered["dispatch"] == dispatch.rule for call in calls)
        assert all(call.offered["tokens_per_rank"] == tokens for call in calls)
        assert calls[0].offered["num_dispatch_nodes"] == 4
        assert all(call.offered["num_dispatch_nodes"] == call.args[3] for call in calls)
    assert all("tokens_per_rank" in hard.call.offered for hard in task.agreement_calls(0))
    plan = np.tile(np.arange(16) % 6, (2, 1))
    np.testing.assert_array_equal(task.read(case, triple(plan, 6)), plan)


def test_even_dispatch_leaves_the_identity_as_it_was() -> None:
    assert list(Eplb().identity()) == ["name", "version", "form", "cases", "loads"]
    assert Eplb.from_options({"dispatch": "even"}).identity() == Eplb().identity()
    assert Eplb(dispatch=STATIC).identity()["dispatch"] == "sglang_static"
    assert "tokens_per_rank" not in Eplb(dispatch=STATIC).identity()
    hashed = Eplb.from_options({"dispatch": "vllm_hash"}).identity()
    assert (hashed["dispatch"], hashed["tokens_per_rank"]) == ("vllm_hash", 64)
    assert hashed == Eplb.from_options({"dispatch": "vllm_hash", "tokens_per_rank": 64}).identity()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"dispatch": "sglang-static"}, "dispatch: expected one of .*: did you mean sglang_static?"),
        ({"dispatch": 3}, "dispatch: expected one of even, sglang_static, vllm_hash, found 3"),
        ({"tokens_per_rank": 3}, "tokens_per_rank: is an option of dispatch: vllm_hash, and dispatch is even"),
        ({"dispatch": "sglang_static", "tokens_per_rank": 3}, "and dispatch is sglang_static: leave it out"),
        ({"dispatch": "vllm_hash", "tokens_per_rank": 0}, "tokens_per_rank: expected a whole number of at least 1"),
        ({"dispatch": "vllm_hash", "tokens_per_rank": 1.5}, "tokens_per_rank: expected a whole number"),
        ({"dispatch": "vllm_hash", "tokens_per_rank": 10**6}, "a whole number from 1 to 65536, found 1000000"),
    ],
)
def test_bad_options_of_dispatch_are_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(WorkloadError, match=says):
        Eplb.from_options(options)
