"""Bins are filled one after the other, each as full as the items that are left allow (minimum bin slack).

After Gupta and Ho (1999), with the variant of Fleszar and Hindi (2002) that every bin holds the largest item that is
left. Which totals can be reached is worked out exactly, for all sizes at once: the bits of a whole number say which
totals the items so far can make. Of the sets with the best total, the one with the largest items is taken, so that
small items, which fill gaps, stay. If the bins of best-fit decreasing are fewer, those are returned.
"""

from bisect import bisect_left, insort

import numpy as np


# EVOLVE-BLOCK-START
def fullest(sizes: list[int], capacity: int) -> list[int]:
    """Positions in `sizes`, in descending order, of a set with the largest sum of at most `capacity`.

    The first item is in it.
    """
    room = capacity - sizes[0]
    mask = (1 << (room + 1)) - 1
    # reachable[i]: the sums that the items from i on can make, as bits, smallest items first.
    reachable = [1]
    for size in reversed(sizes[1:]):
        before = reachable[-1]
        reachable.append(before | (before << size) & mask if size <= room else before)
    reachable.reverse()
    left = reachable[0].bit_length() - 1
    chosen = [0]
    for place, size in enumerate(sizes[1:], start=1):
        if size <= left and reachable[place] >> (left - size) & 1:
            chosen.append(place)
            left -= size
            if not left:
                break
    return chosen


def best_fit_decreasing(items: np.ndarray, order: list[int], capacity: int) -> np.ndarray:
    bins = np.empty_like(items)
    room: list[tuple[int, int]] = []  # what is free in a bin, and its number, in ascending order
    opened = 0
    for item in order:
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


def pack(items: np.ndarray, capacity: int) -> np.ndarray:
    """The number of each item's bin, int64 [n], for sizes int64 [n] of at least 1 and at most the capacity."""
    order = np.argsort(-items, kind="stable").tolist()
    left = list(order)
    bins = np.empty_like(items)
    opened = 0
    while left:
        chosen = fullest([int(items[item]) for item in left], capacity)
        bins[[left[place] for place in chosen]] = opened
        opened += 1
        taken = set(chosen)
        left = [item for place, item in enumerate(left) if place not in taken]
    other = best_fit_decreasing(items, order, capacity)
    return bins if opened <= other.max() + 1 else other


# EVOLVE-BLOCK-END
