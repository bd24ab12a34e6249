"""Next fit, largest items first: an item that does not fit the last bin opens a new one."""

import numpy as np


# EVOLVE-BLOCK-START
def pack(items: np.ndarray, capacity: int) -> np.ndarray:
    """The number of each item's bin, int64 [n], for sizes int64 [n] of at least 1 and at most the capacity."""
    bins = np.empty_like(items)
    opened, room = -1, 0
    for item in np.argsort(-items, kind="stable").tolist():
        size = int(items[item])
        if size > room:
            opened, room = opened + 1, capacity
        room -= size
        bins[item] = opened
    return bins


# EVOLVE-BLOCK-END
