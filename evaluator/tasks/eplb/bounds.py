"""Lower bounds on the largest GPU load of a layer under any plan, which no solver can beat.

Owns: the bounds and why each holds. Does not know: plans, solvers, windows.

The largest GPU load is the makespan of multiprocessor scheduling (P||Cmax) on M identical machines. The mean, the
largest-job and the pigeonhole bound are the classical ones for P||Cmax, extended here to replicated experts and to an
equal number k of slots per GPU.

Shapes: B instances (layers of all windows), E experts, M GPUs of k slots each, R = k M replicas. A plan chooses the
counts (at least 1 per expert, R in all) and the placement. An expert's replicas carry its whole load, evenly (load /
count) or as a rule of dispatch sends it. Each bound holds for every choice, and for every split of an expert's load
among its replicas:

- mean: the largest GPU load is at least W / M, where W is the load of all experts.
- replica: the largest GPU load is at least the largest replica, which is at least its minimum over all counts. The
  largest of c replicas carries at least load / d(c), where d(c) = c, or less if the rule must split less evenly, and
  d never falls. Giving each further replica to the expert with the largest load / d(count) attains the minimum of the
  largest of these: an expert above that minimum needs more replicas under every choice that attains it.
- pigeonhole, for q = 0..k-1: some GPU holds at least q + 1 of the q M + 1 largest replicas, so it carries at least
  the q + 1 smallest of them. With R - E extra replicas at most R - E experts have more than one, so the j-th
  largest replica is at least the (j + R - E)-th largest expert: of the largest j + R - E experts at least j have one
  replica, which carries all, however others are split.
- if R = E, every replica is a whole expert, so the other k - q - 1 slots of that GPU carry at least the k - q - 1
  smallest experts (q = 0: the largest expert and the k - 1 smallest). With extra replicas a plan can make the smallest
  ones arbitrarily small, so this adds nothing.
- groups: under the hierarchy each node is its own instance (its groups' experts, R / nodes replicas, M / nodes GPUs),
  since all replicas of an expert are on one node, wherever its tokens come from.
  The largest GPU load is at least the bound of the worst node, which is at least its minimum over all splits of groups
  to nodes. If there are more than MAX_SPLITS splits, we do not enumerate them and use a weaker bound: the larger of
  the bound of the whole layer without hierarchy, and the bound of packing whole groups onto nodes, divided by the GPUs
  of a node.
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


def largest_load_bound(load_BE: Floats, sizes: Mapping[str, int], dividers: Floats | None = None) -> Floats:
    """A lower bound on the largest GPU load of each instance, for a case's `sizes`: float64 `[B]`. `dividers`: d(c) at
    `[c]`, for c up to R - E + 1; None for an even split.
    """
    replicas, gpus, groups, nodes = (sizes[name] for name in ("replicas", "gpus", "groups", "nodes"))
    if not is_hierarchical(sizes):
        return flat_bound(load_BE, replicas, gpus, dividers)
    group_BGE = load_BE.reshape(len(load_BE), groups, -1)
    if split_count(groups, nodes) <= MAX_SPLITS:
        return _best_split(group_BGE, nodes, replicas // nodes, gpus // nodes, dividers)
    whole_groups = flat_bound(group_BGE.sum(axis=2), groups, nodes) / (gpus // nodes)
    return np.maximum(flat_bound(load_BE, replicas, gpus, dividers), whole_groups)


def flat_bound(load_BE: Floats, replicas: int, gpus: int, dividers: Floats | None = None) -> Floats:
    """The largest of the bounds that hold without a hierarchy (mean, replica, pigeonhole): float64 `[B]`."""
    bounds = [load_BE.sum(axis=1) / gpus, least_largest_replica(load_BE, replicas, dividers)]
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


def least_largest_replica(load_BE: Floats, replicas: int, dividers: Floats | None = None) -> Floats:
    """The minimum, over all counts with `replicas` in total, of the largest load / d(count): float64 `[B]`."""
    dividers = np.arange(replicas - load_BE.shape[1] + 2, dtype=np.float64) if dividers is None else dividers
    counts_BE = np.ones(load_BE.shape, dtype=np.int64)
    rows = np.arange(len(load_BE))
    per_replica_BE = load_BE.copy()
    for _ in range(replicas - load_BE.shape[1]):
        hottest = per_replica_BE.argmax(axis=1)
        counts_BE[rows, hottest] += 1
        per_replica_BE[rows, hottest] = load_BE[rows, hottest] / dividers[counts_BE[rows, hottest]]
    largest: Floats = per_replica_BE.max(axis=1)
    return largest


def split_count(groups: int, nodes: int) -> int:
    """The number of ways to split `groups` among `nodes` interchangeable nodes, the same number on each (8 on 4: 105).

    groups! / ((groups / nodes)! ** nodes * nodes!).
    """
    named: int = math.factorial(groups) // math.factorial(groups // nodes) ** nodes
    return named // math.factorial(nodes)


def _best_split(group_BGE: Floats, nodes: int, replicas: int, gpus: int, dividers: Floats | None) -> Floats:
    """The minimum, over all splits of groups to nodes, of the worst node's bound; `replicas`, `gpus`: per node."""
    groups = group_BGE.shape[1]
    node_bound = {
        members: flat_bound(group_BGE[:, list(members)].reshape(len(group_BGE), -1), replicas, gpus, dividers)
        for members in combinations(range(groups), groups // nodes)
    }
    best = np.full(len(group_BGE), np.inf)
    for split in _splits(tuple(range(groups)), groups // nodes):
        np.minimum(best, np.max([node_bound[members] for members in split], axis=0), out=best)
    return best


def _splits(groups: tuple[int, ...], size: int) -> Iterator[tuple[tuple[int, ...], ...]]:
    """All splits of `groups` into sets of `size`, each exactly once: we choose the first group's set first."""
    if not groups:
        yield ()
        return
    first, rest = groups[0], groups[1:]
    for others in combinations(rest, size - 1):
        left = tuple(group for group in rest if group not in others)
        for split in _splits(left, size):
            yield ((first, *others), *split)
