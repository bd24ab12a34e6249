"""How few bins a list can need.

Owns: the bounds L1 and L2. Does not know: packings, where lists come from. Pure.
"""

from __future__ import annotations

import numpy as np

from evaluator.types import Array


def l1(items: Array, capacity: int) -> int:
    """ceil(sum of the sizes / capacity), for sizes int64 [n]."""
    return -(-int(items.sum()) // capacity)


def l2(items: Array, capacity: int) -> int:
    """The bound L2 of Martello and Toth (Knapsack Problems, 1990, section 8.3), at least L1.

    For a K of at most half the capacity, no two items above half the capacity share a bin, and items of at least K fit
    beside none that is above capacity - K. Items of at least K then need the bins of the large ones, and more for what
    does not fit beside these. L2 is the largest such number over all K.
    """
    sizes = np.sort(items)
    before = np.concatenate(([0], np.cumsum(sizes)))
    half = np.searchsorted(sizes, capacity // 2, side="right")
    large = len(sizes) - half
    least_K = np.concatenate(([0], np.unique(sizes[:half])))
    from_K = np.searchsorted(sizes, least_K, side="left")
    # Large items up to capacity - K leave room for items of at least K, those above it do not.
    to_K = np.maximum(np.searchsorted(sizes, capacity - least_K, side="right"), half)
    room_K = (to_K - half) * capacity - (before[to_K] - before[half])
    beyond_K = np.maximum(before[half] - before[from_K] - room_K, 0)
    return int((large - (-beyond_K // capacity)).max())
