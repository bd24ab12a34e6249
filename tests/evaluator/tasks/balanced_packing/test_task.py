"""Balanced packing: its contract, its options, what a solver receives, and how a packing is scored."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluator.task_protocol import Task
from evaluator.tasks import TASKS
from evaluator.tasks.balanced_packing import BalancedPacking
from evaluator.tasks.balanced_packing.cases import STANDARD_CASES, PackingCase
from evaluator.tasks.balanced_packing.weights import WEIGHTS, draw_weights
from evaluator.types import Answer, Call, Case, InvalidAnswer, WorkloadError
from tests.evaluator.contracts import TaskContract

SMALL = PackingCase(rows=6, items=24, packs=6, weights="uniform")
PLANTED = PackingCase(name="perfect", rows=6, items=15, packs=5, weights="planted")
SIZES = {"rows": 2, "items": 6, "packs": 3, "weights": "ties"}


class TestBalancedPacking(TaskContract):
    def make(self) -> Task:
        return BalancedPacking(sizes=(SMALL, PLANTED))

    def option_texts(self, folder: Path) -> dict[str, tuple[str, ...]]:
        exact = ("24",) if importlib.util.find_spec("ortools") else ()
        if not exact:
            pytest.skip("OR-Tools is not installed")
        return {"--case": ("loads-256x32", "rows=2,items=6,packs=3,weights=ties"), "--exact": exact}

    def answer(self, task: Task, case: Case, call: Call) -> Answer:
        """The heaviest first, to the packs in turn, back and forth."""
        weight_Xn, packs = call.args
        assert isinstance(weight_Xn, np.ndarray) and isinstance(packs, int)
        turn, step = np.divmod(np.arange(weight_Xn.shape[1]), packs)
        pack, rank = np.empty(weight_Xn.shape, np.int64), np.empty(weight_Xn.shape, np.int64)
        for row, order in enumerate(np.argsort(-weight_Xn, axis=1)):
            pack[row, order] = np.where(turn % 2, packs - 1 - step, step)
            rank[row, order] = turn
        return pack, rank


def case_of(rows: list[list[float]], packs: int) -> Case:
    data = np.array(rows, dtype=np.float64)
    sizes = {"rows": len(data), "items": data.shape[1], "packs": packs}
    return Case(name="this", sizes=sizes, data=data)


def test_a_packing_is_scored_by_its_heaviest_pack_row_by_row() -> None:
    task = BalancedPacking()
    case = case_of([[9, 3, 1, 1, 2, 2], [0, 0, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1]], 2)
    pack = np.array([[0, 1, 0, 1, 1, 0], [0, 0, 0, 1, 1, 1], [1, 1, 1, 0, 0, 0]])
    rank = np.array([[0, 2, 1, 0, 1, 2], [0, 1, 2, 2, 1, 0], [0, 1, 2, 0, 1, 2]])
    plan = task.read(case, (pack, rank))
    assert plan[0].tolist() == [0, 5, 1, 3, 4, 2]
    score = task.score(case, (plan,))
    assert score.value == pytest.approx((11 / 12 + 1 + 1) / 3) == task.step_quality(case, 0, plan)
    assert score.ceiling == 1, "the bound of the first row is 11: the item of 9 stands with two of 1"
    assert score.metrics["balance"] == pytest.approx((9 / 12 + 1 + 1) / 3)
    assert score.metrics["proved_optimal_share"] == pytest.approx(2 / 3)
    assert score.metrics["worst_balance"] == pytest.approx(9 / 12)


@pytest.mark.parametrize(
    ("pack", "rank", "reason", "says"),
    [
        ([[0, 0, 1, 2]], [[0, 1, 0, 1]], "range", "pack_index: expected 0 to 1, found 2 for item 3 of row 0"),
        ([[0, 0, 1, -1]], [[0, 1, 0, 1]], "range", "found -1"),
        ([[0, 0, 1, 1]], [[0, 1, 0, 2]], "range", "rank_in_pack: expected 0 to 1, found 2 for item 3 of row 0"),
        ([[0, 0, 0, 1]], [[0, 1, 0, 1]], "cardinality", "expected 2 items in every pack, found 3 in pack 0 of row 0"),
        ([[0, 1, 0, 1]], [[0, 1, 1, 1]], "rank", "each once in a pack, found 1 for items [1, 3] of pack 1 in row 0"),
        ([[0, 0, 1, 1]], [[0.0, 1, 0, 1]], "dtype", "rank_in_pack: expected an integer dtype, found float64"),
        ([[False, False, True, True]], [[0, 1, 0, 1]], "dtype", "found bool"),
        ([0, 0, 1, 1], [[0, 1, 0, 1]], "shape", "expected the shape [rows, items] = [1, 4], found [4]"),
    ],
)
def test_what_is_wrong_with_an_answer_is_said(pack: Any, rank: Any, reason: str, says: str) -> None:
    with pytest.raises(InvalidAnswer) as refused:
        BalancedPacking().read(case_of([[1, 2, 3, 4]], 2), (np.array(pack), np.array(rank)))
    assert refused.value.reason == reason and says in refused.value.detail


def test_numbers_beyond_int64_are_out_of_range() -> None:
    pack = np.array([[0, 0, 1, 2**64 - 1]], dtype=np.uint64)
    with pytest.raises(InvalidAnswer, match="found 18446744073709551615 for item 3"):
        BalancedPacking().read(case_of([[1, 2, 3, 4]], 2), (pack, np.array([[0, 1, 0, 1]])))


def test_hard_cases_match_their_descriptions() -> None:
    hard = BalancedPacking().hard_cases(0)
    weights = [case.case.data for case in hard]
    sizes = [case.case.sizes for case in hard]
    for trait in (
        [not weight.any() for weight in weights],
        [weight.any() and not weight.any(axis=1).all() for weight in weights],
        [(np.count_nonzero(weight, axis=1) == 1).all() for weight in weights],
        [weight.any() and (weight == weight[0, 0]).all() for weight in weights],
        [weight.dtype == np.float32 and weight.max() == np.float32(1e30) for weight in weights],
        [0 < weight.max() < 1.1e-30 and weight.min() > np.finfo(np.float32).tiny for weight in weights],
        [weight.dtype == np.int64 and weight.min() > 2**40 for weight in weights],
        [size["rows"] == 1 for size in sizes],
        [size["packs"] == 1 and size["items"] > 1 for size in sizes],
        [size["packs"] == size["items"] > 1 for size in sizes],
        [size["items"] == 2 * size["packs"] for size in sizes],
        [size["items"] == 1 for size in sizes],
    ):
        assert any(trait)


@pytest.mark.parametrize("family", WEIGHTS)
def test_weights_are_whole_numbers_that_float32_holds_and_adds_exactly(family: str) -> None:
    weight_Xn = draw_weights(family, {"rows": 20, "items": 60, "packs": 20}, np.random.default_rng(5))
    assert weight_Xn.shape == (20, 60) and weight_Xn.min() >= 1
    assert (weight_Xn == np.rint(weight_Xn)).all() and weight_Xn.sum(axis=1).max() < 2**24
    assert len({row.tobytes() for row in weight_Xn}) == 20


def test_planted_weights_have_a_perfect_packing_and_loads_the_spread_of_real_ones() -> None:
    sizes = {"rows": 50, "items": 240, "packs": 80}
    assert (draw_weights("planted", sizes, np.random.default_rng(0)).sum(axis=1) == 80 * 3000).all()
    sigma = np.log(draw_weights("loads", sizes, np.random.default_rng(0))).std(axis=1)
    assert 0.5 < sigma.min() < 0.65 and 0.78 < sigma.max() < 0.95


def test_the_defaults_are_the_standard_cases() -> None:
    task = TASKS["balanced_packing"]({})
    cases = task.cases(0)
    assert [case.name for case in cases] == list(STANDARD_CASES)
    weight, packs = task.call(cases[0], 0, ()).args
    assert isinstance(weight, np.ndarray) and weight.dtype == np.float32 and weight.shape == (58, 256) and packs == 32


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"case": ["loads-256x32"]}, "unknown key 'case': did you mean cases?"),
        ({"cases": "loads-256x32"}, "cases: expected a list"),
        ({"cases": ["loads-256x23"]}, "did you mean loads-256x32?"),
        ({"cases": []}, "expected at least one case"),
        ({"cases": ["ties-96x16", "ties-96x16"]}, "expected different names, found ties-96x16 2 times"),
        ({"cases": [{**SIZES, "pack": 3}]}, "unknown key 'pack': did you mean packs?"),
        ({"cases": [{"rows": 2}]}, "items, packs, weights missing"),
        ({"cases": [{**SIZES, "packs": 4}]}, "expected items to be a multiple of packs (4), found 6"),
        ({"cases": [{**SIZES, "rows": 0}]}, "expected rows to be a whole number of at least 1, found 0"),
        ({"cases": [{**SIZES, "rows": 4096, "items": 16383}]}, "expected at most 4194304 weights"),
        ({"cases": [{**SIZES, "rows": 5000}]}, "expected at most 4096 rows"),
        ({"cases": [{**SIZES, "weights": "tie"}]}, "expected weights of loads, uniform"),
        ({"cases": [{**SIZES, "weights": 5}]}, "expected weights to be a text, found 5"),
        ({"exact": 0}, "exact: expected a whole number of at least 1"),
        ({"exact": True}, "exact: expected a whole number"),
    ],
)
def test_options_are_checked(options: dict[str, Any], says: str) -> None:
    with pytest.raises(WorkloadError) as refused:
        BalancedPacking.from_options(options)
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("text", "says"), [("rows=2,items", "expected KEY=VALUE, found 'items'"), ("rows=2,rows=3", "rows is given twice")]
)
def test_a_case_on_the_command_line_is_checked(text: str, says: str) -> None:
    with pytest.raises(WorkloadError, match=says):
        TASKS["balanced_packing"].options[0].parse(text)


def test_without_or_tools_exact_ceilings_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(WorkloadError, match=r"pip install 'packsmith\[exact\]'"):
        BalancedPacking(exact=24)
