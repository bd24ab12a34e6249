"""Both tasks of packing lists keep the contract of a task, and the online driver keeps to the plain loop."""

from __future__ import annotations

import textwrap
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluator import Judge, JudgeSettings, Rejected, shipped
from evaluator.task_protocol import Task, driver_of
from evaluator.tasks import TASKS
from evaluator.tasks.bin_packing import driver
from evaluator.types import Answer, Array, Call, Case, InvalidAnswer
from tests.evaluator.contracts import TaskContract
from tests.evaluator.kept import KEPT
from tests.evaluator.replay import entry_of

SMALL = [
    {"name": "even", "kind": "uniform", "items": 400, "capacity": 150, "lists": 4},
    {"name": "uneven", "kind": "weibull", "items": 1000, "capacity": 100, "lists": 1},
]
OR_SET = "2\n a\n 150 3 2\n100\n60\n50\n b\n 150 3 0\n20\n20\n20\n"


def one_bin_after_the_other(items_BN: Array, capacity: int) -> Array:
    """Next fit: an item that does not fit the last bin opens another."""
    plan_BN = np.empty_like(items_BN)
    for row, items in enumerate(items_BN.tolist()):
        number, room = 0, capacity
        for at, item in enumerate(items):
            if item > room:
                number, room = number + 1, capacity
            room -= item
            plan_BN[row, at] = number
    return plan_BN


class Lists(TaskContract):
    def answer(self, task: Task, case: Case, call: Call) -> Answer:
        return (one_bin_after_the_other(*call.args),)  # type: ignore[arg-type]

    def option_texts(self, folder: Path) -> dict[str, tuple[str, ...]]:
        (folder / "set.txt").write_text(OR_SET)
        own = "kind=uniform,items=9,capacity=150,lists=2"
        return {"--case": ("uniform-120", "triplet-60", own), "--trace": (str(folder / "set.txt"),)}


class TestOnline(Lists):
    def make(self) -> Task:
        return TASKS["bin_packing"]({"cases": SMALL})


class TestOffline(Lists):
    def make(self) -> Task:
        return TASKS["bin_packing_offline"]({"cases": SMALL})


def plain_loop(table: Array, items: list[int], capacity: int) -> list[int]:
    """The protocol of FunSearch: one unopened bin for every item, and the first of the highest scores."""
    bins, chosen, numbers = [capacity] * len(items), [], {}
    for item in items:
        fits = [at for at, room in enumerate(bins) if room >= item]
        best = max(fits, key=lambda at: (table[item, bins[at]], -at))
        bins[best] -= item
        chosen.append(numbers.setdefault(best, len(numbers)))
    return chosen


@settings(max_examples=60, deadline=None)
@given(
    capacity=st.integers(1, 12),
    scores=st.lists(st.integers(-3, 3) | st.sampled_from([0.5, -np.inf, np.inf]), min_size=1, max_size=170),
    lists=st.lists(st.lists(st.integers(1, 12), min_size=1, max_size=25), min_size=1, max_size=3),
)
def test_levels_and_bins_pack_as_the_plain_loop_does(
    capacity: int, scores: list[float], lists: list[list[int]]
) -> None:
    """For any scores of an item and a remaining capacity, with ties of any kind."""
    table = np.resize(np.array(scores, dtype=np.float64), (capacity + 1, capacity + 1))
    lists = [[min(item, capacity) for item in items] for items in lists]
    expected = [plain_loop(table, items, capacity) for items in lists]
    assert driver.by_bins(lambda item, bins: table[item, bins], lists, capacity) == expected
    assert driver.by_levels(lambda item, levels: table[item, levels], lists, capacity) == expected


def test_a_function_of_bins_sees_the_open_ones_in_order_and_a_new_one() -> None:
    seen = []

    def priority(item, bins):  # type: ignore[no-untyped-def]
        seen.append((item, bins.tolist()))
        bins[:] = 0  # a copy
        return np.arange(len(bins)) == 0

    driver.by_bins(priority, [[6, 7, 4, 3]], 10)
    assert seen == [(6, [10]), (7, [10]), (4, [4, 10]), (3, [3, 10])]


@pytest.mark.parametrize("sign", [-1, 0])
def test_a_function_of_levels_is_asked_once_for_a_size_and_never_for_one_that_does_not_occur(sign: int) -> None:
    asked = []

    def priority(item, levels):  # type: ignore[no-untyped-def]
        asked.append((item, len(levels)))
        return sign * levels

    driver.by_levels(priority, [[6, 7, 6, 3], [6, 3, 3, 3]], 10)
    assert asked == [(6, 5), (6, 2), (6, 5), (7, 4), (3, 8)]  # the first two: whether it scores each by itself


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("return levels - levels.mean()", "must score each level by itself"),
        ("return levels[:-1]", "expected a number for each of 71 bins, found int64"),
        ("return levels * float('nan')", "found NaN"),
        ("return [str(level) for level in levels]", "expected a number for each"),
    ],
)
def test_scores_of_no_use_are_refused(body: str, why: str) -> None:
    entry = entry_of(f"def priority(item, levels):\n    {body}\n", "priority", driver_of(TASKS["bin_packing"]({})))
    with pytest.raises(ValueError, match=why):
        entry(np.array([[30, 20]]), 100)


def test_the_judge_refuses_what_no_online_packing_can_be() -> None:
    task = TASKS["bin_packing"]({"cases": SMALL[:1]})
    [case] = task.cases(0)
    good = one_bin_after_the_other(case.data, 150)
    assert np.array_equal(task.read(case, (good,)), good)
    for change, reason in (
        (lambda plan: plan[0].__setitem__(0, 1), "order"),
        (lambda plan: plan[2].__setitem__(slice(None), 0), "capacity"),
        (lambda plan: plan[1].__setitem__(5, 400), "range"),
    ):
        bad = good.copy()
        change(bad)
        with pytest.raises(InvalidAnswer) as refused:
            task.read(case, (bad,))
        assert refused.value.reason == reason


def test_bins_of_an_offline_packing_may_be_numbered_in_any_way() -> None:
    task = TASKS["bin_packing_offline"]({"cases": SMALL[:1]})
    [case] = task.cases(0)
    good = one_bin_after_the_other(case.data, 150)
    np.testing.assert_array_equal(task.read(case, (399 - good,)), good)


@pytest.mark.slow
def test_the_judge_calls_a_function_through_the_driver() -> None:
    task = TASKS["bin_packing"]({"cases": SMALL})
    source = shipped("programs/bin_packing/best_fit.py").read_text()
    blind = textwrap.dedent("""
        def priority(item, bins):
            return bins[:0]
        """)
    settings = JudgeSettings(timeout_s=20)
    with Judge(task, reference=source, device="cpu", settings=settings, executor=KEPT) as judge:
        by_levels, by_bins = judge.qualify(source), judge.qualify(source.replace("levels", "bins"))
        refused = judge.qualify(blind)
    assert not isinstance(by_levels, Rejected) and by_levels == by_bins
    assert isinstance(refused, Rejected) and "expected a number for each of 1 bins" in refused.detail
