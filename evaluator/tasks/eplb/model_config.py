"""What a model's `config.json` says of its experts.

Owns: reading the file, which layers have experts, how many and in how many groups, and the size of an expert's weights.
Does not know: loads, placements, engines.

The keys are those of Hugging Face configs, as the models' own code reads them, L layers from 0:
- experts: `n_routed_experts` (DeepSeek, Kimi, GLM), `num_experts` (Qwen), `num_local_experts` (gpt-oss, Llama 4,
  MiniMax), `moe_num_experts` (Step).
- layers with experts: from `first_k_dense_replace` on, every `moe_layer_freq`-th (layer % freq == 0), or a list of 0
  and 1; every `decoder_sparse_step`-th ((layer + 1) % step == 0) but `mlp_only_layers`; `moe_layers` as a list, or
  every `interleave_moe_layer_step`-th; `moe_layers_enum` as a text. All layers if no key says otherwise.
- groups: `n_group` or `num_expert_group`, else 1.
- an expert: three matrices of `hidden_size` x `moe_intermediate_size` (`intermediate_size` where that is missing), in
  the precision of `quantization_config`, else of `dtype` or `torch_dtype`.
- Layers that predict further tokens (`num_nextn_predict_layers`) come after the last.

A model of several parts holds all this in `text_config` and the like.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluator.tasks.eplb.cases import MAX_LAYERS
from evaluator.tasks.eplb.steps import keys
from evaluator.types import WorkloadError

MAX_BYTES = 2**22
EXPERT_KEYS = ("n_routed_experts", "num_experts", "num_local_experts", "moe_num_experts")
PARTS = ("text_config", "llm_config", "language_config", "thinker_config")
UNREAD = ("hybrid_override_pattern", "layers_block_type", "moe_layer_start_index", "moe_layer_interval", "moe_every_n")
"""Other ways of saying which layers have experts: refused rather than guessed."""
_BITS = {"float32": 32.0, "bfloat16": 16.0, "float16": 16.0}
_QUANTIZED_BITS = {"fp8": 8.0, "fbgemm_fp8": 8.0, "mxfp4": 4.25}
"""Bits a weight, with the scales of MXFP4 (a byte for 32 weights); those of FP8 are one in thousands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """`layers` of the model, dense ones included; `moe_layers` are those with experts, `predictors` the layers behind
    them that predict further tokens. `expert_bytes` are the weights of one expert of one layer, None where the config
    does not tell; `precision` says in what, or why not.
    """

    layers: int
    moe_layers: tuple[int, ...]
    experts: int
    groups: int
    predictors: int
    expert_bytes: float | None
    precision: str


def read_model(path: Path) -> Model:
    """The model of a `config.json`, or of a folder that holds one. Raises WorkloadError."""
    file = path / "config.json" if path.is_dir() else path
    try:
        size = file.stat().st_size
        if not file.is_file():
            raise WorkloadError(f"{file}: expected a model's config.json, found something that is not a file")
        if size > MAX_BYTES:
            raise WorkloadError(f"{file}: expected a model's config.json of at most {MAX_BYTES:,} bytes, found more")
        content = json.loads(file.read_bytes())
    except OSError as error:
        raise WorkloadError(f"{file}: {error.strerror or error}; expected a model's config.json") from None
    except (ValueError, RecursionError) as error:
        raise WorkloadError(f"{file}: expected a model's config.json, but it does not parse: {error}") from None
    if not isinstance(content, dict):
        raise WorkloadError(f"{file}: expected an object, as in a model's config.json, found {type(content).__name__}")
    return _Reader(file, content, _part(content) or content).model()


def _part(content: Mapping[str, Any]) -> dict[str, Any] | None:
    """The part of a config that has experts, the outermost first; None if no part has."""
    if any(content.get(key) is not None for key in EXPERT_KEYS):
        return dict(content)
    inner = (_part(content[name]) for name in PARTS if isinstance(content.get(name), dict))
    return next((part for part in inner if part is not None), None)


class _Reader:
    """Reads single keys, with errors that name the file and the key."""

    def __init__(self, file: Path, whole: dict[str, Any], part: dict[str, Any]) -> None:
        self._file, self._whole, self._part = file, whole, part

    def model(self) -> Model:
        experts = self._experts()
        layers = self._number("num_hidden_layers", None, least=1, most=MAX_LAYERS)
        moe_layers = tuple(self._moe_layers(layers))
        if not moe_layers:
            raise self._wrong("expected at least one layer with experts, found none")
        groups = self._number("n_group", 0) or self._number("num_expert_group", 0) or 1
        if experts % groups:
            raise self._wrong(f"expected {experts} experts to be a multiple of n_group, found {groups}")
        expert_bytes, precision = self._expert_bytes()
        return Model(
            layers=layers,
            moe_layers=moe_layers,
            experts=experts,
            groups=groups,
            predictors=self._number("num_nextn_predict_layers", 0, most=MAX_LAYERS),
            expert_bytes=expert_bytes,
            precision=precision,
        )

    def _wrong(self, text: str) -> WorkloadError:
        return WorkloadError(f"{self._file}: {text}")

    def _number(self, key: str, otherwise: int | None, *, least: int = 0, most: int = 2**31) -> int:
        value = self._part.get(key)
        if value is None:
            value = otherwise
        if type(value) is not int or not least <= value <= most:
            found = "no such key" if value is None else repr(value)[:60]
            raise self._wrong(f"expected {key} to be a whole number from {least} to {most}, found {found}")
        return value

    def _experts(self) -> int:
        found = {key: self._number(key, None, least=1) for key in EXPERT_KEYS if self._part.get(key) is not None}
        if not found:
            raise self._wrong(
                f"expected the config of a model with experts ({', '.join(EXPERT_KEYS)}), found {keys(self._part)}: "
                "a dense model needs no placement"
            )
        if len(set(found.values())) > 1:
            said = ", ".join(f"{key} {count}" for key, count in found.items())
            raise self._wrong(f"expected one number of experts, found {said}")
        return next(iter(found.values()))

    def _moe_layers(self, layers: int) -> Sequence[int]:
        unread = [key for key in UNREAD if self._part.get(key) is not None]
        if unread:
            raise self._wrong(
                f"{unread[0]} says which layers have experts in a way that packsmith does not read: write a "
                "config.json with num_hidden_layers, the number of experts and moe_layers (a list of layers, from 0)"
            )
        for key, read in self._listed(layers).items():
            if self._part.get(key) is not None and (key != "moe_layer_freq" or isinstance(self._part[key], list)):
                chosen = read(self._part[key])
                if not all(type(layer) is int and 0 <= layer < layers for layer in chosen):
                    raise self._wrong(f"expected {key} to name layers from 0 to {layers - 1}, found {str(chosen)[:80]}")
                return sorted(set(chosen))
        first = self._number("first_k_dense_replace", 0)
        every = self._number("moe_layer_freq", 1, least=1)
        step = self._number("decoder_sparse_step", 1, least=1)
        dense = self._part.get("mlp_only_layers") or []
        if not isinstance(dense, list):
            raise self._wrong(f"expected mlp_only_layers to be a list of layers, found {type(dense).__name__}")
        return [
            layer
            for layer in range(first, layers)
            if layer % every == 0 and (layer + 1) % step == 0 and layer not in dense
        ]

    def _listed(self, layers: int) -> Mapping[str, Callable[[Any], list[Any]]]:
        """Keys that decide alone which layers have experts, the strongest first, and what each one's value says."""

        def flags(value: list[Any]) -> list[int]:
            if len(value) != layers or not all(flag in (0, 1) for flag in value):
                raise self._wrong(
                    f"expected moe_layer_freq to be a number, or 0 or 1 for each of {layers} layers, "
                    f"found a list of {len(value)}"
                )
            return [layer for layer, flag in enumerate(value) if flag]

        def numbers(value: Any) -> list[Any]:
            return value if isinstance(value, list) else [value]

        def text(value: Any) -> list[Any]:
            return [int(word) if word.strip().isdecimal() else word for word in str(value).split(",")]

        def spaced(value: Any) -> list[int]:
            step = self._number("interleave_moe_layer_step", None, least=1)
            return list(range(step - 1, layers, step))

        return {
            "moe_layers": numbers,
            "moe_layers_enum": text,
            "moe_layer_freq": flags,
            "interleave_moe_layer_step": spaced,
        }

    def _expert_bytes(self) -> tuple[float | None, str]:
        """The bytes of an expert, and the precision; or None, and why."""
        hidden = self._part.get("routed_expert_hidden_size") or self._part.get("hidden_size")
        inner = self._part.get("moe_intermediate_size") or self._part.get("intermediate_size")
        if type(hidden) is not int or type(inner) is not int or min(hidden, inner) < 1:
            return None, "the config does not give hidden_size and moe_intermediate_size"
        bits, precision = self._bits()
        if bits is None:
            return None, f"the precision of the weights is not known ({precision})"
        return 3 * hidden * inner * bits / 8, precision

    def _bits(self) -> tuple[float | None, str]:
        quantized = self._part.get("quantization_config") or self._whole.get("quantization_config")
        if isinstance(quantized, dict):
            method = str(quantized.get("quant_method"))[:40]
            if method == "compressed-tensors":
                return _compressed_bits(quantized)
            return _QUANTIZED_BITS.get(method), method
        for config in (self._part, self._whole):
            name = config.get("dtype") or config.get("torch_dtype")
            if name is not None:
                return _BITS.get(str(name)), str(name)[:40]
        return None, "neither quantization_config nor dtype"


def _compressed_bits(quantized: Mapping[str, Any]) -> tuple[float | None, str]:
    """Bits a weight of compressed-tensors: those of its one kind of weights, and 16 for the scale of each group."""
    groups = quantized.get("config_groups")
    parts = groups.values() if isinstance(groups, dict) else ()
    weights = [part["weights"] for part in parts if isinstance(part, dict) and isinstance(part.get("weights"), dict)]
    kinds = [(each.get("num_bits"), each.get("group_size")) for each in weights]
    if not kinds or kinds.count(kinds[0]) < len(kinds):
        return None, "compressed-tensors without one kind of weights"
    bits, size = kinds[0]
    if type(bits) is not int or not 0 < bits <= 64:
        return None, "compressed-tensors without num_bits"
    return bits + (16 / size if type(size) is int and size > 0 else 0.0), f"{bits} bits"
