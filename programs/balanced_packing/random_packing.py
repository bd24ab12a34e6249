"""A packing that ignores the weights: the lower end of `packsmith evaluate --ladder`.

Letters in the shapes: X rows that are packed on their own, n items in a row, P packs of k = n / P places.
"""

# EVOLVE-BLOCK-START
import numpy as np
import torch


def balanced_packing(weight, num_packs):
    """Give the items of each row of `weight` [X, n] random slots, always the same ones.

    Returns each item's pack and its place in the pack, both int64 [X, n].
    """
    num_rows, num_items = weight.shape
    capacity = num_items // num_packs
    generator = np.random.default_rng(0)
    slot = torch.from_numpy(generator.permuted(np.tile(np.arange(num_items), (num_rows, 1)), axis=1))
    return slot // capacity, slot % capacity


# EVOLVE-BLOCK-END
