"""Small wheels for tests: any project, and engines whose policies are our own text behind the engines' interfaces.

Owns: how such a wheel is laid out, and the plan that all of these policies make. Does not know: what reads them.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

VERSION = "9.1"
ABSTRACT = "vllm/distributed/eplb/policy/abstract.py"
DEFAULT = "vllm/distributed/eplb/policy/default.py"
DEEPSEEK = "sglang/srt/eplb/eplb_algorithms/deepseek.py"
VECTORISED = "sglang/srt/eplb/eplb_algorithms/deepseek_vec.py"

_PLAN = '''

def dealt(layers, experts, replicas, nodes):
    """Each node gets the experts of its share in turn until its slots are full."""
    share, slots = experts // nodes, replicas // nodes
    plan = torch.arange(slots) % share + torch.arange(nodes)[:, None] * share
    return plan.reshape(1, replicas).repeat(layers, 1)
'''
_TABLES = """
    logcnt = torch.stack([torch.bincount(row, minlength=experts) for row in plan])
    log2phy = torch.full((*logcnt.shape, int(logcnt.max())), -1)
    for layer, row in enumerate(plan.tolist()):
        filled = [0] * experts
        for slot, expert in enumerate(row):
            log2phy[layer, expert, filled[expert]] = slot
            filled[expert] += 1
    return plan, log2phy, logcnt
"""
ENGINE_FILES: Mapping[str, Mapping[str, str]] = {
    "vllm": {
        "vllm/__init__.py": "raise ImportError('an engine is never imported')\n",
        ABSTRACT: (
            "from __future__ import annotations\n\nfrom abc import ABC\n\n\nclass AbstractEplbPolicy(ABC):\n    pass\n"
        ),
        DEFAULT: (
            "import torch\n\nfrom vllm.distributed.eplb.policy.abstract import (\n    AbstractEplbPolicy,\n)\n"
            f"{_PLAN}\n\nclass DefaultEplbPolicy(AbstractEplbPolicy):\n    @classmethod\n"
            "    def rebalance_experts(\n        cls, weight, num_replicas, num_groups, num_nodes, num_ranks, "
            "old_global_expert_indices=None\n    ):\n"
            "        if old_global_expert_indices is not None:\n            return old_global_expert_indices\n"
            "        nodes = num_nodes if num_groups % num_nodes == 0 else 1\n"
            "        return dealt(*weight.shape, num_replicas, nodes)\n"
        ),
    },
    "sglang": {
        "sglang/__init__.py": "raise ImportError('an engine is never imported')\n",
        DEEPSEEK: (
            f"import torch\n{_PLAN}\n\n"
            "def rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus, enable_hierarchical):\n"
            "    layers, experts = weight.shape\n"
            "    plan = dealt(layers, experts, num_replicas, num_nodes if enable_hierarchical else 1)\n"
            f"{_TABLES}\n\n__all__ = ['rebalance_experts']\n"
        ),
        VECTORISED: (
            f"import torch\n{_PLAN}\n\n"
            "def rebalance_experts(\n    tokens_per_expert, num_physical_experts, num_local_physical_experts, "
            "num_groups, num_nodes, enable_hierarchical\n):\n"
            "    steps, layers, experts = tokens_per_expert.shape\n    assert steps == 1\n"
            "    plan = dealt(layers, experts, num_physical_experts, num_nodes if enable_hierarchical else 1)\n"
            f"{_TABLES}"
        ),
    },
}


def write_wheel(folder: Path, project: str, files: Mapping[str, str | bytes], version: str = VERSION) -> Path:
    """A wheel of a project with these files; returns its path."""
    name = f"{project}-{version}"
    path = folder / f"{name}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for inner, content in files.items():
            archive.writestr(inner, content)
        archive.writestr(f"{name}.dist-info/METADATA", f"Metadata-Version: 2.4\nName: {project}\nVersion: {version}\n")
    return path


def engine_wheel(folder: Path, project: str, **changed: Mapping[str, str | None]) -> Path:
    """A wheel of an engine; `files` replaces files or, by None, leaves them out."""
    files = {**ENGINE_FILES[project], **changed.get("files", {})}
    return write_wheel(folder, project, {path: text for path, text in files.items() if text is not None})


def install(wheel: Path, folder: Path) -> Path:
    """Unpack a wheel as an installer does, into a folder for Python's path, which is returned."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder
