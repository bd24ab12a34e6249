"""Longest-processing-time placement of the last window, on GPUs that hold most of it, in layers in which it pays.

All layers at once, in NumPy. Placement is global if the groups do not divide among the nodes, or a rank is missing;
else each node gets whole groups, in turn. Slots of missing ranks hold -1 here, and expert 0 in the answer.

Shapes: L layers, E experts, R slots, X the largest count of replicas, A active GPUs.
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
    active_ranks=None,
    steps_in_window=1,
    steps_in_force=1,
    token_s=1.0,
    fetch_s_in_node=0.0,
    fetch_s_across=0.0,
):
    """`phy2log` [L, R], `log2phy` [L, E, X] padded with -1, and `logcnt` [L, E], for `weight` [L, E]."""
    load = weight.detach().cpu().double().numpy()
    active = np.ones(num_gpus, dtype=bool) if active_ranks is None else active_ranks.cpu().numpy() > 0
    if active.all():
        new = planned(load, num_replicas, num_groups, num_nodes, num_gpus)
    else:
        new = spread(packed(load, num_replicas // num_gpus * active.sum(), active.sum()), active)
    if old_phy2log is not None and (num_groups % num_nodes or num_nodes == 1 or not active.all()):
        new = on_same_gpus(new, old_phy2log.cpu().numpy(), load.shape[1], active)
    if old_phy2log is not None:
        second = token_s * steps_in_force / steps_in_window
        old = old_phy2log.cpu().numpy()
        new = paying(new, old, load, num_nodes, active, second, fetch_s_in_node, fetch_s_across)
    return triple(new, load.shape[1])


def on_same_gpus(new, old, experts, active):
    """The packs of `new` [L, R] on other active GPUs: the pair of pack and GPU with most experts in common first."""
    row = np.arange(len(new))
    common = held_by(new, experts, active) @ held_by(old, experts, active).transpose(0, 2, 1)
    pack_on = np.zeros(common.shape[:2], dtype=np.int64)
    for _ in range(active.sum()):
        pack, gpu = np.divmod(common.reshape(len(new), -1).argmax(axis=1), active.sum())
        pack_on[row, gpu] = pack
        common[row, pack] = -1
        common[row, :, gpu] = -1
    packs = new.reshape(len(new), len(active), -1)[:, active]
    return spread(np.take_along_axis(packs, pack_on[:, :, None], axis=1).reshape(len(new), -1), active)


def held_by(phy2log, experts, active):
    """Which active GPU holds which expert, as 0 and 1: float32 [L, A, E]. Slots with -1 hold none."""
    layers, slots = phy2log.shape
    held = np.zeros((layers, len(active), experts + 1), dtype=np.float32)
    held[np.arange(layers)[:, None], np.arange(slots) * len(active) // slots, phy2log] = 1
    return held[:, active, :experts]


TRUST = 0.2
"""The share of what a plan gains on its own window that is expected of the next one."""


def paying(new, old, load, num_nodes, active, second_a_load, in_node_s, across_s):
    """Each layer [R] of `new` or of `old`, both [L, R], whichever takes less time; `new` where `old` cannot serve."""
    gpus, experts = len(active), load.shape[1]
    here = active.repeat(new.shape[1] // gpus)
    serves = (old[:, here] >= 0).all(axis=1) & (old[:, here, None] == np.arange(experts)).any(axis=1).all(axis=1)
    saved = TRUST * second_a_load * (largest(old, load, gpus) - largest(new, load, gpus))
    before, after = holds(old, experts, gpus), holds(new, experts, gpus)
    on_node = before.reshape(len(old), num_nodes, -1, experts).any(axis=2).repeat(gpus // num_nodes, axis=1)
    near, far = (after & ~before & on_node).sum(axis=(1, 2)), (after & ~before & ~on_node).sum(axis=(1, 2))
    cost = (near * in_node_s + far * across_s) / active.sum()
    return np.where((serves & (saved <= cost))[:, None], old, new)


def largest(phy2log, load, num_gpus):
    """The load of the busiest GPU [L]. Slots with -1 carry none."""
    count = (phy2log[:, :, None] == np.arange(load.shape[1])).sum(axis=1)
    of_one = np.pad(load / np.maximum(count, 1), ((0, 0), (0, 1)))
    carried = np.take_along_axis(of_one, phy2log % of_one.shape[1], axis=1)
    return carried.reshape(len(load), num_gpus, -1).sum(axis=2).max(axis=1)


def holds(phy2log, experts, num_gpus):
    """Which GPU holds which expert [L, GPUs, E]. Slots with -1 hold none."""
    layers, slots = phy2log.shape
    held = np.zeros((layers, num_gpus, experts + 1), dtype=bool)
    held[np.arange(layers)[:, None], np.arange(slots) * num_gpus // slots, phy2log] = True
    return held[:, :, :experts]


def spread(placed, active):
    """`placed` on the active GPUs alone [L, A R / GPUs], among all slots [L, R]."""
    layers = len(placed)
    whole = np.full((layers, len(active), placed.shape[1] // active.sum()), -1, dtype=np.int64)
    whole[:, active] = placed.reshape(layers, active.sum(), -1)
    return whole.reshape(layers, -1)


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
    layers = len(phy2log)
    slots = (phy2log[0] >= 0).sum()
    order = phy2log.argsort(axis=1, kind="stable")[:, phy2log.shape[1] - slots :]
    held = np.take_along_axis(phy2log, order, axis=1)
    count = (phy2log[:, :, None] == np.arange(experts)).sum(axis=1)
    rank = np.arange(slots) - np.take_along_axis(count.cumsum(axis=1) - count, held, axis=1)
    log2phy = np.full((layers, experts, int(count.max())), -1, dtype=np.int64)
    log2phy[np.arange(layers)[:, None], held, rank] = order
    return torch.from_numpy(phy2log.clip(0)), torch.from_numpy(log2phy), torch.from_numpy(count)


# EVOLVE-BLOCK-END
