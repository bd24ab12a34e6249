"""Programs that know of dispatch: valid, repeatable plans, whose replicas are sent as much as was planned."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from evaluator.tasks.eplb import Eplb
from evaluator.tasks.eplb.answers import read_answer
from evaluator.tasks.eplb.metrics import balance, gpu_loads
from evaluator.tasks.eplb.workloads import LoadModel, generate_loads
from harness.patch import apply_reply
from tests.test_programs import SMALL

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = ROOT / "programs" / "eplb"
TRACE = ROOT / ".." / "shared" / "traces" / "prefill_in1024.json"

Solver = Callable[..., tuple[torch.Tensor, torch.Tensor, torch.Tensor]]
Array = np.ndarray[Any, np.dtype[Any]]

SIZES = (*SMALL, (2, 2, 27, 1, 1, 9))
pytestmark = pytest.mark.slow

DISPATCH = (("even", 1), ("vllm_hash", 2), ("sglang_static", 1), ("sglang_static", 2), ("sglang_static", 3))


def loaded(path: Path) -> Any:
    """The program as a module."""
    spec = importlib.util.spec_from_file_location(f"program_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


@pytest.fixture(scope="module")
def module() -> Any:
    pytest.importorskip("numba", reason="numba is not installed")
    return loaded(PROGRAMS / "dispatch_aware_numba.py")


@pytest.fixture
def solver(module: Any) -> Solver:
    found: Solver = module.rebalance_experts
    return found


@pytest.fixture(scope="module")
def loads() -> Array:
    """Loads `[L, E]` of two layers."""
    return generate_loads(LoadModel(layers=2, experts=256, group_size=32, windows=1), np.random.default_rng(3))[0]


def sent(plan_LR: Array, load_LE: Array, gpus: int, nodes: int) -> Array:
    """The load that each GPU is sent by static dispatch, `[L, M]`, rank by rank; what is drawn is shared fairly."""
    layers, replicas = plan_LR.shape
    load_LM = np.zeros((layers, gpus))
    on_gpu, on_node = replicas // gpus, replicas // nodes
    for layer in range(layers):
        for expert, load in enumerate(load_LE[layer]):
            slots = np.flatnonzero(plan_LR[layer] == expert)
            if len(slots) == 1:
                load_LM[layer, slots[0] // on_gpu] += load
                continue
            share = np.zeros(len(slots))
            for rank in range(gpus):
                own = slots // on_gpu == rank
                near = slots // on_node == rank // (gpus // nodes)
                if own.any():
                    share[own.argmax()] += 1
                elif near.any() and not near.all():
                    share[near.argmax()] += 1
                else:
                    share += 1 / len(slots)
            np.add.at(load_LM[layer], slots // on_gpu, load * share / gpus)
    return load_LM


def doubled(plan_LR: Array, gpus: int) -> int:
    """How many slots hold an expert that is on the same GPU already."""
    held_LMK = np.sort(plan_LR.reshape(len(plan_LR), gpus, -1), axis=2)
    return int((held_LMK[:, :, 1:] == held_LMK[:, :, :-1]).sum())


def test_hard_inputs_are_answered_validly_and_always_alike(solver: Solver, module: Any) -> None:
    rng = np.random.default_rng(0)
    compiled = [value for value in vars(module).values() if hasattr(value, "signatures")]
    for layers, experts, replicas, groups, nodes, gpus in SIZES:
        sizes = {"experts": experts, "replicas": replicas, "groups": groups, "nodes": nodes, "gpus": gpus}
        usual = np.rint(np.exp(rng.normal(8, 1, (layers, experts))))
        for load in (usual, usual * 0, usual * 0 + 7, usual * 1e26, usual * 1e-310, usual * (np.arange(experts) == 1)):
            for dispatch, dispatch_nodes in DISPATCH:
                more = {"dispatch": dispatch, "num_dispatch_nodes": dispatch_nodes}
                answers = [solver(torch.from_numpy(load), *tuple(sizes.values())[1:], **more) for _ in range(2)]
                arrays, again = (tuple(part.numpy() for part in answer) for answer in answers)
                read_answer(arrays, {**sizes, "layers": layers}, "triple")
                assert all(map(np.array_equal, arrays, again))
    for hard in Eplb().hard_cases(0):
        weight, *numbers = (torch.from_numpy(v) if isinstance(v, np.ndarray) else v for v in hard.call.args)
        Eplb().read(hard.case, tuple(part.numpy() for part in solver(weight, *numbers)))
    assert [len(function.signatures) for function in compiled] == [1] * len(compiled)


def test_all_dtypes_of_the_same_loads_give_the_same_plan(solver: Solver, loads: Array) -> None:
    whole = torch.from_numpy(np.rint(loads / loads.max() * 250))  # few enough bits for each of these
    plans = [
        solver(whole.to(dtype), 288, 8, 4, 32)[0]
        for dtype in (torch.float64, torch.float32, torch.bfloat16, torch.int64, torch.int32)
    ]
    assert all(torch.equal(plans[0], plan) for plan in plans)
    strided = whole.repeat_interleave(2, dim=1)[:, ::2]
    assert torch.equal(plans[0], solver(strided, 288, 8, 4, 32)[0])


@pytest.mark.parametrize(
    ("slots", "gpus", "nodes"), [(288, 32, 4), (384, 32, 4), (288, 32, 2), (312, 24, 3), (288, 72, 3), (288, 72, 9)]
)
def test_static_dispatch_sends_what_was_planned(
    solver: Solver, loads: Array, slots: int, gpus: int, nodes: int
) -> None:
    weight = torch.from_numpy(loads)
    plan_LR = solver(weight, slots, 1, nodes, gpus, dispatch="sglang_static", num_dispatch_nodes=nodes)[0].numpy()
    planned_LM = gpu_loads(plan_LR, loads, gpus)
    np.testing.assert_allclose(sent(plan_LR, loads, gpus, nodes), planned_LM, rtol=1e-9)
    assert doubled(plan_LR, gpus) == 0
    assert balance(plan_LR, loads, gpus) > (0.998 if gpus <= 32 else 0.99)


def test_more_replicas_than_nodes_stand_together_on_one(solver: Solver) -> None:
    load = np.ones((1, 32))
    load[0, 5] = 200.0
    plan_LR = solver(torch.from_numpy(load), 48, 1, 2, 16, dispatch="sglang_static", num_dispatch_nodes=2)[0].numpy()
    slots = np.flatnonzero(plan_LR[0] == 5)
    assert len(slots) == 8 and len(set(slots // 24)) == 1
    np.testing.assert_allclose(sent(plan_LR, load, 16, 2), gpu_loads(plan_LR, load, 16), rtol=1e-9)


@pytest.mark.parametrize(
    ("sizes", "least"), [((288, 8, 4, 32), 0.002), ((288, 1, 1, 32), 0.005), ((288, 1, 1, 72), 0.010)]
)
def test_even_dispatch_is_balanced_better_than_greedily_without_doubles(
    solver: Solver, loads: Array, sizes: tuple[int, ...], least: float
) -> None:
    greedy = loaded(PROGRAMS / "vectorised_greedy.py")
    weight, gpus = torch.from_numpy(loads), sizes[-1]
    plan_LR = solver(weight, *sizes, dispatch="vllm_hash", num_dispatch_nodes=sizes[2])[0].numpy()
    before = balance(greedy.rebalance_experts(weight, *sizes)[0].numpy(), loads, gpus)
    assert balance(plan_LR, loads, gpus) > before + least
    assert doubled(plan_LR, gpus) == 0


@pytest.mark.parametrize(("slots", "gpus", "nodes", "least"), [(320, 32, 4, 0.995), (288, 72, 9, 0.98)])
def test_the_patch_for_even_shares_keeps_what_was_planned(
    loads: Array, tmp_path: Path, slots: int, gpus: int, nodes: int, least: float
) -> None:
    reply = (PROGRAMS / "patches" / "even_shares.patch").read_text(encoding="utf-8")
    program = tmp_path / "patched.py"
    program.write_text(apply_reply(reply, (PROGRAMS / "lpt_swap.py").read_text(encoding="utf-8")).source)
    given = (torch.from_numpy(loads), slots, 1, nodes, gpus)
    plan_LR = loaded(program).rebalance_experts(*given, dispatch="sglang_static", num_dispatch_nodes=nodes)[0].numpy()
    planned_LM = gpu_loads(plan_LR, loads, gpus)
    np.testing.assert_allclose(sent(plan_LR, loads, gpus, nodes), planned_LM, rtol=1e-9)
    assert balance(plan_LR, loads, gpus) > least


@pytest.mark.parametrize(("nodes", "slots"), [(4, 288), (4, 320), (4, 384), (2, 288)])
def test_targets_on_the_recorded_trace(solver: Solver, nodes: int, slots: int) -> None:
    if not TRACE.exists():
        pytest.skip("the shared traces are not here")
    load = Eplb(traces=(TRACE,)).cases(0)[0].data[0].astype(np.float64)
    assert load.shape == (58, 256)
    weight = torch.from_numpy(load)
    plan_LR = solver(weight, slots, 1, nodes, 32, dispatch="sglang_static", num_dispatch_nodes=nodes)[0].numpy()
    load_LM = sent(plan_LR[::8], load[::8], 32, nodes)
    np.testing.assert_allclose(load_LM, gpu_loads(plan_LR[::8], load[::8], 32), rtol=1e-9)
    assert balance(plan_LR, load, 32) > 0.998
