"""Longest-processing-time placement of the last window, whatever is in force: most experts move.

All layers at once, in NumPy. Placement is global if the groups do not divide among the nodes, or a rank is missing;
else each node gets whole groups, in turn. Slots of missing ranks hold -1 here, and expert 0 in the answer.

Shapes: L layers, E experts, R slots, X the largest count of replicas, A active GPUs.
"""

# EVOLVE-BLOCK-START
import numpy as np
import torch


def rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus, old_phy2log=None, active_ranks=None):
    """`phy2log` [L, R], `log2phy` [L, E, X] padded with -1, and `logcnt` [L, E], for `weight` [L, E]."""
    load = weight.detach().cpu().double().numpy()
    active = np.ones(num_gpus, dtype=bool) if active_ranks is None else active_ranks.cpu().numpy() > 0
    if active.all():
        new = planned(load, num_replicas, num_groups, num_nodes, num_gpus)
    else:
        new = spread(packed(load, num_replicas // num_gpus * active.sum(), active.sum()), active)
    # What is in force plays no part.
    return triple(new, load.shape[1])


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
