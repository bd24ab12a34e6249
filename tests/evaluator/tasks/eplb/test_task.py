"""The EPLB task: its contract, its options, what a solver receives, and how a pass is scored."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluator.task_protocol import Task
from evaluator.tasks import TASKS
from evaluator.tasks.eplb import Eplb
from evaluator.tasks.eplb.cases import STANDARD_CASES, EplbCase, is_hierarchical
from evaluator.tasks.eplb.dispatch import Dispatch
from evaluator.tasks.eplb.metrics import balance
from evaluator.types import Answer, Call, Case, WorkloadError
from tests.evaluator.contracts import TaskContract
from tests.evaluator.tasks.eplb.plans import greedy_plan, random_plan, triple

SMALL = EplbCase(layers=3, experts=16, replicas=24, groups=4, nodes=2, gpus=8)
FLAT = EplbCase(name="flat", layers=3, experts=16, replicas=24, groups=1, nodes=1, gpus=8)
ODD = EplbCase(name="odd", layers=2, experts=12, replicas=16, groups=3, nodes=2, gpus=4)
SIZES = {"layers": 3, "experts": 16, "replicas": 24, "groups": 4, "nodes": 2, "gpus": 8}


class TestTriple(TaskContract):
    """Global placement, also if the groups do not divide among the nodes."""

    def make(self) -> Task:
        return Eplb(sizes=(FLAT, ODD), windows=4)

    def plan(self, case: Case, call: Call) -> np.ndarray:
        """Greedy on each node; groups go to the nodes in falling order of load, back and forth."""
        weight_LE, sizes = call.args[0], case.sizes
        assert isinstance(weight_LE, np.ndarray)
        nodes = sizes["nodes"] if is_hierarchical(sizes) else 1
        groups = sizes["groups"] if nodes > 1 else 1
        size, turn = sizes["experts"] // groups, np.arange(groups)
        node_of_turn = np.where(turn // nodes % 2, nodes - 1 - turn % nodes, turn % nodes)
        layers = []
        for row in weight_LE:
            order = np.argsort(-row.reshape(-1, size).sum(axis=1))
            planned = []
            for node in range(nodes):
                ids = (order[node_of_turn == node][:, None] * size + np.arange(size)).ravel()
                planned.append(ids[greedy_plan(row[ids], sizes["replicas"] // nodes, sizes["gpus"] // nodes)])
            layers.append(np.concatenate(planned))
        return np.array(layers)

    def answer(self, task: Task, case: Case, call: Call) -> Answer:
        return triple(self.plan(case, call), case.sizes["experts"])

    def option_texts(self, folder: Path) -> dict[str, tuple[str, ...]]:
        np.save(folder / "loads.npy", np.ones((2, 58, 256), dtype=np.int64))
        sizes = ",".join(f"{name}={size}" for name, size in SIZES.items())
        return {
            "--case": ("global-ep32", sizes),
            "--trace": (str(folder / "loads.npy"),),
            "--steps-per-window": ("2",),
            "--form": ("triple", "phy2log"),
            "--dispatch": ("even", "sglang_static", "vllm_hash"),
            "--tokens-per-rank": ("16",),
        }

    def needed(self, folder: Path, key: str) -> dict[str, object]:
        traces = [str(folder / "loads.npy")]
        return {"steps_per_window": {"traces": traces}, "tokens_per_rank": {"dispatch": "vllm_hash"}}.get(key, {})


class TestPhy2log(TestTriple):
    def make(self) -> Task:
        return Eplb(sizes=(FLAT,), windows=3, form="phy2log")

    def answer(self, task: Task, case: Case, call: Call) -> Answer:
        return (self.plan(case, call),)


class TestSingleWindow(TestTriple):
    def make(self) -> Task:
        return Eplb(sizes=(FLAT,), windows=1)


class TestHierarchy(TestTriple):
    def make(self) -> Task:
        return Eplb(sizes=(SMALL,), windows=3)


def test_hard_cases_match_their_descriptions() -> None:
    """Each difficulty once: no load, one loaded expert, ties, huge and tiny loads, integers, odd sizes."""
    hard = Eplb(sizes=(FLAT,)).hard_cases(0)
    weights = [case.call.args[0] for case in hard]
    assert {weight.dtype for weight in weights if isinstance(weight, np.ndarray)} == {np.dtype("f4"), np.dtype("i8")}
    sizes = [case.case.sizes for case in hard]
    for trait in (
        [not weight.any() for weight in weights],
        [weight.any() and not weight.any(axis=1).all() for weight in weights],
        [(np.count_nonzero(weight, axis=1) == 1).all() for weight in weights],
        [weight.any() and (weight == weight[0, 0]).all() for weight in weights],
        [weight.dtype == np.float32 and weight.max() == np.float32(1e30) for weight in weights],
        [0 < weight.max() < 1.1e-30 and weight.min() > np.finfo(np.float32).tiny for weight in weights],
        [weight.min() > 2**40 for weight in weights],
        [size["layers"] == 1 for size in sizes],
        [size["experts"] == 13 and size["gpus"] == 7 for size in sizes],
        [size["replicas"] == size["experts"] for size in sizes],
        [size["gpus"] == 1 for size in sizes],
        [size["gpus"] == size["replicas"] for size in sizes],
        [size["groups"] % size["nodes"] != 0 for size in sizes],
        [is_hierarchical(size) for size in sizes],
    ):
        assert any(trait)
    assert all(np.isfinite(np.asarray(weight, dtype=np.float64)).all() for weight in weights)


def test_the_defaults_are_the_six_standard_cases_at_full_size() -> None:
    cases = TASKS["eplb"]({}).cases(0)
    assert [case.name for case in cases] == list(STANDARD_CASES)
    assert all(case.data.shape == (5, 58, 256) for case in cases)
    assert dict(cases[0].sizes) == {
        "layers": 58,
        "experts": 256,
        "replicas": 288,
        "groups": 8,
        "nodes": 4,
        "gpus": 32,
    }


def test_options_of_a_config_are_read() -> None:
    task = Eplb.from_options(
        {"cases": ["global-ep72", SIZES, {**SIZES, "name": "mine"}], "form": "phy2log", "windows": 2, "drift": 0.1}
    )
    assert [case.name for case in task.sizes] == ["global-ep72", "3x16-r24-g4-n2-gpu8", "mine"]
    assert (task.form, task.windows, task.drift) == ("phy2log", 2, 0.1)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"case": ["hier-ep32"]}, "unknown key 'case': did you mean cases?"),
        ({"zzz": 1}, "known are cases, form"),
        ({"cases": "hier-ep32"}, "cases: expected a list, found 'hier-ep32'"),
        ({"cases": ["hier-ep23"]}, "did you mean hier-ep32?"),
        ({"cases": [5]}, r"cases\[0\]: expected one of hier-ep32"),
        ({"cases": []}, "expected at least one case"),
        ({"cases": ["global-ep32", "global-ep32"]}, "expected different names, found global-ep32 2 times"),
        ({"cases": [{**SIZES, "gpu": 8}]}, "unknown key 'gpu': did you mean gpus?"),
        ({"cases": [{"layers": 3}]}, "experts, replicas, groups, nodes, gpus missing"),
        ({"cases": [{**SIZES, "replicas": 8}]}, r"at least as many replicas as experts \(16\), found 8"),
        ({"cases": [{**SIZES, "replicas": 25}]}, r"replicas to be a multiple of gpus \(8\), found 25"),
        ({"cases": [{**SIZES, "nodes": 3}]}, r"gpus to be a multiple of nodes \(3\), found 8"),
        ({"cases": [{**SIZES, "groups": 5}]}, r"experts to be a multiple of groups \(5\), found 16"),
        ({"cases": [{**SIZES, "gpus": 0}]}, "gpus to be a whole number of at least 1, found 0"),
        ({"cases": [{**SIZES, "layers": True}]}, "layers to be a whole number of at least 1, found True"),
        ({"cases": [{**SIZES, "layers": "3"}]}, "layers to be a whole number of at least 1, found '3'"),
        ({"cases": [{**SIZES, "name": 3}]}, "name to be a text"),
        ({"cases": [{**SIZES, "layers": 10**6}]}, "at most 1024 layers"),
        ({"cases": [{**SIZES, "replicas": 2**20}]}, "at most 16384 replicas"),
        ({"cases": [{**SIZES, "layers": 999, "experts": 4096, "replicas": 8192}]}, "expected answers of at most"),
        ({"form": "tripel"}, "did you mean triple?"),
        ({"windows": 0}, "windows: expected a whole number of at least 1"),
        ({"windows": 2.0}, "windows: expected a whole number"),
        ({"windows": 10**6}, "ask for fewer windows"),
        ({"drift": "much"}, "drift: expected a number"),
        ({"drift": -0.1}, "expected drift between 0"),
        ({"drift": float("nan")}, "expected drift between 0"),
        ({"regime_changes": [5]}, "expected regime changes at windows 1 to 4"),
        ({"traces": "x.json"}, "traces: expected a list"),
        ({"traces": [3]}, r"traces\[0\]: expected the path of a trace file or folder, found 3"),
        ({"traces": ["nowhere.json"]}, "nowhere.json: cannot be read: No such file"),
        ({"traces": ["x.json"], "drift": 0.1}, "drift: is an option of generated loads"),
        ({"steps_per_window": 10}, "steps_per_window: is an option of traces"),
        ({"gate_traces": ["x.json"]}, "gate_traces: is an option of traces"),
        ({"traces": ["x.json"], "final_traces": [3]}, r"final_traces\[0\]: expected the path of a trace file"),
    ],
)
def test_invalid_options_are_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(WorkloadError, match=says):
        Eplb.from_options(options)


def test_the_seed_must_not_be_negative() -> None:
    with pytest.raises(WorkloadError, match="seed"):
        Eplb(sizes=(SMALL,)).cases(-1)


def test_seeds_and_names_give_different_loads() -> None:
    twin = dataclasses.replace(SMALL, name="twin")
    first, second = Eplb(sizes=(SMALL, twin)).cases(0)
    other = Eplb(sizes=(SMALL,)).cases(1)[0]
    assert not np.array_equal(first.data, second.data)
    assert not np.array_equal(first.data, other.data)


def test_loads_of_a_case_do_not_depend_on_the_other_cases() -> None:
    alone, beside = Eplb(sizes=(SMALL,)).cases(4)[0], Eplb(sizes=(FLAT, SMALL)).cases(4)[1]
    np.testing.assert_array_equal(alone.data, beside.data)


def test_everything_that_affects_scores_is_in_the_identity() -> None:
    base = Eplb(sizes=(SMALL,))
    others = [
        Eplb(sizes=(FLAT,)),
        Eplb(sizes=(SMALL,), form="phy2log"),
        Eplb(sizes=(SMALL,), windows=4),
        Eplb(sizes=(SMALL,), drift=0.06),
        Eplb(sizes=(SMALL,), regime_changes=(2,)),
        Eplb(sizes=(SMALL,), dispatch=Dispatch(rule="sglang_static")),
        *(Eplb(sizes=(SMALL,), dispatch=Dispatch(rule="vllm_hash", tokens_per_rank=tokens)) for tokens in (1, 2)),
    ]
    texts = [json.dumps(task.identity(), sort_keys=True) for task in (base, *others)]
    assert len(set(texts)) == len(texts)


def write_npy(path: Path, loads: np.ndarray) -> Path:
    np.save(path, loads)
    return path


def test_a_trace_replaces_the_generated_loads_and_sets_the_layers(tmp_path: Path) -> None:
    loads = np.random.default_rng(0).integers(1, 100, (3, 5, 16)).astype(np.float64)
    loads[:, 2] = 0
    task = Eplb.from_options(
        {"cases": [SIZES, {**SIZES, "name": "b"}], "traces": [write_npy(tmp_path / "t.npy", loads)]}
    )
    for case, name in zip(task.cases(9), ("4x16-r24-g4-n2-gpu8", "b"), strict=True):
        assert (case.name, case.sizes["layers"]) == (name, 4)
        np.testing.assert_array_equal(case.data, loads[:, [0, 1, 3, 4]])
        assert task.steps(case) == 2
    assert task.quality_name == "balance_next"
    assert task.notes == ("dropped 1 of 5 layers, zero in every window: 2",)


def test_identity_of_a_trace_depends_on_its_content_not_its_path(tmp_path: Path) -> None:
    loads = np.ones((2, 3, 16))
    tasks = [Eplb(sizes=(SMALL,), traces=(write_npy(tmp_path / name, loads),)) for name in ("a.npy", "b.npy")]
    other = Eplb(sizes=(SMALL,), traces=(write_npy(tmp_path / "c.npy", 2 * loads),))
    assert tasks[0].identity() == tasks[1].identity() != other.identity()


def test_recorded_loads_are_held_out_as_other_files_or_in_other_sizes(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    files = {name: rng.integers(1, 99, (3, 4, 16)).astype(float) for name in ("search", "gate")}
    paths = {name: str(write_npy(tmp_path / f"{name}.npy", loads)) for name, loads in files.items()}
    task = Eplb.from_options({"cases": [SIZES], "traces": [paths["search"]], "gate_traces": [paths["gate"]]})
    search, gate, final = (split.cases(0)[0] for split in (task, task.held_out("gate"), task.held_out("final")))
    np.testing.assert_array_equal(gate.data, files["gate"])
    np.testing.assert_array_equal(final.data, files["search"])
    assert dict(gate.sizes) == dict(search.sizes)
    assert final.sizes["replicas"] == search.sizes["replicas"] + 2 * search.sizes["gpus"]


def test_a_trace_of_one_window_is_scored_on_itself(tmp_path: Path) -> None:
    path = write_npy(tmp_path / "t.npy", np.random.default_rng(0).random((3, 16)))
    task = Eplb(sizes=(FLAT,), traces=(path,))
    case = task.cases(0)[0]
    plan = random_plan(case.sizes, np.random.default_rng(1))
    score = task.score(case, (plan,))
    assert task.quality_name == "balance_same"
    assert score.value == score.metrics["same_window_balance"] == balance(plan, case.data[0], 8)
    assert score.metrics["moved_share"] == 0


def test_a_trace_with_another_number_of_experts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WorkloadError, match="case flat: expected the 32 experts of the trace, found 16"):
        Eplb(sizes=(FLAT,), traces=(write_npy(tmp_path / "t.npy", np.ones((3, 32))),))


def test_a_solver_receives_the_window_the_sizes_and_the_offered_parameters() -> None:
    task = Eplb(sizes=(SMALL,), windows=4)
    case = task.cases(0)[0]
    plans = tuple(random_plan(case.sizes, np.random.default_rng(i)) for i in range(3))
    for step in range(task.steps(case)):
        call = task.call(case, step, plans[:step])
        weight, *sizes = call.args
        assert isinstance(weight, np.ndarray) and weight.dtype == np.float32
        np.testing.assert_array_equal(weight, case.data[step])
        assert sizes == [24, 4, 2, 8]
        told = {"dispatch": "even", "num_dispatch_nodes": 2, "tokens_per_rank": None}
        assert set(call.offered) == {"old_phy2log", "history", *told}
        assert {name: call.offered[name] for name in told} == told
        history = call.offered["history"]
        assert isinstance(history, np.ndarray) and history.dtype == np.float32
        np.testing.assert_array_equal(history, case.data[: step + 1])
        if step == 0:
            assert call.offered["old_phy2log"] is None
        else:
            np.testing.assert_array_equal(np.asarray(call.offered["old_phy2log"]), plans[step - 1])


def test_plans_are_scored_on_the_next_window() -> None:
    task = Eplb(sizes=(FLAT,), windows=3)
    case = task.cases(0)[0]
    plans = tuple(random_plan(case.sizes, np.random.default_rng(i)) for i in range(2))
    mean, largest = 0.0, 0.0
    for step, plan in enumerate(plans):
        for layer in range(3):
            loads = np.zeros(8)
            for slot, expert in enumerate(plan[layer]):
                loads[slot // 3] += case.data[step + 1, layer, expert] / (plan[layer] == expert).sum()
            mean, largest = mean + loads.mean(), largest + loads.max()
    score = task.score(case, plans)
    assert score.value == pytest.approx(mean / largest, rel=1e-12)
    assert score.metrics["gap"] == score.ceiling - score.value


def test_do_nothing_metrics_are_those_of_the_first_plan() -> None:
    task = Eplb(sizes=(FLAT,), windows=3)
    case = task.cases(0)[0]
    first, second = (random_plan(case.sizes, np.random.default_rng(i)) for i in range(2))
    both, still = task.score(case, (first, second)), task.score(case, (first, first))
    assert both.metrics["do_nothing_balance"] == still.value
    for name in ("same_window_balance", "mean_layer_balance", "worst_layer_balance", "expert_balance"):
        assert both.metrics[f"do_nothing_{name}"] == still.metrics[name]
    assert both.metrics["moved_share"] > 0 == still.metrics["moved_share"]


def test_scoring_needs_a_plan_of_each_step() -> None:
    task = Eplb(sizes=(FLAT,), windows=3)
    case = task.cases(0)[0]
    with pytest.raises(ValueError, match="expected 2 plans, found 1"):
        task.score(case, (random_plan(case.sizes, np.random.default_rng(0)),))


def test_layers_and_windows_without_load_add_nothing(tmp_path: Path) -> None:
    loads = np.random.default_rng(0).random((3, 3, 16))
    loads[1], loads[2, 0] = 0, 0
    task = Eplb(sizes=(FLAT,), traces=(write_npy(tmp_path / "t.npy", loads),))
    case = task.cases(0)[0]
    plan = random_plan(case.sizes, np.random.default_rng(1))
    score = task.score(case, (plan, plan))
    assert score.value == pytest.approx(balance(plan[1:], loads[2, 1:], 8), rel=1e-12)
    assert score.metrics["same_window_balance"] == pytest.approx(balance(plan, loads[0], 8), rel=1e-12)
    assert task.step_quality(case, 1, plan) == 1.0
