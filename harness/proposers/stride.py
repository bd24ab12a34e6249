"""Whose turn it is among several proposers with weights: stride scheduling. Pure.

Owns: the order of the proposers after any history of turns, and what one that lets a turn pass is owed. Does not know:
what a turn is used for, or why one passes.

Stride scheduling (Waldspurger and Weihl, 1995) is a smooth weighted round robin: each proposer has a *pass*, a number
that grows by its stride, common / weight, with every turn; the one with the lowest pass is next, and of equal ones the
one that was named first. The first pass is half a stride, so that turns are spread evenly: weights of 6 and 2 give
A A B A A A B A. While two are both able to take turns, their numbers of turns, each divided by its weight, differ by at
most 1 / weight + 1 / other weight. A turn that is let pass is not made up for: the pass is level afterwards with what
that of the one who took it was.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from fractions import Fraction

Passes = tuple[int, ...]
"""The pass of each proposer, in the order of the weights."""


class Stride:
    """The arithmetic: passes before and after a turn. Exact, whatever the weights."""

    def __init__(self, weights: Mapping[str, float]) -> None:
        """Raises ValueError without weights, and for one that is not finite and above 0."""
        if not weights or not all(math.isfinite(weight) and weight > 0 for weight in weights.values()):
            raise ValueError(f"expected weights above 0, found {dict(weights)}")
        exact = [Fraction(weight) for weight in weights.values()]
        common = 2 * math.lcm(*(weight.numerator for weight in exact))
        self._strides = tuple(common // weight.numerator * weight.denominator for weight in exact)
        self._places = {name: place for place, name in enumerate(weights)}
        self.start: Passes = tuple(stride // 2 for stride in self._strides)

    def order(self, passes: Passes) -> tuple[str, ...]:
        """The names, the one whose turn it is first; where it lets the turn pass, it is the next one's."""
        return tuple(sorted(self._places, key=lambda name: (passes[self._places[name]], self._places[name])))

    def after(self, passes: Passes, name: str) -> Passes:
        """The passes after a turn of `name`: those that were before it have let this turn pass. Raises KeyError."""
        taken = self._places[name]
        now = passes[taken]
        after = [max(each, now) for each in passes]
        after[taken] = now + self._strides[taken]
        return tuple(after)

    def __contains__(self, name: str) -> bool:
        return name in self._places


class Turns:
    """The turns taken so far, by a number each that says their order; they may become known in any order."""

    def __init__(self, stride: Stride) -> None:
        self._stride = stride
        self._numbers: list[int] = []
        self._names: list[str] = []
        self._passes: list[Passes] = [stride.start]
        """Those before each turn, and after the last, as far as they are worked out."""

    def add(self, number: int, name: str) -> None:
        """Note a turn. One of a proposer that has no weight counts for nothing."""
        if name not in self._stride:
            return
        at = bisect_left(self._numbers, number)
        self._numbers.insert(at, number)
        self._names.insert(at, name)
        del self._passes[at + 1 :]

    def order(self, under_way: Iterable[tuple[int, str]] = ()) -> tuple[str, ...]:
        """The names, the one whose turn it is first, after these turns and those `under_way`."""
        further = sorted((number, name) for number, name in under_way if name in self._stride)
        first = bisect_left(self._numbers, further[0][0]) if further else len(self._numbers)
        passes = self._until(first)
        known = zip(self._numbers[first:], self._names[first:], strict=True)
        for _, name in sorted((*known, *further)):
            passes = self._stride.after(passes, name)
        return self._stride.order(passes)

    def _until(self, turn: int) -> Passes:
        """The passes before a turn, by its place."""
        for at in range(len(self._passes) - 1, turn):
            self._passes.append(self._stride.after(self._passes[at], self._names[at]))
        return self._passes[turn]
