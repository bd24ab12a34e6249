"""Ranks that are missing, as in elastic expert parallelism: what a placement is then, and what a valid answer.

Owns: `active_ranks`, the two scenarios, answers while a rank is missing, and the least repair of a placement.
Does not know: loads, scores, courses of time.

A rank is a GPU. SGLang 0.5.23 (`--elastic-ep-backend`, policy `elasticity_aware`) gives its planner `active_ranks`,
int32 `[M]` of 1 and 0. The planner then places experts on the active ranks alone, globally; it fills the missing ranks'
slots of `phy2log` with zeros, leaves them out of `log2phy`, and does not count them in `logcnt`. When a rank fails,
SGLang rebalances at once, and loads experts that no rank holds any more from a disk or a backup in memory. Here the
other GPUs take over the tokens of the missing one.

In a plan here the slots of missing ranks hold -1. A slot of an active rank may hold -1 only in a placement that is in
force, where the rank has just come back.

Shapes: L layers, E experts, R slots, M GPUs, A active GPUs of K slots.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from evaluator.tasks.eplb import answers
from evaluator.tasks.eplb.metrics import Ints
from evaluator.types import Answer, Array, InvalidAnswer, WorkloadError

Mask = NDArray[np.bool_]
_MISSING = -2

SCENARIOS: Mapping[str, str] = {
    "lost": "a rank fails just before the first rebalance, and stays away",
    "back": "a rank was missing until the first rebalance, and is back",
}


def check_missing(sizes: Mapping[str, int], missing: int) -> None:
    """Raises WorkloadError if the other ranks have too few slots for the experts."""
    slots = sizes["replicas"] // sizes["gpus"]
    most = (sizes["replicas"] - sizes["experts"]) // slots
    if not most:
        raise WorkloadError(
            f"elastic: expected slots for all {sizes['experts']} experts without one GPU of {slots} slots, found "
            f"{sizes['replicas']} slots in all: give sizes with more replicas"
        )
    if not 1 <= missing <= most:
        raise WorkloadError(
            f"missing: expected at least 1 and at most {most}, for the other ranks must hold all {sizes['experts']} "
            f"experts in {slots} slots each, found {missing}"
        )


def active_sizes(sizes: Mapping[str, int], active_M: Mask) -> dict[str, int]:
    """The sizes of what is left. Placement is global."""
    count = int(active_M.sum())
    slots = sizes["replicas"] // sizes["gpus"] * count
    return {**sizes, "replicas": slots, "gpus": count, "groups": 1, "nodes": 1}


def on_active(plan_LR: Array, active_M: Mask) -> Array:
    """The slots of active ranks alone: `[L, A K]`."""
    layers = len(plan_LR)
    return plan_LR.reshape(layers, len(active_M), -1)[:, active_M].reshape(layers, -1)


def spread(plan_LS: Ints, active_M: Mask) -> Ints:
    """A placement on active ranks alone `[L, A K]` as one of all `[L, R]`, with -1 on the others."""
    layers, count = len(plan_LS), int(active_M.sum())
    whole_LMK = np.full((layers, len(active_M), plan_LS.shape[1] // count), -1, dtype=np.int64)
    whole_LMK[:, active_M] = plan_LS.reshape(layers, count, -1)
    return whole_LMK.reshape(layers, -1)


def read(answer: Answer, sizes: Mapping[str, int], active_M: Mask) -> Ints:
    """The valid `phy2log` of a triple, int64 `[L, R]`, with -1 on missing ranks. Raises InvalidAnswer."""
    if active_M.all() or not _formed(answer, sizes):
        return answers.read_answer(answer, sizes, "triple")
    missing = f"ranks {', '.join(map(str, np.flatnonzero(~active_M)))} are missing"
    listed = _renumbered(answer[1], active_M, sizes["replicas"])
    if (lost := listed == _MISSING).any():
        place = tuple(int(at) for at in np.argwhere(lost)[0])
        raise InvalidAnswer(
            "missing_rank",
            f"log2phy: expected slots of active ranks only, found slot {answer[1][place]} at {list(place)}: {missing}",
        )
    try:
        phy2log_LS = answers.read_answer(
            (on_active(answer[0], active_M), listed, answer[2]), active_sizes(sizes, active_M), "triple"
        )
    except InvalidAnswer as invalid:
        raise InvalidAnswer(
            invalid.reason,
            f"{invalid.detail}; {missing}: what their slots hold does not count, and slots are numbered here without "
            "them",
        ) from None
    plan_LR = spread(phy2log_LS, active_M)
    plan_LR.setflags(write=False)
    return plan_LR


def _renumbered(log2phy: Array, active_M: Mask, replicas: int) -> Array:
    """Slots by their number among those of active ranks, _MISSING for those of others; what is no slot stays none."""
    if log2phy.dtype.kind not in "iu":
        return log2phy
    active_R = active_M.repeat(replicas // len(active_M))
    number_R = np.where(active_R, active_R.cumsum() - 1, _MISSING)
    inside = (log2phy >= 0) & (log2phy < replicas)
    outside = np.where(log2phy == -1, -1, replicas)
    renumbered: Array = np.where(inside, number_R[np.where(inside, log2phy, 0).astype(np.int64)], outside)
    return renumbered


def _formed(answer: Answer, sizes: Mapping[str, int]) -> bool:
    """Whether an answer has the form in which ranks can be told apart."""
    return len(answer) == 3 and answer[0].dtype.kind in "iu" and answer[0].shape == (sizes["layers"], sizes["replicas"])


def repaired(old_LR: Ints, active_M: Mask, experts: int) -> Ints:
    """The least change that makes the placement in force serve without the missing ranks: each expert that is on no
    active one takes a slot of an expert with most replicas, in the order of experts. -1 elsewhere stays.
    """
    slots_LS = on_active(old_LR, active_M).copy()
    for slots_S in slots_LS:
        count_E = np.bincount(slots_S[slots_S >= 0], minlength=experts)
        for expert in np.flatnonzero(count_E == 0):
            empty = np.flatnonzero(slots_S < 0)
            slot = int(empty[0]) if empty.size else int(np.flatnonzero(slots_S == count_E.argmax())[0])
            if slots_S[slot] >= 0:
                count_E[slots_S[slot]] -= 1
            slots_S[slot] = expert
            count_E[expert] = 1
    return spread(slots_LS, active_M)
