"""First-fit decreasing: largest items first, each to the first bin that it fits."""

import numpy as np


# EVOLVE-BLOCK-START
def pack(items: np.ndarray, capacity: int) -> np.ndarray:
    """The number of each item's bin, int64 [n], for sizes int64 [n] of at least 1 and at most the capacity."""
    bins = np.empty_like(items)
    room: list[int] = []
    for item in np.argsort(-items, kind="stable").tolist():
        size = int(items[item])
        number = next((number for number, free in enumerate(room) if size <= free), len(room))
        if number == len(room):
            room.append(capacity)
        room[number] -= size
        bins[item] = number
    return bins


# EVOLVE-BLOCK-END
