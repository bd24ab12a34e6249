"""Placement over time: paces, moves and their seconds, courses, and that a chain of plans has to pay for its moves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluator import Judge, JudgeSettings, Redrawn, Scored, TimingSettings, shipped
from evaluator.chained import quality_in_pass
from evaluator.measuring.draws import Draws
from evaluator.screen import screen
from evaluator.task_protocol import Task
from evaluator.tasks.eplb.cases import EplbCase
from evaluator.tasks.eplb_over_time import EplbOverTime
from evaluator.tasks.eplb_over_time.chains import Chain, largest_loads, useful_share
from evaluator.tasks.eplb_over_time.courses import Course, begun, dealt
from evaluator.tasks.eplb_over_time.generated import SAMPLES, generate, weights_and_times
from evaluator.tasks.eplb_over_time.moves import Moves
from evaluator.tasks.eplb_over_time.pace import PACES, Costs, Pace
from evaluator.tasks.eplb_over_time.ranks import spread
from evaluator.tasks.eplb_over_time.workload import Workload
from evaluator.types import Answer, Call, Case, Plan, WorkloadError
from harness.patch import apply_reply
from tests.evaluator.contracts import TaskContract
from tests.evaluator.kept import KEPT
from tests.evaluator.replay import answer_of, entry_of

SMALL = EplbCase(layers=4, experts=32, replicas=40, groups=1, nodes=2, gpus=8)
WORKLOAD = Workload(sizes=SMALL, drifts=("shifting",), rebalances=3)
TASK = EplbOverTime(workload=WORKLOAD)
SIZES = "layers=4,experts=32,replicas=40,groups=1,nodes=2,gpus=8"
PATCHES = ("keep", "same_gpus", "if_it_pays")


def changed(**values: Any) -> EplbOverTime:
    return EplbOverTime(workload=replace(WORKLOAD, **values))


def triple(plan_LR: np.ndarray, experts: int) -> Answer:
    layers = len(plan_LR)
    logcnt = np.zeros((layers, experts), dtype=np.int64)
    slots = int((plan_LR[0] >= 0).sum())
    log2phy = np.full((layers, experts, slots - experts + 1), -1)
    for layer in range(layers):
        for slot, expert in enumerate(plan_LR[layer].tolist()):
            if expert < 0:
                continue
            log2phy[layer, expert, logcnt[layer, expert]] = slot
            logcnt[layer, expert] += 1
    return plan_LR, log2phy, logcnt


class TestEplbOverTime(TaskContract):
    def make(self) -> Task:
        return TASK

    def option_texts(self, folder: Path) -> dict[str, tuple[str, ...]]:
        np.save(folder / "steps.npy", np.random.default_rng(0).integers(1, 99, (4, 2, 256)))
        return {
            "--trace": (str(folder / "steps.npy"),),
            "--pace": ("vllm", "sglang"),
            "--window": ("100",),
            "--interval": ("2000",),
            "--delay": ("100",),
            "--rebalances": ("2",),
            "--drift": ("calm", "drifting", "shifting"),
            "--elastic": ("lost", "back"),
            "--missing": ("2",),
            "--sizes": (SIZES,),
        }

    def needed(self, folder: Path, key: str) -> dict[str, Any]:
        return {"traces": {"window": 1, "interval": 1}, "missing": {"elastic": ["lost"]}}.get(key, {})

    def answer(self, task: Task, case: Case, call: Call) -> Answer:
        """Dealt back and forth over the active ranks, on sizes without hierarchy; elsewhere group by group."""
        weight_LE = np.asarray(call.args[0], dtype=np.float64)
        experts, replicas, groups, nodes, gpus = (
            case.sizes[name] for name in ("experts", "replicas", "groups", "nodes", "gpus")
        )
        if groups % nodes or nodes == 1:
            active_M = np.asarray(call.offered["active_ranks"]) > 0
            count = int(active_M.sum())
            return triple(spread(dealt(weight_LE, replicas // gpus * count, count), active_M), experts)
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


def course_of(drift: float, scenario: str = "", seed: int = 0) -> Course:
    rng = np.random.default_rng(seed)
    return begun(*generate(SMALL, PACES["vllm"], drift, 3, rng), SMALL.sizes, scenario, 1, rng)


@pytest.mark.parametrize("scenario", ["", "lost", "back"])
def test_a_course_survives_packing(scenario: str) -> None:
    course = course_of(0.1, scenario)
    again = Course.unpacked(course.packed(), SMALL.sizes)
    for name in ("windows_WLE", "old_LR", "active_M"):
        np.testing.assert_array_equal(getattr(course, name), getattr(again, name))
    for name in ("steps_NSLE", "load_weight_NS", "count_NS", "time_NS"):
        np.testing.assert_array_equal(getattr(course.samples, name), getattr(again.samples, name))
    assert (again.urgent, again.rebalances) == (scenario == "lost", 3)


def test_windows_drift_as_asked_and_prefill_steps_come_first() -> None:
    deviations = []
    for drift in (0.03, 0.35):
        first, second, *_ = course_of(drift).windows_WLE
        deviations.append(float(np.std(np.log(second / first))))
    assert deviations[0] < 0.1 < 0.2 < deviations[1]
    steps = course_of(0.1).samples.steps_NSLE
    assert (steps[:, :2].sum(axis=(1, 2, 3)) > 20 * steps[:, -2:].sum(axis=(1, 2, 3))).all()


def chain_of(task: EplbOverTime) -> Chain:
    [case] = task.cases(0)
    return Chain(
        course=Course.unpacked(case.data, case.sizes),
        sizes=case.sizes,
        pace=task.workload.pace,
        costs=task.workload.costs,
    )


def replanned(course: Course) -> tuple[Plan, ...]:
    """A plan for each window."""
    return tuple(dealt(window_LE, SMALL.replicas, SMALL.gpus) for window_LE in course.windows_WLE[1:])


def score(task: EplbOverTime, plans: tuple[Plan, ...]) -> dict[str, float]:
    [case] = task.cases(0)
    quality = task.score(case, plans)
    return {"value": quality.value, "ceiling": quality.ceiling, **quality.metrics}


def test_the_figures_agree_with_their_definition_step_by_step() -> None:
    """Each placement is the old one of the next, and serves from its delay on until that of the next."""
    task = changed(pace=Pace(window=1000, interval=3000, delay=700))
    course = chain_of(task).course
    plans = replanned(course)
    weight_S, time_S = weights_and_times(task.workload.pace)
    old, worked, waited, moved = course.old_LR, 0.0, 0.0, 0.0
    for plan, steps_SLE in zip(plans, course.samples.steps_NSLE, strict=True):
        for weight, time, load_LE in zip(weight_S, time_S, steps_SLE, strict=True):
            for layer, slots in enumerate(old if time < 700 else plan):
                on = [0.0] * SMALL.gpus
                for slot, expert in enumerate(slots):
                    on[slot // 5] += load_LE[layer, expert] / np.count_nonzero(slots == expert)
                worked, waited = worked + weight * sum(on) / SMALL.gpus * 2e-7, waited + weight * max(on) * 2e-7
        moved += Moves.between(old, plan, 32, 8, 2, Costs()).seconds
        old = plan
    found = score(task, plans)
    assert found["value"] == pytest.approx(worked / (waited + moved)) and found["value"] < found["ceiling"]
    assert found["move_seconds"] == pytest.approx(moved / 3)
    assert found["balance_p99"] <= found["balance_p50"]
    assert found["moved_in_node_share"] > 0 and found["moved_across_nodes_share"] > 0


def test_a_step_is_scored_with_the_plan_before_it() -> None:
    [case] = TASK.cases(0)
    course = chain_of(TASK).course
    plan, *_ = replanned(course)
    again = quality_in_pass(TASK, case, 1, (plan, plan))
    assert again == TASK.pass_quality(case, 1, plan) > quality_in_pass(TASK, case, 1, (course.old_LR, plan))
    first = quality_in_pass(TASK, case, 0, (plan,))
    assert first < TASK.pass_quality(case, 0, plan), "the first plan moves away from the placement in force"
    assert TASK.call(case, 1, (plan,)).offered["old_phy2log"] is plan
    histories = [TASK.call(case, step, (plan,) * step).offered["history"] for step in range(3)]
    assert [len(np.asarray(history)) for history in histories] == [2, 3, 4]


def test_keeping_moves_nothing_and_a_delay_makes_a_plan_worth_less() -> None:
    course = chain_of(TASK).course
    kept = score(TASK, (course.old_LR,) * 3)
    assert kept["over_keeping"] == kept["moved_gigabytes"] == kept["pays"] == kept["paying_share"] == 0
    assert kept["left_alone_share"] == 1
    plans = tuple(dealt(each.sum(axis=0), SMALL.replicas, SMALL.gpus) for each in course.samples.steps_NSLE)
    at_once = score(TASK, plans)
    assert at_once["pays"] == 1 == at_once["paying_share"]
    assert at_once["value"] == pytest.approx(at_once["over_keeping"] + kept["value"])
    late = score(changed(pace=Pace(window=1000, interval=3000, delay=2900)), plans)
    assert late["value"] < at_once["value"]
    dear = score(changed(costs=Costs(network_gb_s=0.1)), plans)
    assert dear["pays"] == dear["paying_share"] == 0 and dear["balance_p50"] == at_once["balance_p50"]


def test_moving_once_and_then_leaving_alone_can_be_the_best_chain() -> None:
    """Moves are dear here: the verdict on each rebalance is its own, and that on the chain weighs all of them."""
    task = changed(drifts=("calm",), costs=Costs(network_gb_s=6))
    plans = replanned(chain_of(task).course)
    once, always = score(task, (plans[0],) * 3), score(task, plans)
    assert once["value"] > always["value"] and once["left_alone_share"] == pytest.approx(2 / 3)
    assert always["left_alone_share"] == 0 and always["moved_gigabytes"] > 2 * once["moved_gigabytes"]


def test_the_busiest_gpu_is_found_where_slots_hold_nothing() -> None:
    plan = np.array([[0, 1, 0, -1], [1, -1, 0, 0]])
    loads = largest_loads(plan, np.array([[[6.0, 1.0], [2.0, 8.0]]]), 2)
    np.testing.assert_array_equal(loads, [[4.0, 8.0]])
    assert useful_share([]) == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"pace": "vlm"}, "did you mean vllm"),
        ({"delay": 3000}, "delay below it"),
        ({"window": 5000}, "window of at most the interval"),
        ({"token_us": 0}, "token_us"),
        ({"drifts": ["calm", "calm"]}, "different"),
        ({"drifts": "calm"}, "a list"),
        ({"drifts": []}, "at least one"),
        ({"drifts": ["mild"]}, "expected one of calm"),
        ({"drifts": [["calm"]]}, "expected one of calm"),
        ({"rebalances": 0}, "at least 1"),
        ({"rebalances": 65}, "1 to 64"),
        ({"missing": 2}, "option of elastic"),
        ({"elastic": ["gone"]}, "expected one of lost, back"),
        ({"elastic": ["lost"], "missing": 4}, "at least 1 and at most 3"),
        ({"elastic": ["lost"], "sizes": {**SMALL.sizes, "replicas": 32}}, "give sizes with more replicas"),
        ({"traces": "steps.npy"}, "a list"),
        ({"traces": ["steps.npy"], "drifts": ["calm"]}, "leave it out"),
        ({"backup_gb_s": -1}, "backup_gb_s"),
        (
            {"rebalances": 64, "sizes": {**SMALL.sizes, "layers": 1024, "experts": 256, "replicas": 256}},
            "ask for fewer",
        ),
        ({"sizes": {**SMALL.sizes, "layers": 512, "experts": 512, "replicas": 4096}}, "answers of at most"),
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


def chained(task: EplbOverTime, case: Case, entry: Any) -> tuple[Plan, ...]:
    plans: tuple[Plan, ...] = ()
    for step in range(task.steps(case)):
        plans += (task.read(case, answer_of(entry, task.call(case, step, plans))),)
    return plans


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
        task = EplbOverTime.from_options({"pace": "sglang", "sizes": dict(SMALL.sizes), "rebalances": 3})
        cases = [case for seed in range(3) for case in task.cases(seed)]
        scored = [task.score(case, chained(task, case, entry)).metrics for case in cases]
        worth.append(float(np.mean([each["over_keeping"] for each in scored])))
    greedy, keep, same_gpus, if_it_pays, best = worth
    assert keep == 0 < greedy < same_gpus < best and greedy < if_it_pays, worth


def test_scored_calls_are_chains_of_each_programs_own_plans() -> None:
    """What the judge stored of both programs, worked out again from the draws, with the moves from their own plans."""
    sources = {"candidate_quality": patched("keep"), "reference_quality": patched()}
    settings = JudgeSettings(timing=TimingSettings(budget_s=0.05, max_pairs=8))
    reference = sources["reference_quality"]
    with Judge(TASK, reference=reference, device="cpu", settings=settings, executor=KEPT) as judge:
        verdict = judge.evaluate(sources["candidate_quality"])
        assert isinstance(verdict, Scored), verdict
        [again] = judge.requalify(sources["candidate_quality"], verdict.score)
        assert isinstance(again, Redrawn) and again.ok
        draws = Draws(TASK, judge.cases[0], verdict.score.secret)
    samples = verdict.score.cases[0].samples
    assert samples is not None and max(samples.calls) >= 1
    for name, source in sources.items():
        entry, qualities, plans = entry_of(source, TASK.entry_point), {}, ()
        for number in range(max(samples.calls) + 1):
            case, step = draws.at(number)
            plans = plans if step else ()
            plans += (TASK.read(case, answer_of(entry, TASK.call(case, step, plans))),)
            served = Chain(
                course=Course.unpacked(case.data, case.sizes), sizes=case.sizes, pace=WORKLOAD.pace, costs=Costs()
            ).all_served(plans + plans[-1:] * (2 - step))
            qualities[number] = served[step].useful_share
        stored = dict(zip(samples.calls, getattr(samples, name), strict=True))
        assert stored == {number: pytest.approx(qualities[number], abs=1e-7) for number in stored}
