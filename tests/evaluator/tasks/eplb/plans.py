"""Plans for the tests of the EPLB task: random valid ones, a plain greedy one, and the triple of a plan."""

from __future__ import annotations

import heapq
from collections.abc import Mapping

import numpy as np

from evaluator.tasks.eplb.cases import placement_blocks


def random_plan(sizes: Mapping[str, int], rng: np.random.Generator) -> np.ndarray:
    """A random valid plan `[L, R]`: blocks assigned to nodes, spare slots filled, each node's slots shuffled."""
    experts, nodes, blocks = sizes["experts"], sizes["nodes"], placement_blocks(sizes)
    parts = nodes if blocks % nodes == 0 else 1
    size, slots = experts // blocks, sizes["replicas"] // parts
    layers = []
    for _ in range(sizes["layers"]):
        dealt = rng.permutation(blocks).reshape(parts, -1)
        ids = (dealt[:, :, None] * size + np.arange(size)).reshape(parts, -1)
        spare = [rng.choice(own, slots - len(own)) for own in ids]
        layers.append(np.concatenate([rng.permutation(np.concatenate(both)) for both in zip(ids, spare, strict=True)]))
    return np.array(layers, dtype=np.int64)


def triple(plan_LR: np.ndarray, experts: int, extra_width: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """phy2log with its log2phy (X = the largest count + `extra_width`) and logcnt, by plain loops."""
    layers, replicas = plan_LR.shape
    logcnt = np.zeros((layers, experts), dtype=np.int64)
    for layer in range(layers):
        for slot in range(replicas):
            logcnt[layer, plan_LR[layer, slot]] += 1
    log2phy = np.full((layers, experts, int(logcnt.max()) + extra_width), -1, dtype=np.int64)
    for layer in range(layers):
        for expert in range(experts):
            slots = [slot for slot in range(replicas) if plan_LR[layer, slot] == expert]
            log2phy[layer, expert, : len(slots)] = slots
    return plan_LR, log2phy, logcnt


def greedy_plan(loads_E: np.ndarray, replicas: int, gpus: int) -> np.ndarray:
    """One layer `[R]`, placed globally: a spare replica to the hottest expert, then the heaviest replica to the
    lightest GPU with room."""
    counts = np.ones(len(loads_E), dtype=np.int64)
    for _ in range(replicas - len(loads_E)):
        counts[np.argmax(loads_E / counts)] += 1
    pieces = sorted(((loads_E[e] / counts[e], e) for e in range(len(loads_E)) for _ in range(counts[e])), reverse=True)
    room = [(0.0, gpu) for gpu in range(gpus)]
    held: list[list[int]] = [[] for _ in range(gpus)]
    for load, expert in pieces:
        total, gpu = heapq.heappop(room)
        held[gpu].append(expert)
        if len(held[gpu]) < replicas // gpus:
            heapq.heappush(room, (total + load, gpu))
    return np.concatenate(held)
