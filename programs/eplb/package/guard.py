"""The packaged solver behind checks: an engine gets a valid plan, a reason to keep the one in force, or None.

`decide` raises nothing for a fault of the solver: it logs it and returns None, and then the engine's own policy plans.

Letters in the shapes: L layers, E experts, R replicas (slots). Slot r is on GPU r // (R / GPUs), GPUs are numbered node
by node. With a number of groups that the nodes divide, and more than one node, all replicas of a group's experts stand
on one node, and as many groups on each node as on any other.
"""

import inspect
import json
import logging
import sys
from pathlib import Path

import numpy as np
import torch

from . import solver

try:
    from numba import float64, int64, njit

    # Without the interpreter lock, so that an engine's other threads go on meanwhile.
    inner = njit(nogil=True)
    compiled = njit(
        (int64[:, ::1], int64[:, ::1], float64[:, ::1], int64, int64, int64, int64, float64[::1]), nogil=True
    )
except ImportError:

    def inner(function):
        return function

    compiled = inner


log = logging.getLogger(__name__)
PROVENANCE = json.loads(Path(__file__).with_name("provenance.json").read_text())
MIN_GAIN = PROVENANCE["settings"]["min_gain"]
"""A plan has to be better than the one in force by this much balance (mean GPU load / largest) to be taken."""
SWITCH_S = PROVENANCE["settings"]["switch_s"]
"""The interpreter's switch interval while a plan is made: a thread that waits for its lock gets it after this time."""

RANGE, MISSING, SPREAD, UNEVEN = 1, 2, 3, 4
_FAULTS = {
    RANGE: "an expert out of range in slot {at}",
    MISSING: "expert {at} in no slot",
    SPREAD: "group {at} on more than one node",
    UNEVEN: "too many groups on node {at}",
}


class Invalid(Exception):
    """The solver's answer is not a plan."""


@inner
def ranks_of(row, gpus, nodes, count):
    """How many ranks send to each slot of a layer's plan `row` [R] under SGLang's static dispatch, as it is expected.

    A rank, which is a GPU, sends all its tokens of an expert to the replica on its own GPU; else, if only some replicas
    are on its node, to the first of those; else to one that is drawn, here to each in equal parts. `count` [E]: the
    replicas of each expert.
    """
    capacity, on_node = len(row) // gpus, gpus // nodes
    first = np.full((len(count), nodes), -1, np.int64)
    owners = np.zeros((len(count), nodes), np.int64)
    last = np.full(len(count), -1, np.int64)
    ranks = np.zeros(len(row))
    for slot in range(len(row)):
        expert, gpu = row[slot], slot // capacity
        node = gpu // on_node
        if first[expert, node] < 0:
            first[expert, node] = slot
        if last[expert] != gpu:
            last[expert] = gpu
            owners[expert, node] += 1
            ranks[slot] = 1.0
    drawing = np.zeros(len(count))
    for expert in range(len(count)):
        holding = 0
        for node in range(nodes):
            holding += 1 if first[expert, node] >= 0 else 0
        for node in range(nodes):
            others = on_node - owners[expert, node]
            if first[expert, node] >= 0 and holding > 1:
                ranks[first[expert, node]] += others
            else:
                drawing[expert] += others
    for slot in range(len(row)):
        ranks[slot] += drawing[row[slot]] / count[row[slot]]
    return ranks


@inner
def largest_load(row, load, gpus, dispatch_nodes, count):
    """The largest GPU load of a layer's plan `row` [R] on `load` [E], which is first checked.

    `dispatch_nodes`: the nodes of static dispatch, 0 where the replicas of an expert share its load evenly. `count`
    [E] is overwritten. Returns the fault (0 for none), where it is, and the load.
    """
    experts, capacity = len(load), len(row) // gpus
    count[:] = 0.0
    for slot in range(len(row)):
        if row[slot] < 0 or row[slot] >= experts:
            return RANGE, slot, 0.0
        count[row[slot]] += 1.0
    for expert in range(experts):
        if count[expert] == 0.0:
            return MISSING, expert, 0.0
    ranks = np.empty(0)
    if dispatch_nodes > 0:
        ranks = ranks_of(row, gpus, dispatch_nodes, count)
    largest = 0.0
    for gpu in range(gpus):
        here = 0.0
        for slot in range(gpu * capacity, (gpu + 1) * capacity):
            share = ranks[slot] / gpus if dispatch_nodes > 0 else 1.0 / count[row[slot]]
            here += load[row[slot]] * share
        largest = max(largest, here)
    return 0, 0, largest


@inner
def misplaced(row, experts, groups, nodes):
    """The fault in how a layer's plan `row` [R] spreads the groups over the nodes (0 for none), and where it is."""
    node_of, groups_on = np.full(groups, -1, np.int64), np.zeros(nodes, np.int64)
    for slot in range(len(row)):
        group, node = row[slot] // (experts // groups), slot // (len(row) // nodes)
        if node_of[group] < 0:
            node_of[group] = node
            groups_on[node] += 1
        elif node_of[group] != node:
            return SPREAD, group
    for node in range(nodes):
        if groups_on[node] > groups // nodes:
            return UNEVEN, node
    return 0, 0


@inner
def keep_slots(row, old, gpus):
    """Give experts that stay on a GPU their old slots, in place; the others fill what is left, in their order."""
    capacity = len(row) // gpus
    for begin in range(0, len(row), capacity):
        fresh, taken = row[begin : begin + capacity].copy(), np.zeros(capacity, np.int64)
        for place in range(capacity):
            for other in range(capacity):
                if fresh[other] >= 0 and fresh[other] == old[begin + place]:
                    row[begin + place] = fresh[other]
                    fresh[other], taken[place] = -1, 1
                    break
        other = 0
        for place in range(capacity):
            if taken[place] == 0:
                while fresh[other] < 0:
                    other += 1
                row[begin + place] = fresh[other]
                other += 1


@compiled
def review(plan, old, load, gpus, groups, nodes, dispatch_nodes, found):
    """Check `plan` [L, R], weigh it and the one in force on `load` [L, E], and keep slots, which changes it in place.

    `old` is the plan in force [L, R], or [0, 0] for none. Fills `found`: 0: the fault, 0 for none; 1: its layer; 2:
    where; 3, 4: the largest GPU loads of the new and of the old plan, summed over layers; 5: the mean ones; 6: 1 where
    the old plan is valid.
    """
    layers, experts = load.shape
    count = np.empty(experts)
    found[:] = 0.0
    found[6] = 1.0 if old.shape == plan.shape else 0.0
    for layer in range(layers):
        fault, at, largest = largest_load(plan[layer], load[layer], gpus, dispatch_nodes, count)
        if fault == 0 and nodes > 1 and groups % nodes == 0:
            fault, at = misplaced(plan[layer], experts, groups, nodes)
        if fault != 0:
            found[0], found[1], found[2] = fault, layer, at
            return
        found[3] += largest
        total = 0.0
        for expert in range(experts):  # in this order in every process, compiled or not
            total += load[layer, expert]
        found[5] += total / gpus
        if found[6] == 1.0:
            fault, at, largest = largest_load(old[layer], load[layer], gpus, dispatch_nodes, count)
            found[4] += largest
            found[6] = 1.0 if fault == 0 else 0.0
    if found[6] == 1.0:
        for layer in range(layers):
            keep_slots(plan[layer], old[layer], gpus)


def decide(weight, num_replicas, num_groups, num_nodes, num_gpus, in_force=None, offers=None):
    """The plan to use, int64 `[L, R]` on the CPU, or None: then the engine's own policy has to make it.

    `weight` [L, E]: loads of any dtype on any device. `in_force` [L, R]: the plan that the engine uses now, if any; it
    is returned, as it is, unless the solver's is better by `MIN_GAIN`. `offers`: parameters for a solver that
    declares them, `dispatch` and `num_dispatch_nodes`; plans are weighed by the rule that they name.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(min(before, SWITCH_S))
    try:
        return _decided(weight, num_replicas, num_groups, num_nodes, num_gpus, in_force, offers or {})
    except Exception as error:
        log.warning("the packaged solver failed, so the engine's own policy plans: %s: %s", type(error).__name__, error)
        return None
    finally:
        sys.setswitchinterval(before)


def _decided(weight, num_replicas, num_groups, num_nodes, num_gpus, in_force, offers):
    load = weight.detach().to("cpu", torch.float32)
    plan, found = planned(load, num_replicas, num_groups, num_nodes, num_gpus, in_force, offers)
    if found[6]:
        new, old = (found[5] / largest if largest else 1.0 for largest in (found[3], found[4]))
        if new < old + MIN_GAIN:
            log.info("the plan in force is kept: its balance is %.4f, that of the new one %.4f", old, new)
            return in_force.to("cpu", torch.int64)
    return torch.from_numpy(plan)


def planned(load, num_replicas, num_groups, num_nodes, num_gpus, in_force=None, offers=None):
    """The solver's plan as a valid int64 array `[L, R]`, and what `review` found. Raises Invalid, and what the solver
    raises.
    """
    if num_replicas % num_gpus:
        raise Invalid(f"expected as many of the {num_replicas} slots on each of the {num_gpus} GPUs")
    if num_groups % num_nodes or load.shape[1] % num_groups or num_gpus % num_nodes:
        num_groups = num_nodes = 1
    known = {"old_phy2log": in_force, "history": load[None], "dispatch": "even", "num_dispatch_nodes": num_nodes}
    known["tokens_per_rank"] = None  # unknown, and of `vllm_hash` only
    known.update(offers or {})
    wanted = {name: value for name, value in known.items() if name in _DECLARED}
    answer = solver.rebalance_experts(load.clone(), num_replicas, num_groups, num_nodes, num_gpus, **wanted)
    plan = _array(answer[0] if isinstance(answer, tuple | list) else answer)
    if plan.shape != (load.shape[0], num_replicas):
        raise Invalid(f"expected a plan of the shape {(load.shape[0], num_replicas)}, found {plan.shape}")
    old = np.empty((0, 0), np.int64) if in_force is None else _array(in_force)
    found = np.zeros(7)
    spread = int(known["num_dispatch_nodes"])
    if known["dispatch"] != "sglang_static" or num_gpus % spread:
        spread = 0
    review(plan, old, load.numpy().astype(np.float64), num_gpus, num_groups, num_nodes, spread, found)
    if found[0]:
        what = _FAULTS[int(found[0])].format(at=int(found[2]))
        raise Invalid(f"layer {int(found[1])} has {what}")
    return plan, found


def _array(tensor):
    """A tensor of whole numbers as an int64 array of our own. Raises Invalid for another."""
    array = tensor.detach().cpu().numpy() if torch.is_tensor(tensor) else np.asarray(tensor)
    if array.dtype.kind not in "iu" or array.ndim != 2:
        raise Invalid(f"expected a plan of whole numbers with two axes, found {array.dtype} with {array.ndim}")
    return np.array(array, np.int64, order="C", copy=True)


def triple(plan, num_experts):
    """DeepSeek's three tensors for a plan `[L, R]`: itself, `log2phy` [L, E, X] with the slots of each expert in
    ascending order and then -1, and `logcnt` [L, E].
    """
    layers, replicas = plan.shape
    flat = plan.numpy() + np.arange(layers)[:, None] * num_experts
    count = np.bincount(flat.ravel(), minlength=layers * num_experts)
    order = np.argsort(flat.ravel(), kind="stable")
    expert = flat.ravel()[order]
    log2phy = np.full((layers * num_experts, int(count.max())), -1, np.int64)
    log2phy[expert, np.arange(len(expert)) - (np.cumsum(count) - count)[expert]] = order % replicas
    shape = (layers, num_experts)
    return plan, torch.from_numpy(log2phy.reshape(*shape, -1)), torch.from_numpy(count.reshape(shape))


_DECLARED = frozenset(inspect.signature(solver.rebalance_experts).parameters)
