"""Which layers of a model a recording is of, and sizes that fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evaluator.tasks.eplb.layouts import Layout, layout_of, sizes_of, trivial
from evaluator.tasks.eplb.model_config import Model
from evaluator.tasks.eplb.traces import Trace
from evaluator.types import WorkloadError

MODEL = Model(
    layers=4, moe_layers=(1, 3), experts=8, groups=2, predictors=1, expert_bytes=None, precision="unknown"
)  # layers 0 and 2 are dense


def trace(rows: tuple[int, ...], recorded: int, experts: int = 8) -> Trace:
    return Trace(loads=np.ones((3, len(rows), experts)), rows=rows, recorded=recorded)


@pytest.mark.parametrize("recording", [trace((1, 3), 4), trace((0, 1), 2)], ids=["all layers", "those with experts"])
def test_a_recording_belongs_to_the_layers_with_experts(recording: Trace) -> None:
    layout = layout_of(recording, MODEL, None)
    assert layout == Layout(numbers=(1, 3), total=4, experts=8, groups=2, predictors=1)
    assert layout_of(recording, MODEL, 1).groups == 1


def test_without_a_model_layers_are_numbered_as_recorded() -> None:
    known = layout_of(trace((1, 3), 4), None, None)
    assert (known.numbers, known.total, known.groups, known.known, known.notes) == ((1, 3), 4, 1, False, ())
    [note] = layout_of(trace((0, 1), 2), None, 4).notes
    assert "0 to 1" in note and "--model" in note


@pytest.mark.parametrize(
    ("recording", "said"),
    [
        (trace((1, 3), 4, experts=6), "expected loads of the model's 8 experts, found 6"),
        (trace((1,), 4), "found none in layer 3: record while the server answers requests"),
        (trace((1, 2, 3), 4), "found some in layer 2, which has none in the model"),
        (trace((0, 1, 2), 3), "each of the model's 4 layers, or for its 2 with experts, found 3 layers, 3 of them"),
        (trace((0,), 2), "found 2 layers, 1 of them with load"),
    ],
)
def test_recordings_of_something_else(recording: Trace, said: str) -> None:
    with pytest.raises(WorkloadError) as refused:
        layout_of(recording, MODEL, None)
    assert said in str(refused.value)


LAYOUT = Layout(numbers=tuple(range(3, 61)), total=61, experts=256, groups=8)


def test_sizes() -> None:
    case = sizes_of(LAYOUT, gpus=32, nodes=4, redundant=32)
    sizes = {"layers": 58, "experts": 256, "replicas": 288, "groups": 8, "nodes": 4, "gpus": 32}
    assert dict(case.sizes) == sizes


@pytest.mark.parametrize(
    ("gpus", "nodes", "redundant", "said"),
    [
        (32, 1, 30, "--redundant 30: expected experts and redundant slots to be a multiple of 32 GPUs, found "
                    "256 + 30 = 286: the nearest are 0 and 32"),
        (32, 1, 40, "the nearest are 32 and 64"),
        (33, 1, 0, "found 256 + 0 = 256: the smallest is 8"),
        (32, 5, 32, "--nodes 5: expected 32 GPUs to be a multiple of the nodes"),
        (32, 1, 2**15, "at most 16384 replicas"),
    ],
)  # fmt: skip
def test_sizes_that_do_not_fit(gpus: int, nodes: int, redundant: int, said: str) -> None:
    with pytest.raises(WorkloadError) as refused:
        sizes_of(LAYOUT, gpus=gpus, nodes=nodes, redundant=redundant)
    assert said in str(refused.value)


def test_groups_must_divide_the_experts() -> None:
    with pytest.raises(WorkloadError, match=r"experts to be a multiple of groups \(7\), found 256"):
        sizes_of(replace(LAYOUT, groups=7), gpus=32, nodes=1, redundant=0)


def test_the_placement_that_engines_start_with() -> None:
    np.testing.assert_array_equal(trivial(2, 3, 5), [[0, 1, 2, 0, 1]] * 2)
