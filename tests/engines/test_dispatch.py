"""The rules of dispatch against the engines' own functions, for exact equality on random placements. Not part of CI.

The one module that holds the rule is taken from the wheel; what it imports of its engine is replaced by the few values
it reads. vLLM's kernel runs in Triton's interpreter, which needs `pip install triton==3.7.1` and no GPU (that of 3.9.0
refuses the kernel's mask).
"""

from __future__ import annotations

import importlib.machinery
import sys
import types
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from evaluator.tasks.eplb.cases import EplbCase
from evaluator.tasks.eplb.dispatch import Dispatch
from tests.evaluator.tasks.eplb.plans import random_plan, triple

CASES = (
    EplbCase(layers=3, experts=64, replicas=96, groups=1, nodes=4, gpus=32),
    EplbCase(layers=3, experts=64, replicas=144, groups=1, nodes=9, gpus=72),
    EplbCase(layers=3, experts=32, replicas=48, groups=8, nodes=4, gpus=16),
    EplbCase(layers=3, experts=24, replicas=48, groups=1, nodes=3, gpus=12),
    EplbCase(layers=3, experts=24, replicas=36, groups=1, nodes=1, gpus=12),
    EplbCase(layers=1, experts=4, replicas=60, groups=1, nodes=2, gpus=12),
)
SEEDS = range(5)


def wheel(wheels: Sequence[Path], engine: str) -> zipfile.ZipFile:
    """An engine's wheel among those named; skips without it."""
    for path in wheels:
        if path.name.startswith(f"{engine}-"):
            return zipfile.ZipFile(path)
    pytest.skip(f"no wheel of {engine} is named")


def executed(source: str, name: str, folder: Path) -> types.ModuleType:
    """A module of its own with this source, in a file, because Triton reads the source of its kernels."""
    path = folder / f"{name}.py"
    path.write_text(source)
    module = types.ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module
    exec(compile(source, str(path), "exec", dont_inherit=True), module.__dict__)
    return module


def instead(patch: pytest.MonkeyPatch, name: str, **values: Any) -> None:
    """Put a module with these values in the place of an engine's, and empty packages above it."""
    parts = name.split(".")
    for depth in range(1, len(parts) + 1):
        part = ".".join(parts[:depth])
        if part not in sys.modules:
            module = types.ModuleType(part)
            module.__path__ = []
            module.__spec__ = importlib.machinery.ModuleSpec(part, None, is_package=True)
            patch.setitem(sys.modules, part, module)
    vars(sys.modules[name]).update(values)


@pytest.fixture
def patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as context:
        yield context


def chosen(phy2log_LR: np.ndarray, physical_MLE: np.ndarray) -> np.ndarray:
    """How many ranks chose each slot for its expert, int `[L, R]`."""
    ranks_LR = np.zeros(phy2log_LR.shape, dtype=int)
    for physical_LE in physical_MLE:
        np.add.at(ranks_LR, (np.arange(len(physical_LE))[:, None], physical_LE), 1)
    return ranks_LR


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_static_dispatch_is_that_of_sglang(
    case: EplbCase, wheels: tuple[Path, ...], tmp_path: Path, patch: pytest.MonkeyPatch
) -> None:
    """Each rank asks the wheel's functions as in a rebalance, with all replicas, in the order of their slots; and as at
    the start.
    """
    source = wheel(wheels, "sglang").read("sglang/srt/eplb/expert_location.py").decode()
    parallel = types.SimpleNamespace(ep_size=case.gpus, nnodes=case.nodes)
    moe = types.SimpleNamespace(ep_join_mode=None, moe_a2a_backend="deepep")
    instead(
        patch,
        "sglang.srt.runtime_context",
        get_device=lambda: None,
        get_exec=lambda: types.SimpleNamespace(moe=moe),
        get_parallel=lambda: parallel,
        get_resources=lambda: None,
    )
    instead(patch, "sglang.srt.elastic_ep.elastic_ep", elastic_expanded_world_enabled=lambda: False)
    patch.setitem(sys.modules, "expert_location", types.ModuleType("expert_location"))
    location = executed(source, "expert_location", tmp_path)
    for seed in SEEDS:
        plan = random_plan(case.sizes, np.random.default_rng(seed))
        log2phy = torch.from_numpy(triple(plan, case.experts)[1])
        physical = [
            location.compute_logical_to_rank_dispatch_physical_map(log2phy, case.gpus, case.replicas, rank).numpy()
            for rank in range(case.gpus)
        ]
        share_LR = Dispatch(rule="sglang_static").shares(plan, case.experts, case.gpus, case.nodes)
        np.testing.assert_array_equal(share_LR, chosen(plan, np.stack(physical)) / case.gpus)
        # At the start each rank first leaves out what is far, as for a placement from a file.
        physical = [
            location.compute_logical_to_rank_dispatch_physical_map(
                location._compute_logical_to_all_physical_map(torch.from_numpy(plan), case.experts, case.gpus, rank),
                case.gpus,
                case.replicas,
                rank,
            ).numpy()
            for rank in range(case.gpus)
        ]
        started = Dispatch(rule="sglang_static", at_start=True)
        share_LR = started.shares(plan, case.experts, case.gpus, case.nodes)
        np.testing.assert_array_equal(share_LR, chosen(plan, np.stack(physical)) / case.gpus)


@pytest.fixture
def mapped(wheels: tuple[Path, ...], tmp_path: Path, patch: pytest.MonkeyPatch) -> Callable[..., torch.Tensor]:
    """vLLM's function that maps the experts of tokens to slots and counts them."""
    source = wheel(wheels, "vllm").read("vllm/model_executor/layers/fused_moe/router/base_router.py").decode()
    patch.setenv("TRITON_INTERPRET", "1")
    triton = pytest.importorskip("triton")
    language = pytest.importorskip("triton.language")
    platform = types.SimpleNamespace(is_cuda_alike=lambda: True, is_xpu=lambda: False)
    instead(patch, "vllm.distributed.eplb.eplb_state", EplbLayerState=object)
    instead(patch, "vllm.model_executor.layers.fused_moe.router.fused_moe_router", FusedMoERouter=object)
    instead(patch, "vllm.platforms", current_platform=platform)
    instead(patch, "vllm.triton_utils", tl=language, triton=triton)
    instead(patch, "vllm.v1.worker.ubatching", dbo_current_ubatch_id=lambda: 0)
    patch.setitem(sys.modules, "base_router", types.ModuleType("base_router"))
    function: Callable[..., torch.Tensor] = executed(source, "base_router", tmp_path).eplb_map_to_physical_and_record
    return function


@pytest.mark.parametrize("tokens", [1, 2, 3, 5, 16, 64, 1000])
def test_hashed_dispatch_is_that_of_vllm(tokens: int, mapped: Callable[..., torch.Tensor]) -> None:
    """Each token chooses every expert once, so the slots that it is sent to give the shares."""
    case = EplbCase(layers=1, experts=8, replicas=32, groups=1, nodes=1, gpus=8)
    plan, log2phy, logcnt = triple(random_plan(case.sizes, np.random.default_rng(tokens)), case.experts)
    counted = torch.zeros(case.replicas, dtype=torch.int32)
    sent = mapped(
        torch.arange(case.experts).repeat(tokens, 1),
        counted,
        torch.from_numpy(log2phy[0]),
        torch.from_numpy(logcnt[0]),
        torch.ones(1, dtype=torch.int32),
        torch.tensor([tokens], dtype=torch.int32),
    )
    share_LR = Dispatch(rule="vllm_hash", tokens_per_rank=tokens).shares(plan, case.experts, case.gpus, case.nodes)
    times_R = np.bincount(sent.numpy().ravel(), minlength=case.replicas)
    np.testing.assert_array_equal(share_LR[0], times_R / tokens)
    np.testing.assert_array_equal(counted.numpy(), times_R)
