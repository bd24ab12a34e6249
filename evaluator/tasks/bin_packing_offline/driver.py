"""Has a program pack list by list, in its own process, all in one measured call.

Owns: what a program gets of each list, and what it may return. Does not know: cases, bounds, other modules of
packsmith: the confined process executes this text by itself, before the program.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

Ints = np.ndarray[Any, np.dtype[np.int64]]
Pack = Callable[[Ints, int], Any]


def drive(function: Pack) -> Callable[[Any, int], Ints]:
    """The entry point that the judge calls: `(items int64 [lists, n], capacity) -> number of each item's bin`, as the
    items.
    """

    def packed(items: Any, capacity: int) -> Ints:
        return np.array([_one(function, np.array(row), capacity) for row in items.tolist()])

    return packed


def _one(function: Pack, items: Ints, capacity: int) -> Ints:
    bins = np.asarray(function(items, capacity))
    if bins.shape != items.shape or bins.dtype.kind not in "iu":
        raise ValueError(
            f"pack(items, capacity): expected the number of a bin for each of {len(items)} items, "
            f"found {bins.dtype} {list(bins.shape)}"
        )
    return bins.astype(np.int64)
