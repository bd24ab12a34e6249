"""Placement over time: paces, moves and their seconds, courses, and that a plan has to pay for what it moves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluator import shipped
from evaluator.screen import screen
from evaluator.task_protocol import Task
from evaluator.tasks.eplb.cases import EplbCase
from evaluator.tasks.eplb_over_time import EplbOverTime
from evaluator.tasks.eplb_over_time.courses import SAMPLES, Course, dealt, generate, weights_and_times
from evaluator.tasks.eplb_over_time.moves import Moves
from evaluator.tasks.eplb_over_time.pace import PACES, Costs, Pace
from evaluator.types import Answer, Call, Case, WorkloadError
from harness.patch import apply_reply
from tests.evaluator.contracts import TaskContract
from tests.evaluator.replay import answer_of, entry_of

SMALL = EplbCase(layers=4, experts=32, replicas=40, groups=1, nodes=2, gpus=8)
TASK = EplbOverTime(sizes=SMALL, drifts=("shifting",))
PATCHES = ("keep", "same_gpus", "if_it_pays")


def triple(plan_LR: np.ndarray, experts: int) -> Answer:
    layers, replicas = plan_LR.shape
    logcnt = np.zeros((layers, experts), dtype=np.int64)
    log2phy = np.full((layers, experts, replicas - experts + 1), -1)
    for layer in range(layers):
        for slot, expert in enumerate(plan_LR[layer].tolist()):
            log2phy[layer, expert, logcnt[layer, expert]] = slot
            logcnt[layer, expert] += 1
    return plan_LR, log2phy, logcnt


class TestEplbOverTime(TaskContract):
    def make(self) -> Task:
        return TASK

    def option_texts(self, folder: Path) -> dict[str, tuple[str, ...]]:
        return {"--pace": ("vllm", "sglang"), "--delay": ("100",)}

    def answer(self, task: Task, case: Case, call: Call) -> Answer:
        """Dealt back and forth, on sizes without hierarchy; elsewhere group by group."""
        weight_LE = np.asarray(call.args[0], dtype=np.float64)
        experts, replicas, groups, nodes, gpus = (
            case.sizes[name] for name in ("experts", "replicas", "groups", "nodes", "gpus")
        )
        if groups % nodes or nodes == 1:
            return triple(dealt(weight_LE, replicas, gpus), experts)
        local = dealt(weight_LE.reshape(len(weight_LE) * nodes, -1), replicas // nodes, gpus // nodes)
        begin = np.arange(nodes) * (experts // nodes)
        plan_LR = local.reshape(len(weight_LE), nodes, -1) + begin[:, None]
        return triple(plan_LR.reshape(len(weight_LE), -1), experts)


def test_a_move_is_charged_to_the_link_that_it_takes() -> None:
    """Two nodes of two GPUs of two slots: expert 0 goes to the other GPU of its node, 4 across, 6 within a GPU."""
    old = np.array([[0, 1, 2, 3, 4, 5, 6, 7]])
    costs = Costs(expert_mb=100, node_gb_s=100, network_gb_s=10)
    new = np.array([[0, 4, 2, 0, 4, 5, 7, 6]])
    moves = Moves.between(old, new, 8, 4, 2, costs)
    assert (moves.in_gpu_share, moves.in_node_share, moves.across_share) == (2 / 8, 1 / 8, 1 / 8)
    assert moves.gigabytes == pytest.approx(0.2) and moves.seconds == pytest.approx(0.01)
    both = Moves.between(old, np.array([[2, 4, 2, 3, 4, 5, 6, 7]]), 8, 4, 2, costs)
    assert both.seconds == pytest.approx(0.011), "one GPU fetches over both links, one after the other"
    assert Moves.between(old, old, 8, 4, 2, costs).seconds == 0


def test_sampled_steps_stand_for_all_of_the_interval() -> None:
    for pace in PACES.values():
        weight_S, time_S = weights_and_times(pace)
        assert weight_S.sum() == pytest.approx(pace.interval) and len(weight_S) == SAMPLES
        assert time_S.min() > 0 and time_S.max() < pace.interval


def test_a_course_survives_packing_and_its_windows_drift_as_asked() -> None:
    rng = np.random.default_rng(0)
    course = generate(SMALL, PACES["vllm"], 0.1, rng)
    again = Course.unpacked(course.packed(), SMALL.experts)
    for name in ("windows_WLE", "steps_SLE", "old_LR"):
        np.testing.assert_array_equal(getattr(course, name), getattr(again, name))
    deviations = []
    for drift in (0.03, 0.35):
        first, second, *_ = generate(SMALL, PACES["vllm"], drift, rng).windows_WLE
        deviations.append(float(np.std(np.log(second / first))))
    assert deviations[0] < 0.1 < 0.2 < deviations[1]
    assert course.steps_SLE[:4].sum() > 20 * course.steps_SLE[-4:].sum(), "prefill steps come first"


def score(task: EplbOverTime, plan: np.ndarray) -> dict[str, float]:
    [case] = task.cases(0)
    quality = task.score(case, (plan,))
    return {"value": quality.value, **quality.metrics}


def test_the_figures_agree_with_their_definition_step_by_step() -> None:
    [case] = TASK.cases(0)
    course = Course.unpacked(case.data, SMALL.experts)
    plan = dealt(course.windows_WLE[-1], SMALL.replicas, SMALL.gpus)
    weight_S, _ = weights_and_times(TASK.pace)
    worked = waited = 0.0
    for weight, load_LE in zip(weight_S, course.steps_SLE, strict=True):
        for layer, slots in enumerate(plan):
            on = [0.0] * SMALL.gpus
            for slot, expert in enumerate(slots):
                on[slot // 5] += load_LE[layer, expert] / np.count_nonzero(slots == expert)
            worked, waited = worked + weight * sum(on) / SMALL.gpus * 2e-7, waited + weight * max(on) * 2e-7
    found = score(TASK, plan)
    assert found["value"] == pytest.approx(worked / (waited + found["move_seconds"]))
    assert found["balance_p99"] <= found["balance_p50"]
    assert found["moved_in_node_share"] > 0 and found["moved_across_nodes_share"] > 0


def test_keeping_moves_nothing_and_a_delay_makes_a_plan_worth_less() -> None:
    [case] = TASK.cases(0)
    course = Course.unpacked(case.data, SMALL.experts)
    kept = score(TASK, course.old_LR)
    assert kept["over_keeping"] == kept["moved_gigabytes"] == kept["pays"] == 0
    plan = dealt(course.steps_SLE.sum(axis=0), SMALL.replicas, SMALL.gpus)
    at_once = score(TASK, plan)
    assert at_once["pays"] == 1 and at_once["value"] == pytest.approx(at_once["over_keeping"] + kept["value"])
    late = score(replace(TASK, pace=Pace(window=1000, interval=3000, delay=2900)), plan)
    assert late["value"] < at_once["value"] and late["pays"] == 0, "the moves are paid for and serve no sampled step"
    dear = score(replace(TASK, costs=Costs(network_gb_s=0.1)), plan)
    assert dear["pays"] == 0 and dear["balance_p50"] == at_once["balance_p50"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"pace": "vlm"}, "did you mean vllm"),
        ({"delay": 3000}, "delay below it"),
        ({"window": 5000}, "window of at most the interval"),
        ({"token_us": 0}, "token_us"),
        ({"drifts": ["calm", "calm"]}, "different"),
        ({"drifts": "calm"}, "a list"),
        ({"sizes": {"layers": 2}}, "missing"),
        ({"sizes": {**SMALL.sizes, "groups": 2}}, "groups 1"),
        ({"windows": 3}, "did you mean window"),
    ],
)
def test_options_that_cannot_be_used_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(WorkloadError, match=said):
        EplbOverTime.from_options(options)


def patched(*names: str) -> str:
    folder = shipped("programs/eplb_over_time")
    source = (folder / "greedy.py").read_text()
    for name in names:
        child = apply_reply((folder / "patches" / f"{name}.patch").read_text(), source)
        assert child.name == name and set(child.tiers) == {"exact"} and not child.warnings
        source = child.source
    return source


def test_shipped_programs_and_patches_answer_all_and_pay_more_in_order() -> None:
    assert {path.stem for path in shipped("programs/eplb_over_time/patches").iterdir()} == set(PATCHES)
    settled = shipped("programs/eplb_over_time/settled.py").read_text()
    sources = [*(patched(*names) for names in ((), ("keep",), ("same_gpus",), ("if_it_pays",))), settled]
    worth = []
    for source in sources:
        assert screen(source, TASK.entry_point) is None
        entry = entry_of(source, TASK.entry_point)
        for hard in TASK.hard_cases(0):
            TASK.read(hard.case, answer_of(entry, hard.call))
        task = EplbOverTime.from_options({"pace": "sglang", "sizes": dict(SMALL.sizes)})
        cases = [case for seed in range(4) for case in task.cases(seed)]
        plans = [task.read(case, answer_of(entry, task.call(case, 0, ()))) for case in cases]
        scored = [task.score(case, (plan,)).metrics for case, plan in zip(cases, plans, strict=True)]
        worth.append(float(np.mean([each["over_keeping"] for each in scored])))
    greedy, keep, same_gpus, if_it_pays, best = worth
    assert keep == 0 < greedy < same_gpus < best and greedy < if_it_pays, worth
