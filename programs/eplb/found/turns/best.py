"""Longest-processing-time placement with all layers at once: exactly the plan of `greedy.py` in a fraction of its time.

Each step of the greedy rules looks at one item (or one replica) of every row together. A step touches little data, so
what counts is the cost of starting an operation, and NumPy's is the lowest: the loops run in NumPy on the CPU, also
for loads that come from a GPU, where every step would pay for several kernel launches.

Letters in the shapes: L layers, E experts, R replicas (slots), X the largest number of replicas of one expert;
N rows that are planned on their own, I items in a row, P packs.
"""

# EVOLVE-BLOCK-START
# Keys are whole numbers: the complement of a load in the high bits, so that the heaviest sorts first, and the number of
# an expert or pack in the low ones. No two keys of experts are equal, so every processor sorts them alike.
# Further letters: G groups, S slots of a row, K slots of a pack.
from functools import lru_cache

import numpy as np
import torch
from numba import float64, int32, int64, njit

BITS, NUMBER = 16, 2**16 - 1
WHOLE = 2.0**26  # the load of a layer, in whole numbers
TINY = 1e-280
WINDOWS = 8  # of the history that are looked at
LAST_GROUP_WEIGHT = 3.0  # of the latest window where groups go to nodes
MOVES = 100  # of swaps in a row over windows, at most
GOAL, LAST_GOAL, LAST_WEIGHT = 1.003, 1.0005, 10.0  # what a pack may carry, in any window and the latest; its weight
HIDDEN = np.int32(2**30)
LAST = 2**62
ENOUGH = 8e-4  # a row is level when its heaviest pack is this much heavier than the mean of the heaviest node
MAX_PAIRS = 2000  # in a row; with more, pairs are not swapped
CHUNK = 32  # slots that are searched at once for the one that gave the best outcome
STEPS, DONORS = 8, 4  # changes of counts where packs are pairs, and experts that may lose a replica
ROUNDS = 400  # of swaps in a row, at most
TRACE = 15  # a swap has to take off 2**-15 of the heaviest pack
BRIEF = {"error_model": "numpy", "nogil": True, "no_cfunc_wrapper": True}
TABLE, LIST = int64[:, ::1], int64[::1]
INNER = BRIEF | {"no_cpython_wrapper": True}  # called by compiled functions only
CUBE = float64[:, :, ::1]
SHORTS, BLOCK, SHORT_LIST = int32[:, ::1], int32[:, :, ::1], int32[::1]


@njit((float64[:, ::1], int64), **BRIEF)
def keys_of(load, num_groups):
    """Keys of the experts of each layer [L, E], and the load of each group [L, G], in whole numbers."""
    num_layers, num_experts = load.shape
    keys, group_load = np.empty((num_layers, num_experts), np.int64), np.empty((num_layers, num_groups), np.int64)
    size, part = num_experts // num_groups, np.empty(8)
    for layer in range(num_layers):
        total = 0.0
        for one in range(8):  # sums side by side, as no addition has to wait for the one before
            part[one] = 0.0
        for eight in range(num_experts // 8):
            for one in range(8):
                part[one] += load[layer, eight * 8 + one]
        for one in range(8):
            total += part[one]
        for expert in range(num_experts // 8 * 8, num_experts):
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


@njit((LIST, int64, LIST, LIST), **INNER)
def nodes_of(group_load, num_nodes, node_of, node_load):
    """Each group of a layer to the lightest node that has room, the heaviest group first; spends `group_load` [G].

    Returns the load of the heaviest node.
    """
    num_groups = len(group_load)
    room, most = np.empty(num_nodes, np.int64), 0
    for node in range(num_nodes):
        node_load[node], room[node] = 0, num_groups // num_nodes
    for _ in range(num_groups):
        group, node = 0, -1
        for one in range(1, num_groups):
            if group_load[one] > group_load[group]:
                group = one
        for one in range(num_nodes):
            if room[one] > 0 and (node < 0 or node_load[one] < node_load[node]):
                node = one
        node_of[group] = node
        room[node] -= 1
        node_load[node] += group_load[group]
        most = max(most, node_load[node])
        group_load[group] = -1
    return most


@njit((LIST, int64, int32[::1]), **INNER)
def replicate(row, num_items, count):
    """Fill `row` [S] behind its first items, sorted keys, with replicas of where a replica's load is largest.

    All replicas get the key of their share. `count` [E] of the layer is changed from 1. Returns the largest count.
    """
    share, copies, frontier, most = np.empty(num_items), np.empty(num_items, np.int64), 0, 1
    share[0], copies[0] = ~(row[0] >> BITS), 1
    for _ in range(len(row) - num_items):
        busiest = 0
        for one in range(1, frontier + 1):  # experts behind it have one replica each, and carry less
            if share[one] > share[busiest]:
                busiest = one
        copies[busiest] += 1
        share[busiest] = ~(row[busiest] >> BITS) / copies[busiest]
        if busiest == frontier and frontier < num_items - 1:
            frontier += 1
            share[frontier], copies[frontier] = ~(row[frontier] >> BITS), 1
    at = num_items
    for one in range(frontier + 1):
        if copies[one] > 1:
            expert = row[one] & NUMBER
            most, count[expert] = max(most, copies[one]), copies[one]
            row[one] = (~(~(row[one] >> BITS) // copies[one]) << BITS) | expert
            for _ in range(copies[one] - 1):
                row[at] = row[one]
                at += 1
    return most


@njit((float64[:, ::1], int64, LIST), **INNER)
def regroup(group_windows, num_nodes, node_of):
    """Swap groups between nodes while that lowers the heaviest node's load, summed over windows, the latest most.

    `group_windows` [G, W] are the loads of groups; changes `node_of` [G].
    """
    num_groups, num_windows = group_windows.shape
    load = np.empty((num_nodes, num_windows))
    for _ in range(num_groups * num_groups):
        for node in range(num_nodes):
            for window in range(num_windows):
                load[node, window] = 0.0
        for group in range(num_groups):
            for window in range(num_windows):
                load[node_of[group], window] += group_windows[group, window]
        least, first, second = 0.0, -1, -1
        for window in range(num_windows):
            most = 0.0
            for node in range(num_nodes):
                most = max(most, load[node, window])
            least += most * (LAST_GROUP_WEIGHT if window == num_windows - 1 else 1.0)
        least -= 1e-9
        for one in range(num_groups):
            for two in range(one):
                total = 0.0
                for window in range(num_windows if node_of[one] != node_of[two] else 0):
                    most, moved = 0.0, group_windows[one, window] - group_windows[two, window]
                    for node in range(num_nodes):
                        here = load[node, window]
                        here += moved if node == node_of[two] else 0.0
                        here -= moved if node == node_of[one] else 0.0
                        most = max(most, here)
                    total += most * (LAST_GROUP_WEIGHT if window == num_windows - 1 else 1.0)
                if 0.0 < total < least:
                    least, first, second = total, one, two
        if first < 0:
            break
        node_of[first], node_of[second] = node_of[second], node_of[first]


@njit((TABLE, TABLE, CUBE, int64, int64), **BRIEF)
def replicas_of(keys, group_load, group_windows, num_replicas, num_nodes):
    """The keys of the replicas of each node of each layer [N, S], from sorted `keys` [L, E].

    Also the load of the layer's heaviest node [N], `logcnt` [L, E] in int32, and the largest count.
    """
    (num_layers, num_experts), num_groups = keys.shape, group_load.shape[1]
    items, most = num_experts // num_nodes, 1
    rows = np.empty((num_layers * num_nodes, num_replicas // num_nodes), np.int64)
    heaviest, count = np.empty(len(rows), np.int64), np.empty((num_layers, num_experts), np.int32)
    node_of, node_load = np.empty(num_groups, np.int64), np.empty(num_nodes, np.int64)
    at = np.empty(num_nodes, np.int64)
    for layer in range(num_layers):
        load = nodes_of(group_load[layer], num_nodes, node_of, node_load)
        if group_windows.shape[2] > 1:
            regroup(group_windows[layer], num_nodes, node_of)
        first = layer * num_nodes
        for node in range(num_nodes):
            at[node] = 0
        for place in range(num_experts):
            key, count[layer, place] = keys[layer, place], 1
            node = node_of[(key & NUMBER) * num_groups // num_experts]
            rows[first + node, at[node]] = key
            at[node] += 1
        for node in range(num_nodes):
            heaviest[first + node] = load
            most = max(most, replicate(rows[first + node], items, count[layer]))
    return rows, heaviest, count, most


@njit((LIST, int64, int64), **INNER)
def place_of(row, size, key):
    """The first place among the first `size` of sorted `row` whose key is not smaller."""
    first = 0
    while first < size:
        middle = (first + size) // 2
        if row[middle] < key:
            first = middle + 1
        else:
            size = middle
    return first


@njit((LIST, int64, LIST, int64, int64, int64, int64), **INNER)
def replaced(row, size, fresh, key, copies, fresh_key, fresh_copies):
    """Write into `fresh` the first `size` of sorted `row` with `copies` of a key replaced by others, sorted again."""
    first, to, more = place_of(row, size, key), place_of(row, size, fresh_key), fresh_copies - copies
    if fresh_key > key:
        for place in range(first):
            fresh[place] = row[place]
        for place in range(first + copies, to):
            fresh[place - copies] = row[place]
        for copy in range(fresh_copies):
            fresh[to - copies + copy] = fresh_key
        first = to
    else:
        for place in range(to):
            fresh[place] = row[place]
        for copy in range(fresh_copies):
            fresh[to + copy] = fresh_key
        for place in range(to, first):
            fresh[place + fresh_copies] = row[place]
        first += copies
    for place in range(first, size):
        fresh[place + more] = row[place]


@njit((LIST, LIST, LIST, LIST, SHORT_LIST, int64, int64), **INNER)
def recounted(row, between, fresh, load, copies, gains, loses):
    """Write into `fresh` [R] the sorted replicas of `row` after one expert gained a replica and another lost one.

    `load` and `copies` [E] are those of experts before, `between` [R + 1] is spent. Returns the load of the heaviest
    pair, where the heaviest replica goes with the lightest, and so on.
    """
    size, held, lost = len(row), copies[gains], copies[loses]
    key, fresh_key = (~(load[gains] // held) << BITS) | gains, (~(load[gains] // (held + 1)) << BITS) | gains
    replaced(row, size, between, key, held, fresh_key, held + 1)
    key, fresh_key = (~(load[loses] // lost) << BITS) | loses, (~(load[loses] // (lost - 1)) << BITS) | loses
    replaced(between, size + 1, fresh, key, lost, fresh_key, lost - 1)
    most = 0
    for place in range(size // 2):
        most = min(most, (fresh[place] >> BITS) + (fresh[size - 1 - place] >> BITS))
    return -most - 2


@njit((TABLE, TABLE, SHORTS), **BRIEF)
def suit_pairs(rows, keys, count):
    """Change the counts of replicas where packs are pairs, while a change makes the heaviest pair of a layer lighter.

    An expert of that pair gains a replica, and one of those to which it matters least loses one. `rows` [L, R] are
    sorted, and stay so. Returns the largest count.
    """
    (num_layers, num_slots), num_experts = rows.shape, keys.shape[1]
    load, donors = np.empty(num_experts, np.int64), np.empty(num_experts, np.int64)
    between, fresh = np.empty(num_slots + 1, np.int64), np.empty(num_slots, np.int64)
    for layer in range(num_layers):
        row, copies = rows[layer], count[layer]
        for place in range(num_experts):
            load[keys[layer, place] & NUMBER] = ~(keys[layer, place] >> BITS)
        for _ in range(STEPS):
            most, pair, number = 0, 0, 0
            for place in range(num_slots // 2):
                both = -2 - (row[place] >> BITS) - (row[num_slots - 1 - place] >> BITS)
                if both > most:
                    most, pair = both, place
            for expert in range(num_experts):
                if copies[expert] > 1:
                    donors[number] = expert
                    number += 1
            best, gains, loses = most - (most >> TRACE), -1, -1
            lightest = ~(row[num_slots - 1] >> BITS)
            for at in range(min(number, DONORS)):
                for other in range(at + 1, number):
                    one, two = donors[at], donors[other]
                    if load[two] * (copies[one] - 1) < load[one] * (copies[two] - 1):
                        donors[at], donors[other] = two, one
                two = donors[at]
                if load[two] // (copies[two] - 1) + lightest // 2 >= best:  # a pair as heavy as that
                    break
                for place in (pair, num_slots - 1 - pair):
                    one = row[place] & NUMBER
                    if one != two:
                        outcome = recounted(row, between, fresh, load, copies, one, two)
                        if outcome < best:
                            best, gains, loses = outcome, one, two
            if gains < 0:
                break
            recounted(row, between, fresh, load, copies, gains, loses)
            copies[gains] += 1
            copies[loses] -= 1
            for place in range(num_slots):
                row[place] = fresh[place]
    most = 1
    for layer in range(num_layers):
        for expert in range(num_experts):
            most = max(most, count[layer, expert])
    return most


@njit((TABLE, int64, TABLE, BLOCK, BLOCK), **BRIEF)
def deal(rows, turn, held, give, stands):
    """Round `turn` of packing: the heaviest replica of the round to the lightest pack, and so on.

    `held` [N, P] are the sorted keys of the packs, load before number. Writes the load and the expert of each pack's
    slot `turn`, [N, P, K]. A pack that got the same expert in the round before is passed over.
    """
    num_rows, num_packs = held.shape
    for row in range(num_rows):
        for at in range(num_packs):
            key = rows[row, turn * num_packs + at]
            for later in range(at, num_packs):  # copies come one after the other, so the round before may have one here
                pack = held[row, later] & NUMBER
                if turn == 0 or stands[row, pack, turn - 1] != key & NUMBER:
                    held[row, at], held[row, later] = held[row, later], held[row, at]
                    break
            pack = held[row, at] & NUMBER
            held[row, at] += ~(key >> BITS) << BITS
            give[row, pack, turn], stands[row, pack, turn] = ~(key >> BITS), key & NUMBER


@njit((SHORTS, SHORTS, LIST, int64, int64, int64, int64), **INNER)
def swap(give, stands, load, heavy, mine, pack, slot):
    """Swap slot `mine` of pack `heavy` and slot `slot` of `pack`."""
    moved = give[heavy, mine] - give[pack, slot]
    load[heavy] -= moved
    load[pack] += moved
    give[heavy, mine], give[pack, slot] = give[pack, slot], give[heavy, mine]
    stands[heavy, mine], stands[pack, slot] = stands[pack, slot], stands[heavy, mine]


@njit((SHORTS, LIST, int64, SHORT_LIST, SHORT_LIST), **INNER)
def refresh(give, load, pack, flat, rest):
    """Write the loads of a pack's slots, and what the pack carries without each, where `lowest` reads them."""
    capacity = give.shape[1]
    for slot in range(capacity):
        flat[pack * capacity + slot] = give[pack, slot]
        rest[pack * capacity + slot] = load[pack] - give[pack, slot]


@njit((SHORTS, LIST, int64, TABLE, SHORT_LIST, SHORT_LIST), **INNER)
def refresh_pairs(give, load, pack, parts, flat, rest):
    """The same for the pairs of a pack's slots."""
    pairs = parts.shape[1]
    for pair in range(pairs):
        both = give[pack, parts[0, pair]] + give[pack, parts[1, pair]]
        flat[pack * pairs + pair] = both
        rest[pack * pairs + pair] = load[pack] - both


@njit((SHORT_LIST, SHORT_LIST, int32, int32), **INNER)
def lowest(flat, rest, up, down):
    """The least of the larger of flat + up and rest + down over all slots: a loop that can be made of vectors."""
    least = HIDDEN
    for slot in range(len(flat)):
        one, two = np.int32(flat[slot] + up), np.int32(rest[slot] + down)
        least = min(least, max(one, two))
    return least


@njit((SHORT_LIST, SHORT_LIST, int64, int64, int64, int64), **INNER)
def find_swap(flat, rest, most, target, first, last):
    """The slot from `first` on, before `last`, and the other whose swap leaves the heavier pack lightest, or -1.

    The first slot with a swap that leaves both below `target` is taken.
    """
    best, mine, other = np.int32(most - (most >> TRACE)), -1, 0
    for slot in range(first, last):
        if flat[slot] == HIDDEN:
            continue
        outcome = lowest(flat, rest, np.int32(most - flat[slot]), flat[slot])
        if outcome < best:
            best, mine = outcome, slot
            if best <= target:
                break
    if mine >= 0:
        up, down = np.int32(most - flat[mine]), flat[mine]
        while lowest(flat[other : other + CHUNK], rest[other : other + CHUNK], up, down) != best:
            other += CHUNK
        while max(np.int32(flat[other] + up), np.int32(rest[other] + down)) != best:
            other += 1
    return mine, other


@njit((SHORTS, int64, int64, int64, int64), **INNER)
def doubles(stands, heavy, mine, pack, slot):
    """Whether a swap of these slots of two packs would put a second replica of an expert into one of them."""
    doubled = False
    for one in range(stands.shape[1]):
        doubled |= stands[pack, one] == stands[heavy, mine] or stands[heavy, one] == stands[pack, slot]
    return doubled


@njit((TABLE, LIST, BLOCK, BLOCK, TABLE), **BRIEF)
def level(held, heaviest, give, stands, parts):
    """Swap slots of each row's heaviest pack against those of others, while that makes the heavier of the two lighter.

    Of all swaps the one is made after which the heavier pack is lightest. A row is left alone once it is level enough
    for the `heaviest` [N] node of its layer. Where no swap helps, two slots are swapped against two: `parts` [2, pairs]
    are those of a pack that make pairs. No swap puts two replicas together. Changes `give` and `stands`.
    """
    num_rows, num_packs, capacity = give.shape
    load = np.empty(num_packs, np.int64)
    flat, rest = np.empty(num_packs * capacity, np.int32), np.empty(num_packs * capacity, np.int32)
    pairs = parts.shape[1]
    flat_pairs, rest_pairs = np.empty(num_packs * pairs, np.int32), np.empty(num_packs * pairs, np.int32)
    for row in range(num_rows):
        for at in range(num_packs):
            load[held[row, at] & NUMBER] = held[row, at] >> BITS
        target = int(heaviest[row] / num_packs * (1 + ENOUGH))
        if capacity <= 2:  # rounds have put them together as well as can be
            break
        if held[row, num_packs - 1] >> BITS > target:
            for pack in range(num_packs):
                refresh(give[row], load, pack, flat, rest)
        paired = pairs == 0
        for _ in range(ROUNDS):
            heavy = 0
            for one in range(1, num_packs):
                if load[one] > load[heavy]:
                    heavy = one
            most = load[heavy]
            if most <= target:
                break
            mine, slot = find_swap(flat, rest, most, target, heavy * capacity, (heavy + 1) * capacity)
            pack, pair = slot // capacity, -1
            if mine >= 0 and doubles(stands[row], heavy, mine % capacity, pack, slot % capacity):
                flat[slot] = rest[slot] = HIDDEN  # until its pack changes
                continue
            if mine < 0:
                for one in range(0 if paired else num_packs):
                    refresh_pairs(give[row], load, one, parts, flat_pairs, rest_pairs)
                paired = True
                pair, slot = find_swap(flat_pairs, rest_pairs, most, target, heavy * pairs, (heavy + 1) * pairs)
                if pair < 0:
                    break
                pack, doubled = slot // pairs, False
                for part in range(2):
                    one, two = parts[part, pair % pairs], parts[part, slot % pairs]
                    doubled |= doubles(stands[row], heavy, one, pack, two)
                if doubled:
                    flat_pairs[slot] = rest_pairs[slot] = HIDDEN
                    continue
                for part in range(2):
                    one, two = parts[part, pair % pairs], parts[part, slot % pairs]
                    swap(give[row], stands[row], load, heavy, one, pack, two)
            else:
                swap(give[row], stands[row], load, heavy, mine % capacity, pack, slot % capacity)
            for one in (heavy, pack):
                refresh(give[row], load, one, flat, rest)
                if paired:
                    refresh_pairs(give[row], load, one, parts, flat_pairs, rest_pairs)


@njit((float64,), **INNER)
def squared(excess):
    """The square of an excess, 0 for none."""
    return excess * excess if excess > 0 else 0.0


@njit((float64[:, ::1], int32[::1], BLOCK, int64, int64, float64[:, ::1], float64[::1]), **INNER)
def units_of(windows, count, stands, first, num_nodes, share, unit):
    """Fill `unit` [W], the load of a mean pack of the layer's heaviest node, and `share` [E, W], replicas' loads in it.

    `windows` [E, W] and `count` [E] are the layer's, and its nodes are rows of `stands` from `first` on.
    """
    (num_experts, num_windows), (_, num_packs, capacity) = windows.shape, stands.shape
    for window in range(num_windows):
        unit[window] = TINY
        for node in range(num_nodes):
            total = 0.0
            for pack in range(num_packs):
                for slot in range(capacity):
                    expert = stands[first + node, pack, slot]
                    total += windows[expert, window] / count[expert]
            unit[window] = max(unit[window], total / num_packs)
        for expert in range(num_experts):
            share[expert, window] = windows[expert, window] / count[expert] / unit[window]


@njit((CUBE, SHORTS, BLOCK, int64, int64), **BRIEF)
def level_windows(windows, count, stands, num_nodes, moves):
    """Swap slots until no pack is too heavy in any window, or no swap helps. Changes `stands`.

    `windows` [L, E, W] are the loads of experts in windows, the latest last. A pack's excess is what it carries above
    the mean pack of the layer's heaviest node, as a share of that. The pack whose squares of excesses have the largest
    sum over windows swaps with any other, so that this sum falls most for both together.
    """
    (_, num_experts, num_windows), (num_rows, num_packs, capacity) = windows.shape, stands.shape
    share, load = np.empty((num_experts, num_windows)), np.empty((num_packs, num_windows))
    unit, goal, weight = np.empty(num_windows), np.empty(num_windows), np.empty(num_windows)
    stuck = np.empty(num_packs, np.bool_)
    for window in range(num_windows):
        goal[window], weight[window] = GOAL, 1.0
    goal[num_windows - 1], weight[num_windows - 1] = LAST_GOAL, LAST_WEIGHT
    for row in range(num_rows):
        layer = row // num_nodes
        if row % num_nodes == 0:
            units_of(windows[layer], count[layer], stands, row, num_nodes, share, unit)
        for pack in range(num_packs):
            stuck[pack] = False
            for window in range(num_windows):
                load[pack, window] = 0.0
            for slot in range(capacity):
                for window in range(num_windows):
                    load[pack, window] += share[stands[row, pack, slot], window]
        for _ in range(moves):
            heavy, worst = -1, 0.0
            for pack in range(num_packs):
                here = 0.0
                for window in range(num_windows):
                    here += weight[window] * squared(load[pack, window] - goal[window])
                if here > worst and not stuck[pack]:
                    heavy, worst = pack, here
            if heavy < 0:
                break
            best, mine, other, slot = -1e-9, -1, -1, -1
            for pack in range(num_packs):
                before = worst
                for window in range(num_windows):
                    before += weight[window] * squared(load[pack, window] - goal[window])
                for one in range(capacity if pack != heavy else 0):
                    for two in range(capacity):
                        change, first, second = -before, stands[row, heavy, one], stands[row, pack, two]
                        for window in range(num_windows):
                            moved = share[first, window] - share[second, window]
                            change += weight[window] * (
                                squared(load[heavy, window] - moved - goal[window])
                                + squared(load[pack, window] + moved - goal[window])
                            )
                        if change < best and not doubles(stands[row], heavy, one, pack, two):
                            best, mine, other, slot = change, one, pack, two
            if mine < 0:  # another pack may have a swap, after which this one is looked at again
                stuck[heavy] = True
                continue
            for pack in range(num_packs):
                stuck[pack] = False
            first, second = stands[row, heavy, mine], stands[row, other, slot]
            for window in range(num_windows):
                load[heavy, window] -= share[first, window] - share[second, window]
                load[other, window] += share[first, window] - share[second, window]
            stands[row, heavy, mine], stands[row, other, slot] = second, first


@njit((TABLE, int64, int64), **BRIEF)
def slots_of(table, num_experts, most):
    """`log2phy` [L, E, `most`] in int32, the slots of each expert, ascending, then -1, from `phy2log`."""
    num_layers, num_slots = table.shape
    log2phy, seen = np.empty((num_layers, num_experts, most), np.int32), np.empty(num_experts, np.int64)
    for layer in range(num_layers):
        for expert in range(num_experts):
            seen[expert] = 0
            for place in range(most):
                log2phy[layer, expert, place] = -1
        for slot in range(num_slots):
            expert = table[layer, slot]
            log2phy[layer, expert, seen[expert]] = slot
            seen[expert] += 1
    return log2phy


def shares_of(history):
    """The last windows of `history` [T, L, E], each as shares of its layer's load, float64 [W, L, E]."""
    load = history[-WINDOWS:].detach().cpu().numpy().astype(np.float64, order="C")
    return load / np.maximum(load.sum(axis=2, keepdims=True), TINY)


@lru_cache(maxsize=8)
def pairs_of_slots(capacity, num_packs):
    """The slots of a pack that make pairs, int64 [2, pairs]; none where there are too many."""
    if capacity * (capacity - 1) // 2 * num_packs > MAX_PAIRS:
        capacity = 1
    return np.array(np.tril_indices(capacity, -1)[::-1], np.int64).reshape(2, -1)


def rebalance_experts(
    weight: torch.Tensor,
    num_replicas: int,
    num_groups: int,
    num_nodes: int,
    num_gpus: int,
    history: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Plan which expert stands in which slot. `weight` [L, E] holds the experts' loads.

    Returns `phy2log` [L, R] in int64, and `log2phy` [L, E, X] padded with -1 and `logcnt` [L, E] in int32, on the CPU.
    """
    windows = shares_of(weight[None] if history is None else history)
    load = windows.mean(axis=0)
    num_layers, num_experts = load.shape
    if num_nodes == 1 or num_groups % num_nodes:
        num_groups = num_nodes = 1
    keys, group_load = keys_of(load, num_groups)
    keys.sort(axis=1)
    group_windows = windows.reshape(len(windows), num_layers, num_groups, -1).sum(axis=3).transpose(1, 2, 0)
    group_windows = np.ascontiguousarray(group_windows)
    rows, heaviest, count, most = replicas_of(keys, group_load, group_windows, num_replicas, num_nodes)
    rows.sort(axis=1)
    packs, capacity = num_gpus // num_nodes, num_replicas // num_gpus
    if capacity == 2 and num_nodes == 1:
        most = suit_pairs(rows, keys, count)
    held = np.empty((len(rows), packs), np.int64)
    held[:] = np.arange(packs)
    give, stands = np.empty((len(rows), packs, capacity), np.int32), np.empty((len(rows), packs, capacity), np.int32)
    for turn in range(capacity):
        deal(rows, turn, held, give, stands)
        held.sort(axis=1)
    level(held, heaviest, give, stands, pairs_of_slots(capacity, packs))
    if len(windows) > 1:
        level_windows(np.ascontiguousarray(windows.transpose(1, 2, 0)), count, stands, num_nodes, MOVES)
    table = stands.astype(np.int64).reshape(num_layers, num_replicas)
    return torch.from_numpy(table), torch.from_numpy(slots_of(table, num_experts, most)), torch.from_numpy(count)


# EVOLVE-BLOCK-END
