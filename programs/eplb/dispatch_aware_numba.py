"""Replicas that the engine's dispatch can share evenly, packed greedily and levelled by swaps, compiled with numba.

How many replicas an expert gets, and where they may stand, follows from `dispatch`. Under `even` and `vllm_hash` a
replica takes load / count wherever it stands. Under `sglang_static` each GPU sends all its tokens of an expert to one
replica: its own; else, if some of the replicas but not all stand on its node, the first of those; else one that a fair
draw gives it. Shares are even then if the count divides the number of GPUs, and the replicas stand on different nodes,
at most one on each, or on different GPUs of one node. One on every node needs no drawing at all, so the rule tries
counts of one and of the number of nodes first, and all even counts in layers that those leave uneven.

Loads become whole numbers and ties are broken by number, so every processor makes the same plan. Only experts with one
replica are swapped: a swap puts no two replicas together. It runs on the CPU. All functions are compiled when the
program is loaded, and the long one holds no lock of the interpreter.

Letters in the shapes: L layers, E experts, G groups, R replicas (slots), X the largest number of replicas of one
expert; N rows that are planned independently (layers, or the nodes of layers), I experts of a row, from the heaviest to
the lightest, S slots of a row, P packs (GPUs of a row).
"""

# EVOLVE-BLOCK-START
from functools import lru_cache

import numpy as np
import torch
from numba import float64, int32, int64, njit, uint32

BITS, NUMBER = 24, 2**24 - 1  # the lowest bits of a key are the number of an expert or a pack
MAX_ROUNDS = 400
MAX_PAIRS = 8192  # in a row; with more, pairs are not swapped
TRACE = 17  # a swap has to take off 2**-17 of the heaviest pack
WHOLE = 2.0**28  # the load of a layer, in whole numbers
ENOUGH = 6e-4  # a row is level when its heaviest pack is heavier than the mean by at most this share
WORTH = 0.01  # other counts are tried for this share: smaller gains do not outlast the window that was planned on
COLD = (0, 1, 2, 3, 4, 6)  # replicas kept for the lightest experts, one attempt after another
TINY = 1e-280
FULL = np.iinfo(np.int64).max
HIDDEN = np.int32(2**30)
BRIEF = {"no_cfunc_wrapper": True, "error_model": "numpy"}
COMPILED = BRIEF | {"nogil": True}
INNER = COMPILED | {"no_cpython_wrapper": True}  # called by compiled functions only
INDEX = np.uint32  # has no sign: the compiler need not allow for negative ones, which count from the end
LOADS, NUMBERS, LIST = float64[:, ::1], int64[:, ::1], int64[::1]
SHORTS, SHORT_LIST = int32[:, ::1], int32[::1]
INDICES, INDEX_LIST = uint32[:, ::1], uint32[::1]


@njit((LOADS, int64), **BRIEF)
def keys_of(load, num_groups):
    """Keys that sort the experts of each layer, int64 [L, E], and the load of each group, int64 [L, G].

    The heaviest expert comes first, equal ones by number. A key ends with the number, after the complement of the load
    in units of which a layer has WHOLE. No two keys of a layer are equal, so it does not matter how a processor sorts.
    Loads are rounded down: sums of them do not depend on their order.
    """
    num_layers, num_experts = load.shape
    keys, group_load = np.empty((num_layers, num_experts), np.int64), np.empty((num_layers, num_groups), np.int64)
    size = num_experts // num_groups
    for layer in range(num_layers):
        total = 0.0
        for expert in range(num_experts):
            total += load[layer, expert]
        unit = WHOLE / total if total > TINY else 0.0
        for expert in range(num_experts):
            keys[layer, expert] = (~int(load[layer, expert] * unit) << BITS) | expert
        for group in range(num_groups):
            of_group = 0
            for expert in range(group * size, (group + 1) * size):
                of_group += ~(keys[layer, expert] >> BITS)
            group_load[layer, group] = of_group
    return keys, group_load


@njit((NUMBERS, NUMBERS, int64), **INNER)
def deal(keys, group_load, num_nodes):
    """The groups of each layer dealt to nodes: the heaviest group that is left to the lightest node that has room.

    `keys` [L, E] are sorted; changes `group_load` [L, G]. Returns the experts of each node and their loads, both
    [N, I], and the load of the heaviest node of the layer, [N].
    """
    (num_layers, num_experts), num_groups = keys.shape, group_load.shape[1]
    expert_at = np.empty((num_layers * num_nodes, num_experts // num_nodes), INDEX)
    load, most = np.empty(expert_at.shape, np.int32), np.empty(len(expert_at), np.int64)
    group_of, node_of = np.empty(num_experts, INDEX), np.empty(num_groups, INDEX)
    node_load, room = np.empty(num_nodes, np.int64), np.empty(num_nodes, INDEX)
    for expert in range(num_experts):
        group_of[expert] = expert * num_groups // num_experts
    for layer in range(num_layers):
        for node in range(num_nodes):
            node_load[node], room[node] = 0, num_groups // num_nodes
        heaviest, first = 0, layer * num_nodes
        for _ in range(num_groups):
            group, node = 0, -1
            for one in range(1, num_groups):
                if group_load[layer, one] > group_load[layer, group]:
                    group = one
            for one in range(num_nodes):
                if room[one] > 0 and (node < 0 or node_load[one] < node_load[node]):
                    node = one
            node_of[group] = node
            node_load[node] += group_load[layer, group]
            heaviest = max(heaviest, node_load[node])
            group_load[layer, group] = -1
            room[node] -= 1
        for node in range(num_nodes):
            most[first + node] = heaviest
            room[node] = 0  # from here on, how many experts it has
        for place in range(num_experts):
            key = keys[layer, place]
            node = node_of[group_of[key & NUMBER]]
            at = room[node]
            expert_at[first + node, at], load[first + node, at] = key & NUMBER, ~(key >> BITS)
            room[node] = at + 1
    return expert_at, load, most


@njit((SHORTS, INDEX_LIST, int64, LIST, int64), **INNER)
def count_replicas(load, rows, spare, steps, cold):
    """How many replicas each expert of some `rows` gets, int32 [rows, I], and the largest of these numbers.

    The expert whose replicas carry most is raised to the next of `steps`, again and again. `cold` replicas are kept for
    the lightest experts: halves of those are partners for the heaviest. So are replicas that are left because no step
    fits: there it matters least how they are shared. `load` [N, I] is sorted; `spare` slots are there beside one each.
    """
    num_rows, num_experts = len(rows), load.shape[1]
    count, largest = np.empty((num_rows, num_experts), np.int32), 1
    rank, share = np.empty(num_experts, INDEX), np.empty(num_experts)
    for at in range(num_rows):
        row = rows[at]
        for place in range(num_experts):
            count[at, place] = 1
        rank[0], share[0], frontier, left = 0, load[row, 0], 0, spare - cold
        while left > 0:
            busiest, most = 0, -1.0
            for place in range(frontier + 1):  # experts after it have one replica each, and carry less
                if share[place] > most:
                    busiest, most = place, share[place]
            if most < 0:
                break
            step = rank[busiest] + 1
            if step == len(steps) or steps[step] - count[at, busiest] > left:
                share[busiest] = -1.0  # and it never fits
                continue
            left -= steps[step] - count[at, busiest]
            rank[busiest], count[at, busiest], share[busiest] = step, steps[step], load[row, busiest] / steps[step]
            if busiest == frontier and frontier < num_experts - 1:
                frontier += 1
                rank[frontier], share[frontier] = 0, load[row, frontier]
        left += cold
        for place in range(num_experts - 1, -1, -1):
            if left > 0 and count[at, place] == 1:
                count[at, place] = 2
                left -= 1
        for extra in range(left):
            count[at, extra % num_experts] += 1
        for place in range(num_experts):
            largest = max(largest, count[at, place])
    return count, largest


@njit((LIST, uint32, int64), **INNER)
def enter(tree, at, key):
    """Enter a key in a tree each of whose nodes holds the smaller key of the two below it; returns that of the root."""
    tree[at] = key
    while at > 1:
        key = min(key, tree[INDEX(at ^ 1)])
        at = INDEX(at >> 1)
        tree[at] = key
    return key


@njit((int64,), **INNER)
def at_least(number):
    """The least power of two that is not smaller."""
    power = 1
    while power < number:
        power *= 2
    return power


@njit((INDICES, SHORTS, INDEX_LIST, SHORTS, int64, int64, int64), **INNER)
def pack(expert_at, load, rows, count, num_slots, num_packs, num_nodes):
    """Put the replicas of some rows into packs, the heaviest experts first, each into the lightest pack that may be.

    On several nodes experts with more than one replica come first, so that their nodes have room: at most one replica
    on a node, or all on one if there are more replicas than nodes. Returns, for each of the rows, the expert in each
    slot [S]; what a swap can move from there [S], HIDDEN for one of several replicas; the load of each pack [P]; and
    where in a pack the slots end that can be swapped [P]: only replicas of their experts fill it from the front.
    """
    num_rows, num_experts = count.shape
    capacity, per_node = num_slots // num_packs, num_packs // num_nodes
    table, give = np.empty((num_rows, num_slots), INDEX), np.empty((num_rows, num_slots), np.int32)
    pack_load, end = np.empty((num_rows, num_packs), np.int32), np.empty((num_rows, num_packs), INDEX)
    # The keys of packs, load before number, are the leaves of a tree that has a branch for each node.
    top, branch = at_least(num_nodes), at_least(per_node)
    width = top * branch
    tree, held, kept = np.empty(2 * width, np.int64), np.empty(width, np.int64), np.empty(width, np.int64)
    front, back, hidden = np.empty(width, INDEX), np.empty(width, INDEX), np.empty(width, INDEX)
    room = np.empty(num_nodes, np.int64)  # packs of each node that are not full
    for row_at in range(num_rows):
        row = rows[row_at]
        for leaf in range(width):
            tree[width + leaf] = FULL
        for one in range(num_packs):
            leaf = one // per_node * branch + one % per_node
            tree[width + leaf] = held[leaf] = leaf
            front[leaf], back[leaf] = one * capacity, (one + 1) * capacity
        for at in range(width - 1, 0, -1):
            tree[at] = min(tree[2 * at], tree[2 * at + 1])
        for node in range(num_nodes):
            room[node] = per_node
        least = tree[1]
        for turn in range(2 if num_nodes > 1 else 1):
            for place in range(num_experts):
                copies = count[row_at, place]
                if num_nodes > 1 and (copies == 1) == (turn == 0):
                    continue
                if copies == 1:
                    leaf, weight = INDEX(least & NUMBER), load[row, place]
                    slot, key = front[leaf], least + (weight << BITS)
                    table[row_at, slot], give[row_at, slot] = expert_at[row, place], weight
                    front[leaf], held[leaf] = slot + 1, key
                    if slot + 1 < back[leaf]:
                        least = enter(tree, INDEX(width + leaf), key)
                    else:
                        least = enter(tree, INDEX(width + leaf), FULL)
                        room[leaf // branch] -= 1
                    continue
                # The next replica goes below `start`. What must not get another one is hidden until all have a place.
                apart, start, number, weight = copies <= num_nodes, 1, 0, load[row, place] // copies
                if num_nodes > 1 and not apart:
                    for node in range(num_nodes):
                        if room[node] >= copies and (start == 1 or tree[top + node] < tree[start]):
                            start = top + node
                for _ in range(copies):
                    least = tree[start]
                    if least == FULL:  # no other node, or no other pack, has room
                        while number > 0:
                            number -= 1
                            enter(tree, hidden[number], kept[number])
                        start, least = 1, tree[1]
                    leaf = INDEX(least & NUMBER)
                    slot, key, at = INDEX(back[leaf] - 1), least + (weight << BITS), INDEX(width + leaf)
                    table[row_at, slot], give[row_at, slot] = expert_at[row, place], HIDDEN
                    back[leaf], held[leaf] = slot, key
                    if front[leaf] == slot:
                        key = FULL
                        room[leaf // branch] -= 1
                    if apart:
                        enter(tree, at, key)
                        at = INDEX(top + leaf // branch)
                        key = tree[at]
                    hidden[number], kept[number] = at, key
                    number += 1
                    enter(tree, at, FULL)
                while number > 0:
                    number -= 1
                    least = enter(tree, hidden[number], kept[number])
        for one in range(num_packs):
            leaf = one // per_node * branch + one % per_node
            pack_load[row_at, one], end[row_at, one] = held[leaf] >> BITS, front[leaf]
    return table, give, pack_load, end


@njit((SHORT_LIST, SHORT_LIST, int32, int32), **INNER)
def lowest(give, rest, up, down):
    """The least of the larger of give + up and rest + down over all slots: a loop that can be made of vectors."""
    least = HIDDEN
    for slot in range(len(give)):
        one, two = np.int32(give[slot] + up), np.int32(rest[slot] + down)
        least = min(least, max(one, two))
    return least


@njit((SHORT_LIST, SHORT_LIST, int32, int64, int64), **INNER)
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


@njit((SHORT_LIST, SHORT_LIST, SHORT_LIST, SHORT_LIST, NUMBERS), **INNER)
def fill_pairs(load, give, pair_give, pair_rest, parts):
    """The same for the pairs of slots of all packs: pair q of a pack is of its slots `parts[0, q]` < `parts[1, q]`."""
    pairs, capacity = parts.shape[1], len(give) // len(load)
    for one in range(len(load)):
        for pair in range(pairs):
            at, later = one * pairs + pair, give[one * capacity + parts[1, pair]]
            both, shown = give[one * capacity + parts[0, pair]] + later, later < HIDDEN
            pair_give[at] = both if shown else HIDDEN
            pair_rest[at] = load[one] - both if shown else HIDDEN


@njit((INDICES, SHORTS, SHORTS, INDICES, float64[::1], NUMBERS), **INNER)
def level(table, gives, loads, end, target, parts):
    """Swap experts of the heaviest pack of each row against those of others while it is above the row's target.

    Each round makes the one swap after which the heavier of the two packs is lightest; if no swap helps, two experts
    are swapped against two: `parts` [2, pairs] are the slots of a pack that make pairs. The other arrays are those of
    `pack`; changes `table`. Returns the load of the heaviest pack of each row, [rows].
    """
    (num_rows, num_slots), num_packs, pairs = table.shape, loads.shape[1], parts.shape[1]
    capacity, top, load = num_slots // num_packs, np.empty(num_rows, np.int64), np.empty(num_packs, np.int32)
    give, rest = np.empty(num_slots, np.int32), np.empty(num_slots, np.int32)
    pair_give, pair_rest = np.empty(num_packs * pairs, np.int32), np.empty(num_packs * pairs, np.int32)
    for row in range(num_rows):
        begun = False
        for one in range(num_packs):
            load[one] = loads[row, one]
        for _ in range(MAX_ROUNDS):
            heaviest = 0
            for one in range(1, num_packs):
                if load[one] > load[heaviest]:
                    heaviest = one
            top[row] = load[heaviest]
            if top[row] <= target[row]:
                break
            if not begun:
                begun = True
                for one in range(num_packs):
                    for slot in range(one * capacity, (one + 1) * capacity):
                        give[slot] = gives[row, slot]
                        rest[slot] = load[one] - give[slot] if slot < end[row, one] else HIDDEN
            first, number, pair = heaviest * capacity, end[row, heaviest] - heaviest * capacity, 0
            mine, other = find_swap(give, rest, load[heaviest], first, first + number)
            if mine < 0:
                fill_pairs(load, give, pair_give, pair_rest, parts)
                start, number, pair = heaviest * pairs, min(pairs, number * (number - 1) // 2), 1
                one, two = find_swap(pair_give, pair_rest, load[heaviest], start, start + number)
                if one < 0:
                    break
                first_pair, second_pair, second = one - start, two % pairs, two // pairs * capacity
            for part in range(1 + pair):
                if pair:
                    mine, other = first + parts[part, first_pair], second + parts[part, second_pair]
                one, two, moved = heaviest, other // capacity, give[mine] - give[other]
                table[row, mine], table[row, other] = table[row, other], table[row, mine]
                give[mine], give[other] = give[other], give[mine]
                load[one] -= moved
                load[two] += moved
                for slot in range(one * capacity, end[row, one]):
                    rest[slot] = load[one] - give[slot]
                for slot in range(two * capacity, end[row, two]):
                    rest[slot] = load[two] - give[slot]
    return top


@njit((NUMBERS, int64, int64, int64), **INNER)
def slots_of_experts(table, num_layers, num_experts, most):
    """`log2phy` [L, E, `most`]: the slots of each expert, ascending, then -1; and `logcnt` [L, E]. Both int32."""
    num_slots, num_nodes = table.shape[1], len(table) // num_layers
    logcnt = np.empty((num_layers, num_experts), np.int32)
    log2phy = np.empty((num_layers, num_experts, most), np.int32)
    for layer in range(num_layers):
        for expert in range(num_experts):
            logcnt[layer, expert] = 0
            for place in range(most):
                log2phy[layer, expert, place] = -1
        for node in range(num_nodes):
            for slot in range(num_slots):
                expert = INDEX(table[layer * num_nodes + node, slot])
                at = INDEX(logcnt[layer, expert])
                log2phy[layer, expert, at] = node * num_slots + slot
                logcnt[layer, expert] = at + 1
    return log2phy, logcnt


@njit((NUMBERS, NUMBERS, int64, int64, int64, int64, LIST, LIST, NUMBERS), **COMPILED)
def plan(keys, group_load, num_replicas, num_nodes, num_gpus, spread, few, steps, parts):
    """All layers planned: `phy2log` [L, R], `log2phy` [L, E, X] and `logcnt` [L, E]. `keys` [L, E] are sorted.

    Groups go to `num_nodes` nodes, the packs of each of which stand on `spread` nodes. The counts of replicas are of
    `few` in the first attempt, and of `steps` in the others, made for rows that are left uneven. One call does it all,
    without the interpreter's lock: each time that a thread takes the lock back from a busy one, it waits for
    milliseconds.
    """
    num_layers, num_experts = keys.shape
    slots, packs, spare = num_replicas // num_nodes, num_gpus // num_nodes, (num_replicas - num_experts) // num_nodes
    expert_at, load, most = deal(keys, group_load, num_nodes)
    table, top = np.empty((len(most), slots), np.int64), np.empty(len(most), np.int64)
    rows, target, number, largest = np.empty(len(most), INDEX), np.empty(len(most)), 0, 1
    for row in range(len(most)):
        top[row] = FULL
    for attempt in range(-1 if spread > 1 else 0, len(COLD)):
        number, cold = 0, COLD[max(attempt, 0)]
        for row in range(len(most)):
            if top[row] > most[row] / packs * (1 + WORTH):
                rows[number], target[number] = row, most[row] / packs * (1 + ENOUGH)
                number += 1
        if number == 0 or (top[rows[0]] < FULL and spare < max(1, cold)):
            break
        count, more = count_replicas(load, rows[:number], spare, few if attempt < 0 else steps, cold)
        again, give, pack_load, end = pack(expert_at, load, rows[:number], count, slots, packs, spread)
        again_top = level(again, give, pack_load, end, target, parts)
        largest = max(largest, more)
        for at in range(number):
            row = rows[at]
            if again_top[at] < top[row] - WORTH * most[row] / packs:
                top[row] = again_top[at]
                for slot in range(slots):
                    table[row, slot] = again[at, slot]
    log2phy, logcnt = slots_of_experts(table, num_layers, num_experts, largest)
    return table, log2phy, logcnt


@lru_cache(maxsize=8)
def layout(num_experts, num_replicas, num_groups, num_nodes, num_gpus, dispatch, num_dispatch_nodes):
    """The groups, and what else `plan` is given beside the keys and loads: all that follows from the sizes alone."""
    if num_nodes == 1 or num_groups % num_nodes:
        num_groups = num_nodes = 1
    slots, packs = num_replicas // num_nodes, num_gpus // num_nodes
    static = dispatch == "sglang_static"
    # Nodes of a row. Under the hierarchy all replicas of an expert are on one node of it anyway.
    spread = num_dispatch_nodes // num_nodes if static and num_dispatch_nodes % num_nodes == 0 else 1
    spread = spread if packs % spread == 0 else 1
    steps = even_counts(num_gpus, packs, spread) if static else np.arange(1, slots - num_experts // num_nodes + 2)
    few = np.array((1, spread), np.int64) if spread > 1 else steps
    return num_groups, (num_replicas, num_nodes, num_gpus, spread, few, steps, pairs_of_slots(slots // packs, packs))


def pairs_of_slots(capacity, num_packs):
    """The slots of a pack that make pairs, int64 [2, pairs], the later ones below; none where there are too many."""
    if capacity * (capacity - 1) // 2 * num_packs > MAX_PAIRS:
        capacity = 1
    return np.array(np.tril_indices(capacity, -1)[::-1], np.int64).reshape(2, -1)


def even_counts(num_gpus, num_packs, num_nodes):
    """The counts of replicas that static dispatch shares evenly: those that divide the GPUs, up to a node's."""
    most = max(num_nodes, num_packs // num_nodes)
    return np.array([count for count in range(1, most + 1) if num_gpus % count == 0], np.int64)


def rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus, dispatch="even", num_dispatch_nodes=1):
    """Plan which expert stands in which slot. `weight` [L, E] holds the experts' loads.

    Returns `phy2log` [L, R] in int64, and `log2phy` [L, E, X] padded with -1 and `logcnt` [L, E] in int32, on the CPU.
    """
    load = weight.detach().cpu()
    if load.dtype == torch.bfloat16:  # numpy has none; it converts all others, in half the time that torch takes
        load = load.float()
    load = load.numpy().astype(np.float64, order="C")
    given = (load.shape[1], num_replicas, num_groups, num_nodes, num_gpus, dispatch, num_dispatch_nodes)
    num_groups, sizes = layout(*given)
    keys, group_load = keys_of(load, num_groups)
    keys.sort(axis=1)
    table, log2phy, logcnt = plan(keys, group_load, *sizes)
    phy2log = table.reshape(len(load), num_replicas)
    return torch.from_numpy(phy2log), torch.from_numpy(log2phy), torch.from_numpy(logcnt)


# EVOLVE-BLOCK-END
