"""The programs of a search that are worth being parents, best first, kept up to date as the search grows.

Owns: how programs are ordered where two numbers count, and which of them are kept. Pure.
Does not know: which of them becomes a parent, objectives, the champion.

Programs are ordered by layers of the Pareto front (non-dominated sorting), and within a layer the least crowded first
(Deb et al., NSGA-II, 2002). With two numbers one sweep gives the layers, in O(n log n) (Jensen, 2003).
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Sequence

from harness.select.comparing import score_of
from harness.select.standing import Standing
from harness.series import Follower
from harness.types import Entry

Point = tuple[float, float]
"""Quality in points (hundredths), and the binary logarithm of the speed-up: higher is better for both."""
POOL = 96
"""How many programs a pool keeps."""
_BATCH = 32
"""After how many further programs it is cut to its size again."""


def point(entry: Entry) -> Point:
    """Where a scored program stands by the values measured."""
    score = score_of(entry)
    return 100 * score.quality.value, math.log2(score.speedup.median)


def worth(entry: Entry) -> float:
    """Both numbers as one, in the units of the hypervolume: a point of quality is worth a doubling of speed."""
    quality, speed = point(entry)
    return quality + speed


def layers(points: Sequence[Point]) -> list[int]:
    """The layer of each point: 0 for those that no other dominates, 1 for those that only layer 0 does, and so on."""
    order = sorted(range(len(points)), key=lambda at: (-points[at][0], -points[at][1]))
    found = [0] * len(points)
    fastest: list[float] = []  # the largest second number of each layer, negated: ascending
    last: Point | None = None
    layer = 0
    for at in order:
        if points[at] != last:
            last = points[at]
            # A layer whose fastest is at least as fast as this point holds one that dominates it.
            layer = _first_below(fastest, last[1])
            if layer == len(fastest):
                fastest.append(last[1])
            else:
                fastest[layer] = last[1]
        found[at] = layer
    return found


def _first_below(fastest: list[float], speed: float) -> int:
    """The first layer whose fastest point is slower than `speed`; layers get slower with their number."""
    low, high = 0, len(fastest)
    while low < high:
        middle = (low + high) // 2
        if fastest[middle] >= speed:
            low = middle + 1
        else:
            high = middle
    return low


def crowding(points: Sequence[Point]) -> list[float]:
    """How far apart the neighbours of each point of a layer are, as a share of the layer's extent, summed over both
    numbers; infinite at its ends.
    """
    distance = [0.0] * len(points)
    for axis in (0, 1):
        order = sorted(range(len(points)), key=lambda at: points[at][axis])
        extent = points[order[-1]][axis] - points[order[0]][axis]
        distance[order[0]] = distance[order[-1]] = math.inf
        for before, at, after in zip(order, order[1:], order[2:], strict=False):
            if extent > 0:
                distance[at] += (points[after][axis] - points[before][axis]) / extent
    return distance


class Pool:
    """The best programs above the floor, in order; `layer[i]` is the layer of `entries[i]`, `crowded[i]` its distance.

    Which programs are kept follows from the standing alone, however often it was looked at while it grew.
    """

    def __init__(self, size: int = POOL) -> None:
        self._size = size
        self._follower = Follower(self._forget, self._add)
        self._forget()

    def follow(self, standing: Standing) -> Pool:
        """Take the programs that have come since the last call."""
        self._follower.follow(standing.valid)
        if self._stale:
            self._order()
        return self

    def _forget(self) -> None:
        self.entries: list[Entry] = []
        self.layer: list[int] = []
        self.crowded: list[float] = []
        self._kept: list[Entry] = []
        self._stale = False

    def _add(self, entry: Entry) -> None:
        self._kept.append(entry)
        self._stale = True
        if len(self._kept) >= self._size + _BATCH:
            self._order()
            for ranked in (self.entries, self.layer, self.crowded):
                del ranked[self._size :]
            self._kept = list(self.entries)

    def _order(self) -> None:
        """Sort what is kept; equal programs by their number."""
        points = [point(entry) for entry in self._kept]
        layer = layers(points)
        members: dict[int, list[int]] = {}
        for at, number in enumerate(layer):
            members.setdefault(number, []).append(at)
        ranked: list[tuple[int, float, int, int]] = []
        for number, of_layer in members.items():
            distance = crowding([points[at] for at in of_layer])
            ranked += [(number, -far, self._kept[at].number, at) for far, at in zip(distance, of_layer, strict=True)]
        ranked.sort()
        self.entries = [self._kept[at] for _, _, _, at in ranked]
        self.layer = [number for number, _, _, _ in ranked]
        self.crowded = [-far for _, far, _, _ in ranked]
        self._stale = False


class Best:
    """The programs of largest worth, best first, at most `size`."""

    def __init__(self, size: int = POOL) -> None:
        self._size = size
        self._ranked: list[tuple[float, int, Entry]] = []

    def add(self, entry: Entry) -> None:
        insort(self._ranked, (-worth(entry), entry.number, entry), key=lambda item: item[:2])
        del self._ranked[self._size :]

    def discard(self) -> None:
        self._ranked.clear()

    def __len__(self) -> int:
        return len(self._ranked)

    def __getitem__(self, at: int) -> Entry:
        return self._ranked[at][2]

    def __contains__(self, entry: Entry) -> bool:
        at = bisect_left(self._ranked, (-worth(entry), entry.number), key=lambda item: item[:2])
        return at < len(self._ranked) and self._ranked[at][2] is entry
