"""Lower bounds on the largest GPU load of a layer, whatever the plan: what no solver can beat.

Owns: the bounds and why each holds. Does not know: plans, solvers, windows.

Shapes: B instances (layers of all windows), E experts, M GPUs of k slots each, R = k M replicas. A plan chooses the
counts (at least 1 an expert, R in all) and the placement; a replica carries load / count. Each bound holds for
every such choice:

- mean: the largest GPU carries at least W / M, W the load of all experts.
- replica: the largest GPU carries at least the largest replica, and that is at least its minimum over all counts.
  Giving each further replica to the expert with the largest load per replica attains this minimum.
- pigeonhole, for q = 0..k-1: of the q M + 1 largest replicas some GPU holds at least q + 1, so it carries at least
  the q + 1 smallest of them. With R - E extra replicas at most R - E experts have more than one, so the j-th
  largest replica is at least the (j + R - E)-th largest expert.
- where R = E every replica is a whole expert, so that GPU's other k - q - 1 slots carry at least the k - q - 1
  smallest experts (q = 0: the largest expert and the k - 1 smallest). With extra replicas the smallest can be made
  arbitrarily small, and nothing is added.
- groups: under the hierarchy a node is an instance of its own (its groups' experts, R / nodes replicas, M / nodes
  GPUs). The largest GPU is at least the bound of the worst node, and that is at least its minimum over all splits
  of groups to nodes. Where there are more than MAX_SPLITS splits, they are not enumerated and a weaker bound
  serves: the bound of the whole layer without hierarchy, and the bound of packing whole groups onto nodes, divided
  by the GPUs of a node.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from evaluator.tasks.eplb.cases import is_hierarchical

Floats = NDArray[np.float64]

MAX_SPLITS = 10_000


def largest_load_bound(load_BE: Floats, sizes: Mapping[str, int]) -> Floats:
    """A lower bound on the largest GPU load of each instance, for a case's `sizes`: `[B]`."""
    replicas, gpus, groups, nodes = (sizes[name] for name in ("replicas", "gpus", "groups", "nodes"))
    if not is_hierarchical(sizes):
        return flat_bound(load_BE, replicas, gpus)
    group_BGE = load_BE.reshape(len(load_BE), groups, -1)
    if split_count(groups, nodes) <= MAX_SPLITS:
        return _best_split(group_BGE, nodes, replicas // nodes, gpus // nodes)
    whole_groups = flat_bound(group_BGE.sum(axis=2), groups, nodes) / (gpus // nodes)
    return np.maximum(flat_bound(load_BE, replicas, gpus), whole_groups)


def flat_bound(load_BE: Floats, replicas: int, gpus: int) -> Floats:
    """The largest of the bounds that hold without a hierarchy: `[B]`."""
    bounds = [load_BE.sum(axis=1) / gpus, least_largest_replica(load_BE, replicas)]
    extra, slots = replicas - load_BE.shape[1], replicas // gpus
    falling_BE = -np.sort(-load_BE, axis=1)
    for q in range(slots):
        last = q * gpus + extra
        if last >= load_BE.shape[1]:
            break
        bound = falling_BE[:, last - q : last + 1].sum(axis=1)
        if extra == 0 and q < slots - 1:
            bound = bound + falling_BE[:, -(slots - q - 1) :].sum(axis=1)
        bounds.append(bound)
    largest: Floats = np.max(bounds, axis=0)
    return largest


def least_largest_replica(load_BE: Floats, replicas: int) -> Floats:
    """The smallest possible largest replica over all counts of `replicas` in all: `[B]`."""
    counts_BE = np.ones_like(load_BE)
    rows = np.arange(len(load_BE))
    per_replica_BE = load_BE.copy()
    for _ in range(replicas - load_BE.shape[1]):
        hottest = per_replica_BE.argmax(axis=1)
        counts_BE[rows, hottest] += 1
        per_replica_BE[rows, hottest] = load_BE[rows, hottest] / counts_BE[rows, hottest]
    largest: Floats = per_replica_BE.max(axis=1)
    return largest


def split_count(groups: int, nodes: int) -> int:
    """In how many ways `groups` go onto `nodes` unnamed nodes, the same number on each (8 on 4: 105)."""
    named: int = math.factorial(groups) // math.factorial(groups // nodes) ** nodes
    return named // math.factorial(nodes)


def _best_split(group_BGE: Floats, nodes: int, replicas: int, gpus: int) -> Floats:
    """The least, over all splits of groups to nodes, of the worst node's bound; `replicas` and `gpus` are a node's."""
    groups = group_BGE.shape[1]
    node_bound = {
        members: flat_bound(group_BGE[:, list(members)].reshape(len(group_BGE), -1), replicas, gpus)
        for members in combinations(range(groups), groups // nodes)
    }
    best = np.full(len(group_BGE), np.inf)
    for split in _splits(tuple(range(groups)), groups // nodes):
        np.minimum(best, np.max([node_bound[members] for members in split], axis=0), out=best)
    return best


def _splits(groups: tuple[int, ...], size: int) -> Iterator[tuple[tuple[int, ...], ...]]:
    """All ways to split `groups` into sets of `size`, each once: the first group's set is chosen first."""
    if not groups:
        yield ()
        return
    first, rest = groups[0], groups[1:]
    for others in combinations(rest, size - 1):
        left = tuple(group for group in rest if group not in others)
        for split in _splits(left, size):
            yield ((first, *others), *split)
