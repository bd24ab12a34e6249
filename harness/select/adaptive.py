"""The adaptive rule: effort goes to where improvement comes from.

Owns: what each parent has brought so far, and what follows for its share. Does not know: other rules, models, prices.

The programs near the front share the effort. A parent gains each time a child of it joins the front; each try tires it,
also a rejected one.
"""

from __future__ import annotations

import random
from collections import Counter
from itertools import accumulate

from harness.select.pool import Point, Pool, point
from harness.select.ranked import drawn
from harness.select.settings import AdaptiveSettings
from harness.select.simple import distinct
from harness.select.standing import Standing
from harness.series import Follower
from harness.types import Entry


class Adaptive:
    """A program of the pool in proportion to (1 + credit * gains) / (1 + tries) ** fatigue * depth ** layer."""

    def __init__(self, settings: AdaptiveSettings) -> None:
        self._settings = settings
        self._pool = Pool()
        self._programs = Follower(self._forget_valid, self._add_valid)
        self._attempts = Follower(self._forget, self._add)
        self._forget_valid()
        self._forget()

    def __call__(self, standing: Standing, rng: random.Random, n: int) -> tuple[Entry, ...]:
        self._programs.follow(standing.valid)
        self._attempts.follow(standing.attempts)
        pool = self._pool.follow(standing)
        if not pool.entries:
            return ()
        shares = list(
            accumulate(self._share(entry, layer) for entry, layer in zip(pool.entries, pool.layer, strict=True))
        )
        return distinct(lambda: pool.entries[drawn(shares, rng)], n)

    def _share(self, entry: Entry, layer: int) -> float:
        settings = self._settings
        gained = 1 + settings.credit * self._gains[entry.id]
        tired = float((1 + self._tries[entry.id]) ** settings.fatigue)
        return gained / tired * settings.depth**layer

    def _forget_valid(self) -> None:
        self._valid: set[str] = set()

    def _add_valid(self, entry: Entry) -> None:
        self._valid.add(entry.id)

    def _forget(self) -> None:
        self._tries: Counter[str] = Counter()
        self._gains: Counter[str] = Counter()
        self._front: list[Point] = []

    def _add(self, entry: Entry) -> None:
        if entry.kind != "seed":
            self._tries[entry.parents[0]] += 1
        if entry.id not in self._valid:
            return
        quality, speed = point(entry)
        if any(q >= quality and s >= speed for q, s in self._front):
            return
        self._front = [(q, s) for q, s in self._front if q > quality or s > speed]
        self._front.append((quality, speed))
        if entry.kind != "seed":
            self._gains[entry.parents[0]] += 1
