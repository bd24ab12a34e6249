"""Replicas that the engine's dispatch can share evenly, packed greedily and levelled by swaps, compiled with numba.

How many replicas an expert gets, and where they may stand, follows from `dispatch`. Under `even` and `vllm_hash` a
replica takes load / count wherever it stands. Under `sglang_static` each GPU sends all its tokens of an expert to one
replica: its own; else, if some of the replicas but not all stand on its node, the first of those; else one that a fair
draw gives it. Shares are even then if the count divides the number of GPUs, and the replicas stand on different nodes,
at most one on each, or on different GPUs of one node. One on every node needs no drawing at all, so the rule tries
counts of one and of the number of nodes first, and all even counts in layers that those leave uneven.

Loads become whole numbers and ties are broken by number, so every processor makes the same plan. Only experts with one
replica are swapped: a swap puts no two replicas together. It runs on the CPU. All functions are compiled when the
program is loaded, and the long ones hold no lock of the interpreter.

Letters in the shapes: L layers, E experts, R replicas (slots), X the largest number of replicas of one expert;
N rows that are planned independently (layers, or the nodes of layers), I experts of a row, S slots of a row, P packs
(GPUs of a row), K slots of a pack.
"""

# EVOLVE-BLOCK-START
from functools import lru_cache

import numpy as np
import torch
from numba import float64, int32, int64, njit

MAX_ROUNDS = 400
MAX_PAIRS = 8192  # in a row; with more, pairs are not swapped
TRACE = 17  # a swap has to take off 2**-17 of the heaviest pack
WHOLE = 2.0**28  # the load of a layer, in whole numbers
ENOUGH = 7e-4  # a row is level when its heaviest pack is heavier than the mean by at most this share
WORTH = 0.01  # other counts are tried for this share: smaller gains do not outlast the window that was planned on
COLD = (0, 1, 2, 3, 4, 6)  # replicas kept for the lightest experts, one attempt after another
TINY = 1e-280
FULL = np.iinfo(np.int64).max
HIDDEN = np.int32(2**30)
BRIEF = {"no_cfunc_wrapper": True}
COMPILED = BRIEF | {"nogil": True}
INNER = COMPILED | {"no_cpython_wrapper": True}  # called by compiled functions only
LOADS, NUMBERS, LIST, SHORTS = float64[:, ::1], int64[:, ::1], int64[::1], int32[::1]


def heaviest_first(load):
    """The experts of each row of `load` [N, I], heaviest first, equal ones by number.

    A key holds the load's bits, the last few of them replaced by the expert's number: no two keys are equal, so it
    does not matter how a processor sorts.
    """
    low = (1 << load.shape[1].bit_length()) - 1
    keys = (~(load + 0.0).view(np.int64) & ~low) | np.arange(load.shape[1])
    keys.sort(axis=1)
    return keys & low


@njit((LOADS, NUMBERS, int64, LIST, int64), **INNER)
def count_replicas(load, order, num_replicas, steps, cold):
    """How many of `num_replicas` replicas each expert of each row gets: int64 [N, I].

    The expert whose replicas carry most is raised to the next of `steps`, again and again. `cold` replicas are kept for
    the lightest experts: halves of those are partners for the heaviest. So are replicas that are left because no step
    fits: there it matters least how they are shared.
    """
    num_rows, num_experts = load.shape
    count, level = np.ones((num_rows, num_experts), np.int64), np.empty(num_experts, np.int64)
    for row in range(num_rows):
        for expert in range(num_experts):
            level[expert] = 0
        spare, frontier = num_replicas - num_experts - cold, 0
        while True:
            busiest, most = -1, -1.0
            for place in range(frontier + 1):  # experts after it have one replica each, and carry less
                expert = order[row, place]
                if level[expert] + 1 == len(steps) or steps[level[expert] + 1] - count[row, expert] > spare:
                    continue
                share = load[row, expert] / count[row, expert]
                if share > most:
                    busiest, most = expert, share
            if busiest < 0:
                break
            level[busiest] += 1
            spare -= steps[level[busiest]] - count[row, busiest]
            count[row, busiest] = steps[level[busiest]]
            if busiest == order[row, frontier] and frontier < num_experts - 1:
                frontier += 1
        spare += cold
        for place in range(num_experts - 1, -1, -1):
            if spare > 0 and count[row, order[row, place]] == 1:
                count[row, order[row, place]] = 2
                spare -= 1
        for extra in range(spare):
            count[row, order[row, extra % num_experts]] += 1
    return count


@njit((LOADS, NUMBERS, NUMBERS), **INNER)
def by_share(load, order, count):
    """The experts of each row by what one replica carries, heaviest first; `order` [N, I] has them by load."""
    num_rows, num_experts = load.shape
    result, several = np.empty((num_rows, num_experts), np.int64), np.empty(num_experts, np.int64)
    share = np.empty(num_experts)
    for row in range(num_rows):
        number = 0
        for place in range(num_experts):
            expert = order[row, place]
            share[expert] = load[row, expert] / count[row, expert]
            if count[row, expert] > 1:
                at = number
                while at > 0 and share[several[at - 1]] < share[expert]:
                    several[at] = several[at - 1]
                    at -= 1
                several[at] = expert
                number += 1
        at = taken = 0
        for place in range(num_experts):
            expert = order[row, place]
            if count[row, expert] > 1:
                continue
            while taken < number and share[several[taken]] > share[expert]:
                result[row, at] = several[taken]
                taken, at = taken + 1, at + 1
            result[row, at] = expert
            at += 1
        for place in range(taken, number):
            result[row, at + place - taken] = several[place]
    return result


@njit((LIST,), **INNER)
def smallest(values):
    """The smallest of some whole numbers, in a loop that the compiler makes vectors of."""
    least = FULL
    for place in range(len(values)):
        least = min(least, values[place])
    return least


@njit((int64, LIST, int64, int64, int64), **INNER)
def hide_packs(chosen, shown, count, per_node, num_nodes):
    """Hide in `shown` the nodes where the next replica of an expert must not stand, after one was put on `chosen`."""
    first = chosen - chosen % per_node
    for one in range(len(shown)):
        if (first <= one < first + per_node) == (count <= num_nodes):
            shown[one] = FULL


@njit((LIST, LIST, int64, int64), **INNER)
def show_packs(key, shown, count, per_node):
    """Show in `shown` the packs of nodes where `count` packs have room, or all if there are no such nodes."""
    found = False
    for first in range(0, len(key), per_node):
        roomy = 0
        for one in range(first, first + per_node):
            roomy += key[one] < FULL
        for one in range(first, first + per_node):
            shown[one] = key[one] if roomy >= count else FULL
        found |= roomy >= count
    if not found:
        for one in range(len(key)):
            shown[one] = key[one]


@njit((NUMBERS, NUMBERS, NUMBERS, int64, int64, int64), **BRIEF)
def pack(weight, count, order, num_slots, num_packs, num_nodes):
    """Put the replicas of each row into packs, in `order` [N, I] of their experts, each into the lightest that may be.

    On several nodes experts with more than one replica come first, so that their nodes have room: at most one replica
    on a node, or all on one if there are more replicas than nodes. Returns the expert in each slot, int64 [N, S], and
    how many slots of each pack hold the only replica of an expert, int64 [N, P]: those come first in the pack.
    """
    num_rows, num_experts = weight.shape
    capacity, per_node = num_slots // num_packs, num_packs // num_nodes
    table, singles = np.empty((num_rows, num_slots), np.int64), np.zeros((num_rows, num_packs), np.int64)
    key, shown, room = np.empty(num_packs, np.int64), np.empty(num_packs, np.int64), np.empty(num_packs, np.int64)
    bits = 0  # a key is a pack's weight, then its number
    while 1 << bits < num_packs:
        bits += 1
    for row in range(num_rows):
        for one in range(num_packs):
            key[one], room[one] = one, capacity
        for turn in range(2 if num_nodes > 1 else 1):
            for place in range(num_experts):
                expert = order[row, place]
                copies = count[row, expert]
                if num_nodes > 1 and (copies == 1) == (turn == 0):
                    continue
                if copies > num_nodes > 1:
                    show_packs(key, shown, copies, per_node)
                elif copies > 1:
                    for one in range(num_packs):
                        shown[one] = key[one]
                for _ in range(copies):
                    least = smallest(shown if copies > 1 else key)
                    if least == FULL:
                        least = smallest(key)
                    chosen = least & ((1 << bits) - 1)
                    room[chosen] -= 1
                    key[chosen] = least + (weight[row, expert] << bits) if room[chosen] else FULL
                    if copies == 1:
                        table[row, chosen * capacity + singles[row, chosen]] = expert
                        singles[row, chosen] += 1
                    else:
                        others = capacity - room[chosen] - singles[row, chosen]
                        table[row, (chosen + 1) * capacity - others] = expert
                        shown[chosen] = FULL
                        if num_nodes > 1:
                            hide_packs(chosen, shown, copies, per_node, num_nodes)
    return table, singles


@njit((SHORTS, SHORTS, int32, int32), **INNER)
def lowest(give, rest, up, down):
    """The least of the larger of give + up and rest + down over all slots: a loop that can be made of vectors."""
    least = HIDDEN
    for slot in range(len(give)):
        one, two = np.int32(give[slot] + up), np.int32(rest[slot] + down)
        least = min(least, max(one, two))
    return least


@njit((SHORTS, SHORTS, int32, int64, int64), **INNER)
def find_swap(give, rest, most, first, last):
    """The swap of a slot of the heaviest pack, from `first` on before `last`, that leaves the heavier pack lightest.

    Slots may stand for pairs of slots. Returns the two slots, or -1 and -1 if no swap takes off a trace of `most`.
    """
    best, mine, other = np.int32(most - (most >> TRACE)), -1, -1
    for slot in range(first, last):
        outcome = lowest(give, rest, np.int32(most - give[slot]), give[slot])
        if outcome < best:
            best, mine = outcome, slot
    if mine >= 0:
        other = 0
        while max(np.int32(give[other] + most - give[mine]), np.int32(rest[other] + give[mine])) != best:
            other += 1
    return mine, other


@njit((LIST, SHORTS, SHORTS, SHORTS, int64, int64, int64), **INNER)
def swap(held, load, give, rest, capacity, mine, other):
    """Swap the experts in two slots of a row."""
    moved = give[mine] - give[other]
    held[mine], held[other] = held[other], held[mine]
    give[mine], give[other] = give[other], give[mine]
    for slot, change in ((mine, -moved), (other, moved)):
        one = slot // capacity
        load[one] += change
        for place in range(one * capacity, (one + 1) * capacity):
            if give[place] < HIDDEN:
                rest[place] = load[one] - give[place]


@njit((LIST, LIST, SHORTS), **INNER)
def weigh(weight, held, load):
    """The weight of each pack of a row."""
    capacity = len(held) // len(load)
    for one in range(len(load)):
        total = 0
        for slot in range(one * capacity, (one + 1) * capacity):
            total += weight[held[slot]]
        load[one] = total


@njit((LIST, LIST, LIST, SHORTS, SHORTS, SHORTS), **INNER)
def fill(weight, held, singles, load, give, rest):
    """Of each slot of a row, what its pack gives in a swap of it, and what then rests there."""
    capacity = len(held) // len(load)
    for one in range(len(load)):
        for place in range(capacity):
            slot = one * capacity + place
            give[slot] = weight[held[slot]] if place < singles[one] else HIDDEN
            rest[slot] = load[one] - give[slot] if place < singles[one] else HIDDEN


@njit((LIST, SHORTS, SHORTS, SHORTS, SHORTS, NUMBERS), **INNER)
def fill_pairs(singles, load, give, pair_give, pair_rest, parts):
    """The same as `fill` for the pairs of slots of each pack: pair q is of its slots `parts[0, q]` < `parts[1, q]`."""
    pairs, capacity = parts.shape[1], len(give) // len(load)
    for one in range(len(load)):
        for pair in range(pairs):
            at, shown = one * pairs + pair, parts[1, pair] < singles[one]
            both = give[one * capacity + parts[0, pair]] + give[one * capacity + parts[1, pair]]
            pair_give[at] = both if shown else HIDDEN
            pair_rest[at] = load[one] - both if shown else HIDDEN


@njit((NUMBERS, NUMBERS, NUMBERS, float64[::1], NUMBERS), **INNER)
def level(weight, table, singles, target, parts):
    """Swap experts of the heaviest pack of each row against those of others while it is above the row's target.

    Each round makes the one swap after which the heavier of the two packs is lightest; if no swap helps, two experts
    are swapped against two: `parts` [2, pairs] are the slots of a pack that make pairs. Changes `table` [N, S]. Returns
    the weight of the heaviest pack of each row, int64 [N].
    """
    (num_rows, num_slots), num_packs, pairs = table.shape, singles.shape[1], parts.shape[1]
    capacity = num_slots // num_packs
    load, top = np.empty(num_packs, np.int32), np.zeros(num_rows, np.int64)
    give, rest = np.empty(num_slots, np.int32), np.empty(num_slots, np.int32)
    pair_give, pair_rest = np.empty(num_packs * pairs, np.int32), np.empty(num_packs * pairs, np.int32)
    for row in range(num_rows):
        filled = False
        weigh(weight[row], table[row], load)
        for _ in range(MAX_ROUNDS):
            heaviest = 0
            for one in range(1, num_packs):
                if load[one] > load[heaviest]:
                    heaviest = one
            top[row] = load[heaviest]
            if top[row] <= target[row]:
                break
            if not filled:
                fill(weight[row], table[row], singles[row], load, give, rest)
                filled = True
            size, mine, other, stride, number = 0, -1, -1, capacity, singles[row, heaviest]
            while mine < 0 and size < 2:
                size += 1
                if size == 2:
                    fill_pairs(singles[row], load, give, pair_give, pair_rest, parts)
                    stride, number = pairs, min(pairs, number * (number - 1) // 2)
                gives, rests = (give, rest) if size == 1 else (pair_give, pair_rest)
                mine, other = find_swap(gives, rests, load[heaviest], heaviest * stride, heaviest * stride + number)
            if mine < 0:
                break
            for part in range(size):
                here, there = mine, other
                if size == 2:
                    here = heaviest * capacity + parts[part, mine % pairs]
                    there = other // pairs * capacity + parts[part, other % pairs]
                swap(table[row], load, give, rest, capacity, here, there)
    return top


@njit((NUMBERS, int64, int64), **BRIEF)
def slots_of_experts(phy2log, num_experts, most):
    """`log2phy` [L, E, `most`]: the slots of each expert, ascending, then -1; and `logcnt` [L, E]. Both int32."""
    num_layers, num_slots = phy2log.shape
    logcnt = np.empty((num_layers, num_experts), np.int32)
    log2phy = np.empty((num_layers, num_experts, most), np.int32)
    for layer in range(num_layers):
        for expert in range(num_experts):
            logcnt[layer, expert] = 0
            for place in range(most):
                log2phy[layer, expert, place] = -1
        for slot in range(num_slots):
            expert = phy2log[layer, slot]
            log2phy[layer, expert, logcnt[layer, expert]] = slot
            logcnt[layer, expert] += 1
    return log2phy, logcnt


@lru_cache(maxsize=8)
def pairs_of_slots(capacity, num_packs):
    """The slots of a pack that make pairs, int64 [2, pairs], the later ones below; none where there are too many."""
    if capacity * (capacity - 1) // 2 * num_packs > MAX_PAIRS:
        capacity = 1
    return np.array(np.tril_indices(capacity, -1)[::-1], np.int64).reshape(2, -1)


def in_whole_numbers(load):
    """The loads [L, E] in units of which a layer has WHOLE: rounded down, their sums do not depend on their order."""
    total = load.sum(axis=1)
    return load * np.divide(WHOLE, total, out=np.zeros_like(total), where=total > TINY)[:, None]


@njit((LOADS, NUMBERS, float64[::1], int64, int64, int64, LIST, int64, NUMBERS), **COMPILED)
def plan_rows(load, order, mean, num_slots, num_packs, num_nodes, steps, cold, parts):
    """Replicas made and packed in each row of `load` [N, I]. `mean` [N] is what the heaviest pack may weigh.

    Returns the expert in each slot [N, S], the count of each expert [N, I], and how far the heaviest pack of each row
    is above `mean`, as a share [N]. One call does it all, without the interpreter's lock: each time that a thread takes
    the lock back from a busy one, it waits for milliseconds.
    """
    count = count_replicas(load, order, num_slots, steps, cold)
    weight, above = np.empty(load.shape, np.int64), np.empty(len(load))
    for row in range(len(load)):
        for expert in range(load.shape[1]):
            weight[row, expert] = int(load[row, expert] / count[row, expert])
        above[row] = mean[row] * (1 + ENOUGH)
    table, singles = pack(weight, count, by_share(load, order, count), num_slots, num_packs, num_nodes)
    top = level(weight, table, singles, above, parts)
    for row in range(len(load)):
        above[row] = top[row] / max(mean[row], 1.0) - 1
    return table, count, above


def best_plan(load, mean, num_slots, num_packs, num_nodes, attempts):
    """The plan of the first of `attempts` (steps, cold) for all rows; rows that it leaves uneven are planned again.

    Returns the expert in each slot [N, S] and the count of each expert [N, I].
    """
    order, parts = heaviest_first(load), pairs_of_slots(num_slots // num_packs, num_packs)
    steps, cold = attempts[0]
    table, count, above = plan_rows(load, order, mean, num_slots, num_packs, num_nodes, steps, cold, parts)
    for steps, cold in attempts[1:]:
        rows = np.flatnonzero(above > WORTH)
        if len(rows) == 0 or num_slots - load.shape[1] < max(1, cold):
            break
        other, other_count, other_above = plan_rows(
            load[rows], order[rows], mean[rows], num_slots, num_packs, num_nodes, steps, cold, parts
        )
        better = other_above < above[rows] - WORTH
        rows = rows[better]
        table[rows], count[rows], above[rows] = other[better], other_count[better], other_above[better]
    return table, count


def even_counts(num_gpus, num_packs, num_nodes):
    """The counts of replicas that static dispatch shares evenly: those that divide the GPUs, up to a node's."""
    most = max(num_nodes, num_packs // num_nodes)
    return np.array([count for count in range(1, most + 1) if num_gpus % count == 0], np.int64)


def rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus, dispatch="even", num_dispatch_nodes=1):
    """Plan which expert stands in which slot. `weight` [L, E] holds the experts' loads.

    Returns `phy2log` [L, R] in int64, and `log2phy` [L, E, X] padded with -1 and `logcnt` [L, E] in int32, on the CPU.
    """
    load = weight.detach().to("cpu", torch.float64).contiguous().numpy()
    if num_nodes == 1 or num_groups % num_nodes:
        num_groups = num_nodes = 1
    slots, packs = num_replicas // num_nodes, num_gpus // num_nodes
    load = in_whole_numbers(load)
    num_layers, num_experts = load.shape
    rows = load
    if num_nodes > 1:  # the heaviest group that is left goes to the lightest node that has room
        group_load = load.reshape(num_layers, num_groups, -1).sum(axis=2)
        weight, size = group_load.astype(np.int64), num_experts // num_groups
        group_at, _ = pack(weight, np.ones_like(weight), heaviest_first(group_load), num_groups, num_nodes, 1)
        expert_at = (group_at[:, :, None] * size + np.arange(size)).reshape(num_layers, num_experts)
        first = np.arange(0, load.size, num_experts)[:, None]
        rows = load.take(expert_at + first).reshape(num_layers * num_nodes, -1)
    mean = rows.sum(axis=1).reshape(num_layers, num_nodes).max(axis=1).repeat(num_nodes) / packs

    static = dispatch == "sglang_static"
    # Nodes of a row. Under the hierarchy all replicas of an expert are on one node of it anyway.
    spread = num_dispatch_nodes // num_nodes if static and num_dispatch_nodes % num_nodes == 0 else 1
    spread = spread if packs % spread == 0 else 1
    steps = even_counts(num_gpus, packs, spread) if static else np.arange(1, slots - rows.shape[1] + 2)
    attempts = [(steps, cold) for cold in COLD]
    if spread > 1:
        attempts.insert(0, (np.array((1, spread), np.int64), 0))
    phy2log, count = best_plan(rows, mean, slots, packs, spread, attempts)
    if num_nodes > 1:
        phy2log = expert_at.take(phy2log + np.arange(0, load.size, rows.shape[1])[:, None])
    phy2log = phy2log.reshape(num_layers, num_replicas)
    log2phy, logcnt = slots_of_experts(phy2log, num_experts, int(count.max()))
    return torch.from_numpy(phy2log), torch.from_numpy(log2phy), torch.from_numpy(logcnt)


# EVOLVE-BLOCK-END
