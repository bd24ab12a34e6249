"""Shapes of published models, by the keys of their configs, and configs that are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluator.tasks.eplb.model_config import EXPERT_KEYS, PARTS, Model, read_model
from evaluator.types import WorkloadError

FP8 = {"quant_method": "fp8", "weight_block_size": [128, 128]}
INT4 = {
    "quant_method": "compressed-tensors",
    "config_groups": {"group_0": {"weights": {"num_bits": 4, "group_size": 32}}},
}
DEEPSEEK = {"moe_layer_freq": 1, "hidden_size": 7168, "moe_intermediate_size": 2048, "torch_dtype": "bfloat16"}

# Written by hand with the shapes and keys of the models' published configs. Expected: layers, layers with experts,
# experts, groups, layers that predict further tokens, bytes of an expert.
MODELS: dict[str, tuple[dict[str, Any], tuple[int, list[int], int, int, int, float]]] = {
    "DeepSeek-V3": (
        DEEPSEEK
        | {"num_hidden_layers": 61, "n_routed_experts": 256, "n_group": 8, "first_k_dense_replace": 3}
        | {"num_nextn_predict_layers": 1, "quantization_config": FP8},
        (61, list(range(3, 61)), 256, 8, 1, 3 * 7168 * 2048),
    ),
    "Kimi-K2": (
        DEEPSEEK
        | {"num_hidden_layers": 61, "n_routed_experts": 384, "n_group": 1, "first_k_dense_replace": 1}
        | {"num_nextn_predict_layers": 0, "quantization_config": FP8},
        (61, list(range(1, 61)), 384, 1, 0, 3 * 7168 * 2048),
    ),
    "Kimi-K2-Thinking": (
        DEEPSEEK
        | {"num_hidden_layers": 61, "n_routed_experts": 384, "n_group": 1, "first_k_dense_replace": 1}
        | {"quantization_config": INT4},
        (61, list(range(1, 61)), 384, 1, 0, 3 * 7168 * 2048 * 4.5 / 8),
    ),
    "Qwen3-235B-A22B": (
        {"num_hidden_layers": 94, "num_experts": 128, "decoder_sparse_step": 1, "mlp_only_layers": []}
        | {"hidden_size": 4096, "moe_intermediate_size": 1536, "intermediate_size": 12288, "torch_dtype": "bfloat16"},
        (94, list(range(94)), 128, 1, 0, 3 * 4096 * 1536 * 2),
    ),
    "Qwen3-Next-80B-A3B": (
        {"num_hidden_layers": 48, "num_experts": 512, "decoder_sparse_step": 1, "mlp_only_layers": []}
        | {"hidden_size": 2048, "moe_intermediate_size": 512, "intermediate_size": 5120, "dtype": "bfloat16"},
        (48, list(range(48)), 512, 1, 0, 3 * 2048 * 512 * 2),
    ),
    "GLM-4.5": (
        {"num_hidden_layers": 92, "n_routed_experts": 160, "n_group": 1, "first_k_dense_replace": 3}
        | {"hidden_size": 5120, "moe_intermediate_size": 1536, "intermediate_size": 12288, "torch_dtype": "bfloat16"}
        | {"num_nextn_predict_layers": 1},
        (92, list(range(3, 92)), 160, 1, 1, 3 * 5120 * 1536 * 2),
    ),
    "gpt-oss-120b": (
        {"num_hidden_layers": 36, "num_local_experts": 128, "experts_per_token": 4, "hidden_size": 2880}
        | {"intermediate_size": 2880, "quantization_config": {"quant_method": "mxfp4"}},
        (36, list(range(36)), 128, 1, 0, 3 * 2880 * 2880 * 4.25 / 8),
    ),
    "Llama-4-Maverick": (
        {
            "torch_dtype": "bfloat16",
            "vision_config": {"num_hidden_layers": 34, "hidden_size": 1408},
            "text_config": {"num_hidden_layers": 48, "num_local_experts": 128, "interleave_moe_layer_step": 2}
            | {"hidden_size": 5120, "intermediate_size": 8192, "intermediate_size_mlp": 16384},
        },
        (48, list(range(1, 48, 2)), 128, 1, 0, 3 * 5120 * 8192 * 2),
    ),
    "Llama-4-Scout": (
        {
            "text_config": {"num_hidden_layers": 48, "num_local_experts": 16, "interleave_moe_layer_step": 1}
            | {"hidden_size": 5120, "intermediate_size": 8192, "torch_dtype": "bfloat16", "moe_layers": [*range(48)]},
        },
        (48, list(range(48)), 16, 1, 0, 3 * 5120 * 8192 * 2),
    ),
    "MiniMax-M2": (
        {"num_hidden_layers": 62, "num_local_experts": 256, "hidden_size": 3072, "intermediate_size": 1536}
        | {"shared_intermediate_size": 0, "num_mtp_modules": 3, "quantization_config": FP8},
        (62, list(range(62)), 256, 1, 0, 3 * 3072 * 1536),
    ),
    "a list of layers by flags": (
        {"num_hidden_layers": 4, "num_experts": 8, "moe_layer_freq": [0, 1, 0, 1]}
        | {"hidden_size": 2, "moe_intermediate_size": 4, "dtype": "float32"},
        (4, [1, 3], 8, 1, 0, 96),
    ),
    "a text of layers": (
        {
            "text_config": {
                "num_hidden_layers": 5,
                "moe_num_experts": 8,
                "moe_layers_enum": "2,4",
                "torch_dtype": "float16",
            }
        }
        | {"hidden_size": 99},
        (5, [2, 4], 8, 1, 0, -1),
    ),
    "every second, some dense": (
        {"num_hidden_layers": 8, "num_experts": 8, "decoder_sparse_step": 2, "mlp_only_layers": [3]},
        (8, [1, 5, 7], 8, 1, 0, -1),
    ),
}


def read(folder: Path, content: object) -> Model:
    (folder / "config.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return read_model(folder)


@pytest.mark.parametrize("name", MODELS)
def test_shapes_of_models(name: str, tmp_path: Path) -> None:
    config, (layers, moe_layers, experts, groups, predictors, expert_bytes) = MODELS[name]
    model = read(tmp_path, config)
    assert (model.layers, list(model.moe_layers), model.experts) == (layers, moe_layers, experts)
    assert (model.groups, model.predictors) == (groups, predictors)
    assert model.expert_bytes == (None if expert_bytes < 0 else expert_bytes)
    assert model == read_model(tmp_path / "config.json")


@pytest.mark.parametrize(
    ("change", "precision"),
    [
        ({"quantization_config": {"quant_method": "quark"}}, "the precision of the weights is not known (quark)"),
        ({"quantization_config": {"quant_method": []}}, "the precision of the weights is not known ([])"),
        ({"torch_dtype": "int3"}, "the precision of the weights is not known (int3)"),
        ({"torch_dtype": None}, "the precision of the weights is not known (neither quantization_config nor dtype)"),
        ({"hidden_size": None}, "the config does not give hidden_size and moe_intermediate_size"),
        (
            {"quantization_config": {"quant_method": "compressed-tensors", "config_groups": {"a": {"weights": {}}}}},
            "the precision of the weights is not known (compressed-tensors without num_bits)",
        ),
    ],
)
def test_an_expert_of_unknown_size_is_said_to_be_that(change: dict[str, Any], precision: str, tmp_path: Path) -> None:
    model = read(tmp_path, MODELS["Qwen3-235B-A22B"][0] | change)
    assert (model.expert_bytes, model.precision) == (None, precision)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "does not parse"),
        ('{"num_experts": 8', "does not parse"),
        ("[" * 100_000, "does not parse"),
        ("[1]", "expected an object"),
        ({}, "a dense model needs no placement"),
        ({"num_hidden_layers": 2, "hidden_size": 8}, "found keys hidden_size, num_hidden_layers"),
        ({"num_experts": 8}, "expected num_hidden_layers to be a whole number from 1 to 1024, found no such key"),
        ({"num_experts": 8, "num_hidden_layers": 10**9}, "from 1 to 1024, found 1000000000"),
        ({"num_experts": "8", "num_hidden_layers": 2}, "expected num_experts to be a whole number"),
        ({"num_experts": True, "num_hidden_layers": 2}, "expected num_experts to be a whole number"),
        ({"num_experts": 8, "num_local_experts": 4, "num_hidden_layers": 2}, "expected one number of experts, found"),
        ({"num_experts": 8, "num_hidden_layers": 2, "first_k_dense_replace": 2}, "at least one layer with experts"),
        ({"num_experts": 8, "num_hidden_layers": 2, "n_group": 3}, "to be a multiple of n_group, found 3"),
        ({"num_experts": 8, "num_hidden_layers": 2, "moe_layer_freq": [1]}, "0 or 1 for each of 2 layers"),
        ({"num_experts": 8, "num_hidden_layers": 2, "moe_layer_freq": 0}, "moe_layer_freq to be a whole number from 1"),
        (
            {"num_experts": 8, "num_hidden_layers": 2, "moe_layers": [2]},
            "expected moe_layers to name layers from 0 to 1",
        ),
        (
            {"num_experts": 8, "num_hidden_layers": 2, "moe_layers_enum": "1,x"},
            "expected moe_layers_enum to name layers",
        ),
        ({"num_experts": 8, "num_hidden_layers": 2, "mlp_only_layers": 1}, "expected mlp_only_layers to be a list"),
        (
            {"num_experts": 8, "num_hidden_layers": 2, "hybrid_override_pattern": "ME"},
            "does not read: write a config.json",
        ),
    ],
)
def test_configs_that_are_refused(content: object, said: str, tmp_path: Path) -> None:
    with pytest.raises(WorkloadError) as refused:
        read(tmp_path, content)
    assert said in str(refused.value) and "config.json" in str(refused.value)


def test_a_missing_or_huge_config_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        WorkloadError, match=r"config\.json: No such file or directory; expected a model's config\.json"
    ):
        read_model(tmp_path)
    with pytest.raises(WorkloadError, match="at most 4,194,304 bytes, found more"):
        read(tmp_path, " " * 2**22 + "{}")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 300) | st.text(max_size=3) | st.just("bfloat16"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["weights", "a"]), inner, max_size=2),
    max_leaves=4,
)
KEYS = (
    *EXPERT_KEYS,
    *PARTS,
    "num_hidden_layers",
    "n_group",
    "first_k_dense_replace",
    "moe_layer_freq",
    "moe_layers",
    "decoder_sparse_step",
    "mlp_only_layers",
    "interleave_moe_layer_step",
    "moe_layers_enum",
    "hidden_size",
    "moe_intermediate_size",
    "torch_dtype",
    "quantization_config",
    "num_nextn_predict_layers",
)


@settings(max_examples=80, deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=8), st.booleans())
def test_any_config_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, config: Any, nested: bool) -> None:
    folder = tmp_path_factory.getbasetemp()
    whole = {"num_hidden_layers": 3, "num_experts": 4} | config
    try:
        model = read(folder, {"text_config": whole} if nested else whole)
    except WorkloadError:
        return
    assert set(model.moe_layers) <= set(range(model.layers)) and model.experts % model.groups == 0
