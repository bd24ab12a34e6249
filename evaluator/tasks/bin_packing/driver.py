"""Packs lists online with a program's priority function, in the program's process, once in each measured call.

Owns: which bins an item may go to, what the function is shown of them, and which bin its scores choose. Does not know:
cases, bounds, other modules of packsmith: the confined process executes this text by itself, before the program.

The name of its second parameter says what a function is shown:

- `priority(item, bins)`: before every item, the remaining capacities int64 [B] of the bins that the item fits, in the
  order in which they were opened, with a new bin at the end. This is the protocol of FunSearch (Romera-Paredes et al.,
  Nature 2023), except that they show an unopened bin for every item of the list.
- `priority(item, levels)`: once in a call for each size of item, all remaining capacities that such an item fits, int64
  [capacity - item + 1], ascending; the last one is a new bin's, and only a new bin's. It scores each by itself (or with
  the last). Bins of one remaining capacity then share a score, and the packing is that of the same function of `bins`.

The item goes to the first bin with the highest score.
"""

import heapq
import inspect
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

Ints = np.ndarray[Any, np.dtype[np.int64]]
Priority = Callable[[int, Ints], Any]
Lists = Sequence[Sequence[int]]
Ranks = list[Ints | None]

_NO_BIN = 1 << 62
_RANK = 1 << 32
"""A bin's number plus its rank times this orders bins by rank, then by number: numbers stay below this."""


def drive(function: Priority) -> Callable[[Any, int], Ints]:
    """The entry point that the judge calls: `(items int64 [lists, n], capacity) -> number of each item's bin`, as the
    items. Every list has bins of its own.
    """
    names = list(inspect.signature(function).parameters)
    pack = by_levels if names[1:2] == ["levels"] else by_bins

    def packed(items: Any, capacity: int) -> Ints:
        return np.array(pack(function, items.tolist(), capacity), dtype=np.int64)

    return packed


def _scores(function: Priority, item: int, bins: Ints) -> np.ndarray[Any, Any]:
    """The function's scores, one for each bin; it gets a copy of its own."""
    scores = np.asarray(function(item, bins.copy()))
    if scores.shape != bins.shape or scores.dtype.kind not in "biuf":
        raise ValueError(
            f"priority({item}, ...): expected a number for each of {len(bins)} bins, "
            f"found {scores.dtype} {list(scores.shape)}"
        )
    return scores


def _refuse_nan(item: int) -> NoReturn:
    raise ValueError(f"priority({item}, ...): expected scores that can be compared, found NaN")


def by_bins(function: Priority, lists: Lists, capacity: int) -> list[list[int]]:
    """Pack with a function of the open bins: an item costs time in proportion to the number of bins."""
    return [_by_bins(function, items, capacity) for items in lists]


def _by_bins(function: Priority, items: Sequence[int], capacity: int) -> list[int]:
    rest = np.full(len(items) + 1, capacity, dtype=np.int64)
    chosen: list[int] = []
    opened = 0
    for item in items:
        fits = np.flatnonzero(rest[: opened + 1] >= item)
        scores = _scores(function, item, rest[fits])
        best = scores.argmax()  # the first NaN, if there is one
        if scores[best] != scores[best]:
            _refuse_nan(item)
        number = int(fits[best])
        rest[number] -= item
        chosen.append(number)
        opened += number == opened
    return chosen


def _check_by_itself(function: Priority, item: int, capacity: int) -> None:
    """Raises ValueError if a level's score changes when others are left out and the order is another."""
    levels = np.arange(item, capacity + 1)
    whole, some = _scores(function, item, levels)[::-3], _scores(function, item, levels[::-3])
    if not np.allclose(whole, some, rtol=1e-9, atol=0, equal_nan=True):
        raise ValueError(
            "priority(item, levels) must score each level by itself: its scores changed with the other levels; "
            "name the parameter `bins` for a function of all bins that the item fits"
        )


def _ranks(function: Priority, item: int, capacity: int, known: Ranks) -> Ints:
    """The rank of each level from `item` to `capacity`, int64: 0 for the highest score; ties are equal."""
    ranks = known[item]
    if ranks is None:
        scores = _scores(function, item, np.arange(item, capacity + 1))
        if (scores != scores).any():
            _refuse_nan(item)
        distinct, place = np.unique(scores, return_inverse=True)
        ranks = known[item] = len(distinct) - 1 - place.reshape(-1).astype(np.int64)
    return ranks


def by_levels(function: Priority, lists: Lists, capacity: int) -> list[list[int]]:
    """Pack with a function of an item and a remaining capacity alone: a step costs a look at the different remaining
    capacities, of which there are at most capacity + 1.
    """
    _check_by_itself(function, lists[0][0], capacity)
    levels = _Levels(function, capacity)
    return [_by_levels(levels, items) for items in lists]


class _Levels:
    """What the function said of each size of item, once for all lists, and the bins of the list that is packed."""

    def __init__(self, function: Priority, capacity: int) -> None:
        self.function, self.capacity = function, capacity
        self.ranks: Ranks = [None] * (capacity + 1)
        self.bins_at: list[list[int]] = [[] for _ in range(capacity + 1)]
        """By remaining capacity: a heap of the numbers of such bins."""
        self.preferred: list[list[list[int]]] = [[]] * (capacity + 1)
        """By size of item: the heaps in which it may go, best first; [] while unknown, and where two are tied."""

    def begin(self) -> None:
        for same in self.bins_at:
            same.clear()
        self.bins_at[self.capacity].append(0)  # the new bin

    def rank(self, item: int) -> Ints:
        return _ranks(self.function, item, self.capacity, self.ranks)

    def order(self, item: int) -> list[list[int]]:
        """The heaps of an item, best first; [] if two levels are tied."""
        rank = self.rank(item)
        if len(rank) == rank.max() + 1:
            self.preferred[item] = [self.bins_at[level] for level in (item + rank.argsort()).tolist()]
        return self.preferred[item]


def _by_levels(levels: _Levels, items: Sequence[int]) -> list[int]:
    levels.begin()
    capacity, bins_at, preferred = levels.capacity, levels.bins_at, levels.preferred
    pop, push, fresh = heapq.heappop, heapq.heappush, bins_at[capacity]
    rest: list[int] = []  # by number of bin
    chosen: list[int] = []
    for at, item in enumerate(items):
        order = preferred[item] or levels.order(item)
        if not order:
            return chosen + _with_ties(levels, items[at:])
        same = next(filter(None, order))
        number = pop(same)
        chosen.append(number)
        if same is fresh:
            same.append(number + 1)
            left = capacity - item
            rest.append(left)
        else:
            left = rest[number] = rest[number] - item
        push(bins_at[left], number)
    return chosen


def _with_ties(levels: _Levels, items: Sequence[int]) -> list[int]:
    """Go on where levels may be tied: the first bin of all that share the best score is wanted."""
    capacity, bins_at = levels.capacity, levels.bins_at
    first = np.array([same[0] if same else _NO_BIN for same in bins_at])
    kept: dict[int, tuple[Ints, Ints, Ints]] = {}
    chosen: list[int] = []
    for item in items:
        if item not in kept:
            rank = levels.rank(item)
            kept[item] = rank * _RANK, first[item:], np.empty_like(rank)
        order, fitting, room = kept[item]
        level = item + int(np.add(order, fitting, out=room).argmin())
        same = bins_at[level]
        number = heapq.heappop(same)
        chosen.append(number)
        if level == capacity:
            same.append(number + 1)
        heapq.heappush(bins_at[level - item], number)
        first[level] = same[0] if same else _NO_BIN
        first[level - item] = bins_at[level - item][0]
    return chosen
