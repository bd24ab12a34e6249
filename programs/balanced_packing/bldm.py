"""Balanced largest-first differencing (BLDM): differencing that keeps equally many items in every pack.

The items by falling weight are cut into k tuples of P, each a packing of its own with one item in every pack. Then the
two packings with the largest difference between their heaviest and lightest pack are folded into one, heaviest onto
lightest, until one is left. For two packs it is Yakir's (1996); Michiels, Korst, Aarts and van Leeuwen (2003) give the
worst ratios to the optimum for more: 4/3, 19/12, 103/60 and 643/360 with 3, 4, 5 and 6 items a pack. With two it is
optimal. All rows go at once, in NumPy on the CPU.

Letters in the shapes: X rows that are packed on their own, n items in a row, P packs of k = n / P places.
"""

# EVOLVE-BLOCK-START
import numpy as np
import torch


def balanced_packing(weight, num_packs):
    """Pack the items of each row of `weight` [X, n] into packs of equally many items and nearly equal weight.

    Returns each item's pack and its place in the pack, both int64 [X, n].
    """
    load = weight.detach().to("cpu", torch.float64).numpy()
    num_rows, num_items = load.shape
    capacity = num_items // num_packs
    order = np.argsort(-load, axis=1, kind="stable")
    # Pack weights of each packing, falling; which packing each tuple is in, and in which of its packs each item is.
    sums = np.take_along_axis(load, order, axis=1).reshape(num_rows, capacity, num_packs)
    member = np.tile(np.arange(capacity), (num_rows, 1))
    place = np.tile(np.arange(num_packs), (num_rows, capacity, 1))
    difference = sums[:, :, 0] - sums[:, :, -1]
    rows = np.arange(num_rows)
    for _ in range(capacity - 1):
        first = difference.argmax(axis=1)
        difference[rows, first] = -np.inf
        second = difference.argmax(axis=1)
        difference[rows, second] = -np.inf
        folded = sums[rows, first] + sums[rows, second][:, ::-1]
        by_weight = np.argsort(-folded, axis=1, kind="stable")
        sums[rows, first] = np.take_along_axis(folded, by_weight, axis=1)
        difference[rows, first] = sums[rows, first, 0] - sums[rows, first, -1]
        rank = np.empty_like(by_weight)
        np.put_along_axis(rank, by_weight, np.broadcast_to(np.arange(num_packs), rank.shape), axis=1)
        row, moved = np.nonzero(member == first[:, None])
        place[row, moved] = rank[row[:, None], place[row, moved]]
        row, moved = np.nonzero(member == second[:, None])
        place[row, moved] = rank[row[:, None], num_packs - 1 - place[row, moved]]
        member[row, moved] = first[row]
    pack, rank = np.empty_like(order), np.empty_like(order)
    np.put_along_axis(pack, order, place.reshape(num_rows, num_items), axis=1)
    np.put_along_axis(rank, order, np.broadcast_to(np.arange(num_items) // num_packs, order.shape), axis=1)
    return torch.from_numpy(pack), torch.from_numpy(rank)


# EVOLVE-BLOCK-END
