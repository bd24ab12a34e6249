"""Figures of placements: worked out by hand, and against a count by loops."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluator.tasks.eplb import metrics
from evaluator.tasks.eplb.appraisal import SHOWN_WINDOWS, WORST_LAYERS, Named, Site, appraise, doubled, fetched
from evaluator.tasks.eplb.dispatch import Dispatch
from evaluator.tasks.eplb.layouts import Layout, trivial
from evaluator.tasks.eplb.model_config import Model

MODEL = Model(layers=3, moe_layers=(1, 2), experts=4, groups=1, predictors=0, expert_bytes=2e6, precision="fp8")
LAYOUT = Layout(numbers=(1, 2), total=3, experts=4, groups=1)
SIZES = {"layers": 2, "experts": 4, "replicas": 6, "groups": 1, "nodes": 2, "gpus": 2}
LOADS = np.array([[[8, 4, 2, 2], [1, 1, 1, 1]], [[2, 4, 8, 2], [6, 2, 2, 2]]], dtype=float)
SITE = Site(loads=LOADS, sizes=SIZES, layout=LAYOUT, model=MODEL)
START = Named(name="start", slots=trivial(2, 4, 6))
NEW = Named(name="new", slots=np.array([[0, 1, 2, 2, 2, 3], [0, 0, 1, 0, 2, 3]]))


def test_a_placement_beside_another() -> None:
    """Newest window, new placement: layer 1 has 6 + 8/3 and 2 * 8/3 + 2, layer 2 has 4 + 2 and 2 + 2 + 2."""
    record = appraise(SITE, NEW, START, earlier_LR=START.slots).record
    newest = (8 + 6) / (6 + 8 / 3 + 6)
    assert record["balance"]["placement"]["newest"] == pytest.approx(newest)
    assert record["by_window"][1] == record["balance"]["placement"]["newest"]
    assert record["balance"]["placement"]["worst_window"] == min(record["by_window"])
    for named, key in ((START, "from"), (NEW, "placement")):
        plans = [named.slots] * 2
        assert record["balance"][key]["all"] == pytest.approx(metrics.pass_balance(plans, LOADS, 2))
    assert record["balance"]["planned_a_window_earlier"] == pytest.approx(metrics.balance(START.slots, LOADS[1], 2))
    assert record["balance"]["ceiling"] >= newest
    assert [layer["layer"] for layer in record["layers"]] == [1, 2]
    assert record["layers"][1]["placement"] == 1.0 and record["layers"][0]["placement"] == pytest.approx(24 / 26)
    # The second GPU gets expert 2 in both layers. The first held 0, 1 and 2, the second 3, 0 and 1.
    assert record["moves"] == {"experts": 2, "across_nodes": 2, "slots": 12, "bytes": 4_000_000}
    assert record["doubled"] == {"placement": 2, "from": 0, "redundant_slots": 4}
    assert record["memory"] == {"redundant_bytes_a_gpu": 4_000_000, "expert_bytes": 2_000_000}


def test_what_people_read() -> None:
    appraisal = appraise(SITE, NEW, START, earlier_LR=START.slots, by_window=True)
    balance, windows, layers = appraisal.grids
    assert [row[0] for row in balance.rows] == ["start", "new", "planned a window earlier", "ceiling"]
    assert [row[0] for row in windows.rows] == ["0", "1"] and windows.headings == ("window", "start", "new", "ceiling")
    assert layers.rows[0][:3] == ("1", "0.7273", "0.9231"), "the worst first, by its number in the model"
    assert dict(appraisal.facts) == {
        "moves": "2 of 12 slots get an expert that their GPU did not hold, 2 of them from another node: 4 MB, "
        "at most 4 MB to one GPU",
        "doubled": "2 of 4 redundant slots hold an expert that is on the same GPU already (before: 0)",
        "memory": "redundant slots take 4 MB a GPU: 2 experts of 2 MB in fp8",
    }


def test_what_is_not_known_is_left_out_and_said() -> None:
    alone = appraise(Site(loads=LOADS[:1], sizes=SIZES, layout=LAYOUT), NEW, None)
    assert alone.record["moves"] is alone.record["memory"] is alone.record["balance"]["from"] is None
    assert alone.record["doubled"]["from"] is alone.record["balance"]["planned_a_window_earlier"] is None
    facts = dict(alone.facts)
    assert not facts["moves"] and facts["memory"].endswith(
        "is not known: the model's config.json (--model) is not given"
    )
    assert alone.grids[0].headings == ("", "balance") and all(len(row) == 2 for row in alone.grids[0].rows)


def test_under_another_dispatch_all_figures_follow_it_and_the_even_split_is_shown_beside() -> None:
    """One token a rank: vLLM sends all of an expert's load to its first replica. Newest window, new placement: layer 1
    has 2 + 4 + 8 and 2, layer 2 has 6 + 2 and 2 + 2.
    """
    hashed = replace(SITE, dispatch=Dispatch(rule="vllm_hash", tokens_per_rank=1))
    appraisal = appraise(hashed, NEW, START, earlier_LR=START.slots, by_window=True)
    record, even = appraisal.record, appraise(SITE, NEW, START, earlier_LR=START.slots).record
    assert record["dispatch"] == {"rule": "vllm_hash", "nodes": 2, "tokens_per_rank": 1}
    assert record["balance"]["placement"]["newest"] == pytest.approx((8 + 6) / (14 + 8))
    assert [layer["placement"] for layer in record["layers"]] == pytest.approx([8 / 14, 6 / 8])
    assert record["by_window"][1] == record["balance"]["placement"]["newest"] < record["balance"]["ceiling"]
    assert record["balance"]["ceiling"] <= even["balance"]["ceiling"], "the hottest expert cannot be split"
    assert record["balance_even"] == even["balance"] == even["balance_even"]
    first, second, *_ = appraisal.grids
    assert first.title.startswith("Balance under vllm_hash:") and second.title == "If replicas shared evenly"
    assert [row[0] for row in second.rows] == [row[0] for row in first.rows] and first.rows != second.rows


def test_a_balance_that_is_even_all_the_same_is_not_shown_twice() -> None:
    static = replace(SITE, dispatch=Dispatch(rule="sglang_static", at_start=True))
    once_each = Named(name="one on each", slots=np.array([[0, 1, 2, 0, 1, 3]] * 2))
    titles = [grid.title for grid in appraise(static, once_each, None).grids]
    assert titles == [
        "Balance under sglang_static: mean GPU load / largest GPU load",
        "Worst layers, on the newest window",
    ]
    record = appraise(static, NEW, START).record
    assert record["dispatch"] == {"rule": "sglang_static", "nodes": 2, "tokens_per_rank": None}
    # Layer 1: expert 2 has a slot on the first GPU, which keeps its own tokens, and two on the second: half each.
    assert record["layers"][0]["placement"] == pytest.approx(8 / max(2 + 4 + 4, 4 + 2))


def test_many_windows_and_layers_are_cut_to_the_newest_and_the_worst() -> None:
    loads = np.random.default_rng(1).random((SHOWN_WINDOWS + 3, 9, 4)) + 0.1
    layout = Layout(numbers=tuple(range(9)), total=9, experts=4, groups=1)
    site = Site(loads=loads, sizes={**SIZES, "layers": 9}, layout=layout)
    appraisal = appraise(site, Named(name="a", slots=trivial(9, 4, 6)), None, by_window=True)
    _, windows, layers = appraisal.grids
    assert [row[0] for row in windows.rows] == [str(at) for at in range(3, SHOWN_WINDOWS + 3)]
    assert windows.note == "windows before 3 are not shown" and len(appraisal.record["by_window"]) == len(loads)
    values = [float(row[1]) for row in layers.rows]
    assert len(values) == WORST_LAYERS and values == sorted(values)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Any, Any, int, int, int]:
    nodes, per_node, experts, layers = (draw(st.integers(1, 3)) for _ in range(4))
    gpus = nodes * per_node
    olds, news = (
        [[draw(st.integers(0, experts - 1)) for _ in range(gpus * draw(st.integers(1, 3)))]] for _ in range(2)
    )
    return np.array(olds * layers), np.array(news * layers), experts, gpus, nodes


@settings(max_examples=60, deadline=None)
@given(pairs())
def test_moves_and_doubles_as_loops_count_them(case: tuple[Any, Any, int, int, int]) -> None:
    old, new, experts, gpus, nodes = case

    def held(slots: Any, layer: int, gpu: int) -> list[int]:
        per_gpu = slots.shape[1] // gpus
        return list(slots[layer, gpu * per_gpu : (gpu + 1) * per_gpu])

    moved, crossed, twice = np.zeros(gpus, int), np.zeros(gpus, int), 0
    for layer in range(len(old)):
        for gpu in range(gpus):
            here = held(new, layer, gpu)
            twice += len(here) - len(set(here))
            first = gpu // (gpus // nodes) * (gpus // nodes)
            on_node = {expert for other in range(first, first + gpus // nodes) for expert in held(old, layer, other)}
            fresh = set(here) - set(held(old, layer, gpu))
            moved[gpu] += len(fresh)
            crossed[gpu] += len(fresh - on_node)
    np.testing.assert_array_equal(fetched(old, new, experts, gpus, nodes), [moved, crossed])
    assert doubled(new, experts, gpus) == twice
