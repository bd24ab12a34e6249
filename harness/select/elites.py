"""MAP-Elites: the best program of each way to behave (Mouret and Clune, 2015).

Owns: the map, its cells, and the parents that it gives. Does not know: how a program's text is read, other rules.

Cells have fixed edges, so a program never moves to another one: quality by halvings of the gap to the ceiling, time by
half doublings of the speed-up, size by half doublings of the text, structure by the most frequent parts of the syntax
tree, case by case whole halvings and doublings.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Hashable

from harness.select.comparing import score_of
from harness.select.pool import worth
from harness.select.settings import Axis, Behaviour
from harness.select.simple import distinct
from harness.select.standing import Standing
from harness.series import Follower
from harness.shape import shape
from harness.types import Entry

Source = Callable[[str], str]
"""The text of an entry's program, by the entry's id."""
_LEAST_GAP = 1e-6


class MapElites:
    """A cell by chance, and the program of largest worth in it."""

    def __init__(self, settings: Behaviour, source: Source) -> None:
        self._axes, self._source = settings.axes, source
        self._follower = Follower(self._forget, self._add)
        self._forget()

    def __call__(self, standing: Standing, rng: random.Random, n: int) -> tuple[Entry, ...]:
        self._follower.follow(standing.valid)
        cells = self._cells
        return distinct(lambda: self._elites[cells[rng.randrange(len(cells))]], n) if cells else ()

    def _forget(self) -> None:
        self._elites: dict[Hashable, Entry] = {}
        self._cells: list[Hashable] = []

    def _add(self, entry: Entry) -> None:
        cell = tuple(_bin(axis, entry, self._source) for axis in self._axes)
        held = self._elites.get(cell)
        if held is None:
            self._cells.append(cell)
        if held is None or worth(entry) > worth(held):
            self._elites[cell] = entry


def _gap(quality: float, ceiling: float) -> float:
    """The gap to the ceiling in halvings: larger is better."""
    return -math.log2(max(ceiling - quality, _LEAST_GAP))


def _bin(axis: Axis, entry: Entry, source: Source) -> Hashable:
    score = score_of(entry)
    match axis:
        case "quality":
            return math.floor(4 * _gap(score.quality.value, score.quality.ceiling))
        case "time":
            return math.floor(2 * math.log2(score.speedup.median))
        case "cases":
            return tuple(
                (math.floor(_gap(case.value, case.quality.ceiling)), math.floor(math.log2(case.speedup.median)))
                for case in score.cases
            )
        case "size":
            return math.floor(2 * math.log2(1 + len(source(entry.id))))
        case "structure":
            made = shape(source(entry.id))
            counts = (made.loops, made.branches, made.functions, made.operations)
            return tuple(round(2 * math.log2(1 + count)) for count in counts)
