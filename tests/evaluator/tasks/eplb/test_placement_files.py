"""Placements in files: a golden file for each format, round trips, and files that are refused, each with one error."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluator.tasks.eplb.layouts import Layout
from evaluator.tasks.eplb.metrics import Ints
from evaluator.tasks.eplb.placement_files import MAX_BYTES, SUFFIXES, encoded, read_placement
from evaluator.tasks.eplb.placement_formats import FORMATS, MAX_YAML_BYTES, Format
from evaluator.types import WorkloadError

LAYOUT = Layout(numbers=(1, 2), total=3, experts=4, groups=1, predictors=1)
"""A dense layer, two with experts, and one behind them that predicts a further token."""
SLOTS: Ints = np.array([[0, 1, 2, 3, 0, 1], [3, 2, 0, 1, 3, 2]])
SIZES = {"layers": 2, "experts": 4, "replicas": 6, "groups": 1, "nodes": 1, "gpus": 2}
PROVENANCE = {"program": {"name": "a.py"}}


def write(folder: Path, kind: Format, slots: Ints = SLOTS, layout: Layout = LAYOUT, gpus: int = 2) -> Path:
    sizes = {**SIZES, "layers": len(slots), "experts": layout.experts, "replicas": slots.shape[1], "gpus": gpus}
    path = folder / f"placement{SUFFIXES[kind][0]}"
    path.write_bytes(encoded(path, kind, slots, layout, sizes, PROVENANCE))
    return path


@pytest.mark.parametrize("kind", FORMATS)
def test_golden_files(kind: Format, tmp_path: Path, root: Path) -> None:
    """One small placement in each format: written to the byte, and read with and without being told the format."""
    golden = root / "tests" / "data" / "placements" / f"{kind}{SUFFIXES[kind][0]}"
    assert write(tmp_path, kind).read_text() == golden.read_text()
    for wanted in ("", kind):
        placement = read_placement(golden, LAYOUT, wanted)
        assert placement.format == kind and placement.slots.dtype == np.int64 and not placement.slots.flags.writeable
        np.testing.assert_array_equal(placement.slots, SLOTS)
        assert placement.gpus == (2 if kind in ("ascend", "json") else 0)


def test_engines_read_what_they_expect(tmp_path: Path) -> None:
    """The rules of the readers, as far as they are more than the shape: see the page of this folder."""
    sglang = json.loads(write(tmp_path, "sglang").read_text())
    assert list(sglang) == ["physical_to_logical_map"] and len(sglang["physical_to_logical_map"]) == LAYOUT.total
    assert sglang["physical_to_logical_map"][0] == [0, 1, 2, 3, 0, 1], "a dense layer as the engine starts"
    trtllm = yaml.safe_load(write(tmp_path, "trtllm").read_text())
    assert list(trtllm["initial_global_assignments"]) == [1, 2, 3], "the layer that predicts needs an entry, too"
    assert (trtllm["num_slots"], trtllm["layer_updates_per_iter"]) == (6, 0)
    ascend = json.loads(write(tmp_path, "ascend").read_text())
    assert [layer["layer_id"] for layer in ascend["layer_list"]] == [0, 1], "layers with experts, from 0"


@st.composite
def placements(draw: st.DrawFn) -> tuple[Layout, Ints, int]:
    gpus, per_gpu, experts = draw(st.integers(1, 3)), draw(st.integers(1, 4)), draw(st.integers(1, 6))
    replicas = gpus * max(per_gpu, -(-experts // gpus))
    dense = draw(st.lists(st.booleans(), min_size=1, max_size=4))
    numbers = tuple(at for at, is_dense in enumerate(dense) if not is_dense) or (0,)
    spare = replicas - experts
    extra = st.lists(st.integers(0, experts - 1), min_size=spare, max_size=spare)
    rows = [draw(st.permutations([*range(experts), *draw(extra)])) for _ in numbers]
    layout = Layout(numbers=numbers, total=len(dense), experts=experts, groups=1, predictors=draw(st.integers(0, 1)))
    return layout, np.array(rows), gpus


@settings(max_examples=60, deadline=None)
@given(placements(), st.sampled_from(FORMATS))
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, placed: tuple[Layout, Ints, int], kind: Format
) -> None:
    layout, slots, gpus = placed
    try:
        path = write(tmp_path_factory.getbasetemp(), kind, slots, layout, gpus)
    except WorkloadError as refused:
        held = np.sort(slots.reshape(len(slots), gpus, -1))
        assert kind == "ascend" and "twice on device" in str(refused) and (held[..., 1:] == held[..., :-1]).any()
        return
    np.testing.assert_array_equal(read_placement(path, layout, kind).slots, slots)
    np.testing.assert_array_equal(read_placement(path, layout).slots, slots)


GOLDEN = Path(__file__).resolve().parents[3] / "data" / "placements"


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(FORMATS),
    st.integers(0, 300),
    st.integers(0, 12),
    st.text("0123456789.,:-[]{}\"' \n&*!truelNa", max_size=8),
    st.booleans(),
)
def test_any_text_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, kind: Format, place: int, removed: int, added: str, told: bool
) -> None:
    """A golden file with some characters exchanged."""
    text = (GOLDEN / f"{kind}{SUFFIXES[kind][0]}").read_text()
    path = tmp_path_factory.getbasetemp() / f"changed{SUFFIXES[kind][0]}"
    path.write_text(text[:place] + added + text[place + removed :])
    try:
        placement = read_placement(path, LAYOUT, kind if told else "")
    except WorkloadError as refused:
        assert str(refused).startswith(f"{path}: ")
        return
    assert placement.slots.shape[0] == 2 and all(set(row) == {0, 1, 2, 3} for row in placement.slots.tolist())


def changed(change: Callable[[Any], Any]) -> Callable[[str], str]:
    def text(golden: str) -> str:
        content = json.loads(golden)
        return json.dumps(change(content) or content)

    return text


def at(*path: Any, value: Any) -> Callable[[str], str]:
    """A golden text with one value replaced; None removes it."""

    def change(content: Any) -> None:
        for key in path[:-1]:
            content = content[key]
        if value is None:
            del content[path[-1]]
        else:
            content[path[-1]] = value

    return changed(change)


MAP = "physical_to_logical_map"
BAD: dict[str, tuple[Format, Callable[[str], str], str]] = {
    "empty": ("sglang", lambda text: "", "expected a placement of 1 to 67,108,864 bytes, found 0"),
    "truncated": (
        "sglang",
        lambda text: text[:40],
        "does not parse: Expecting ',' delimiter: line 1 column 41 (char 40): is the file complete?",
    ),
    "truncated YAML": ("trtllm", lambda text: text[:60], "is the file complete?"),
    "deep": ("sglang", lambda text: "[" * 100_000, "does not parse"),
    "a list": (
        "sglang",
        lambda text: "[1]",
        "expected an object with physical_to_logical_map or layer_list, found a list",
    ),
    "a program": (
        "sglang",
        lambda text: "import torch\nx = 1\n",
        "expected a placement (JSON, or YAML of TensorRT-LLM",
    ),
    "a config": ("sglang", lambda text: '{"num_experts": 4}', "found keys num_experts"),
    "loads": ("sglang", lambda text: '{"logical_count": [[1]]}', "these are loads, from which SGLang plans by itself"),
    "provenance inside": (
        "sglang",
        changed(lambda content: content | {"made_by": 1}),
        "SGLang takes every other key for an argument and fails, found also keys made_by",
    ),
    "an expert missing": ("sglang", at(MAP, 2, value=[3, 2, 0, 0, 3, 2]), "found expert 1 of layer 2 in no slot"),
    "out of range": ("sglang", at(MAP, 1, 4, value=4), "expected experts 0 to 3, found 4 at layer 1, slot 4"),
    "negative": ("sglang", at(MAP, 1, 4, value=-1), "expected the number of an expert, found -1 at slot 4"),
    "a fraction": (
        "sglang",
        at(MAP, 1, 4, value=1.5),
        "physical_to_logical_map[1]: expected the number of an expert, found 1.5 at slot 4",
    ),
    "not a number": (
        "sglang",
        lambda text: text.replace("0", "NaN", 1),
        "expected the number of an expert, found nan at slot 0",
    ),
    "a truth value": ("sglang", at(MAP, 1, 4, value=True), "found True at slot 4"),
    "ragged": (
        "sglang",
        at(MAP, 1, value=[0, 1, 2, 3]),
        "physical_to_logical_map[1]: expected 6 slots as in the first, found 4",
    ),
    "no layers": ("sglang", at(MAP, value=[]), "expected a list of layers, found it empty"),
    "a layer too many": (
        "sglang",
        changed(lambda content: {MAP: content[MAP] * 2}),
        "expected 3 layers, found 6: is it of this model?",
    ),
    "layers with experts only": (
        "sglang",
        changed(lambda content: {MAP: content[MAP][1:]}),
        "expected 3 layers, found 2",
    ),
    "all layers": (
        "vllm",
        changed(lambda content: {MAP: content[MAP] + [[0, 1, 2, 3, 0, 1]]}),
        "expected 2 layers, found 3",
    ),
    "a layer missing": (
        "trtllm",
        lambda text: text.replace("  2: ", "  0: "),
        "expected all 2 layers with experts, found none of layer 2",
    ),
    "another model's layer": (
        "trtllm",
        lambda text: text.replace("  3: ", "  4: "),
        "expected layers below 4, found layer 4",
    ),
    "fewer slots": (
        "trtllm",
        lambda text: text.replace("3, 0, 1]", "3]", 1),
        "layer 1: expected num_slots (6) experts, found 4",
    ),
    "a key of another config": (
        "trtllm",
        lambda text: text + "mode: static\n",
        "with the keys num_slots, initial_global_assignments, layer_updates_per_iter only",
    ),
    "no assignments": (
        "trtllm",
        lambda text: "num_slots: 6\nlayer_updates_per_iter: 2\n",
        "found keys layer_updates_per_iter, num_slots",
    ),
    "assignments of words": (
        "trtllm",
        lambda text: text.replace("  1: ", "  one: "),
        "expected the number of a layer, found 'one'",
    ),
    "a layer as a word": (
        "trtllm",
        lambda text: text.replace("[0, 1, 2, 3, 0, 1]", "all", 1),
        "layer 1: expected a list of experts, found a text",
    ),
    "an object made by YAML": (
        "trtllm",
        lambda text: "!!python/object/apply:os.getcwd []",
        "could not determine a constructor",
    ),
    "a count of layers": (
        "ascend",
        at("moe_layer_count", value=3),
        "expected layer_list to be a list of 3 objects, found 2 entries",
    ),
    "layers out of order": (
        "ascend",
        at("layer_list", 1, "layer_id", value=4),
        "layer_list[1]: expected layer_id 1, since vllm-ascend counts the entries, found 4",
    ),
    "a device missing": (
        "ascend",
        at("layer_list", 0, "device_list", 1, value=None),
        "expected device_list to be a list of 2 objects, found 1 entries",
    ),
    "devices out of order": (
        "ascend",
        at("layer_list", 0, "device_list", 1, "device_id", value=0),
        "expected device_id 1, found 0",
    ),
    "uneven devices": (
        "ascend",
        at("layer_list", 0, "device_list", 1, "device_expert", value=[1]),
        "device_expert: expected 3 slots as in the first, found 1",
    ),
    "no experts": (
        "ascend",
        at("layer_list", 0, "device_list", 1, "device_expert", value=None),
        "expected a list of experts, found nothing",
    ),
    "more devices": (
        "ascend",
        at("layer_list", 1, "device_count", value=3),
        "expected device_count 2 as in the first layer, found 3",
    ),
    "another version": ("json", at("packsmith_placement", value=2), "expected packsmith_placement 1, found 2"),
    "no sizes": ("json", at("sizes", value=None), "expected sizes to be an object, found nothing"),
    "no GPUs": ("json", at("sizes", "gpus", value="2"), "sizes: expected gpus to be a whole number, found '2'"),
    "a layer twice": ("json", at("layers", value=[1, 1]), "expected 2 different layer numbers"),
    "layer numbers for other rows": ("json", at("layers", value=[1, 2, 3]), "expected 2 different layer numbers"),
}


@pytest.mark.parametrize("name", BAD)
def test_files_that_are_refused(name: str, tmp_path: Path, root: Path) -> None:
    kind, change, said = BAD[name]
    golden = root / "tests" / "data" / "placements" / f"{kind}{SUFFIXES[kind][0]}"
    path = tmp_path / golden.name
    path.write_text(change(golden.read_text()))
    wanted = "" if name in ("a program", "loads", "a config") else kind
    with pytest.raises(WorkloadError) as refused:
        read_placement(path, LAYOUT, wanted)
    assert said in str(refused.value) and str(refused.value).startswith(f"{path}: ")


def test_what_is_no_file_or_too_large_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WorkloadError, match="No such file or directory; expected the file of a placement"):
        read_placement(tmp_path / "nothing.json", LAYOUT)
    with pytest.raises(WorkloadError, match="found something that is not a file"):
        read_placement(tmp_path, LAYOUT)
    huge = tmp_path / "huge.json"
    with huge.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(WorkloadError, match="1 to 67,108,864 bytes, found 67,108,865"):
        read_placement(huge, LAYOUT)
    (tmp_path / "huge.yaml").write_text("#" * (MAX_YAML_BYTES + 1))
    with pytest.raises(WorkloadError, match="as YAML of at most 4,194,304 bytes"):
        read_placement(tmp_path / "huge.yaml", LAYOUT)


def test_a_yaml_that_repeats_itself_is_refused_at_once(tmp_path: Path) -> None:
    """References make a small text large: 2,000 layers of one list of 10,000 experts."""
    layers = "".join(f"  {number}: *a\n" for number in range(1, 2000))
    text = f"num_slots: 10000\ninitial_global_assignments:\n  0: &a [{'0,' * 9_999}0]\n{layers}"
    (tmp_path / "bomb.yaml").write_text(text)
    with pytest.raises(WorkloadError, match="to map 1 to 1024 layers to experts, found 2000"):
        read_placement(tmp_path / "bomb.yaml", LAYOUT)


@pytest.mark.parametrize("kind", FORMATS)
def test_names_that_the_engine_would_not_read(kind: Format, tmp_path: Path) -> None:
    with pytest.raises(WorkloadError, match=f"for {kind}, found .txt"):
        encoded(tmp_path / "placement.txt", kind, SLOTS, LAYOUT, SIZES, {})


def test_without_a_model_layers_beyond_are_allowed(root: Path) -> None:
    """Nothing says how many layers predict further tokens then."""
    path = root / "tests" / "data" / "placements" / "trtllm.yaml"
    placement = read_placement(path, replace(LAYOUT, predictors=0, known=False))
    np.testing.assert_array_equal(placement.slots, SLOTS)


@pytest.mark.slow
def test_files_of_torch(tmp_path: Path) -> None:
    """Written and read by processes of their own."""
    path = tmp_path / "placement.pt"
    path.write_bytes(encoded(path, "sglang", SLOTS, LAYOUT, SIZES, PROVENANCE))
    placement = read_placement(path, LAYOUT)
    assert placement.format == "sglang"
    np.testing.assert_array_equal(placement.slots, SLOTS)
