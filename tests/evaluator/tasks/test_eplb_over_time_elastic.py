"""Placement over time with a rank missing: what is valid, what is scored, and what the shipped programs do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluator import shipped
from evaluator.chained import quality_in_pass
from evaluator.task_protocol import Task
from evaluator.tasks.eplb.answers import read_answer
from evaluator.tasks.eplb_over_time import EplbOverTime, ranks
from evaluator.tasks.eplb_over_time.courses import Course, dealt
from evaluator.tasks.eplb_over_time.moves import Moves
from evaluator.tasks.eplb_over_time.pace import Costs
from evaluator.types import InvalidAnswer
from tests.evaluator.replay import answer_of, entry_of
from tests.evaluator.tasks import test_eplb_over_time as whole
from tests.evaluator.tasks.test_eplb_over_time import SMALL, WORKLOAD, chained, patched, triple

TASK = EplbOverTime(workload=replace(WORKLOAD, drifts=(), elastic=("lost", "back"), rebalances=2))
SIZES = {"layers": 1, "experts": 4, "replicas": 8, "groups": 1, "nodes": 2, "gpus": 4}
ACTIVE = np.array([True, True, False, True])
PLAN = np.array([[0, 1, 2, 3, -1, -1, 0, 1]])


class TestElastic(whole.TestEplbOverTime):
    test_the_judge_never_imports_torch = None  # type: ignore[assignment]  # it is one module
    test_its_ladder_is_in_order = None  # type: ignore[assignment]  # the same programs

    def make(self) -> Task:
        return TASK


def refused(plan: np.ndarray | None = None, **changed: np.ndarray) -> InvalidAnswer:
    phy2log, log2phy, logcnt = triple(PLAN, 4)
    answer = (phy2log if plan is None else plan, changed.get("log2phy", log2phy), changed.get("logcnt", logcnt))
    with pytest.raises(InvalidAnswer) as found:
        ranks.read(answer, SIZES, ACTIVE)
    return found.value


@pytest.mark.parametrize("filler", [-1, 0, 3, 10**9])
def test_what_stands_on_a_missing_rank_does_not_count(filler: int) -> None:
    _, log2phy, logcnt = triple(PLAN, 4)
    read = ranks.read((np.where(PLAN < 0, filler, PLAN), log2phy, logcnt), SIZES, ACTIVE)
    np.testing.assert_array_equal(read, PLAN)


def test_an_expert_that_is_on_a_missing_rank_alone_is_missing() -> None:
    invalid = refused(np.array([[0, 1, 2, 2, 3, 3, 0, 1]]))
    assert invalid.reason == "missing_expert" and "expert 3 of layer 0 in no slot" in invalid.detail
    assert "ranks 2 are missing: what their slots hold does not count" in invalid.detail


def test_slots_of_a_missing_rank_may_not_be_listed_or_counted() -> None:
    _, log2phy, logcnt = triple(PLAN, 4)
    listed = np.where(log2phy == 2, 4, log2phy)
    invalid = refused(log2phy=listed)
    assert invalid.reason == "missing_rank" and "found slot 4 at [0, 2, 0]" in invalid.detail
    assert refused(logcnt=logcnt + np.array([0, 0, 0, 1])).reason == "logcnt"
    assert refused(log2phy=log2phy.astype(np.float64)).reason == "dtype"
    wide = np.pad(log2phy, ((0, 0), (0, 0), (0, 2)), constant_values=-1)
    assert refused(log2phy=wide).reason == "shape", "with 6 slots for 4 experts, no expert has more than 3"


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_answer_is_read_or_refused(data: st.DataObject) -> None:
    """As without missing ranks: what is read is the plan that the active slots hold."""
    numbers = st.integers(-2, 8)
    phy2log = np.array(data.draw(st.lists(numbers, min_size=8, max_size=8)))[None]
    _, log2phy, logcnt = triple(PLAN, 4)
    for at in data.draw(st.lists(st.integers(0, log2phy.size - 1), max_size=3)):
        log2phy.flat[at] = data.draw(numbers)
    try:
        read = ranks.read((phy2log, log2phy, logcnt), SIZES, ACTIVE)
    except InvalidAnswer as invalid:
        assert invalid.reason.isidentifier()
    else:
        np.testing.assert_array_equal(read[:, ACTIVE.repeat(2)], phy2log[:, ACTIVE.repeat(2)])
        assert (read[:, 4:6] == -1).all()


def test_without_a_missing_rank_answers_are_read_as_ever() -> None:
    answer = triple(dealt(np.ones((1, 4)), 8, 4), 4)
    everywhere = np.ones(4, dtype=bool)
    np.testing.assert_array_equal(ranks.read(answer, SIZES, everywhere), read_answer(answer, SIZES, "triple"))


def test_the_least_repair_changes_no_more_than_it_must() -> None:
    old = np.array([[0, 1, 2, 0, -1, -1, 0, 1]])
    np.testing.assert_array_equal(ranks.repaired(old, ACTIVE, 4), [[3, 1, 2, 0, -1, -1, 0, 1]])
    moves = Moves.between(old, ranks.repaired(old, ACTIVE, 4), 4, 4, 2, Costs(expert_mb=100, backup_gb_s=1))
    assert (moves.reloaded_share, moves.in_node_share, moves.across_share) == (1 / 8, 0, 0)
    assert moves.seconds == pytest.approx(0.1) and moves.gigabytes == pytest.approx(0.1)


def test_scenarios_are_what_they_say() -> None:
    lost, back = (Course.unpacked(case.data, case.sizes) for case in TASK.cases(0))
    gone = np.flatnonzero(~lost.active_M)
    assert len(gone) == 1 and (lost.old_LR.reshape(4, 8, 5)[:, gone] == -1).all() and lost.urgent
    empty = (back.old_LR.reshape(4, 8, 5) == -1).all(axis=(0, 2))
    assert back.active_M.all() and empty.sum() == 1 and not back.urgent
    drawn = [TASK.draw(TASK.cases(0)[0], np.random.default_rng(seed)) for seed in range(8)]
    assert len({Course.unpacked(case.data, SMALL.sizes).active_M.tobytes() for case in drawn}) > 2, "any rank may fail"


def test_scores_are_of_the_ranks_that_are_left() -> None:
    lost, back = TASK.cases(0)
    course = Course.unpacked(lost.data, lost.sizes)
    plan = ranks.spread(dealt(course.windows_WLE[1], 35, 7), course.active_M)
    score = TASK.score(lost, (plan, plan))
    assert 0.5 < score.value < score.ceiling <= 1 and 0 < score.metrics["reloaded_share"] < 0.1
    assert score.metrics["do_nothing_useful_share"] > 0.3, "left alone, the placement is repaired"
    late = EplbOverTime(workload=replace(TASK.workload, pace=replace(WORKLOAD.pace, delay=2000)))
    assert quality_in_pass(late, lost, 0, (plan,)) == quality_in_pass(TASK, lost, 0, (plan,)), "at once: none else can"
    assert quality_in_pass(late, lost, 1, (plan, plan)) == quality_in_pass(TASK, lost, 1, (plan, plan))
    plan = dealt(Course.unpacked(back.data, back.sizes).windows_WLE[1], 40, 8)
    filled = TASK.score(back, (plan, plan)).metrics
    assert filled["over_keeping"] > 0.05 and filled["reloaded_share"] == 0


@pytest.mark.parametrize("names", [(), ("keep",), ("same_gpus",), ("if_it_pays",)])
def test_shipped_programs_serve_with_a_rank_missing(names: tuple[str, ...]) -> None:
    entry = entry_of(patched(*names), TASK.entry_point)
    for hard in (*TASK.hard_cases(0), *TASK.agreement_calls(0)):
        TASK.read(hard.case, answer_of(entry, hard.call))
    for case in TASK.cases(0):
        plans = chained(TASK, case, entry)
        if names == ("keep",):
            assert TASK.score(case, plans).metrics["left_alone_share"] == 0.5, "it cannot stay at first"


def test_the_ladder_is_of_programs_that_know_of_missing_ranks() -> None:
    assert TASK.ladder is not None
    for program in TASK.ladder.programs:
        assert "active_ranks" in shipped(program).read_text()
