"""Whole verdicts: real workers, a small EPLB task, programs written for each stage."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import pytest

from evaluator import (
    EvaluatorError,
    Judge,
    JudgeSettings,
    Progress,
    Rejected,
    Scored,
    Task,
    TimingSettings,
    evaluate,
)
from evaluator.measuring.draws import Draws
from evaluator.tasks import TASKS
from evaluator.types import Plan
from tests.evaluator.kept import KEPT
from tests.evaluator.replay import answer_of, entry_of

SMALL = {"layers": 4, "experts": 16, "replicas": 24, "groups": 4, "nodes": 2, "gpus": 8}
FLAT = {"layers": 3, "experts": 16, "replicas": 20, "groups": 1, "nodes": 1, "gpus": 4}
SETTINGS = JudgeSettings(timeout_s=5, timing=TimingSettings(budget_s=0.05, max_pairs=8))

HEAD = """
import torch

def triple(phy2log, experts):
    layers, replicas = phy2log.shape
    logcnt = torch.zeros(layers, experts, dtype=torch.int64)
    logcnt.scatter_add_(1, phy2log, torch.ones_like(phy2log))
    log2phy = torch.full((layers, experts, int(logcnt.max())), -1, dtype=torch.int64)
    for layer in range(layers):
        seen = [0] * experts
        for slot, expert in enumerate(phy2log[layer].tolist()):
            log2phy[layer, expert, seen[expert]] = slot
            seen[expert] += 1
    return phy2log, log2phy, logcnt

def round_robin(weight, num_replicas, num_groups, num_nodes, num_gpus):
    nodes = num_nodes if num_groups % num_nodes == 0 else 1
    own, slots = weight.shape[1] // nodes, num_replicas // nodes
    row = torch.cat([node * own + torch.arange(slots) % own for node in range(nodes)])
    return row.repeat(len(weight), 1)
"""


def program(body: str) -> str:
    """A program whose `rebalance_experts` has this body."""
    lines = "\n".join(f"    {line}" for line in body.strip().splitlines())
    return f"{HEAD}\ndef rebalance_experts(weight, *sizes):\n    experts = weight.shape[1]\n{lines}\n"


ROUND_ROBIN = program("return triple(round_robin(weight, *sizes), experts)")


@pytest.fixture(scope="module")
def greedy(root: Path) -> str:
    return (root / "programs/eplb/greedy.py").read_text()


@pytest.fixture(scope="module")
def flat() -> Task:
    return TASKS["eplb"]({"cases": [FLAT]})


@pytest.fixture(scope="module")
def judge(flat: Task, greedy: str) -> Iterator[Judge]:
    with Judge(
        flat, reference=greedy, reference_name="greedy.py", device="cpu", settings=SETTINGS, executor=KEPT
    ) as judge:
        yield judge


@pytest.fixture(scope="module")
def strict(flat: Task, greedy: str) -> Iterator[Judge]:
    """A judge with short timeouts."""
    settings = JudgeSettings(timeout_s=1, timing=SETTINGS.timing)
    with Judge(flat, reference=greedy, device="cpu", settings=settings, executor=KEPT) as judge:
        yield judge


def test_a_scored_program_says_where_and_against_what_it_was_measured(judge: Judge, greedy: str) -> None:
    verdict = judge.evaluate(greedy)
    assert isinstance(verdict, Scored)
    (case,) = verdict.score.cases
    assert verdict.score.quality.name == "balance_next"
    assert 0.5 < verdict.score.quality.value <= verdict.score.quality.ceiling <= 1
    assert case.gain == verdict.score.gain and case.value == verdict.score.quality.value
    assert len(bytes.fromhex(verdict.score.secret)) == 16
    assert case.speedup.low <= case.speedup.median <= case.speedup.high
    assert len(case.samples.candidate_us) >= SETTINGS.timing.min_pairs
    assert verdict.environment.reference.startswith("greedy.py ")
    assert verdict.environment.sandbox in ("L1", "L2")
    assert verdict.environment.device == "cpu"
    assert verdict.environment.empty_call_us > 0


def test_the_pass_repeats_to_the_last_digit_and_secret_loads_never(judge: Judge, greedy: str) -> None:
    """The reference's own answers earn what the reference has, whatever the loads."""
    first, second = judge.evaluate(greedy), judge.evaluate(greedy)
    assert isinstance(first, Scored) and isinstance(second, Scored)
    assert first.score.pass_quality == second.score.pass_quality
    assert [case.quality for case in first.score.cases] == [case.quality for case in second.score.cases]
    assert judge.qualify(greedy) == tuple(case.quality for case in first.score.cases)
    assert len({first.score.secret, second.score.secret}) == 2
    one, other = (verdict.score.cases[0].samples for verdict in (first, second))
    assert one is not None and other is not None
    assert not set(one.reference_quality) & set(other.reference_quality)
    for score in (first.score, second.score):
        assert score.gain is not None and score.gain.low == score.gain.median == score.gain.high == 0
        assert score.quality.value == score.quality_interval.low == score.pass_quality


def test_a_reader_can_check_every_stored_call(judge: Judge, greedy: str, root: Path) -> None:
    """The stored secret gives the loads, and a deterministic program gives the same answers to them in any process."""
    source = (root / "programs/eplb/snake.py").read_text()
    verdict = judge.evaluate(source)
    assert isinstance(verdict, Scored), verdict
    task, (case,), (scored,) = judge.task, judge.cases, verdict.score.cases
    assert scored.samples is not None
    draws = Draws(task, case, verdict.score.secret)
    stored = {"candidate": scored.samples.candidate_quality, "reference": scored.samples.reference_quality}
    for name, program in (("candidate", source), ("reference", greedy)):
        function = entry_of(program, task.entry_point)
        plans: dict[int, Plan] = {}
        for call in range(max(scored.samples.calls) + 1):
            drawn, step = draws.at(call)
            before = tuple(plans[at] for at in range(call - step, call))
            plans[call] = task.read(drawn, answer_of(function, task.call(drawn, step, before)))
        replayed = [
            task.pass_quality(*draws.at(call), plans[call])  # the case, the step, and the plan
            for call in scored.samples.calls
        ]
        assert replayed == pytest.approx(stored[name], abs=1e-7)
    assert scored.gain is not None and verdict.score.gain == scored.gain
    mean = fmean(stored["candidate"]) - fmean(stored["reference"])
    if len(set(scored.samples.rounds)) == 1:
        assert scored.gain.median == pytest.approx(mean)
    assert scored.value == pytest.approx(scored.reference_quality + scored.gain.median)


def test_a_worse_program_scores_worse_on_the_same_inputs(judge: Judge, greedy: str) -> None:
    better, worse = judge.evaluate(greedy), judge.evaluate(ROUND_ROBIN)
    assert isinstance(better, Scored) and isinstance(worse, Scored)
    assert worse.score.quality.value < better.score.quality.value - 0.05
    assert worse.score.gain is not None and worse.score.gain.high < 0
    assert worse.score.pass_quality is not None and worse.score.pass_quality < better.score.quality.value - 0.05


@pytest.mark.parametrize(
    ("source", "stage", "reason", "said"),
    [
        ("def rebalance_experts(:", "screen", "syntax", "line 1"),
        ("import os\ndef rebalance_experts(*a): ...", "screen", "import", "os"),
        ("x = 1", "screen", "entry_point", "rebalance_experts"),
        ("1 / 0\ndef rebalance_experts(*a): ...", "load", "exception", "ZeroDivisionError"),
        (program("raise ValueError('no plan')"), "run", "exception", "no plan"),
        (program("return None"), "validate", "answer", "NoneType"),
        (program("return torch.zeros(10**7)"), "validate", "answer", "larger than any valid answer"),
        (
            program("while experts == 16: pass\nreturn triple(round_robin(weight, *sizes), experts)"),
            "run",
            "timeout",
            "step 1 of 4",
        ),
        (program("return torch.zeros(3, 20, dtype=torch.int64)"), "validate", "form", "triple"),
        (
            program("return triple(round_robin(weight, *sizes).clamp(max=experts - 2), experts)"),
            "validate",
            "missing_expert",
            "expert",
        ),
        (
            program("weight.fill_(3)\nreturn triple(round_robin(weight, *sizes), experts)"),
            "validate",
            "mutated_input",
            "copy",
        ),
    ],
)  # fmt: skip
def test_each_fault_is_reported_at_its_stage(strict: Judge, source: str, stage: str, reason: str, said: str) -> None:
    verdict = strict.evaluate(source)
    assert isinstance(verdict, Rejected)
    assert (verdict.stage, verdict.reason) == (stage, reason)
    assert said in verdict.detail


def test_a_failed_hard_case_says_why_it_is_hard(judge: Judge, greedy: str) -> None:
    """Hard cases come before any other call; other tests score the same program without the fault."""
    honest = greedy.replace("def rebalance_experts(", "def solve(")
    seen: list[Progress] = []
    for body, stage, reason, said in (
        ("weight.softmax(1)", "run", "exception", r"\(loads of dtype int64, beyond 2\*\*40\): NotImplementedError"),
        ("weight / weight.sum(1, keepdim=True).item()", "run", "exception", r"hard case 2x8-r12-g4-n2-gpu4 \(no load"),
    ):
        source = f"{honest}\n\ndef rebalance_experts(weight, *sizes):\n    return solve({body}, *sizes)\n"
        for verdict in (judge.evaluate(source, progress=seen.append), judge.qualify(source)):
            assert isinstance(verdict, Rejected)
            assert (verdict.stage, verdict.reason) == (stage, reason)
            assert re.search(said, verdict.detail), verdict.detail
    assert not seen
    only_one = "    return (p if weight.any() else p[:, :1], *rest)"
    source = f"{honest}\n\ndef rebalance_experts(weight, *sizes):\n    p, *rest = solve(weight, *sizes)\n{only_one}\n"
    verdict = judge.evaluate(source)
    assert isinstance(verdict, Rejected) and (verdict.stage, verdict.reason) == ("validate", "shape")
    assert "hard case 2x8-r12-g4-n2-gpu4 (no load at all, every weight is zero): phy2log: expected" in verdict.detail


def test_an_answer_for_other_labels_is_disputed(flat: Task, greedy: str) -> None:
    """A program that solves once and always returns that plan is fast and valid, but balanced only at first."""
    stale = greedy.replace("def rebalance_experts(", "def solve(") + (
        "\n_plans = {}\n\n\ndef rebalance_experts(weight, *sizes):\n    key = (weight.shape, sizes)\n"
        "    if key not in _plans:\n        _plans[key] = solve(weight, *sizes)\n    return _plans[key]\n"
    )
    # Few calls prove nothing, and on a busy machine the time alone would give few.
    settings = JudgeSettings(timing=TimingSettings(budget_s=0.1, min_pairs=24, round_pairs=8))
    with Judge(flat, reference=greedy, device="cpu", settings=settings, executor=KEPT) as judge:
        verdict = judge.evaluate(stale)
    assert isinstance(verdict, Rejected)
    assert (verdict.stage, verdict.reason) == ("measure", "quality_disputed")


def test_declared_parameters_are_given_and_others_are_not(judge: Judge, greedy: str) -> None:
    """The old plan is None at the first window, then the previous plan; history grows by one window per step."""
    body = """
def rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus, *, old_phy2log=None, history):
    layers, experts = weight.shape
    windows = history.shape[0]
    assert torch.equal(history[-1], weight), "the newest window is the one to plan on"
    assert (old_phy2log is None) == (windows == 1), (windows, old_phy2log)
    if old_phy2log is not None:
        counts = torch.zeros(layers, experts, dtype=torch.int64)
        counts.scatter_add_(1, old_phy2log, torch.ones_like(old_phy2log))
        assert old_phy2log.shape == (layers, num_replicas) and int(counts.min()) >= 1
    return solve(weight, num_replicas, num_groups, num_nodes, num_gpus)
"""
    verdict = judge.evaluate(greedy.replace("def rebalance_experts(", "def solve(") + body)
    assert isinstance(verdict, Scored), verdict


def test_programs_may_answer_with_phy2log_alone(greedy: str, shared_processes: None) -> None:
    task = TASKS["eplb"]({"cases": [SMALL], "form": "phy2log"})
    alone = greedy.replace("def rebalance_experts(", "def solve(") + (
        "\n\ndef rebalance_experts(*arguments):\n    return solve(*arguments)[0]\n"
    )
    scored = evaluate(alone, task, reference=alone, device="cpu", settings=SETTINGS)
    with Judge(task, reference=alone, device="cpu", settings=SETTINGS, executor=KEPT) as judge:
        rejected = judge.evaluate(greedy)
    assert isinstance(scored, Scored)
    assert isinstance(rejected, Rejected) and rejected.reason == "form"


def test_a_bad_reference_is_the_users_fault_and_the_judge_stays_usable(flat: Task, greedy: str) -> None:
    with Judge(
        flat, reference="x = 1", reference_name="mine.py", device="cpu", settings=SETTINGS, executor=KEPT
    ) as judge:
        with pytest.raises(EvaluatorError, match=r"reference mine\.py failed at load \(entry_point\)"):
            judge.evaluate(greedy)
        assert isinstance(judge.evaluate("x = 1"), Rejected)


MANY_THREADS = """
import time
os, threading = __import__("os"), __import__("threading")
torch.set_num_threads(8)

def rebalance_experts(weight, *sizes):
    def work():
        for _ in range(20):
            torch.rand(300, 300) @ torch.rand(300, 300)
        masks.add(len(os.sched_getaffinity(0)))

    masks = set()
    used, begin = time.process_time(), time.perf_counter()
    others = [threading.Thread(target=work) for _ in range(4)]
    for thread in others:
        thread.start()
    for thread in others:
        thread.join()
    work()
    cores_used = (time.process_time() - used) / (time.perf_counter() - begin)
    try:
        os.sched_setaffinity(0, range(1000))
    except PermissionError:
        masks.add(len(os.sched_getaffinity(0)))
        raise ValueError(f"cores {masks}, {cores_used:.2f} of them used")
"""


@pytest.mark.parametrize("threads", [1, 2, 10_000])
def test_threads_share_the_cores_that_the_judge_allows(flat: Task, greedy: str, threads: int) -> None:
    """Whatever a program asks of torch and of the kernel, on its main thread and on others."""
    cores = min(threads, len(os.sched_getaffinity(0)))
    settings = replace(SETTINGS, threads=threads, timeout_s=60)
    with Judge(flat, reference=greedy, device="cpu", settings=settings, executor=KEPT) as judge:
        verdict = judge.qualify(HEAD + MANY_THREADS)
    assert isinstance(verdict, Rejected)
    said = re.search(r"ValueError: cores \{(\d+)\}, (.+) of them used", verdict.detail)
    assert said is not None, verdict.detail
    assert int(said[1]) == cores
    assert float(said[2]) < cores + 0.2


def test_judges_at_once_share_out_the_cores(flat: Task, greedy: str) -> None:
    with (
        Judge(flat, reference=greedy, device="cpu", settings=SETTINGS, executor=KEPT) as first,
        Judge(flat, reference=greedy, device="cpu", settings=SETTINGS, executor=KEPT) as second,
    ):
        assert len(first._cpus) == len(second._cpus) == 1
        assert first._cpus != second._cpus or len(os.sched_getaffinity(0)) == 1


def test_progress_names_stage_and_case(judge: Judge, greedy: str) -> None:
    seen: list[Progress] = []
    judge.evaluate(greedy, progress=seen.append)
    # Other programs on this machine may be measuring.
    steps = [(step.stage, step.done, step.total) for step in seen if "waiting" not in step.stage]
    assert steps[0] == ("run", 0, 1) and set(steps[1:]) == {("measure", 0, 1)}
    assert seen[0].case == judge.cases[0].name


def test_another_seed_gives_other_loads(flat: Task, greedy: str, judge: Judge) -> None:
    with Judge(flat, reference=greedy, device="cpu", seed=1, settings=SETTINGS, executor=KEPT) as other:
        assert other.qualify(greedy) != judge.qualify(greedy)


def test_the_judge_ends_a_measurement_once_it_is_decided(flat: Task, greedy: str) -> None:
    with Judge(flat, reference=greedy, device="cpu", executor=KEPT) as judge:
        verdict = judge.race(greedy, lambda estimate: "seen enough")
        full = judge.evaluate(greedy)
    assert isinstance(verdict, Scored) and isinstance(full, Scored)
    assert verdict.score.decided == "decided after 4 pairs a case: seen enough" and full.score.decided == ""
    short, long = (sum(len(case.samples.calls) for case in s.score.cases if case.samples) for s in (verdict, full))
    assert short == 4 * len(verdict.score.cases) < long
    assert verdict.score.gain is not None and verdict.score.secret
