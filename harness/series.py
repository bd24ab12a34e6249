"""Immutable sequences and sets that are cheap to extend, and what follows a sequence as it grows.

Owns: how a longer sequence shares its storage with the shorter one that it extends, and when a sequence continues
another. Pure.
Does not know: what the items are.

Extending the newest sequence takes constant time: it appends to the shared storage, past the part that older
sequences read. Extending an older sequence copies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Generic, TypeVar, overload

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Series(Sequence[T_co], Generic[T_co]):
    """An immutable sequence that is cheap to extend. Equal to any list, tuple or series of the same items."""

    __slots__ = ("_items", "_size")

    def __init__(self, items: Iterable[T_co] = ()) -> None:
        self._items: list[T_co] = list(items)
        self._size = len(self._items)

    def plus(self, item: T_co) -> Series[T_co]:  # type: ignore[misc]  # a new series: covariance is sound
        """A new series with one more item."""
        longer: Series[T_co] = Series.__new__(Series)
        longer._items = self._items if len(self._items) == self._size else self._items[: self._size]
        longer._items.append(item)
        longer._size = self._size + 1
        return longer

    def __len__(self) -> int:
        return self._size

    @overload
    def __getitem__(self, index: int) -> T_co: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[T_co, ...]: ...
    def __getitem__(self, index: int | slice) -> T_co | tuple[T_co, ...]:
        if isinstance(index, slice):
            return tuple(self._items[at] for at in range(*index.indices(self._size)))
        return self._items[range(self._size)[index]]

    def __iter__(self) -> Iterator[T_co]:
        return islice(iter(self._items), self._size)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Series | tuple | list):
            return NotImplemented
        return len(self) == len(other) and all(mine == theirs for mine, theirs in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]  # like a list: its items need not be hashable

    def __repr__(self) -> str:
        return f"Series({list(self)!r})"


class Names:
    """An immutable set of texts that is cheap to extend."""

    __slots__ = ("_places", "_size")

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._places = {name: place for place, name in enumerate(dict.fromkeys(names))}
        self._size = len(self._places)

    def plus(self, name: str) -> Names:
        """A new set with one more text."""
        if name in self:
            return self
        longer = Names.__new__(Names)
        newest = len(self._places) == self._size
        longer._places = self._places if newest else {known: place for place, known in enumerate(self)}
        longer._places[name] = self._size
        longer._size = self._size + 1
        return longer

    def __contains__(self, name: str) -> bool:
        return self._places.get(name, self._size) < self._size

    def __iter__(self) -> Iterator[str]:
        return islice(iter(self._places), self._size)

    def __len__(self) -> int:
        return self._size

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Names) and len(self) == len(other) and all(name in other for name in self)

    __hash__ = None  # type: ignore[assignment]


class Follower(Generic[T]):
    """Passes each item of a growing sequence to `add` once. If one does not continue the one before, it calls `forget`
    and starts again.
    """

    def __init__(self, forget: Callable[[], None], add: Callable[[T], None]) -> None:
        self._forget, self._add = forget, add
        self._last: T | None = None
        self._count = 0

    def follow(self, items: Sequence[T]) -> None:
        count = self._count
        if count > len(items) or (count and items[count - 1] is not self._last):
            self._forget()
            count = 0
        for at in range(count, len(items)):
            self._add(items[at])
        self._count = len(items)
        self._last = items[-1] if items else None
