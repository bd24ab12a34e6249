"""The packing of `lpt.py`, all rows at once in NumPy: what programs of this task are timed against.

Letters in the shapes: X rows that are packed on their own, n items in a row, P packs of k = n / P places.
"""

# EVOLVE-BLOCK-START
import numpy as np
import torch


def balanced_packing(weight, num_packs):
    """Pack the items of each row of `weight` [X, n] into packs of equally many items and nearly equal weight.

    The heaviest item left goes to the lightest pack that has room. Returns each item's pack and its place in the pack,
    both int64 [X, n].
    """
    load = weight.detach().to("cpu", torch.float64).numpy()
    num_rows, num_items = load.shape
    capacity = num_items // num_packs
    order = np.argsort(-load, axis=1, kind="stable")
    item_weight = np.take_along_axis(load, order, axis=1).T.copy()
    pack_weight = np.zeros((num_rows, num_packs))
    pack_size = np.zeros(num_rows * num_packs, dtype=np.int64)
    first_pack = np.arange(num_rows) * num_packs
    # The item that fills a pack also makes it infinitely heavy, so that the lightest pack always has room.
    surcharge = np.zeros(capacity)
    surcharge[-1] = np.inf
    pack_of = np.empty((num_items, num_rows), dtype=np.int64)
    place_of = np.empty_like(pack_of)
    flat_weight = pack_weight.ravel()
    for step in range(num_items):
        lightest = pack_weight.argmin(axis=1)
        lightest += first_pack
        place = pack_size[lightest]
        pack_size[lightest] = place + 1
        flat_weight[lightest] += item_weight[step] + surcharge[place]
        pack_of[step] = lightest
        place_of[step] = place
    pack_of -= first_pack
    pack, rank = np.empty_like(order), np.empty_like(order)
    np.put_along_axis(pack, order, pack_of.T, axis=1)
    np.put_along_axis(rank, order, place_of.T, axis=1)
    return torch.from_numpy(pack), torch.from_numpy(rank)


# EVOLVE-BLOCK-END
