"""Measuring with real workers: rounds of fresh processes, head-to-head comparisons, lanes, and who is at fault."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from evaluator import (
    Duel,
    EvaluatorError,
    Judge,
    JudgeSettings,
    LocalExecutor,
    OtherFailed,
    Progress,
    Rejected,
    Scored,
    Task,
)
from evaluator.settings import Lane, TimingSettings
from evaluator.tasks import TASKS
from tests.evaluator.kept import KEPT

TINY = {"layers": 2, "experts": 8, "replicas": 12, "groups": 1, "nodes": 1, "gpus": 4}
QUICK = TimingSettings(budget_s=0.2, duel_s=1.0, round_pairs=2)


@pytest.fixture(scope="module")
def greedy(root: Path) -> str:
    return (root / "programs/eplb/greedy.py").read_text()


@pytest.fixture(scope="module")
def task() -> Task:
    return TASKS["eplb"]({"cases": [TINY]})


@pytest.fixture(scope="module")
def judge(task: Task, greedy: str) -> Iterator[Judge]:
    settings = JudgeSettings(timeout_s=2, timing=QUICK)
    with Judge(task, reference=greedy, device="cpu", settings=settings, executor=KEPT) as judge:
        yield judge


def workers(judge: Judge) -> list[int]:
    """The judge's worker processes."""
    executor = judge._executor
    assert isinstance(executor, LocalExecutor)
    return [worker._link.pid for worker in executor._workers]


def wrapped(greedy: str, before: str) -> str:
    """The program with statements before each call."""
    return greedy.replace("def rebalance_experts(", "def solve(") + (
        f"\n\n_calls = []\n\n\ndef rebalance_experts(*arguments):\n    _calls.append(1)\n    {before}\n"
        f"    return solve(*arguments)\n"
    )


def test_pairs_are_taken_in_rounds_of_fresh_processes(task: Task, greedy: str) -> None:
    """A program that fails at its sixth call after the pass is scored, because no process makes that many."""
    settings = JudgeSettings(timing=TimingSettings(budget_s=0.1, min_pairs=6, round_pairs=2))
    with Judge(task, reference=greedy, device="cpu", settings=settings, executor=KEPT) as judge:
        calls = judge.task.steps(judge.cases[0]) + len(judge.task.hard_cases(0)) + 5
        verdict = judge.evaluate(wrapped(greedy, f"assert len(_calls) <= {calls}"))
    assert isinstance(verdict, Scored)
    samples = verdict.score.cases[0].samples
    assert samples is not None and len(samples.rounds) >= 3
    assert sum(samples.rounds) == len(samples.candidate_us) >= 6


SLOW_AT_NEW_TYPES = """

import time

_met = set()


def rebalance_experts(weight, *sizes, old_phy2log=None):
    kind = weight.dtype, weight.dim(), old_phy2log is None
    if kind not in _met:
        _met.add(kind)
        time.sleep(0.15)
    return solve(weight, *sizes)
"""


@pytest.mark.slow
def test_work_that_new_types_cause_is_not_timed(judge: Judge, greedy: str) -> None:
    """As a just-in-time compiler works, against a reference so slow that it is not warmed up by full calls."""
    settings = JudgeSettings(timing=TimingSettings(budget_s=0.1, min_pairs=8, round_pairs=4))
    slow = wrapped(greedy, "import time; time.sleep(0.02)")
    with Judge(judge.task, reference=slow, device="cpu", settings=settings, executor=KEPT) as patient:
        verdict = patient.evaluate(greedy.replace("def rebalance_experts(", "def solve(") + SLOW_AT_NEW_TYPES)
    assert isinstance(verdict, Scored)
    samples = verdict.score.cases[0].samples
    assert samples is not None and len(samples.rounds) >= 2
    assert max(samples.candidate_us) < 140_000


def test_slower_program_loses_and_faster_program_wins(task: Task, greedy: str) -> None:
    slow = wrapped(greedy, "[solve(*arguments) for _ in range(9)]")
    settings = JudgeSettings(
        timing=TimingSettings(duel_s=60.0, round_pairs=4)
    )  # one second shows that a program is ten times as fast
    with Judge(task, reference=greedy, device="cpu", settings=settings, executor=KEPT) as judge:
        lost, won = judge.compare(slow, greedy), judge.compare(greedy, slow, level=0.99)
    assert isinstance(lost, Duel) and isinstance(won, Duel)
    assert (lost.comparison, won.comparison) == ("worse", "better")
    assert (lost.level, won.level) == (0.995, 0.99)
    assert lost.quality_comparison == won.quality_comparison == "undecided"
    assert lost.gain is not None and lost.gain.low == lost.gain.high == 0  # the same answers to the same loads
    assert lost.certain.high < 1 < won.certain.low
    assert won.speedup.low <= won.speedup.median <= won.speedup.high
    assert len(won.samples) == len(judge.cases) and won.environment.device == "cpu"


def test_candidates_fault_in_a_comparison_is_its_verdict(judge: Judge, greedy: str) -> None:
    assert isinstance(judge.compare("x = 1", greedy), Rejected)
    late = wrapped(greedy, f"assert len(_calls) <= {judge.task.steps(judge.cases[0])}, 'worn out'")
    worn = judge.compare(late.replace("_calls = []", "_calls = [1]"), greedy)
    assert isinstance(worn, Rejected) and "worn out" in worn.detail


def test_fault_of_the_other_program_raises_other_failed(judge: Judge, greedy: str) -> None:
    for other, said in (
        (wrapped(greedy, "raise ValueError('no more')"), r"mine\.py failed at run \(exception\).*no more"),
        (wrapped(greedy, "return None"), r"mine\.py failed at validate"),
        ("x = 1", r"mine\.py failed at load \(entry_point\)"),
    ):
        with pytest.raises(OtherFailed, match=said):
            judge.compare(greedy, other, other_name="mine.py")
    assert isinstance(judge.compare(greedy, greedy), Duel)


def test_candidates_invalid_answer_in_a_comparison_is_its_verdict(judge: Judge, greedy: str) -> None:
    verdict = judge.compare(wrapped(greedy, "return None"), greedy)
    assert isinstance(verdict, Rejected) and verdict.stage == "validate"


def test_a_faster_program_with_worse_answers_is_called_both(judge: Judge, greedy: str) -> None:
    """One that solves once and always returns that plan: valid answers, and no pass here that they disagree with."""
    stale = greedy.replace("def rebalance_experts(", "def solve(") + (
        "\n_plans = {}\n\n\ndef rebalance_experts(weight, *sizes):\n    key = (weight.shape, sizes)\n"
        "    if key not in _plans:\n        _plans[key] = solve(weight, *sizes)\n    return _plans[key]\n"
    )
    settings = JudgeSettings(timing=TimingSettings(duel_s=20.0, round_pairs=2))
    with Judge(judge.task, reference=greedy, device="cpu", settings=settings, executor=KEPT) as patient:
        duel = patient.compare(stale, greedy)
    assert isinstance(duel, Duel)
    assert (duel.comparison, duel.quality_comparison) == ("better", "worse")
    assert duel.gain is not None and duel.certain_gain is not None
    assert duel.certain_gain.high < 0 and duel.gain.median < -0.05
    assert len(bytes.fromhex(duel.secret)) == 16 and all(samples.calls for samples in duel.samples)


KEEPS_PLANS = """


_kept = []


def rebalance_experts(weight, *sizes):
    shares = (weight / weight.sum(dim=1, keepdim=True)).log()
    order = shares.argsort(dim=1)
    ranked = shares.gather(1, order)
    met = {}
    for layer in range(len(weight)):
        near = [(float((row[layer_] - ranked[layer]).abs().mean()), row, ids, plan, layer_)
                for row, ids, plan, of in _kept if (row.shape, of) == (ranked.shape, sizes)
                for layer_ in range(len(weight))]
        if near:
            met[layer] = min(near, key=lambda match: match[0])
    if len(met) < len(weight) or max(match[0] for match in met.values()) > 0.1:
        phy2log, log2phy, logcnt = solve(weight, *sizes)
        _kept.append((ranked, order, phy2log, sizes))
        return phy2log, log2phy, logcnt
    rows = []
    for layer, (_, _, ids, plan, layer_) in sorted(met.items()):
        rank = torch.empty_like(ids[layer_])
        rank[ids[layer_]] = torch.arange(len(rank))
        rows.append(order[layer][rank[plan[layer_]]])
    phy2log = torch.stack(rows)
    counts = torch.stack([row.bincount(minlength=weight.shape[1]) for row in phy2log])
    log2phy = torch.full((*weight.shape, int(counts.max())), -1)
    for layer, row in enumerate(phy2log.tolist()):
        filled = [0] * weight.shape[1]
        for slot, expert in enumerate(row):
            log2phy[layer, expert, filled[expert]] = slot
            filled[expert] += 1
    return phy2log, log2phy, counts
"""


CARELESS_WHEN_TIMED = """


_calls = []


def rebalance_experts(weight, *sizes):
    _calls.append(weight.shape)
    return solve(weight if (1, 8) in _calls else weight.log2().round().exp2(), *sizes)
"""


def earns_at_most(verdict: Scored | Rejected, gain: float) -> bool:
    """Whether a verdict credits no more than this gain over the reference."""
    if isinstance(verdict, Rejected):
        return verdict.reason == "quality_disputed"
    return verdict.score.gain is not None and verdict.score.gain.median <= gain


@pytest.fixture(scope="module")
def thorough(greedy: str) -> Iterator[Judge]:
    """A judge with a long time budget."""
    task = TASKS["eplb"]({"cases": [{**TINY, "layers": 8, "experts": 64, "replicas": 72, "gpus": 8}]})
    settings = JudgeSettings(timing=TimingSettings(budget_s=2.0))
    with Judge(task, reference=greedy, device="cpu", settings=settings, executor=KEPT) as judge:
        yield judge


def test_answering_from_a_cache_costs_balance(thorough: Judge, greedy: str) -> None:
    """A program that recognises a layer by its sorted loads, whatever the labels, and keeps its plan."""
    verdict = thorough.evaluate(greedy.replace("def rebalance_experts(", "def solve(") + KEEPS_PLANS)
    assert earns_at_most(verdict, -0.002), verdict


def test_answering_carelessly_when_timed_is_disputed(thorough: Judge, greedy: str) -> None:
    """A program that distinguishes a scored call from one of the pass."""
    verdict = thorough.evaluate(greedy.replace("def rebalance_experts(", "def solve(") + CARELESS_WHEN_TIMED)
    assert isinstance(verdict, Rejected) and verdict.reason == "quality_disputed", verdict


CAREFUL_IN_SOME_CALLS = """


_calls = []


def rebalance_experts(weight, *sizes):
    _calls.append(1)
    if len(_calls) % 3:
        return solve(weight, *sizes)
    for _ in range(9):
        answer = solve(weight, *sizes)
    return answer
"""


def test_a_program_that_is_dear_in_every_third_call_pays_for_it(thorough: Judge, greedy: str) -> None:
    """A median would have forgotten those calls."""
    verdict = thorough.evaluate(greedy.replace("def rebalance_experts(", "def solve(") + CAREFUL_IN_SOME_CALLS)
    assert isinstance(verdict, Scored), verdict
    assert 1 / verdict.score.speedup.median == pytest.approx((1 + 1 + 9) / 3, rel=0.25)
    assert verdict.score.gain is not None and verdict.score.gain.low == verdict.score.gain.high == 0


def test_progress_of_a_comparison(judge: Judge, greedy: str) -> None:
    seen: list[Progress] = []
    judge.compare(greedy, greedy, progress=seen.append)
    # Other programs on this machine may be measuring.
    stages = {(step.stage, step.case) for step in seen if step.stage != "run" and "waiting" not in step.stage}
    assert stages == {("duel", judge.cases[0].name)}


def test_programs_are_pinned_to_the_lane_only_while_they_are_timed(task: Task, greedy: str) -> None:
    cores = os.sched_getaffinity(0)
    settings = JudgeSettings(lanes=(Lane(cpus=(max(cores),)),), timing=QUICK)
    seen: dict[str, set[frozenset[int]]] = {}
    with Judge(task, reference=greedy, device="cpu", settings=settings, executor=KEPT) as judge:

        def look(step: Progress) -> None:
            if "waiting" in step.stage:
                return
            running = [frozenset(os.sched_getaffinity(pid)) for pid in workers(judge)]
            seen.setdefault(step.stage, set()).update(running)

        assert isinstance(judge.evaluate(greedy, progress=look), Scored)
    assert seen["measure"] == {frozenset({max(cores)})}
    (untimed,) = seen["run"]
    assert len(untimed) == 1 and untimed <= (cores - {max(cores)} or cores)


def test_both_programs_of_a_measurement_are_pinned_to_the_same_cores(task: Task, greedy: str) -> None:
    """Without lanes. A program gets as many cores as it may use threads; a lane with more cores does not give more."""
    cores = os.sched_getaffinity(0)
    for lanes in ((), (Lane(cpus=tuple(cores)),)):
        seen: list[frozenset[int]] = []
        settings = JudgeSettings(lanes=lanes, timing=QUICK)
        with Judge(task, reference=greedy, device="cpu", settings=settings, executor=KEPT) as judge:

            def look(step: Progress, judge: Judge = judge, seen: list[frozenset[int]] = seen) -> None:
                if step.stage == "measure":
                    running = [frozenset(os.sched_getaffinity(pid)) for pid in workers(judge)]
                    assert len(set(running)) == 1
                    seen.extend(running)

            assert isinstance(judge.evaluate(greedy, progress=look), Scored)
        assert len(seen) >= 2 and all(len(pinned) == 1 for pinned in seen)


def test_missing_lane_is_the_users_fault(task: Task, greedy: str) -> None:
    with pytest.raises(EvaluatorError, match=r"judge\.lanes"):
        Judge(task, reference=greedy, device="cpu", settings=JudgeSettings(lanes=(Lane(cpus=(9999,)),)))
