"""Placements in files: from a file to a placement of a model's layers that is valid, and back to bytes.

Owns: which format a file has, its largest size, which of its rows are the layers in question, and that every expert is
there. Does not know: the texts of the formats (`placement_formats`), loads, what a placement is worth.

Shapes: L layers with experts, R slots, E experts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evaluator.tasks.eplb import placement_formats, torch_placements
from evaluator.tasks.eplb.cases import MAX_LAYERS, MAX_REPLICAS
from evaluator.tasks.eplb.layouts import Layout
from evaluator.tasks.eplb.metrics import Ints, expert_counts
from evaluator.tasks.eplb.placement_formats import FORMATS, Format, Parsed
from evaluator.tasks.eplb.steps import shortened
from evaluator.types import WorkloadError

MAX_BYTES = 2**26
SUFFIXES: Mapping[Format, tuple[str, ...]] = {
    "sglang": (".json", ".pt"),
    "vllm": (".json",),
    "trtllm": (".yaml", ".yml"),
    "ascend": (".json",),
    "json": (".json",),
}
"""How the name of a file must end: SGLang and vllm-ascend go by it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """`slots`: the expert in each slot, int64 `[L, R]`. `gpus` and `nodes` are 0 where the file does not say."""

    format: Format
    slots: Ints
    gpus: int
    nodes: int


def check_name(path: Path, kind: Format) -> None:
    """Raises WorkloadError for a name that the engine would not read."""
    if path.suffix.lower() not in SUFFIXES[kind]:
        raise WorkloadError(
            f"{path}: expected a name that ends in {' or '.join(SUFFIXES[kind])} for {kind}, found "
            f"{path.suffix or 'no extension'}"
        )


def encoded(
    path: Path,
    kind: Format,
    slots_LR: Ints,
    layout: Layout,
    sizes: Mapping[str, int],
    provenance: Mapping[str, Any],
) -> bytes:
    """The bytes of a file of that name. Raises WorkloadError, EvaluatorError."""
    check_name(path, kind)
    if path.suffix.lower() == ".pt":
        return torch_placements.map_file(placement_formats.all_layers(slots_LR, layout))
    return placement_formats.written(kind, slots_LR, layout, sizes, provenance).encode("ascii")


def read_placement(path: Path, layout: Layout, wanted: str = "") -> Placement:
    """The placement of a file for the layers of a layout, in the format `wanted`, or in the one it seems to have.

    Raises WorkloadError, EvaluatorError.
    """
    parsed = _parsed(path, next((kind for kind in FORMATS if kind == wanted), None))
    rows, count = parsed.slots.shape
    if rows > MAX_LAYERS or count > MAX_REPLICAS:
        raise WorkloadError(
            f"{path}: expected at most {MAX_LAYERS} layers and {MAX_REPLICAS} slots, found {rows} and {count}"
        )
    kind, slots_LR = _rows_of(parsed, layout, path, wanted)
    _check_experts(slots_LR, layout, path)
    slots_LR.setflags(write=False)
    return Placement(format=kind, slots=slots_LR, gpus=parsed.gpus, nodes=parsed.nodes)


def _parsed(path: Path, wanted: Format | None) -> Parsed:
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise WorkloadError(f"{path}: expected the file of a placement, found something that is not a file")
        if not 0 < size <= MAX_BYTES:
            raise WorkloadError(f"{path}: expected a placement of 1 to {MAX_BYTES:,} bytes, found {size:,}")
        if path.suffix.lower() == ".pt":
            if wanted not in (None, "sglang"):
                raise WorkloadError(
                    f"{path}: expected a file of the format {wanted}, found .pt, which SGLang alone reads"
                )
            most = MAX_LAYERS * MAX_REPLICAS
            return Parsed(format="sglang", slots=torch_placements.read_map(path, most))
        return placement_formats.parse(path.read_bytes(), str(path), wanted)
    except OSError as error:
        raise WorkloadError(f"{path}: {error.strerror or error}; expected the file of a placement") from None


def _rows_of(parsed: Parsed, layout: Layout, path: Path, wanted: str) -> tuple[Format, Ints]:
    """The rows of the layers with experts, in their order, and the format. Raises WorkloadError."""
    if parsed.numbers:
        return parsed.format, parsed.slots[_rows_by_number(parsed.numbers, layout, path)]
    rows, with_experts = len(parsed.slots), len(layout.numbers)
    allowed = {"sglang": (layout.total,), "vllm": (with_experts,), "ascend": (with_experts,)}
    expected = allowed.get(wanted or ("ascend" if parsed.format == "ascend" else ""), (layout.total, with_experts))
    if rows not in expected:
        numbers = " or ".join(str(number) for number in dict.fromkeys(expected))
        raise WorkloadError(f"{path}: expected {numbers} layers, found {rows}: {_OTHER_MODEL}")
    if rows == layout.total:
        return parsed.format, parsed.slots[list(layout.numbers)]
    return ("ascend" if parsed.format == "ascend" else "vllm"), parsed.slots.copy()


def _rows_by_number(numbers: Sequence[int], layout: Layout, path: Path) -> list[int]:
    """The row of each layer with experts. Raises WorkloadError."""
    missing = sorted(set(layout.numbers) - set(numbers))
    if missing:
        raise WorkloadError(
            f"{path}: expected all {len(layout.numbers)} layers with experts, found none of layer "
            f"{shortened(missing, len(missing))}: {_OTHER_MODEL}"
        )
    beyond = sorted(number for number in numbers if number >= layout.total + layout.predictors)
    if beyond and layout.known:
        raise WorkloadError(
            f"{path}: expected layers below {layout.total + layout.predictors}, found layer "
            f"{shortened(beyond, len(beyond))}: {_OTHER_MODEL}"
        )
    at = {number: row for row, number in enumerate(numbers)}
    return [at[number] for number in layout.numbers]


_OTHER_MODEL = "is it of this model? A model's config.json (--model) says which layers have experts"


def _check_experts(slots_LR: Ints, layout: Layout, path: Path) -> None:
    """Raises WorkloadError unless every expert of every layer has a slot, and every slot an expert."""
    wrong = (slots_LR < 0) | (slots_LR >= layout.experts)
    if wrong.any():
        row, slot = map(int, np.argwhere(wrong)[0])
        raise WorkloadError(
            f"{path}: expected experts 0 to {layout.experts - 1}, found {slots_LR[row, slot]} at layer "
            f"{layout.numbers[row]}, slot {slot}"
        )
    missing = expert_counts(slots_LR, layout.experts) == 0
    if missing.any():
        row, expert = map(int, np.argwhere(missing)[0])
        raise WorkloadError(
            f"{path}: expected every expert in at least one slot, found expert {expert} of layer "
            f"{layout.numbers[row]} in no slot"
        )
