"""SGLang's placement files, read by SGLang's own code. Not part of CI.

    PACKSMITH_ENGINE_WHEELS=sglang-0.5.23-....whl pytest -n 0 tests/engines/test_placement_files.py

The variable names wheels, divided by colons. The one module that reads such files is taken from the wheel and executed;
the functions of SGLang that it asks for its settings are replaced by the few values it reads.
"""

from __future__ import annotations

import json
import os
import sys
import types
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from evaluator.tasks.eplb.layouts import Layout
from evaluator.tasks.eplb.metrics import Ints
from evaluator.tasks.eplb.placement_files import encoded

MODULE = "sglang/srt/eplb/expert_location.py"
LAYOUT = Layout(numbers=tuple(range(3, 61)), total=61, experts=256, groups=8, predictors=1)
SIZES = {"layers": 58, "experts": 256, "replicas": 288, "groups": 8, "nodes": 4, "gpus": 32}


class _Architecture:
    """What a model class of SGLang says of DeepSeek-V3."""

    said: Any = None

    @classmethod
    def get_model_config_for_expert_location(cls, config: Any) -> Any:
        return cls.said


@pytest.fixture
def sglang(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module of the wheel, with the settings of a deployment on 4 nodes of 8 GPUs; `.settings` may be changed."""
    named = [Path(path) for path in os.environ.get("PACKSMITH_ENGINE_WHEELS", "").split(os.pathsep) if path]
    wheel = next((path for path in named if path.name.startswith("sglang-")), None)
    if wheel is None:
        pytest.skip("PACKSMITH_ENGINE_WHEELS names no wheel of sglang")
    source = zipfile.ZipFile(wheel).read(MODULE).decode()
    moe = SimpleNamespace(
        init_expert_location="trivial",
        ep_num_redundant_experts=32,
        ep_join_mode="none",
        ep_dispatch_algorithm="static",
        moe_a2a_backend="deepep",
    )
    parallel = SimpleNamespace(ep_size=32, nnodes=4, tp_size=32, elastic_ep_initial_size=None, ep_join_rank_offset=0)
    context = {
        "get_device": lambda: SimpleNamespace(device="cpu"),
        "get_exec": lambda: SimpleNamespace(moe=moe),
        "get_parallel": lambda: parallel,
        "get_resources": lambda: SimpleNamespace(),
    }
    others = {
        "sglang.srt.runtime_context": context,
        "sglang.srt.elastic_ep.elastic_ep": {"elastic_expanded_world_enabled": lambda: False},
        "sglang.srt.model_loader": {"get_model_architecture": lambda config: (_Architecture, "")},
    }
    for name, values in others.items():
        parts = name.split(".")
        for depth in range(1, len(parts)):
            above = types.ModuleType(".".join(parts[:depth]))
            above.__path__ = []  # type: ignore[attr-defined]
            monkeypatch.setitem(sys.modules, above.__name__, above)
        module = types.ModuleType(name)
        vars(module).update(values)
        monkeypatch.setitem(sys.modules, name, module)
    read = types.ModuleType("expert_location")
    monkeypatch.setitem(sys.modules, read.__name__, read)  # its dataclasses look their module up
    exec(compile(source, MODULE, "exec", dont_inherit=True), vars(read))
    _Architecture.said = read.ModelConfigForExpertLocation(num_layers=61, num_logical_experts=256, num_groups=8)
    return SimpleNamespace(
        settings=moe,
        read=lambda: read.compute_initial_expert_location_metadata(SimpleNamespace(hf_config=None), 5),
    )


def placement() -> Ints:
    rng = np.random.default_rng(4)
    return np.stack([rng.permutation([*range(256), *rng.integers(0, 256, 32)]) for _ in LAYOUT.numbers])


@pytest.mark.parametrize("name", ["placement.json", "placement.pt"])
def test_sglang_takes_the_placement(sglang: Any, tmp_path: Path, name: str) -> None:
    slots, path = placement(), tmp_path / name
    path.write_bytes(encoded(path, "sglang", slots, LAYOUT, SIZES, {"program": "left out"}))
    sglang.settings.init_expert_location = str(path)
    metadata = sglang.read()
    taken = metadata.physical_to_logical_map.numpy()
    assert taken.shape == (61, 288) and metadata.num_local_physical_experts == 9
    np.testing.assert_array_equal(taken[3:], slots)
    np.testing.assert_array_equal(taken[:3], [np.arange(288) % 256] * 3)
    assert metadata.logical_to_rank_dispatch_physical_map.shape == (61, 256)


def test_layers_without_experts_are_filled_as_sglang_fills_them(sglang: Any) -> None:
    np.testing.assert_array_equal(sglang.read().physical_to_logical_map.numpy(), [np.arange(288) % 256] * 61)


def test_sglang_fails_on_any_other_key(sglang: Any, tmp_path: Path) -> None:
    """Why the provenance lies in a file beside it."""
    rows = [(np.arange(288) % 256).tolist()] * 61
    path = tmp_path / "placement.json"
    path.write_text(json.dumps({"physical_to_logical_map": rows, "provenance": {}}))
    sglang.settings.init_expert_location = str(path)
    with pytest.raises(TypeError, match="unexpected keyword argument 'provenance'"):
        sglang.read()
