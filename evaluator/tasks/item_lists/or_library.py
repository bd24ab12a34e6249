"""Reading bin-packing sets in the text layout of OR-Library (Beasley 1990; its sets of Falkenauer 1996).

Owns: the layout and its checks. Does not know: generated lists, cases, packings.

A file holds the number of its lists, then for each a name, a line `capacity items best_known`, and the sizes, one a
line. In the `u` classes all are whole numbers; in the `t` classes capacity and sizes have one decimal. best_known is 0
where it is unknown.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

import numpy as np

from evaluator.types import Array, WorkloadError

MAX_BYTES = 2**26
MAX_DECIMALS = 6
MAX_SIZE = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemSet:
    """The lists of a file: `items` int64 [lists, n], of at least 1 and at most `capacity`. `best_known` has the fewest
    bins known for each list, 0 where unknown. Sizes with decimals have become whole numbers by a common factor.
    """

    items: Array
    capacity: int
    best_known: tuple[int, ...]


def read_set(path: Path) -> ItemSet:
    """The lists of a file, which must have one capacity and one number of items. Raises WorkloadError."""
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise WorkloadError(f"{path}: expected at most {MAX_BYTES:,} bytes, found {size:,}")
        text = path.read_text(encoding="ascii")
    except OSError as error:
        raise WorkloadError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise WorkloadError(f"{path}: expected a text of numbers as in OR-Library, found other bytes") from None
    return _Reader(str(path), text).whole()


class _Reader:
    def __init__(self, where: str, text: str) -> None:
        self._where = where
        lines = ((number, line.strip()) for number, line in enumerate(text.split("\n"), 1))
        self._lines: Iterator[tuple[int, str]] = iter([(number, line) for number, line in lines if line])

    def _wrong(self, line: int, expected: str, found: str) -> WorkloadError:
        return WorkloadError(f"{self._where}, line {line}: expected {expected}, found {found[:60]!r}")

    def _next(self, expected: str) -> tuple[int, str]:
        for number, line in self._lines:
            return number, line
        raise WorkloadError(f"{self._where}: expected {expected}, found the end of the file")

    def _numbers(self, expected: str, count: int) -> tuple[int, list[Decimal]]:
        number, line = self._next(expected)
        words = line.split()
        try:
            values = [Decimal(word) for word in words if len(word) <= 20]
        except InvalidOperation:
            values = []
        if len(values) != count or len(words) != count or not all(value.is_finite() for value in values):
            raise self._wrong(number, expected, line)
        return number, values

    def _whole(self, value: Decimal, line: int, what: str, least: int) -> int:
        if value != value.to_integral_value() or not least <= value <= MAX_SIZE:
            raise self._wrong(line, f"{what}, a whole number of at least {least}", str(value))
        return int(value)

    def whole(self) -> ItemSet:
        line, [count] = self._numbers("the number of lists", 1)
        lists, capacities, known = [], [], []
        for _ in range(self._whole(count, line, "the number of lists", 1)):
            self._next("the name of a list")
            line, head = self._numbers("capacity, items and best known", 3)
            capacities.append(head[0])
            items = self._whole(head[1], line, "the number of items", 1)
            known.append(self._whole(head[2], line, "the best known number of bins", 0))
            lists.append([self._size(head[0]) for _ in range(items)])
            if len(lists[-1]) != len(lists[0]) or capacities[-1] != capacities[0]:
                expected = f"{len(lists[0])} items and capacity {capacities[0]} as in the first list"
                raise self._wrong(line, expected, f"{items} and {capacities[-1]}")
        for line, text in self._lines:
            raise self._wrong(line, "the end of the file after the last list", text)
        return self._scaled(lists, capacities[0], known)

    def _size(self, capacity: Decimal) -> Decimal:
        line, [size] = self._numbers("the size of an item", 1)
        if not 0 < size <= capacity:
            raise self._wrong(line, f"a size above 0 and at most the capacity {capacity}", str(size))
        return size

    def _scaled(self, lists: list[list[Decimal]], capacity: Decimal, known: list[int]) -> ItemSet:
        sizes = {size for items in lists for size in items} | {capacity}
        decimals = max(-int(size.normalize().as_tuple().exponent) for size in sizes)
        if decimals > MAX_DECIMALS or capacity.scaleb(max(decimals, 0)) > MAX_SIZE:
            raise WorkloadError(
                f"{self._where}: expected sizes of at most {MAX_DECIMALS} decimals that are at most {MAX_SIZE:,} as "
                f"whole numbers, found a capacity of {capacity} with {decimals} decimals"
            )
        whole = {size: int(size.scaleb(max(decimals, 0))) for size in sizes}
        items = np.array([[whole[size] for size in row] for row in lists], dtype=np.int64)
        return ItemSet(items=items, capacity=whole[capacity], best_known=tuple(known))
