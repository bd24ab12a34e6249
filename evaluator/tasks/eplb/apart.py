"""Placements in which no GPU holds an expert twice, by exchanging slots of one that has such GPUs.

Owns: which slots are exchanged, so that balance suffers least. Does not know: who needs this, programs, files. Pure.

A second replica of an expert on a GPU is of no use, and engines may not expect it. We exchange it with a slot of
another GPU such that neither GPU holds an expert twice then, and the larger load of the two is as small as possible;
among equals the first. Under the hierarchy both GPUs are on one node, where the same experts stay.

Shapes: L layers, E experts, R slots, M GPUs of K slots.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from evaluator.tasks.eplb.cases import is_hierarchical
from evaluator.tasks.eplb.metrics import Floats, Ints, replica_loads


def kept_apart(slots_LR: Ints, load_LE: Floats, sizes: Mapping[str, int]) -> Ints:
    """The placement with slots exchanged where a GPU holds an expert twice. Where no exchange helps, which is so if an
    expert has more replicas than GPUs may hold it, it stays there twice.
    """
    gpus = sizes["gpus"]
    reach = gpus // sizes["nodes"] if is_hierarchical(sizes) else gpus
    carried_LR = replica_loads(slots_LR, load_LE)
    apart = slots_LR.copy()
    for layer in range(len(apart)):
        _part(apart[layer].reshape(gpus, -1), carried_LR[layer].reshape(gpus, -1).copy(), reach, load_LE.shape[1])
    apart.setflags(write=False)
    return apart


def _part(held_MK: Ints, carried_MK: Floats, reach: int, experts: int) -> None:
    """Exchange slots of one layer in place; `reach` neighbouring GPUs may exchange with each other."""
    gpus = len(held_MK)
    has_ME = np.zeros((gpus, experts), dtype=np.int64)
    np.add.at(has_ME, (np.arange(gpus)[:, None], held_MK), 1)
    for gpu, slot in np.argwhere(has_ME[np.arange(gpus)[:, None], held_MK] > 1):
        expert = held_MK[gpu, slot]
        if has_ME[gpu, expert] < 2:
            continue  # its twin has been exchanged already
        first = gpu // reach * reach
        near = slice(first, first + reach)
        # Neither GPU may hold what it gets; and the other slot may itself be one of a pair.
        fits = (has_ME[near, expert] == 0)[:, None] & (has_ME[gpu, held_MK[near]] == 0)
        if not fits.any():
            continue
        change = carried_MK[near] - carried_MK[gpu, slot]
        loads_M = carried_MK.sum(axis=1)
        worst = np.maximum(loads_M[gpu] + change, loads_M[near][:, None] - change)
        other, place = np.unravel_index(int(np.where(fits, worst, np.inf).argmin()), worst.shape)
        other += first
        has_ME[[gpu, other], expert] += (-1, 1)
        has_ME[[gpu, other], held_MK[other, place]] += (1, -1)
        for array in (held_MK, carried_MK):
            array[gpu, slot], array[other, place] = array[other, place], array[gpu, slot]
