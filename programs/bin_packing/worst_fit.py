"""Worst fit: an item goes to the open bin with the most room; if it fits in none, to a new one."""

import numpy as np


# EVOLVE-BLOCK-START
def priority(item: int, levels: np.ndarray) -> np.ndarray:
    """A score for each remaining capacity int64 [levels]; the item goes to the first bin with the highest.

    A new bin, which has the largest remaining capacity, comes last.
    """
    return np.where(levels == levels.max(), -1, levels)


# EVOLVE-BLOCK-END
