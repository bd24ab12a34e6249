"""The quality of EPLB plans, computed from the plans and the judge's own loads alone, in float64.

Owns: the loads of replicas and GPUs, every balance, moves and duplicates. Does not know: cases, solvers, validation
(plans are valid here), ceilings, how engines send tokens.

Shapes: S steps, L layers, E experts, R replicas (slots), M GPUs. Slot r is on GPU r // (R / M), as in DeepSeek's EPLB.
A replica carries its expert's load / the number of the expert's replicas, unless a function is given that says what
slots carry. Every balance is mean / max, at most
1, higher is better. A balance over several layers or steps is a ratio of sums (sum of means / sum of maxima: the share
of the time in which the mean GPU works), so a layer or window without load adds to neither. Without any load the
balance is 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Carried = Callable[[Ints, Floats], Floats]
"""What each slot carries, float64 `[L, R]`, by a plan `[L, R]` and the loads `[L, E]`."""


def expert_counts(phy2log_LR: Ints, experts: int) -> Ints:
    """The number of replicas of each expert: int64 `[L, E]`."""
    layers = phy2log_LR.shape[0]
    keys = phy2log_LR + np.arange(layers)[:, None] * experts
    return np.bincount(keys.ravel(), minlength=layers * experts).reshape(layers, experts)


def replica_loads(phy2log_LR: Ints, load_LE: Floats) -> Floats:
    """The load of each slot: float64 `[L, R]`."""
    per_replica_LE = load_LE / expert_counts(phy2log_LR, load_LE.shape[1])
    return np.take_along_axis(per_replica_LE, phy2log_LR, axis=1)


def gpu_loads(phy2log_LR: Ints, load_LE: Floats, gpus: int, carried: Carried = replica_loads) -> Floats:
    """The load of each GPU: float64 `[L, M]`."""
    return on_gpus(carried(phy2log_LR, load_LE), gpus)


def on_gpus(loads_LR: Floats, gpus: int) -> Floats:
    """The slots' loads `[L, R]` summed by GPU: float64 `[L, M]`."""
    sums_LM: Floats = loads_LR.reshape(len(loads_LR), gpus, -1).sum(axis=2)
    return sums_LM


def ratio(mean: float, largest: float) -> float:
    """mean / largest, and 1 if there is no load."""
    return float(mean / largest) if largest > 0 else 1.0


def balance(phy2log_LR: Ints, load_LE: Floats, gpus: int, carried: Carried = replica_loads) -> float:
    """GPU-level balance of one plan on one window: sum over layers of mean GPU load / sum of largest GPU load."""
    loads_LM = gpu_loads(phy2log_LR, load_LE, gpus, carried)
    return ratio(loads_LM.mean(axis=1).sum(), loads_LM.max(axis=1).sum())


def pass_balance(plans: Sequence[Ints], load_SLE: Floats, gpus: int, carried: Carried = replica_loads) -> float:
    """GPU-level balance of plan i on window i, over all steps: a ratio of sums over steps and layers."""
    means_SL, maxima_SL = _mean_and_max(
        [gpu_loads(plan, load, gpus, carried) for plan, load in zip(plans, load_SLE, strict=True)]
    )
    return ratio(means_SL.sum(), maxima_SL.sum())


def same_window_figures(
    plans: Sequence[Ints], load_SLE: Floats, gpus: int, carried: Carried = replica_loads
) -> dict[str, float]:
    """Metrics of plans on the windows they were made for.

    `same_window_balance`: the case's balance. `mean_layer_balance`: the mean over layers and steps of mean / max
    (what SGLang logs). `worst_layer_balance`: the smallest of those. `expert_balance`: mean replica load / largest
    replica load. `duplicate_gpus_per_layer`: GPUs of a layer that hold an expert more than once, lower is better.
    """
    replicas = [carried(plan_LR, load_LE) for plan_LR, load_LE in zip(plans, load_SLE, strict=True)]
    means_SL, maxima_SL = _mean_and_max([on_gpus(loads_LR, gpus) for loads_LR in replicas])
    replica_means_SL, replica_maxima_SL = _mean_and_max(replicas)
    loaded = maxima_SL > 0
    layer_balances = means_SL[loaded] / maxima_SL[loaded] if loaded.any() else np.ones(1)
    return {
        "same_window_balance": ratio(means_SL.sum(), maxima_SL.sum()),
        "mean_layer_balance": float(layer_balances.mean()),
        "worst_layer_balance": float(layer_balances.min()),
        "expert_balance": ratio(replica_means_SL.sum(), replica_maxima_SL.sum()),
        "duplicate_gpus_per_layer": float(np.mean([_duplicate_gpus(plan_LR, gpus).mean() for plan_LR in plans])),
    }


def _duplicate_gpus(phy2log_LR: Ints, gpus: int) -> Ints:
    slots_LMK = np.sort(phy2log_LR.reshape(len(phy2log_LR), gpus, -1), axis=2)
    duplicates_L: Ints = (slots_LMK[:, :, 1:] == slots_LMK[:, :, :-1]).any(axis=2).sum(axis=1)
    return duplicates_L


def moved_shares(plans: Sequence[Ints], experts: int, gpus: int, nodes: int) -> dict[str, float]:
    """The expert weights that each plan must fetch relative to the previous plan, as a share of all slots; means over
    the changes of plan.

    `moved_share`: new (GPU, expert) pairs. `moved_across_nodes_share`: those whose expert was on no GPU of that node,
    so its weights come from another node. Both are 0 if there is only one plan.
    """
    moved, crossed = [0.0], [0.0]
    for old_LME, new_LME in pairwise(_held(plan_LR, experts, gpus) for plan_LR in plans):
        fresh_LME = new_LME & ~old_LME
        layers, replicas = plans[0].shape
        by_node = (layers, nodes, gpus // nodes, experts)
        old_LN1E = old_LME.reshape(by_node).any(axis=2, keepdims=True)
        moved.append(float(fresh_LME.sum()) / (layers * replicas))
        crossed.append(float((fresh_LME.reshape(by_node) & ~old_LN1E).sum()) / (layers * replicas))
    steps = max(1, len(plans) - 1)
    return {"moved_share": sum(moved) / steps, "moved_across_nodes_share": sum(crossed) / steps}


def _mean_and_max(loads: Sequence[Floats]) -> tuple[Floats, Floats]:
    """The mean and the maximum along the last axis of each step's loads: two arrays `[S, L]`."""
    stacked = np.stack(loads)
    means: Floats = stacked.mean(axis=-1)
    maxima: Floats = stacked.max(axis=-1)
    return means, maxima


def _held(phy2log_LR: Ints, experts: int, gpus: int) -> NDArray[np.bool_]:
    """Which GPU holds which experts: bool `[L, M, E]`. GPUs hold equal runs of consecutive slots."""
    layers, replicas = phy2log_LR.shape
    held_LME = np.zeros((layers, gpus, experts), dtype=bool)
    gpu_R = np.arange(replicas) // (replicas // gpus)
    held_LME[np.arange(layers)[:, None], gpu_R, phy2log_LR] = True
    return held_LME
