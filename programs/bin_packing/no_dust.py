"""An item goes where the room that is left is worth most, less what the room before was worth.

What remains of a bin has a worth: high where nothing remains, lowest where so little remains that hardly an item fits
it, and middling above that. So a bin is filled to the brim, or left with room for another item, and hardly with dust.

The worth of room was fitted by random search: the fewest bins over generated lists, other ones than those it is judged
on, of two kinds: capacity 100 with sizes from a Weibull distribution (5,000 items), and capacity 150 with sizes from 20
to 100 (500 items). Another capacity takes the second. It need not suit other sizes: on some it is worse than best fit.
"""

import numpy as np

# EVOLVE-BLOCK-START
SHARES = np.array([0, 0.01, 0.02, 0.04, 0.07, 0.1, 0.14, 0.2, 0.27, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 1])
"""What remains, in shares of the capacity; the worth is given there and linear in between. A new bin's is 0."""
WEIBULL = np.array(
    [1.57, 0.75, -0.81, -0.91, -1.46, -1.68, -0.87, -0.51, 0.28, 0.26, 0.26, -0.11, -0.6, -0.41, -0.36, 0]
)
UNIFORM = np.array(
    [1.22, 0.91, 0.56, -1.22, -2.79, -2.77, -1.53, -0.7, -0.48, -1.35, -0.91, -1.05, -0.29, -0.73, -0.64, 0]
)


def priority(item: int, levels: np.ndarray) -> np.ndarray:
    """A score for each remaining capacity int64 [levels]; the item goes to the first bin with the highest.

    The largest remaining capacity is a new bin's.
    """
    capacity = levels.max()
    worth = WEIBULL if capacity == 100 else UNIFORM
    return np.interp((levels - item) / capacity, SHARES, worth) - np.interp(levels / capacity, SHARES, worth)


# EVOLVE-BLOCK-END
