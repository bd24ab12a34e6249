"""The rule of trade-offs: for each pick another weighing of quality against speed, and the best program under it.

Owns: how a weighing is drawn. Does not know: other rules, what became of a parent's children.

Both numbers are scaled to the extent of the front, as in ParEGO (Knowles, 2006) and MOEA/D (Zhang and Li, 2007). A
share of the picks (`goal`) weighs them as the objective does, so that its champion keeps improving; the others draw a
weight. What is best under a weighing is decided by the values measured, confirmed or not: small gains add up, and a
lucky value is only a parent.
"""

from __future__ import annotations

import math
import random

from harness.select.objectives import RuntimeLimit, Weighted
from harness.select.pool import Point, Pool, point
from harness.select.settings import TradeOffSettings
from harness.select.simple import distinct
from harness.select.standing import Standing
from harness.types import Entry


class TradeOffs:
    """The best program under a weighing."""

    def __init__(self, settings: TradeOffSettings) -> None:
        self._goal = settings.goal
        self._pool = Pool()

    def __call__(self, standing: Standing, rng: random.Random, n: int) -> tuple[Entry, ...]:
        pool = self._pool.follow(standing)
        front = [entry for entry, layer in zip(pool.entries, pool.layer, strict=True) if layer == 0]
        if not front:
            return ()
        points = [point(entry) for entry in front]
        least, extent = _box(points)
        scaled = [((q - least[0]) / extent[0], (s - least[1]) / extent[1]) for q, s in points]
        goal = _goal(standing, extent)

        def draw() -> Entry:
            weight = goal if rng.random() < self._goal else rng.random()
            values = [weight * q + (1 - weight) * s for q, s in scaled]
            return front[values.index(max(values))]

        return distinct(draw, n)


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
