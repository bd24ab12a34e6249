"""Folders of TensorRT-LLM's expert statistics, made here byte by byte, and those that are broken."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluator.tasks.eplb.safetensors_files import read_tensors
from evaluator.tasks.eplb.traces import read_traces, read_windowed
from evaluator.types import WorkloadError

COUNTS = np.random.default_rng(0).integers(1, 99, (2, 4, 2, 6))
"""Of ranks, iterations, layers, experts."""


def packed(tensors: Mapping[str, np.ndarray], header: Mapping[str, Any] | None = None) -> bytes:
    """A safetensors file; `header` replaces entries."""
    entries: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    data = b""
    for name, tensor in tensors.items():
        raw = tensor.astype("<i8").tobytes()
        entries[name] = {"dtype": "I64", "shape": list(tensor.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(entries | dict(header or {})).encode()
    return len(text).to_bytes(8, "little") + text + data


def named(rank: int) -> dict[str, np.ndarray]:
    """A rank's tensors: iterations from 100 on, layers 1 and 3."""
    return {f"{100 + i}_{1 + 2 * j}": COUNTS[rank, i, j] for i in range(4) for j in range(2)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "statistic"
    made.mkdir()
    (made / "meta_info.json").write_text('{"num_experts": 6, "num_experts_per_token": 2}')
    for rank in range(2):
        (made / f"rank{rank}.safetensors").write_bytes(packed(named(rank)))
    (made / "rank0_raw.safetensors").write_bytes(b"left out")
    return made


def test_ranks_are_summed_and_dense_layers_keep_their_numbers(folder: Path) -> None:
    [part] = read_windowed([folder], 1)
    assert part.steps.shape == (4, 4, 6)
    np.testing.assert_array_equal(part.steps[:, [1, 3]], COUNTS.sum(axis=0))
    assert not part.steps[:, [0, 2]].any()
    trace = read_traces([folder])
    np.testing.assert_array_equal(trace.loads, COUNTS.sum(axis=0))
    assert "counts of 2 ranks together; if a load balancer was on" in trace.notes[0]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("meta_info.json", b"{", "meta_info.json: expected JSON, but it does not parse"),
        ("meta_info.json", b'{"num_experts": -1}', "expected num_experts, a whole number of at least 1"),
        ("meta_info.json", b"null", "expected num_experts, .* found NoneType"),
        ("meta_info.json", b'{"num_experts": 5}', r"100_1: expected counts of 5 experts .* found the shape \[6\]"),
        ("rank1.safetensors", b"", "expected a trace, found an empty file"),
        ("rank1.safetensors", b"\x01", "expected a safetensors file, found no header that fits into 1 bytes"),
        ("rank1.safetensors", b"\xff" * 64, "no header that fits into 64 bytes"),
        ("rank1.safetensors", b"\x02" + b"\0" * 7 + b"{x", "its header does not parse"),
        ("rank1.safetensors", b"\x02" + b"\0" * 7 + b"[]", "found the header list"),
        ("rank1.safetensors", packed(named(1))[:-8], "it is truncated"),
        (
            "rank1.safetensors",
            packed({"weight": COUNTS[0, 0, 0]}),
            "expected tensors named ITERATION_LAYER, found 'weig",
        ),
        ("rank1.safetensors", packed({"104_1": COUNTS[0, 0, 0]}), "found none of layer 3 in iteration 104"),
        ("rank1.safetensors", packed({"100_1": -COUNTS[0, 0, 0] * 9}), "expected loads of at least 0"),
        ("rank1.safetensors", packed({"100_99999": COUNTS[0, 0, 0]}), "found none of layer 99999 in iteration 101"),
        (
            "rank1.safetensors",
            packed({}, {"a": {"dtype": "BF16", "shape": [], "data_offsets": [0, 0]}}),
            "expected a dtype of I64, .*, found .BF16",
        ),
        (
            "rank1.safetensors",
            packed({}, {"a": {"dtype": "I64", "shape": [2**40], "data_offsets": [0, 8]}}),
            "truncated",
        ),
        ("rank1.safetensors", packed({}, {"a": 3}), "expected dtype, shape and data_offsets in the header"),
        ("rank3.safetensors", packed({}), "found none of rank 2: add them"),
    ],
)
def test_a_broken_folder_is_one_clear_error(folder: Path, name: str, content: bytes, says: str) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(WorkloadError, match=says):
        read_traces([folder])


def test_a_folder_without_ranks_or_counts_is_an_error(folder: Path) -> None:
    for rank in range(2):
        (folder / f"rank{rank}.safetensors").write_bytes(packed({}))
    with pytest.raises(WorkloadError, match="expected some counts, found none"):
        read_traces([folder])
    for rank in range(2):
        (folder / f"rank{rank}.safetensors").unlink()
    with pytest.raises(WorkloadError, match="found none of rank 0: add them"):
        read_traces([folder])


@settings(max_examples=150)
@given(st.data())
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    whole = packed({"1_2": np.arange(3)})
    at = data.draw(st.integers(0, len(whole) - 1))
    changed = whole[:at] + data.draw(st.binary(max_size=4)) + whole[at + data.draw(st.integers(0, 8)) :]
    path = tmp_path_factory.getbasetemp() / "any.safetensors"
    path.write_bytes(changed)
    try:
        assert all(isinstance(tensor, np.ndarray) for _, tensor in read_tensors(path))
    except WorkloadError as error:
        assert str(path) in str(error)
