"""The heaviest item first, each to the lightest pack that has room (LPT with capacities), in plain Python loops.

Among equal weights and equally light packs the lowest index goes first, so the packing is the same on every machine.

Letters in the shapes: X rows that are packed on their own, n items in a row, P packs of k = n / P places. Slot s is
place s % k of pack s // k.
"""

# EVOLVE-BLOCK-START
import numpy as np
import torch


def balanced_packing(weight, num_packs):
    """Pack the items of each row of `weight` [X, n] into packs of equally many items and nearly equal weight.

    Returns each item's pack and its place in the pack, both int64 [X, n].
    """
    load = weight.detach().to("cpu", torch.float64).numpy()
    capacity = load.shape[1] // num_packs

    slot = first_packing(load, num_packs)

    return torch.from_numpy(slot // capacity), torch.from_numpy(slot % capacity)


def first_packing(load, num_packs):
    """The slot of each item, int64 [X, n], for weights [X, n]."""
    num_rows, num_items = load.shape
    capacity = num_items // num_packs
    order = np.argsort(-load, axis=1, kind="stable")
    slot = np.empty((num_rows, num_items), dtype=np.int64)
    for row in range(num_rows):
        pack_weight = [0.0] * num_packs
        pack_size = [0] * num_packs
        for item in order[row].tolist():
            with_room = (pack for pack in range(num_packs) if pack_size[pack] < capacity)
            lightest = min(with_room, key=pack_weight.__getitem__)
            slot[row, item] = lightest * capacity + pack_size[lightest]
            pack_weight[lightest] += float(load[row, item])
            pack_size[lightest] += 1
    return slot


# EVOLVE-BLOCK-END
