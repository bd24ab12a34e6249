"""The rule of trade-offs: for each pick another weighing of quality against speed, and the best program under it.

Owns: how a trade-off is drawn, and what tries cost a program. Does not know: other rules, models, prices.

Both numbers are scaled to the extent of the front, as in ParEGO (Knowles, 2006) and MOEA/D (Zhang and Li, 2007). A
share of the picks (`goal`) weighs them as the objective does, so that its champion keeps improving; the others draw a
weight. A program that was tried before is worth less by `fatigue` times ln(1 + tries), so that effort moves on to its
neighbours and to its children.
"""

from __future__ import annotations

import math
import random
from collections import Counter

from harness.select.objectives import RuntimeLimit, Weighted
from harness.select.pool import Point, Pool, point
from harness.select.settings import TradeOffSettings
from harness.select.simple import distinct
from harness.select.standing import Standing
from harness.series import Follower
from harness.types import Entry


class TradeOffs:
    """The best program under a trade-off, less what its tries cost."""

    def __init__(self, settings: TradeOffSettings) -> None:
        self._settings = settings
        self._pool = Pool()
        self._attempts = Follower(self._forget, self._add)
        self._forget()

    def __call__(self, standing: Standing, rng: random.Random, n: int) -> tuple[Entry, ...]:
        self._attempts.follow(standing.attempts)
        pool = self._pool.follow(standing)
        if not pool.entries:
            return ()
        points = [point(entry) for entry in pool.entries]
        front = [place for place, layer in zip(points, pool.layer, strict=True) if layer == 0]
        least, extent = _box(front)
        scaled = [tuple((place[axis] - least[axis]) / extent[axis] for axis in (0, 1)) for place in points]
        tired = [self._settings.fatigue * math.log1p(self._tries[entry.id]) for entry in pool.entries]
        goal = _goal(standing, extent)

        def draw() -> Entry:
            weight = goal if rng.random() < self._settings.goal else rng.random()
            values = (weight * q + (1 - weight) * s - cost for (q, s), cost in zip(scaled, tired, strict=True))
            return pool.entries[max(enumerate(values), key=lambda one: (one[1], -one[0]))[0]]

        return distinct(draw, n)

    def _forget(self) -> None:
        self._tries: Counter[str] = Counter()

    def _add(self, entry: Entry) -> None:
        if entry.kind != "seed":
            self._tries[entry.parents[0]] += 1


def _box(points: list[Point]) -> tuple[Point, Point]:
    """The low ends of some points, and how far they reach; 1 where all are equal."""
    low = tuple(min(place[axis] for place in points) for axis in (0, 1))
    reach = tuple(max(place[axis] for place in points) - low[axis] for axis in (0, 1))
    return (low[0], low[1]), (reach[0] or 1.0, reach[1] or 1.0)


def _goal(standing: Standing, extent: Point) -> float:
    """The weight of quality, against 1 less it for speed, that the objective has: 0 where the fastest is best."""
    objective = standing.objective
    if isinstance(objective, RuntimeLimit):
        return 1.0 if standing.champion_meets_limit else 0.0
    if isinstance(objective, Weighted):
        quality = objective.quality_weight * extent[0] / 100
        speed = objective.speed_weight * extent[1] * math.log(2)
        return quality / (quality + speed)
    return 0.0
