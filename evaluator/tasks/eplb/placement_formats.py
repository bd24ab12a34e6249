"""The texts in which engines take a placement: writing them, and reading them strictly.

Owns: the formats `sglang`, `vllm`, `trtllm`, `ascend` and `json`. Does not know: files, loads, whether a placement is
valid for a model.

- `sglang`: `{"physical_to_logical_map": [[..R] x all layers]}` for `--init-expert-location FILE.json`. SGLang 0.5.23
  passes every key of the file on as a keyword argument, so any other key makes it fail. Rows are all layers of the
  model; those of dense layers are not looked at.
- `vllm`: the same object with a row for each layer with experts. vLLM 0.32 reads no placement from a file: a policy of
  ours that is installed as a plugin may.
- `trtllm`: YAML with `num_slots`, `initial_global_assignments` (layer number: experts of all slots) and
  `layer_updates_per_iter` (0: the placement stays), as in TensorRT-LLM's `MoeLoadBalancerConfig`, which allows no other
  key and needs an entry for every layer that it asks for.
- `ascend`: vllm-ascend's `expert_map_path`: `{"moe_layer_count": L, "layer_list": [{"layer_id", "device_count",
  "device_list": [{"device_id", "device_expert": [..]}]}]}`. Layers with experts are counted from 0. It takes the number
  of slots of a device from how many different experts the first one holds, so an expert twice on a device breaks it.
- `json`: ours, with the sizes and where the placement comes from.

Shapes: L layers with experts, R slots (physical experts) in the order of GPUs, E experts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import yaml

from evaluator.tasks.eplb.cases import MAX_LAYERS
from evaluator.tasks.eplb.layouts import Layout, trivial
from evaluator.tasks.eplb.metrics import Ints
from evaluator.tasks.eplb.steps import keys
from evaluator.types import WorkloadError

Format = Literal["sglang", "vllm", "trtllm", "ascend", "json"]
FORMATS: tuple[Format, ...] = get_args(Format)
MAP = "physical_to_logical_map"
OURS = "packsmith_placement"
_VERSION = 1
_TRTLLM = ("num_slots", "initial_global_assignments", "layer_updates_per_iter")
MAX_YAML_BYTES = 2**22
"""The parser takes about 300 times the bytes of a text; a large model's file has some 300,000."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """A placement as its file gives it: `slots` is int64 `[rows, R]`.

    `numbers`: the layer number of each row; () where the format only counts rows, which are then all layers or those
    with experts. `gpus` and `nodes` are 0 where the format does not say.
    """

    format: Format
    slots: Ints
    numbers: tuple[int, ...] = ()
    gpus: int = 0
    nodes: int = 0


def written(
    kind: Format, slots_LR: Ints, layout: Layout, sizes: Mapping[str, int], provenance: Mapping[str, Any]
) -> str:
    """The text of a placement in a format. Raises WorkloadError for one that the engine would misread."""
    if kind == "trtllm":
        return _yaml(slots_LR, layout)
    if kind == "ascend":
        content = _ascend(slots_LR, sizes["gpus"], layout)
    elif kind == "json":
        content = {
            OURS: _VERSION,
            "sizes": dict(sizes),
            "layers": list(layout.numbers),
            MAP: slots_LR.tolist(),
            "provenance": dict(provenance),
        }
    else:
        content = {MAP: (all_layers(slots_LR, layout) if kind == "sglang" else slots_LR).tolist()}
    return json.dumps(content, allow_nan=False, separators=(",", ":")) + "\n"


def all_layers(slots_LR: Ints, layout: Layout) -> Ints:
    """A row for every layer of the model; layers without experts get the placement that the engine starts with."""
    rows = trivial(layout.total, layout.experts, slots_LR.shape[1])
    rows[list(layout.numbers)] = slots_LR
    return rows


def _yaml(slots_LR: Ints, layout: Layout) -> str:
    """A line for each layer; layers that predict further tokens get the placement that the engine starts with."""
    rows = dict(zip(layout.numbers, slots_LR.tolist(), strict=True))
    start = trivial(1, layout.experts, slots_LR.shape[1])[0].tolist()
    rows |= {layout.total + at: start for at in range(layout.predictors)}
    lines = [f"  {number}: {row}" for number, row in rows.items()]
    head = [f"num_slots: {slots_LR.shape[1]}", "initial_global_assignments:"]
    return "\n".join([*head, *lines, "layer_updates_per_iter: 0", ""])


def _ascend(slots_LR: Ints, gpus: int, layout: Layout) -> dict[str, Any]:
    slots_LMK = slots_LR.reshape(len(slots_LR), gpus, -1)
    ordered = np.sort(slots_LMK, axis=2)
    twice = np.argwhere(ordered[:, :, 1:] == ordered[:, :, :-1])
    if len(twice):
        layer, device, slot = map(int, twice[0])
        raise WorkloadError(
            f"expected no expert twice on a device, which vllm-ascend misreads, found expert "
            f"{ordered[layer, device, slot]} twice on device {device} of layer {layout.numbers[layer]}: plan with "
            "fewer redundant slots, or another program"
        )
    layers = [
        {
            "layer_id": at,
            "device_count": gpus,
            "device_list": [{"device_id": gpu, "device_expert": held} for gpu, held in enumerate(layer)],
        }
        for at, layer in enumerate(slots_LMK.tolist())
    ]
    return {"moe_layer_count": len(layers), "layer_list": layers}


def parse(text: bytes, where: str, wanted: Format | None) -> Parsed:
    """A placement from a text in the format `wanted`; if None, in the one that its first bytes and keys show.

    Raises WorkloadError.
    """
    is_json = text.lstrip()[:1] in (b"{", b"[")
    if wanted == "trtllm" or (wanted is None and not is_json):
        return _parse_yaml(text, where)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise WorkloadError(
            f"{where}: expected a placement as JSON, but it does not parse: {error}: is the file complete?"
        ) from None
    if not isinstance(content, dict):
        raise WorkloadError(f"{where}: expected an object with {MAP} or layer_list, found {_kind(content)}")
    if wanted == "ascend" or (wanted is None and "layer_list" in content):
        return _parse_ascend(content, where)
    if wanted == "json" or (wanted is None and OURS in content):
        return _parse_ours(content, where)
    if MAP not in content:
        hint = ": these are loads, from which SGLang plans by itself" if "logical_count" in content else ""
        raise WorkloadError(f"{where}: expected an object with {MAP} or layer_list, found {keys(content)}{hint}")
    check_map_keys(content, where)
    return Parsed(format=wanted or "sglang", slots=_matrix(content[MAP], f"{where}: {MAP}"))


def check_map_keys(content: Mapping[Any, Any], where: str) -> None:
    """Raises WorkloadError for keys beside the map."""
    others = {key: None for key in content if key != MAP}
    if others:
        raise WorkloadError(
            f"{where}: expected {MAP} alone, because SGLang takes every other key for an argument and fails, found "
            f"also {keys(others)}"
        )


def _kind(value: Any) -> str:
    return {list: "a list", dict: "an object", str: "a text", type(None): "nothing"}.get(
        type(value), type(value).__name__
    )


def _row(value: Any, where: str) -> list[int]:
    """A list of whole numbers. Raises WorkloadError."""
    if not isinstance(value, list) or not value:
        raise WorkloadError(f"{where}: expected a list of experts, found {_kind(value) if value != [] else 'it empty'}")
    for at, expert in enumerate(value):
        if type(expert) is not int or not 0 <= expert < 2**31:
            raise WorkloadError(f"{where}: expected the number of an expert, found {repr(expert)[:40]} at slot {at}")
    return value


def _matrix(value: Any, where: str) -> Ints:
    """Rows of whole numbers, all of one length: int64 `[rows, R]`. Raises WorkloadError."""
    if not isinstance(value, list) or not value:
        raise WorkloadError(f"{where}: expected a list of layers, found {_kind(value) if value != [] else 'it empty'}")
    rows = [_row(each, f"{where}[{at}]") for at, each in enumerate(value)]
    _same_length(rows, [f"{where}[{at}]" for at in range(len(rows))])
    return np.array(rows, dtype=np.int64)


def _same_length(rows: Sequence[Sequence[int]], names: Sequence[str]) -> None:
    for row, name in zip(rows, names, strict=True):
        if len(row) != len(rows[0]):
            raise WorkloadError(f"{name}: expected {len(rows[0])} slots as in the first, found {len(row)}")


def _number(content: Mapping[str, Any], key: str, where: str) -> int:
    value = content.get(key)
    if type(value) is not int or not 0 <= value < 2**31:
        found = repr(value)[:40] if key in content else "no such key"
        raise WorkloadError(f"{where}: expected {key} to be a whole number, found {found}")
    return value


def _objects(content: Mapping[str, Any], key: str, count: int, where: str) -> list[dict[str, Any]]:
    value = content.get(key)
    if not isinstance(value, list) or len(value) != count or not all(isinstance(each, dict) for each in value):
        found = f"{len(value)} entries" if isinstance(value, list) else _kind(value)
        raise WorkloadError(f"{where}: expected {key} to be a list of {count} objects, found {found}")
    return value


def _parse_ascend(content: dict[str, Any], where: str) -> Parsed:
    layers = _objects(content, "layer_list", _number(content, "moe_layer_count", where), where)
    if not layers:
        raise WorkloadError(f"{where}: expected at least one layer, found none")
    rows, gpus = [], _number(layers[0], "device_count", f"{where}: layer_list[0]")
    for at, layer in enumerate(layers):
        here = f"{where}: layer_list[{at}]"
        if (number := _number(layer, "layer_id", here)) != at:
            raise WorkloadError(f"{here}: expected layer_id {at}, since vllm-ascend counts the entries, found {number}")
        if (count := _number(layer, "device_count", here)) != gpus:
            raise WorkloadError(f"{here}: expected device_count {gpus} as in the first layer, found {count}")
        devices, held = _objects(layer, "device_list", gpus, here), []
        for device, entry in enumerate(devices):
            there = f"{here}.device_list[{device}]"
            if (number := _number(entry, "device_id", there)) != device:
                raise WorkloadError(f"{there}: expected device_id {device}, found {number}")
            held.append(_row(entry.get("device_expert"), f"{there}.device_expert"))
        _same_length(held, [f"{here}.device_list[{device}].device_expert" for device in range(gpus)])
        rows.append([expert for each in held for expert in each])
    _same_length(rows, [f"{where}: layer_list[{at}]" for at in range(len(rows))])
    return Parsed(format="ascend", slots=np.array(rows, dtype=np.int64), gpus=gpus)


def _parse_ours(content: dict[str, Any], where: str) -> Parsed:
    if content.get(OURS) != _VERSION:
        raise WorkloadError(f"{where}: expected {OURS} {_VERSION}, found {repr(content.get(OURS))[:40]}")
    sizes = content.get("sizes")
    if not isinstance(sizes, dict):
        raise WorkloadError(f"{where}: expected sizes to be an object, found {_kind(sizes)}")
    slots = _matrix(content.get(MAP), f"{where}: {MAP}")
    return Parsed(
        format="json",
        slots=slots,
        numbers=_numbers(content.get("layers"), len(slots), f"{where}: layers"),
        gpus=_number(sizes, "gpus", f"{where}: sizes"),
        nodes=_number(sizes, "nodes", f"{where}: sizes"),
    )


def _numbers(value: Any, count: int, where: str) -> tuple[int, ...]:
    """The layer number of each row, all different. Raises WorkloadError."""
    found = tuple(value) if isinstance(value, list) else ()
    if not all(type(number) is int and 0 <= number < 2**31 for number in found) or len(set(found)) != count:
        raise WorkloadError(f"{where}: expected {count} different layer numbers, one for each row of {MAP}")
    if len(found) != count:
        raise WorkloadError(f"{where}: expected each layer number once, found {len(found)} for {count} rows")
    return found


def _parse_yaml(text: bytes, where: str) -> Parsed:
    expected = f"{where}: expected a placement (JSON, or YAML of TensorRT-LLM with initial_global_assignments)"
    if len(text) > MAX_YAML_BYTES:
        raise WorkloadError(f"{expected}, as YAML of at most {MAX_YAML_BYTES:,} bytes, found {len(text):,}")
    try:
        content = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        said = " ".join(str(error).split())[:200]
        raise WorkloadError(f"{expected}, but it does not parse: {said}: is the file complete?") from None
    if not isinstance(content, dict):
        raise WorkloadError(f"{expected}, found {_kind(content)}")
    others = dict.fromkeys(content) | dict.fromkeys(_TRTLLM)
    if "initial_global_assignments" not in content or len(others) > len(_TRTLLM):
        raise WorkloadError(f"{expected}, with the keys {', '.join(_TRTLLM)} only, found {keys(content)}")
    assigned = content["initial_global_assignments"]
    if not isinstance(assigned, dict) or not 0 < len(assigned) <= MAX_LAYERS:
        raise WorkloadError(
            f"{where}: expected initial_global_assignments to map 1 to {MAX_LAYERS} layers to experts, found "
            f"{len(assigned) if isinstance(assigned, dict) else _kind(assigned)}"
        )
    slots = _number(content, "num_slots", where)
    for number, row in assigned.items():
        if type(number) is not int or not 0 <= number < 2**31:
            raise WorkloadError(f"{where}: expected the number of a layer, found {repr(number)[:40]}")
        if isinstance(row, list) and len(row) != slots:
            raise WorkloadError(f"{where}: layer {number}: expected num_slots ({slots}) experts, found {len(row)}")
        _row(row, f"{where}: layer {number}")
    return Parsed(format="trtllm", slots=np.array(list(assigned.values()), dtype=np.int64), numbers=tuple(assigned))
