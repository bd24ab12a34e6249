"""Packings of lists of items: whether they are valid, and how many bins they need.

Owns: the form of an answer, its checks, and the count of bins. Does not know: who packed, bounds, cases. Pure.

Shapes: B lists, N items.
"""

from __future__ import annotations

import numpy as np

from evaluator.types import Answer, Array, InvalidAnswer


def read_packing(answer: Answer, items_BN: Array, capacity: int, *, in_order: bool) -> Array:
    """The number of each item's bin, int64 [B, N]: the first item's is 0, and each further bin has the next number.

    Bins may be numbered 0 to N - 1 in any way; with `in_order` they must be numbered so already. Raises InvalidAnswer.
    """
    if len(answer) != 1 or answer[0].dtype.kind not in "iu" or answer[0].shape != items_BN.shape:
        found = ", ".join(f"{array.dtype} {list(array.shape)}" for array in answer[:8]) or "nothing"
        raise InvalidAnswer("form", f"expected one integer array {list(items_BN.shape)}, found {found}")
    [array] = answer
    lists, items = items_BN.shape
    wrong = (array < 0) | (array >= items)
    if wrong.any():
        at, item = np.argwhere(wrong)[0]
        raise InvalidAnswer(
            "range",
            f"expected bins 0 to {items - 1}, found {array[at, item]} for item {item} of list {at}",
        )
    plan_BN = array.astype(np.int64)
    for at in range(lists):
        ordered = _in_order_of_opening(plan_BN[at])
        if in_order and not np.array_equal(ordered, plan_BN[at]):
            item = int(np.flatnonzero(ordered != plan_BN[at])[0])
            raise InvalidAnswer(
                "order",
                f"expected bins to be opened in order, found bin {plan_BN[at, item]} for item {item} of list {at}, "
                f"when {ordered[:item].max(initial=-1) + 1} bins were open",
            )
        plan_BN[at] = ordered
        _check_room(plan_BN[at], items_BN[at], capacity, at)
    return plan_BN


def _in_order_of_opening(bins_N: Array) -> Array:
    _, first, place = np.unique(bins_N, return_index=True, return_inverse=True)
    number = np.empty_like(first)
    number[np.argsort(first)] = np.arange(len(first))
    ordered: Array = number[place.reshape(-1)]
    return ordered


def _loads(bins_N: Array, items_N: Array) -> Array:
    loads = np.zeros(int(bins_N.max()) + 1, dtype=np.int64)
    np.add.at(loads, bins_N, items_N)
    return loads


def _check_room(bins_N: Array, items_N: Array, capacity: int, at: int) -> None:
    loads = _loads(bins_N, items_N)
    if loads.max() > capacity:
        full = int(loads.argmax())
        sizes = items_N[bins_N == full]
        shown = ", ".join(map(str, sizes[:12].tolist())) + (", ..." if len(sizes) > 12 else "")
        raise InvalidAnswer(
            "capacity",
            f"expected at most {capacity} in a bin, found {loads[full]} in bin {full} (in order of opening) of list "
            f"{at}: items of {shown}",
        )


def bins_needed(plan_BN: Array, items_BN: Array, capacity: int) -> Array:
    """Bins of each list, int64 [B]. A bin that holds too much, because the plan was made for other items, counts as
    the number of bins that its content needs at least.
    """
    needed = (-(-_loads(bins_N, items_N) // capacity) for bins_N, items_N in zip(plan_BN, items_BN, strict=True))
    return np.array([np.maximum(bins, 1).sum() for bins in needed], dtype=np.int64)
