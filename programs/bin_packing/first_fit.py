"""First fit: an item goes to the first open bin that it fits; if it fits in none, to a new one."""

import numpy as np


# EVOLVE-BLOCK-START
def priority(item: int, levels: np.ndarray) -> np.ndarray:
    """A score for each remaining capacity int64 [levels]; the item goes to the first bin with the highest.

    All are equal, so the first bin that the item fits is chosen; a new bin comes last.
    """
    return np.zeros(len(levels))


# EVOLVE-BLOCK-END
