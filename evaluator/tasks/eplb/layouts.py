"""Which layers of a model a placement is for, and how many slots, GPUs and nodes they have.

Owns: how the layers of a recording and those of a model belong together, valid sizes, and the placement that an engine
starts with. Does not know: files, loads, solvers.

A *layer number* counts the model's layers from 0, dense ones included. Placements have a row for each layer with
experts, in the order of these numbers.

Shapes: L layers with experts, R slots (physical experts), E experts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluator.tasks.eplb.cases import EplbCase
from evaluator.tasks.eplb.metrics import Ints
from evaluator.tasks.eplb.model_config import Model
from evaluator.tasks.eplb.steps import shortened
from evaluator.tasks.eplb.traces import Trace
from evaluator.types import WorkloadError


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """`numbers`: the layer number of each of the L rows of a placement. `total`: how many layers the model has, those
    without experts included; `predictors`: how many come after them that predict further tokens, and have experts, but
    no recorded loads. `known`: whether a model's config told all this. `notes` are sentences for people.
    """

    numbers: tuple[int, ...]
    total: int
    experts: int
    groups: int
    predictors: int = 0
    known: bool = True
    notes: tuple[str, ...] = ()


def layout_of(trace: Trace, model: Model | None, groups: int | None) -> Layout:
    """The layout of a deployment. A recording has a row for each layer of the model, zero where there are no experts,
    or for each layer with experts. Without a model, its rows are taken for the model's layers. Raises WorkloadError.
    """
    experts = trace.loads.shape[2]
    if model is None:
        as_recorded = (
            f"layers are numbered as recorded, 0 to {trace.recorded - 1}: if the model has layers without experts, "
            "give its config.json (--model)"
        )
        return Layout(
            numbers=trace.rows,
            total=trace.recorded,
            experts=experts,
            groups=groups or 1,
            known=False,
            notes=(as_recorded,) if len(trace.rows) == trace.recorded else (),
        )
    if experts != model.experts:
        raise WorkloadError(f"expected loads of the model's {model.experts} experts, found {experts}: another model's?")
    if trace.recorded == model.layers:
        _check_rows(trace.rows, model)
    elif trace.recorded != len(model.moe_layers) or len(trace.rows) != trace.recorded:
        both = f"{model.layers} layers, or for its {len(model.moe_layers)} with experts"
        found = f"{trace.recorded} layers, {len(trace.rows)} of them with load"
        raise WorkloadError(f"expected loads for each of the model's {both}, found {found}")
    return Layout(
        numbers=model.moe_layers,
        total=model.layers,
        experts=experts,
        groups=groups or model.groups,
        predictors=model.predictors,
    )


def _check_rows(rows: Sequence[int], model: Model) -> None:
    """Raises WorkloadError unless exactly the layers with experts have load."""
    missing = sorted(set(model.moe_layers) - set(rows))
    if missing:
        raise WorkloadError(
            f"expected load in each of the model's {len(model.moe_layers)} layers with experts, found none in layer "
            f"{shortened(missing, len(missing))}: record while the server answers requests"
        )
    extra = sorted(set(rows) - set(model.moe_layers))
    if extra:
        raise WorkloadError(
            f"expected load in layers with experts only, found some in layer {shortened(extra, len(extra))}, which has "
            "none in the model: are config.json and the loads of one model?"
        )


def sizes_of(layout: Layout, *, gpus: int, nodes: int, redundant: int) -> EplbCase:
    """The case of a deployment with `redundant` slots a layer beyond one for each expert. Raises WorkloadError."""
    replicas = layout.experts + redundant
    if replicas % gpus:
        below = redundant - replicas % gpus
        nearest = f"the nearest are {below} and {below + gpus}" if below >= 0 else f"the smallest is {below + gpus}"
        raise WorkloadError(
            f"--redundant {redundant}: expected experts and redundant slots to be a multiple of {gpus} GPUs, found "
            f"{layout.experts} + {redundant} = {replicas}: {nearest}"
        )
    if gpus % nodes:
        raise WorkloadError(f"--nodes {nodes}: expected {gpus} GPUs to be a multiple of the nodes")
    return EplbCase(
        name="deployment",
        layers=len(layout.numbers),
        experts=layout.experts,
        replicas=replicas,
        groups=layout.groups,
        nodes=nodes,
        gpus=gpus,
    )


def trivial(layers: int, experts: int, replicas: int) -> Ints:
    """The placement that SGLang and vLLM start with, `[L, R]`: slot r holds expert r modulo E, in every layer."""
    return np.tile(np.arange(replicas) % experts, (layers, 1))
