"""Where lists of items come from: generators of the literature, and the sets of files.

Owns: the kinds of lists, the standard ones, and fresh lists of the same kind. Does not know: files' layout, packings.

Kinds:
- `uniform`: whole sizes, equally likely from `low` to `high` (OR-Library's `u` classes: 20 to 100, capacity 150);
- `weibull`: floor(clip(45 * w, 1, 100)), w from a Weibull distribution of shape 3 (FunSearch, Nature 2023; capacity
  100). The 25,000 sizes that FunSearch published (repository `google-deepmind/funsearch`, bin_packing/bin_packing.ipynb
  at cc53f27) have the mean 39.75 +- .09. That of sizes cut to whole numbers is 39.67, that of rounded ones 40.17, and
  its rows for first fit and best fit are those of sizes that are cut, too (`bin_packing/README.md`);
- `triplet`: triples that fill a bin each, so that items / 3 bins are the optimum (Falkenauer 1996: the first of 380 to
  490 in a capacity of 1000, the second of 250 to half the rest, the third what is left), in random order;
- `recorded`: the lists of a file. Fresh ones are drawn from all its sizes together, with replacement, so that a program
  that contains the file learns from it how often sizes occur, and nothing of a list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal, get_args

import numpy as np

from evaluator.tasks.item_lists.or_library import MAX_SIZE, ItemSet
from evaluator.types import Array, WorkloadError

Kind = Literal["uniform", "weibull", "triplet", "recorded"]
KINDS: tuple[Kind, ...] = get_args(Kind)
GENERATED = tuple(kind for kind in KINDS if kind != "recorded")
MAX_ITEMS = 2**22
"""Of all lists of a case together."""
_SCALE, _SHAPE, _LARGEST = 45, 3, 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """`lists` lists of `items` items for bins of `capacity`. `low` and `high`: the sizes of `uniform`. `recorded` has
    the lists of a file. Raises WorkloadError for values that are invalid together.
    """

    name: str
    kind: Kind
    items: int
    capacity: int
    lists: int = 20
    low: int = 20
    high: int = 100
    recorded: ItemSet | None = None

    def __post_init__(self) -> None:
        for key in ("items", "capacity", "lists", "low", "high"):
            value = getattr(self, key)
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_SIZE:
                raise self._wrong(f"{key} to be a whole number from 1 to {MAX_SIZE:,}", value)
        if self.items * self.lists > MAX_ITEMS:
            raise self._wrong(f"at most {MAX_ITEMS:,} items in all lists", f"{self.items * self.lists:,}")
        if self.kind == "uniform" and not self.low <= self.high <= self.capacity:
            raise self._wrong("low <= high <= capacity", f"{self.low}, {self.high}, {self.capacity}")
        if self.kind == "weibull" and self.capacity < _LARGEST:
            raise self._wrong(f"a capacity of at least {_LARGEST}, the largest size", self.capacity)
        if self.kind == "triplet" and (self.items % 3 or self.capacity < 100):
            raise self._wrong("items in threes and a capacity of at least 100", f"{self.items}, {self.capacity}")

    def _wrong(self, expected: str, found: Any) -> WorkloadError:
        return WorkloadError(f"case {self.name}: expected {expected}, found {found}")

    @classmethod
    def of_set(cls, name: str, recorded: ItemSet) -> Source:
        lists, items = recorded.items.shape
        return cls(name=name, kind="recorded", items=items, lists=lists, capacity=recorded.capacity, recorded=recorded)

    def held_out(self, split: str) -> Source:
        """The lists of a held-out split in place of these: shorter ones and other bins. Those of a file stay, for fresh
        ones are drawn from all its sizes.
        """
        name = f"{self.name}-{split}"
        if self.recorded is not None:
            return replace(self, name=name)
        items = max(3, self.items * (9 if split == "gate" else 8) // 10 // 3 * 3)
        capacity = self.capacity * (11 if split == "gate" else 12) // 10
        return replace(self, name=name, items=items, capacity=capacity if self.capacity <= 3000 else self.capacity)

    @property
    def sizes(self) -> Mapping[str, int]:
        return {"lists": self.lists, "items": self.items, "capacity": self.capacity}

    @property
    def known(self) -> tuple[int, ...]:
        """The fewest bins known for each list; () if that of any is unknown."""
        known = () if self.recorded is None else self.recorded.best_known
        return known if all(known) else ()

    def given(self, rng: np.random.Generator) -> Array:
        """The lists of the case, int64 [lists, items]: those of the file, or drawn."""
        return self.draw(rng) if self.recorded is None else self.recorded.items

    def draw(self, rng: np.random.Generator) -> Array:
        """Fresh lists of the same kind, int64 [lists, items]."""
        shape = (self.lists, self.items)
        if self.recorded is not None:
            return rng.choice(self.recorded.items.reshape(-1), shape)
        if self.kind == "uniform":
            return rng.integers(self.low, self.high, shape, endpoint=True)
        if self.kind == "weibull":
            return np.clip(_SCALE * rng.weibull(_SHAPE, shape), 1, _LARGEST).astype(np.int64)
        return self._triplets(rng)

    def _triplets(self, rng: np.random.Generator) -> Array:
        shape, whole = (self.lists, self.items // 3), self.capacity
        first = rng.integers(whole * 38 // 100, whole * 49 // 100, shape, endpoint=True)
        second = rng.integers(whole // 4, (whole - first) // 2, endpoint=True)
        items = np.concatenate((first, second, whole - first - second), axis=1)
        return rng.permuted(items, axis=1)


def _standard() -> Mapping[str, Source]:
    uniform = tuple(Source(name=f"uniform-{n}", kind="uniform", items=n, capacity=150) for n in (120, 250, 500, 1000))
    weibull = tuple(
        Source(name=f"weibull-{n // 1000}k", kind="weibull", items=n, capacity=100, lists=lists)
        for n, lists in ((5000, 5), (10_000, 5), (100_000, 1))
    )
    triplet = tuple(Source(name=f"triplet-{n}", kind="triplet", items=n, capacity=1000) for n in (60, 120, 249, 501))
    return MappingProxyType({source.name: source for source in (*uniform, *weibull, *triplet)})


STANDARD: Mapping[str, Source] = _standard()
