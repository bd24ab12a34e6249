"""A bare process that calls an engine's own policy, with nothing of packsmith: `python -I bare.py WHEEL POLICY`.

Owns: unpacking the policy's package into a temporary folder, and the engine's own way of calling it. Does not know:
packsmith. Standard input holds calls in numpy's `.npz`, standard output gets the placements as `.npz`.
"""

from __future__ import annotations

import io
import sys
import tempfile
import zipfile
from typing import Any

import numpy as np
import torch

PACKAGES = {
    # Without the package's own __init__.py, which imports the engine's configuration.
    "vllm": ("vllm/distributed/eplb/policy/abstract.py", "vllm/distributed/eplb/policy/default.py"),
    "sglang": tuple(
        f"sglang/srt/eplb/eplb_algorithms/{name}.py"
        for name in ("__init__", "deepseek", "deepseek_vec", "elasticity_aware")
    ),
}


def vllm(weight: torch.Tensor, sizes: tuple[int, ...], old: torch.Tensor | None) -> torch.Tensor:
    from vllm.distributed.eplb.policy.default import DefaultEplbPolicy  # type: ignore[import-not-found]

    answer: torch.Tensor = DefaultEplbPolicy.rebalance_experts(weight, *sizes, old)
    return answer


def sglang(weight: torch.Tensor, sizes: tuple[int, ...], name: str) -> torch.Tensor:
    from sglang.srt.eplb import eplb_algorithms  # type: ignore[import-not-found]

    replicas, groups, nodes, gpus = sizes
    if groups % nodes == 0:
        name += "_hierarchical"
    answer: torch.Tensor = eplb_algorithms.rebalance_experts(
        tokens_per_expert=weight[None],
        num_physical_experts=replicas,
        num_local_physical_experts=replicas // gpus,
        num_groups=groups,
        num_nodes=nodes,
        algorithm=eplb_algorithms.EplbAlgorithm[name],
    )[0]
    return answer


def main() -> None:
    torch.set_num_threads(1)
    wheel, policy = sys.argv[1:]
    engine, _, name = policy.partition(":")
    calls: Any = np.load(io.BytesIO(sys.stdin.buffer.read()))
    plans: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(wheel) as archive:
        for path in PACKAGES[engine]:
            archive.extract(path, folder)
        sys.path.insert(0, folder)
        for at in range(sum(key.startswith("weight") for key in calls)):
            weight = torch.from_numpy(calls[f"weight{at}"])
            sizes = tuple(int(size) for size in calls[f"sizes{at}"])
            old = torch.from_numpy(calls[f"old{at}"]) if f"old{at}" in calls else None
            plan = vllm(weight, sizes, old) if engine == "vllm" else sglang(weight, sizes, name)
            plans[f"plan{at}"] = plan.numpy().astype(np.int64)
    result = io.BytesIO()
    np.savez(result, **plans)
    sys.stdout.buffer.write(result.getvalue())


if __name__ == "__main__":
    main()
