"""A packaged solver behind the real policy interface of vLLM's and SGLang's wheels, outside CI.

`PACKSMITH_ENGINE_WHEELS=vllm-0.32.0-....whl:sglang-0.5.23-....whl pytest -n 0 tests/engines`: the engine's own policy
modules and the code that loads its plugins are taken out of the wheel; what these import of the rest of the engine is
replaced by a few lines. The package is installed by pip, so that its entry point is found as an engine finds it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from evaluator import TASKS, Agreement, shipped
from harness.packages import Origin, Package
from tests.harness.builders import scored

WHEELS = {
    Path(path).name.partition("-")[0]: Path(path)
    for path in os.environ.get("PACKSMITH_ENGINE_WHEELS", "").split(os.pathsep)
    if path
}
PARTS = {
    "vllm": ("vllm/distributed/eplb/__init__.py", "vllm/distributed/eplb/policy/", "vllm/plugins/__init__.py"),
    "sglang": ("sglang/srt/plugins/", "sglang/srt/eplb/__init__.py", "sglang/srt/eplb/eplb_algorithms/"),
}
STAND_INS: Mapping[str, Mapping[str, str]] = {
    "vllm": {
        "vllm/__init__.py": "",
        "vllm/envs.py": "VLLM_PLUGINS = None\n",
        "vllm/distributed/__init__.py": "",
        "vllm/config/__init__.py": "",
        "vllm/config/parallel.py": "from typing import Literal\nEPLBPolicyOption = Literal['default']\n",
    },
    "sglang": {
        "sglang/__init__.py": "",
        "sglang/srt/__init__.py": "",
        "sglang/srt/environ.py": (
            "class Unset:\n    def get(self): return None\n"
            "class envs:\n    SGLANG_PLUGINS = SGLANG_PLATFORM = Unset()\n"
        ),
        "sglang/srt/runtime_context.py": (
            "from types import SimpleNamespace\n"
            "def get_exec(): return SimpleNamespace(moe=SimpleNamespace(ep_dispatch_algorithm='static'))\n"
        ),
        "sglang/srt/eplb/expert_location.py": (
            "metadata = None\ndef get_global_expert_location_metadata(): return metadata\n"
        ),
    },
}
ASK = {
    "vllm": """
from vllm.plugins import load_general_plugins
load_general_plugins()
from vllm.distributed.eplb.policy import EPLB_POLICIES, DefaultEplbPolicy, AbstractEplbPolicy
policy = EPLB_POLICIES["default"]
assert issubclass(policy, AbstractEplbPolicy) and policy is not DefaultEplbPolicy

def ask(own, load, replicas, groups, nodes, gpus, old=None):
    asked = DefaultEplbPolicy if own else policy
    return asked.rebalance_experts(load, replicas, groups, nodes, gpus, old)
""",
    "sglang": """
from types import SimpleNamespace
from sglang.srt.plugins import load_plugins
load_plugins()
from sglang.srt.eplb import eplb_algorithms, expert_location
packaged = eplb_algorithms.rebalance_experts

def ask(own, load, replicas, groups, nodes, gpus, old=None):
    function = packaged.__wrapped__ if own else packaged
    force = None if old is None else SimpleNamespace(physical_to_logical_map_cpu=old)
    expert_location.metadata = force
    algorithm = eplb_algorithms.compute_algorithm("auto", groups, nodes)
    steps = torch.stack([load // 3, load - load // 3])
    phy2log, log2phy, logcnt = function(
        tokens_per_expert=steps, num_physical_experts=replicas, num_local_physical_experts=replicas // gpus,
        num_groups=groups, num_nodes=nodes, algorithm=algorithm,
    )
    for layer in range(0, len(phy2log), 19):
        for expert in range(0, load.shape[1], 51):
            slots = [int(slot) for slot in log2phy[layer, expert] if slot >= 0]
            assert sorted(slots) == (phy2log[layer] == expert).nonzero().flatten().tolist()
            assert len(slots) == logcnt[layer, expert]
    return phy2log
""",
}
CHECK = """
import json, logging
import numpy as np, torch
said = []
handler = logging.Handler(logging.WARNING)
handler.emit = lambda record: said.append(record.getMessage())
logging.getLogger("mine.guard").addHandler(handler)
{ask}
from mine import guard

def balance(plan, load, gpus):
    load = load.double()
    count = torch.stack([torch.bincount(row, minlength=load.shape[1]) for row in plan])
    assert plan.dtype == torch.int64 and str(plan.device) == "cpu" and int(count.min()) >= 1
    on_gpus = (load / count).gather(1, plan).view(len(plan), gpus, -1).sum(dim=2)
    return float(on_gpus.mean(dim=1).sum() / on_gpus.max(dim=1).values.sum())

figures = {{}}
for name, groups, nodes, gpus in (("hierarchical", 8, 4, 32), ("global", 1, 1, 32), ("undivided", 8, 3, 72)):
    rng = np.random.default_rng(len(name))
    load = torch.from_numpy(np.rint(rng.lognormal(7, 0.8, (58, 256))).astype(np.int64))
    sizes = (288, groups, nodes, gpus)
    plan = ask(False, load, *sizes)
    if groups % nodes == 0 and nodes > 1:
        node = torch.arange(288) // (288 // nodes)
        for row in plan:
            pairs = set(zip((row // 32).tolist(), node.tolist()))
            assert len(pairs) == groups, "a group on two nodes"
    figures[name] = [balance(plan, load, gpus), balance(ask(True, load, *sizes), load, gpus)]
    assert torch.equal(ask(False, load, *sizes, plan), plan), "not better, so the plan in force stays"
    dealt = (torch.arange(288) % 256).repeat(58, 1)
    again = ask(False, load, *sizes, dealt)
    assert balance(again, load, gpus) == figures[name][0], "only slots within a GPU differ"
    assert not said, said

def fails(*args, **kwargs):
    raise RuntimeError("no room left")

own, guard.solver.rebalance_experts = guard.solver.rebalance_experts, fails
assert torch.equal(ask(False, load, *sizes), ask(True, load, *sizes))
assert "no room left" in said[-1]
guard.solver.rebalance_experts = lambda *args, **kwargs: plan[:, 1:]
assert torch.equal(ask(False, load, *sizes), ask(True, load, *sizes))
assert "shape" in said[-1]
print(json.dumps(figures))
"""


def package(engine: str, program: str) -> Mapping[str, bytes]:
    [target] = [each for each in TASKS["eplb"].engines if each.name == engine]
    return Package(
        engine=target,
        task="eplb",
        name="mine",
        source=shipped(program).read_text(),
        origin=Origin(name=program),
        verdict=scored(0.9, 1.0),
        quality_key="balance",
        agreement=Agreement(conditions=("a fresh process",), inputs=1),
        busy=(),
        min_gain=0.005,
        version="0",
    ).files()


def run(arguments: list[str], **more: Any) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=600, check=False, **more
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("program", ["programs/eplb/lpt_swap.py", "programs/eplb/lpt_swap_numba.py"])
@pytest.mark.parametrize("engine", PARTS)
def test_a_packaged_solver_answers_through_the_engines_interface(engine: str, program: str, tmp_path: Path) -> None:
    if engine not in WHEELS:
        pytest.skip(f"PACKSMITH_ENGINE_WHEELS names no wheel of {engine}")
    site = tmp_path / "site"
    for name, text in STAND_INS[engine].items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(text)
    with zipfile.ZipFile(WHEELS[engine]) as wheel:
        for name in wheel.namelist():
            if name.endswith(".py") and name.startswith(PARTS[engine]):
                wheel.extract(name, site)
    for path, data in package(engine, program).items():
        (tmp_path / "made" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "made" / path).write_bytes(data)
    options = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--target", str(site)]
    run(["-m", "pip", "install", *options, str(tmp_path / "made")])
    code = f"import sys; sys.path.insert(0, {str(site)!r})\n" + CHECK.format(ask=ASK[engine])
    figures = json.loads(run(["-c", code], cwd=tmp_path).splitlines()[-1])
    print(engine, program, figures)
    for packaged, own in figures.values():
        assert packaged >= own
