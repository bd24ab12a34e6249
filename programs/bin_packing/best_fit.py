"""Best fit: an item goes to the open bin in which the least room is left; if it fits in none, to a new one."""

import numpy as np


# EVOLVE-BLOCK-START
def priority(item: int, levels: np.ndarray) -> np.ndarray:
    """A score for each remaining capacity int64 [levels]; the item goes to the first bin with the highest.

    A new bin has the largest remaining capacity, and so the lowest score.
    """
    return -levels


# EVOLVE-BLOCK-END
