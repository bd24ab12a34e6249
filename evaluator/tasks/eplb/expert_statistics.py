"""The folder of expert statistics that TensorRT-LLM writes.

Owns: which files belong to it, what they count, and what makes a set of them incomplete. Does not know: windows, other
formats, the safetensors format.

With EXPERT_STATISTIC_ITER_RANGE=100-200 and EXPERT_STATISTIC_PATH, each rank counts the experts of its tokens in these
iterations (`tensorrt_llm/_torch/expert_statistic.py` of NVIDIA/TensorRT-LLM, read at commit 0fccc5b):
- `meta_info.json`: `num_experts` and `num_experts_per_token`.
- `rankR.safetensors`: a tensor `[E]` of counts for each iteration and layer, named `ITERATION_LAYER`. Layers count from
  the model's first, dense ones included, which have no tensor. The ranks' counts are summed, as its own tools do.
- `rankR_raw.safetensors`, of some versions, hold each token's experts; we leave them out.
With a load balancer on, it counts slots in place of experts, and `num_experts` is the number of slots.

Shapes: T iterations, L layers, E experts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluator.tasks.eplb.safetensors_files import read_tensors
from evaluator.tasks.eplb.steps import MAX_VALUES, Steps, check_loads, keys, shortened
from evaluator.types import WorkloadError

META = "meta_info.json"
_RANK = re.compile(r"rank(\d{1,6})\.safetensors", re.ASCII)
_KEY = re.compile(r"(\d{1,12})_(\d{1,5})", re.ASCII)
_MAX_META = 2**20


def folder_files(folder: Path) -> list[Path]:
    """The files of the ranks, in their order. Raises WorkloadError if one is missing."""
    found = {int(match[1]): file for file in folder.iterdir() if (match := _RANK.fullmatch(file.name))}
    missing = sorted(set(range(max(found, default=0) + 1)) - set(found))
    if missing:
        raise WorkloadError(
            f"{folder}: expected rank0.safetensors and the files of all other ranks beside {META}, found none of rank "
            f"{shortened(missing, len(missing))}: add them"
        )
    return [found[rank] for rank in sorted(found)]


def read_folder(folder: Path, files: Sequence[Path]) -> Steps:
    """The counts of all ranks together, an iteration a step. Raises WorkloadError, OSError."""
    experts = _experts(folder / META)
    sums: dict[tuple[int, int], NDArray[Any]] = {}
    for file in files:
        for iteration, layer, counts in _counts(file, experts):
            key = iteration, layer
            sums[key] = sums[key] + counts if key in sums else counts.astype(np.float64)
            if len(sums) * experts > MAX_VALUES:
                raise WorkloadError(
                    f"{folder}: expected at most {MAX_VALUES} loads, found more: record fewer iterations"
                )
    if not sums:
        raise WorkloadError(f"{folder}: expected some counts, found none: record iterations that the server reaches")
    iterations, layers = (sorted({key[axis] for key in sums}) for axis in (0, 1))
    if len(iterations) * (layers[-1] + 1) * experts > MAX_VALUES:
        raise WorkloadError(f"{folder}: expected at most {MAX_VALUES} loads, found more: record fewer iterations")
    loads = np.zeros((len(iterations), layers[-1] + 1, experts))
    for row, iteration in enumerate(iterations):
        for layer in layers:
            if (iteration, layer) not in sums:
                raise WorkloadError(
                    f"{folder}: expected counts of each layer in each iteration, found none of layer {layer} in "
                    f"iteration {iteration}: add the files of all ranks, or record again"
                )
            loads[row, layer] = sums[iteration, layer]
    check_loads(loads, str(folder), "iteration")
    note = (
        f"{folder}: counts of {len(files)} rank{'' if len(files) == 1 else 's'} together; if a load balancer was on, "
        "TensorRT-LLM counted slots in place of experts, which the files do not tell: record without one"
    )
    return Steps(where=folder, loads=loads, per_window=None, notes=(note,))


def _experts(meta: Path) -> int:
    """The number of experts that is counted."""
    if meta.stat().st_size > _MAX_META:
        raise WorkloadError(f"{meta}: expected a few numbers, found {meta.stat().st_size} bytes: record again")
    try:
        content = json.loads(meta.read_bytes())
    except (ValueError, RecursionError) as error:
        raise WorkloadError(f"{meta}: expected JSON, but it does not parse: {error}") from error
    experts = content.get("num_experts") if isinstance(content, dict) else None
    if type(experts) is not int or not 1 <= experts <= MAX_VALUES:
        found = keys(content) if isinstance(content, dict) else type(content).__name__
        raise WorkloadError(f"{meta}: expected num_experts, a whole number of at least 1, found {found}")
    return experts


def _counts(file: Path, experts: int) -> Iterator[tuple[int, int, NDArray[Any]]]:
    """The counts `[E]` of each iteration and layer."""
    for name, counts in read_tensors(file):
        match = _KEY.fullmatch(name)
        if match is None:
            raise WorkloadError(f"{file}: expected tensors named ITERATION_LAYER, found {name[:40]!r}")
        if counts.shape != (experts,):
            raise WorkloadError(
                f"{file}: {name}: expected counts of {experts} experts as {META} says, found the shape "
                f"{list(counts.shape)}"
            )
        yield int(match[1]), int(match[2]), counts
