"""Longest-processing-time placement of the last window, on GPUs that hold most of it, in those layers in which it pays.

All layers at once, in NumPy. Placement is global if the groups do not divide among the nodes; else each node gets whole
groups, in turn.

Shapes: L layers, E experts, R slots, X the largest count of replicas.
"""

# EVOLVE-BLOCK-START
import numpy as np
import torch


def rebalance_experts(
    weight,
    num_replicas,
    num_groups,
    num_nodes,
    num_gpus,
    old_phy2log=None,
    steps_in_window=1,
    steps_in_force=1,
    token_s=1.0,
    fetch_s_in_node=0.0,
    fetch_s_across=0.0,
):
    """`phy2log` [L, R], `log2phy` [L, E, X] padded with -1, and `logcnt` [L, E], for `weight` [L, E]."""
    load = weight.detach().cpu().double().numpy()
    new = planned(load, num_replicas, num_groups, num_nodes, num_gpus)
    if old_phy2log is not None and (num_groups % num_nodes or num_nodes == 1):
        new = on_same_gpus(new, old_phy2log.cpu().numpy(), load.shape[1], num_gpus)
    if old_phy2log is not None:
        second = token_s * steps_in_force / steps_in_window
        old = old_phy2log.cpu().numpy()
        new = paying(new, old, load, num_nodes, num_gpus, second, fetch_s_in_node, fetch_s_across)
    return triple(new, load.shape[1])


def on_same_gpus(new, old, experts, num_gpus):
    """The packs of `new` [L, R] on other GPUs: the pair of a pack and a GPU with most experts in common first."""
    layers, slots = new.shape
    row = np.arange(layers)
    common = held_by(new, experts, num_gpus) @ held_by(old, experts, num_gpus).transpose(0, 2, 1)
    pack_on = np.zeros((layers, num_gpus), dtype=np.int64)
    for _ in range(num_gpus):
        pack, gpu = np.divmod(common.reshape(layers, -1).argmax(axis=1), num_gpus)
        pack_on[row, gpu] = pack
        common[row, pack] = -1
        common[row, :, gpu] = -1
    packs = new.reshape(layers, num_gpus, -1)
    return np.take_along_axis(packs, pack_on[:, :, None], axis=1).reshape(layers, slots)


def held_by(phy2log, experts, num_gpus):
    """Which GPU holds which expert, as 0 and 1: float32 [L, GPUs, E]."""
    layers, slots = phy2log.shape
    held = np.zeros((layers, num_gpus, experts), dtype=np.float32)
    held[np.arange(layers)[:, None], np.arange(slots) * num_gpus // slots, phy2log] = 1
    return held


TRUST = 0.2
"""The share of what a plan gains on its own window that is expected of the next one."""


def paying(new, old, load, num_nodes, num_gpus, second_a_load, in_node_s, across_s):
    """Each layer [R] of `new` or of `old`, both [L, R], whichever takes less time."""
    saved = TRUST * second_a_load * (largest(old, load, num_gpus) - largest(new, load, num_gpus))
    before, after = holds(old, load.shape[1], num_gpus), holds(new, load.shape[1], num_gpus)
    on_node = before.reshape(len(old), num_nodes, -1, load.shape[1]).any(axis=2).repeat(num_gpus // num_nodes, axis=1)
    near, far = (after & ~before & on_node).sum(axis=(1, 2)), (after & ~before & ~on_node).sum(axis=(1, 2))
    cost = (near * in_node_s + far * across_s) / num_gpus
    return np.where((saved > cost)[:, None], new, old)


def largest(phy2log, load, num_gpus):
    """The load of the busiest GPU [L]."""
    count = (phy2log[:, :, None] == np.arange(load.shape[1])).sum(axis=1)
    carried = np.take_along_axis(load / count, phy2log, axis=1)
    return carried.reshape(len(load), num_gpus, -1).sum(axis=2).max(axis=1)


def holds(phy2log, experts, num_gpus):
    """Which GPU holds which expert [L, GPUs, E]."""
    layers, slots = phy2log.shape
    held = np.zeros((layers, num_gpus, experts), dtype=bool)
    held[np.arange(layers)[:, None], np.arange(slots) * num_gpus // slots, phy2log] = True
    return held


def planned(load, num_replicas, num_groups, num_nodes, num_gpus):
    """`phy2log` [L, R]."""
    layers, experts = load.shape
    if num_groups % num_nodes or num_nodes == 1:
        return packed(load, num_replicas, num_gpus)
    size = experts // num_groups
    group = packed(load.reshape(layers, num_groups, size).sum(axis=2), num_groups, num_nodes)
    expert = (group[:, :, None] * size + np.arange(size)).reshape(layers * num_nodes, -1)
    of_node = load[np.arange(layers).repeat(num_nodes)[:, None], expert]
    local = packed(of_node, num_replicas // num_nodes, num_gpus // num_nodes)
    return np.take_along_axis(expert, local, axis=1).reshape(layers, num_replicas)


def packed(load, num_slots, num_packs):
    """The item in each slot [N, slots] of each row of `load` [N, I]: items are repeated where they are heaviest, then
    packed heaviest first, each into the lightest pack that has room.
    """
    rows, items = load.shape
    row = np.arange(rows)
    item = np.zeros((rows, num_slots), dtype=np.int64)
    item[:, :items] = np.arange(items)
    count = np.ones((rows, items))
    for slot in range(items, num_slots):
        heaviest = (load / count).argmax(axis=1)
        item[:, slot] = heaviest
        count[row, heaviest] += 1
    weight = np.take_along_axis(load / count, item, axis=1)
    order = (-weight).argsort(axis=1, kind="stable")
    room = num_slots // num_packs
    held, filled = np.zeros((rows, num_packs)), np.zeros((rows, num_packs), dtype=np.int64)
    result = np.empty((rows, num_slots), dtype=np.int64)
    for turn in range(num_slots):
        chosen = order[:, turn]
        pack = np.where(filled < room, held, np.inf).argmin(axis=1)
        result[row, pack * room + filled[row, pack]] = item[row, chosen]
        held[row, pack] += weight[row, chosen]
        filled[row, pack] += 1
    return result


def triple(phy2log, experts):
    """What is returned, of `phy2log` [L, R] alone."""
    layers, slots = phy2log.shape
    order = phy2log.argsort(axis=1, kind="stable")
    held = np.take_along_axis(phy2log, order, axis=1)
    count = (phy2log[:, :, None] == np.arange(experts)).sum(axis=1)
    rank = np.arange(slots) - np.take_along_axis(count.cumsum(axis=1) - count, held, axis=1)
    log2phy = np.full((layers, experts, int(count.max())), -1, dtype=np.int64)
    log2phy[np.arange(layers)[:, None], held, rank] = order
    return torch.from_numpy(phy2log), torch.from_numpy(log2phy), torch.from_numpy(count)


# EVOLVE-BLOCK-END
