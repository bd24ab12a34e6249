"""Greedy expert placement in steps that can be changed one by one: where searches over the measured landscape start.

The plan is that of `vectorised_greedy.py`: groups to nodes, spare replicas to the busiest experts, replicas to GPUs,
each by longest processing time first. Every step is a function of its own, two of them do nothing yet, and all work on
NumPy arrays, so that patches of different steps apply in any order.

Letters in the shapes: L layers, E experts, R replicas (slots), X the largest number of replicas of one expert;
N rows that are planned on their own, I items in a row, P packs of C items. Slot s of a row belongs to pack s // C.
"""

# EVOLVE-BLOCK-START
import numpy as np
import torch

LOADS = np.float64
NUMBERS = np.int64


def expected_loads(weight):
    """The loads to plan for, [L, E]: those of the latest window."""
    return weight.detach().cpu().numpy().astype(LOADS)


def heaviest_first(weight):
    """The items of each row of `weight` [N, I] in descending order."""
    return np.argsort(-weight, axis=1, kind="stable")


def pack_greedily(weight, num_packs):
    """The slots [N, I] of items that are placed heaviest first, each in the lightest pack that has room."""
    num_rows, num_items = weight.shape
    capacity = num_items // num_packs
    order = heaviest_first(weight)
    rows = np.arange(num_rows)
    pack_weight = np.zeros((num_rows, num_packs))
    pack_size = np.zeros((num_rows, num_packs), np.int64)
    slot = np.empty((num_rows, num_items), np.int64)
    for step in range(num_items):
        item = order[:, step]
        lightest = np.where(pack_size < capacity, pack_weight, np.inf).argmin(axis=1)
        slot[rows, item] = lightest * capacity + pack_size[rows, lightest]
        pack_size[rows, lightest] += 1
        pack_weight[rows, lightest] += weight[rows, item]
    return slot


def pack_groups(weight, num_packs):
    """The slots [L, G] of expert groups of the given weights on the nodes."""
    return pack_greedily(weight, num_packs)


def count_replicas(load, num_replicas):
    """How many replicas each expert of `load` [N, I] gets: one, and spare ones where a replica's load is largest."""
    count = np.ones(load.shape, np.int64)
    rows = np.arange(len(load))
    for _ in range(num_replicas - load.shape[1]):
        count[rows, (load / count).argmax(axis=1)] += 1
    return count


def list_replicas(count, num_replicas):
    """The expert of each replica, [N, num_replicas], in ascending order."""
    experts = np.empty((len(count), num_replicas), np.int64)
    for row in range(len(count)):
        experts[row] = [expert for expert, replicas in enumerate(count[row]) for _ in range(replicas)]
    return experts


def first_packing(weight, num_packs):
    """The slots [N, I] that refinement starts from."""
    return pack_greedily(weight, num_packs)


def levelled(weight, slot, num_packs):
    """The slots after heavy and light packs were brought closer to each other."""
    return slot


def swapped(weight, slot, num_packs):
    """The slots after the heaviest pack of each row was made lighter."""
    return slot


def pack_replicas(weight, num_packs):
    """The slots [N, I] of replicas of the given loads on the GPUs of their node."""
    if num_packs in (1, weight.shape[1]):
        return np.tile(np.arange(weight.shape[1]), (len(weight), 1))
    slot = first_packing(weight, num_packs)
    slot = levelled(weight, slot, num_packs)
    return swapped(weight, slot, num_packs)


def pack_gpus(weight, num_packs):
    """The slots [N, I] of replicas, as the plan takes them."""
    return pack_replicas(weight, num_packs)


def inverse(permutation):
    """The inverse of each row of `permutation` [N, I]: what stands at position 0, 1, ..."""
    result = np.empty_like(permutation)
    np.put_along_axis(result, permutation, np.arange(permutation.shape[1])[None], axis=1)
    return result


def slots_of_experts(phy2log, logcnt):
    """`log2phy` [L, E, X]: the slots of each expert in ascending order, then -1."""
    num_layers, num_experts = logcnt.shape
    log2phy = np.full((num_layers, num_experts, logcnt.max()), -1, NUMBERS)
    for layer in range(num_layers):
        filled = [0] * num_experts
        for slot, expert in enumerate(phy2log[layer].tolist()):
            log2phy[layer, expert, filled[expert]] = slot
            filled[expert] += 1
    return log2phy


def rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus):
    """Plan which expert stands in which slot. `weight` [L, E] holds the experts' loads.

    Returns `phy2log` [L, R], `log2phy` [L, E, X] padded with -1, and `logcnt` [L, E], on the CPU.
    """
    load = expected_loads(weight)
    num_layers, num_experts = load.shape
    if num_groups % num_nodes:
        num_groups = num_nodes = 1
    group_size = num_experts // num_groups

    # The experts of each layer, listed node by node.
    group_at = inverse(pack_groups(load.reshape(num_layers, num_groups, group_size).sum(axis=2), num_nodes))
    expert_at = (group_at[:, :, None] * group_size + np.arange(group_size)).reshape(num_layers * num_nodes, -1)

    # Replicas are made and packed for every node of every layer on its own.
    layer = np.arange(num_layers * num_nodes)[:, None] // num_nodes
    node_load = load[layer, expert_at]
    count = count_replicas(node_load, num_replicas // num_nodes)
    local_expert = list_replicas(count, num_replicas // num_nodes)
    slot = pack_gpus(np.take_along_axis(node_load / count, local_expert, axis=1), num_gpus // num_nodes)

    phy2log = np.empty(local_expert.shape, NUMBERS)
    np.put_along_axis(phy2log, slot, np.take_along_axis(expert_at, local_expert, axis=1).astype(NUMBERS), axis=1)
    phy2log = phy2log.reshape(num_layers, num_replicas)
    logcnt = np.empty((num_layers, num_experts), NUMBERS)
    logcnt[layer, expert_at] = count
    return tuple(torch.from_numpy(table) for table in (phy2log, slots_of_experts(phy2log, logcnt), logcnt))


# EVOLVE-BLOCK-END
