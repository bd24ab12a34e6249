"""LPT refined by swaps, as in `lpt_swap.py`, in loops over one row after another that numba compiles.

The functions are compiled when the program is loaded, because they name the types that they take: no call waits for
the compiler. Weights of any dtype become float64 first. It runs on the CPU.

Letters in the shapes: X rows that are packed on their own, n items in a row, P packs of k = n / P places. Slot s is
place s % k of pack s // k.
"""

# EVOLVE-BLOCK-START
import numpy as np
import torch
from numba import float64, int64, njit

MAX_ROUNDS = 200
MIN_GAIN = 1e-6  # as a share of the mean weight of a pack
TINY = np.finfo(np.float64).tiny


def balanced_packing(weight, num_packs):
    """Pack the items of each row of `weight` [X, n] into packs of equally many items and nearly equal weight.

    Returns each item's pack and its place in the pack, both int64 [X, n].
    """
    load = np.ascontiguousarray(weight.detach().to("cpu", torch.float64).numpy())
    capacity = load.shape[1] // num_packs
    slot = pack_rows(load, np.argsort(-load, axis=1, kind="stable"), num_packs)
    return torch.from_numpy(slot // capacity), torch.from_numpy(slot % capacity)


@njit((float64[:], int64[:], int64, int64[:], float64[:]), nogil=True)
def pack_in_order(load, order, num_packs, item_at, pack_weight):
    """Fill `item_at` [n] and `pack_weight` [P]: items in order, each to the lightest pack that has room."""
    num_items = len(load)
    capacity = num_items // num_packs
    size, total = np.zeros(num_packs, np.int64), np.zeros(num_packs)
    pack_weight[:] = 0.0
    for item in order:
        lightest, least = 0, np.inf
        for pack in range(num_packs):
            if pack_weight[pack] < least:
                lightest, least = pack, pack_weight[pack]
        item_at[lightest * capacity + size[lightest]] = item
        size[lightest] += 1
        total[lightest] += load[item]
        # A full pack is infinitely heavy, so never the lightest.
        pack_weight[lightest] = np.inf if size[lightest] == capacity else total[lightest]
    pack_weight[:] = total


@njit((float64[:], int64[:], float64[:]), nogil=True)
def swap_heaviest(load, item_at, pack_weight):
    """Swap items of the heaviest pack against items of any other while that lowers it; all three change in place.

    `load` [n] in units of the mean pack weight. Each round makes the one swap after which the heavier of the two packs
    is lightest.
    """
    num_packs = len(pack_weight)
    capacity = len(load) // num_packs
    for _ in range(MAX_ROUNDS):
        heaviest = lightest = 0
        for pack in range(num_packs):
            if pack_weight[pack] > pack_weight[heaviest]:
                heaviest = pack
            if pack_weight[pack] < pack_weight[lightest]:
                lightest = pack
        top = pack_weight[heaviest]
        best, mine, other = top - MIN_GAIN, -1, -1
        # The lightest pack comes first. No swap leaves the heavier of two packs below their mean, so most of the others
        # are passed over.
        for turn in range(num_packs):
            pack = (lightest + turn) % num_packs
            below = pack_weight[pack]
            if pack == heaviest or (top + below) / 2 >= best:
                continue
            for one in range(heaviest * capacity, (heaviest + 1) * capacity):
                for two in range(pack * capacity, (pack + 1) * capacity):
                    moved = load[item_at[one]] - load[item_at[two]]
                    outcome = max(top - moved, below + moved)
                    if outcome < best:
                        best, mine, other = outcome, one, two
        if mine < 0:
            break
        moved = load[item_at[mine]] - load[item_at[other]]
        pack_weight[heaviest] -= moved
        pack_weight[other // capacity] += moved
        item_at[mine], item_at[other] = item_at[other], item_at[mine]


@njit((float64[:, ::1], int64[:, ::1], int64), nogil=True)
def pack_rows(weight, order, num_packs):
    """The slot of each item, int64 [X, n], for weights and the order in which items are placed, both [X, n]."""
    num_rows, num_items = weight.shape
    slot = np.empty((num_rows, num_items), np.int64)
    item_at, pack_weight = np.empty(num_items, np.int64), np.empty(num_packs)
    for row in range(num_rows):
        load = weight[row] / max(weight[row].sum() / num_packs, TINY)
        pack_in_order(load, order[row], num_packs, item_at, pack_weight)
        swap_heaviest(load, item_at, pack_weight)
        for at in range(num_items):
            slot[row, item_at[at]] = at
    return slot


# EVOLVE-BLOCK-END
