"""Best-fit decreasing: largest items first, each to the bin in which the least room is left."""

from bisect import bisect_left, insort

import numpy as np


# EVOLVE-BLOCK-START
def pack(items: np.ndarray, capacity: int) -> np.ndarray:
    """The number of each item's bin, int64 [n], for sizes int64 [n] of at least 1 and at most the capacity."""
    bins = np.empty_like(items)
    room: list[tuple[int, int]] = []  # what is free in a bin, and its number, in ascending order
    opened = 0
    for item in np.argsort(-items, kind="stable").tolist():
        size = int(items[item])
        at = bisect_left(room, (size, -1))
        if at < len(room):
            free, number = room.pop(at)
        else:
            free, number = capacity, opened
            opened += 1
        if free > size:
            insort(room, (free - size, number))
        bins[item] = number
    return bins


# EVOLVE-BLOCK-END
