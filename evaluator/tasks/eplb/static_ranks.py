"""How many ranks send their tokens to each replica under SGLang's static dispatch.

Owns: which replica a rank takes because it is near, and which ranks draw one. Does not know: loads, how draws are made.
Pure.

Shapes: M ranks (GPUs), X experts of a layer with several replicas, S their slots, B runs of these on one node, P
pairs of an expert and a rank that draws.
"""

from __future__ import annotations

import numpy as np

from evaluator.tasks.eplb.fair_draws import extra_ranks
from evaluator.tasks.eplb.metrics import Ints
from evaluator.tasks.eplb.own_draws import own_choices
from evaluator.tasks.eplb.replicated import Replicated, changes


def static_ranks(replicas: Replicated, slots: int, gpus: int, nodes: int, *, at_start: bool) -> Ints:
    """How many of the M ranks send to each slot of an expert with several replicas: int64 `[S]`.

    A rank takes the first replica on its own GPU; else, if some replicas are on its node and others are not, the first
    on its node; else it draws one. `at_start`: each rank draws for itself; else all draw together, in equal parts.
    """
    if not replicas.slot_S.size:
        return replicas.slot_S
    gpu_R = np.arange(slots) // (slots // gpus)
    gpu_S, on_node = gpu_R[replicas.slot_S], gpus // nodes
    node_S = (gpu_R // on_node)[replicas.slot_S]
    # Replicas of an expert are in the order of their slots, so those on one GPU or node follow each other.
    first_on_gpu_S = changes(replicas.expert_S * gpus + gpu_S).astype(np.int64)
    first_on_node_B = np.flatnonzero(changes(replicas.expert_S * nodes + node_S))
    owners_B = np.add.reduceat(first_on_gpu_S, first_on_node_B)
    expert_B = replicas.expert_S[first_on_node_B]
    narrows_B = (np.bincount(expert_B) > 1)[expert_B]
    ranks_S = first_on_gpu_S.copy()
    ranks_S[first_on_node_B] += (on_node - owners_B) * narrows_B
    drawing_X = gpus - np.add.reduceat(ranks_S, replicas.first_X)
    some_X = np.flatnonzero(drawing_X)
    if not some_X.size:
        return ranks_S
    if at_start:
        draws_XM = np.ones((len(drawing_X), gpus), dtype=bool)
        draws_XM[replicas.expert_S, gpu_S] = False
        for gpu in range(on_node):
            draws_XM[expert_B[narrows_B], node_S[first_on_node_B[narrows_B]] * on_node + gpu] = False
        draw_P, replica_P = own_choices(replicas.count_X[some_X], draws_XM[some_X])
        ranks_S += np.bincount(replicas.first_X[some_X[draw_P]] + replica_P, minlength=len(ranks_S))
        return ranks_S
    ranks_S += (drawing_X // replicas.count_X)[replicas.expert_S]
    draw_Y, replica_Y = extra_ranks(replicas.count_X[some_X], drawing_X[some_X])
    ranks_S[replicas.first_X[some_X[draw_Y]] + replica_Y] += 1
    return ranks_S
