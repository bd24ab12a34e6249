"""The greedy placement refined by swaps of `lpt_swap.py`, as loops over one row after another, compiled with numba.

The functions are compiled when the program is loaded, because they name the types that they take: no call waits for
the compiler. Loads of any dtype become float64 first, so one set of types is enough. It runs on the CPU.

Letters in the shapes: L layers, E experts, R replicas (slots), X the largest number of replicas of one expert;
N rows that are planned independently, I items in a row, P packs, K slots of a pack.
"""

# EVOLVE-BLOCK-START
import numpy as np
import torch
from numba import float64, int64, njit

MAX_ROUNDS = 200
MIN_GAIN = 1e-5  # as a share of the mean load of a pack
TINY = np.finfo(np.float64).tiny
LOADS, NUMBERS = float64[:, ::1], int64[:, ::1]


def balanced_packing(weight, num_packs):
    """Pack the items of each row of `weight` [N, I] into packs of K = I / num_packs items of nearly equal weight.

    The heaviest item left goes to the lightest pack that has room. Returns each item's slot, int64 [N, I]: slot s
    belongs to pack s // K.
    """
    num_rows, num_items = weight.shape
    if num_packs in (1, num_items):
        return np.tile(np.arange(num_items), (num_rows, 1))
    return pack_in_order(weight, np.argsort(-weight, axis=1, kind="stable"), num_packs)


@njit((LOADS, NUMBERS, int64), nogil=True)
def pack_in_order(weight, order, num_packs):
    """The slots [N, I] of items that are placed in the given order, each in the lightest pack that has room."""
    num_rows, num_items = weight.shape
    capacity = num_items // num_packs
    slot = np.empty((num_rows, num_items), np.int64)
    pack_weight, pack_size = np.empty(num_packs), np.empty(num_packs, np.int64)
    for row in range(num_rows):
        for pack in range(num_packs):
            pack_weight[pack], pack_size[pack] = 0.0, 0
        for place in range(num_items):
            item = order[row, place]
            lightest, least = 0, np.inf
            for pack in range(num_packs):
                if pack_weight[pack] < least:
                    lightest, least = pack, pack_weight[pack]
            slot[row, item] = lightest * capacity + pack_size[lightest]
            pack_size[lightest] += 1
            pack_weight[lightest] += weight[row, item]
            if pack_size[lightest] == capacity:  # a full pack is never the lightest
                pack_weight[lightest] = np.inf
    return slot


@njit((LOADS, int64), nogil=True)
def replicate_experts(load, num_replicas):
    """Give every expert of each row of `load` [N, I] one replica, and the rest to where a replica's load is largest.

    Returns each replica's expert, int64 [N, num_replicas], and each expert's count of replicas, int64 [N, I].
    """
    num_rows, num_experts = load.shape
    expert = np.empty((num_rows, num_replicas), np.int64)
    count = np.empty((num_rows, num_experts), np.int64)
    replica_load = np.empty(num_experts)
    for row in range(num_rows):
        for one in range(num_experts):
            expert[row, one], count[row, one], replica_load[one] = one, 1, load[row, one]
        for replica in range(num_experts, num_replicas):
            busiest, most = 0, -1.0
            for one in range(num_experts):
                if replica_load[one] > most:
                    busiest, most = one, replica_load[one]
            expert[row, replica] = busiest
            count[row, busiest] += 1
            replica_load[busiest] = load[row, busiest] / count[row, busiest]
    return expert, count


@njit((LOADS, NUMBERS, int64), nogil=True)
def swap_heaviest(weight, slot, num_packs):
    """Swap items of the heaviest pack of each row against items of any other pack while that lowers it.

    `weight` [N, I]; `slot` [N, I] is changed in place. Each round makes the one swap after which the heavier of the
    two packs is lightest.
    """
    num_rows, num_items = weight.shape
    capacity = num_items // num_packs
    weight_at, item_at = np.empty(num_items), np.empty(num_items, np.int64)
    pack_weight = np.empty(num_packs)
    for row in range(num_rows):
        total = 0.0
        for item in range(num_items):
            total += weight[row, item]
        unit = max(total / num_packs, TINY)
        for pack in range(num_packs):
            pack_weight[pack] = 0.0
        for item in range(num_items):
            at = slot[row, item]
            item_at[at] = item
            weight_at[at] = weight[row, item] / unit
            pack_weight[at // capacity] += weight_at[at]
        for _ in range(MAX_ROUNDS):
            heaviest = lightest = 0
            for pack in range(num_packs):
                if pack_weight[pack] > pack_weight[heaviest]:
                    heaviest = pack
                if pack_weight[pack] < pack_weight[lightest]:
                    lightest = pack
            top = pack_weight[heaviest]
            best, mine, other = top - MIN_GAIN, -1, -1
            # The lightest pack comes first. No swap leaves the heavier of two packs below their mean, so most of the
            # others are passed over.
            for turn in range(num_packs):
                pack = (lightest + turn) % num_packs
                below = pack_weight[pack]
                if pack == heaviest or (top + below) / 2 >= best:
                    continue
                for one in range(heaviest * capacity, (heaviest + 1) * capacity):
                    for two in range(pack * capacity, (pack + 1) * capacity):
                        moved = weight_at[one] - weight_at[two]
                        outcome = max(top - moved, below + moved)
                        if outcome < best:
                            best, mine, other = outcome, one, two
            if mine < 0:
                break
            moved = weight_at[mine] - weight_at[other]
            pack_weight[heaviest] -= moved
            pack_weight[other // capacity] += moved
            weight_at[mine], weight_at[other] = weight_at[other], weight_at[mine]
            item_at[mine], item_at[other] = item_at[other], item_at[mine]
        for at in range(num_items):
            slot[row, item_at[at]] = at


@njit((NUMBERS, int64, int64), nogil=True)
def slots_of_experts(phy2log, num_experts, width):
    """`log2phy` [L, E, width]: the slots of each expert in ascending order, then -1."""
    num_layers, num_slots = phy2log.shape
    log2phy = np.empty((num_layers, num_experts, width), np.int64)
    filled = np.empty(num_experts, np.int64)
    for layer in range(num_layers):
        for expert in range(num_experts):
            filled[expert] = 0
            for place in range(width):
                log2phy[layer, expert, place] = -1
        for slot in range(num_slots):
            expert = phy2log[layer, slot]
            log2phy[layer, expert, filled[expert]] = slot
            filled[expert] += 1
    return log2phy


def inverse(permutation):
    """The inverse of each row of `permutation` [N, I]: what stands at position 0, 1, ..."""
    result = np.empty_like(permutation)
    np.put_along_axis(result, permutation, np.arange(permutation.shape[1])[None], axis=1)
    return result


def rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus):
    """Plan which expert stands in which slot. `weight` [L, E] holds the experts' loads.

    Returns `phy2log` [L, R], `log2phy` [L, E, X] padded with -1, and `logcnt` [L, E], all int64 on the CPU.
    """
    load = weight.detach().to("cpu", torch.float64).contiguous().numpy()
    num_layers, num_experts = load.shape
    if num_groups % num_nodes:
        num_groups = num_nodes = 1
    group_size = num_experts // num_groups

    # The experts of each layer, listed node by node.
    group_at = inverse(balanced_packing(load.reshape(num_layers, num_groups, group_size).sum(axis=2), num_nodes))
    expert_at = (group_at[:, :, None] * group_size + np.arange(group_size)).reshape(num_layers * num_nodes, -1)

    # Replicas are made and packed for every node of every layer on its own.
    layer = np.arange(num_layers * num_nodes)[:, None] // num_nodes
    node_load = load[layer, expert_at]
    local_expert, count = replicate_experts(node_load, num_replicas // num_nodes)
    replica_load = np.take_along_axis(node_load / count, local_expert, axis=1)
    slot = balanced_packing(replica_load, num_gpus // num_nodes)
    swap_heaviest(replica_load, slot, num_gpus // num_nodes)

    phy2log = np.empty_like(local_expert)
    np.put_along_axis(phy2log, slot, np.take_along_axis(expert_at, local_expert, axis=1), axis=1)
    phy2log = phy2log.reshape(num_layers, num_replicas)
    logcnt = np.empty((num_layers, num_experts), np.int64)
    logcnt[layer, expert_at] = count
    log2phy = slots_of_experts(phy2log, num_experts, int(logcnt.max()))
    return torch.from_numpy(phy2log), torch.from_numpy(log2phy), torch.from_numpy(logcnt)


# EVOLVE-BLOCK-END
