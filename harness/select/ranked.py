"""Rules that prefer programs by their place among all: crowding, tournaments, a power law of the rank.

Owns: these rules. Does not know: where programs come from, which of their children succeeded.
"""

from __future__ import annotations

import random
from bisect import bisect
from itertools import accumulate

from harness.select.pool import Pool, point
from harness.select.settings import PowerLawSettings, TournamentSettings
from harness.select.simple import distinct
from harness.select.standing import Standing
from harness.types import Entry


class Crowding:
    """Of two drawn programs the one of the better layer of the front, within a layer the less crowded one (NSGA-II)."""

    def __init__(self) -> None:
        self._pool = Pool()

    def __call__(self, standing: Standing, rng: random.Random, n: int) -> tuple[Entry, ...]:
        entries = self._pool.follow(standing).entries
        if not entries:
            return ()
        return distinct(lambda: entries[min(rng.randrange(len(entries)), rng.randrange(len(entries)))], n)


class Tournament:
    """Of some programs drawn from all, one that no other of them beats in both numbers."""

    def __init__(self, settings: TournamentSettings) -> None:
        self._size = settings.size

    def __call__(self, standing: Standing, rng: random.Random, n: int) -> tuple[Entry, ...]:
        valid = standing.valid
        if not valid:
            return ()

        def draw() -> Entry:
            drawn = [valid[rng.randrange(len(valid))] for _ in range(self._size)]
            places = [point(entry) for entry in drawn]
            best = [
                entry
                for entry, (quality, speed) in zip(drawn, places, strict=True)
                if not any(q >= quality and s >= speed and (q, s) != (quality, speed) for q, s in places)
            ]
            return rng.choice(best)

        return distinct(draw, n)


class PowerLaw:
    """The program of rank r, by layers of the front and crowding, in proportion to r ** -alpha."""

    def __init__(self, settings: PowerLawSettings) -> None:
        self._pool = Pool()
        self._alpha = settings.alpha

    def __call__(self, standing: Standing, rng: random.Random, n: int) -> tuple[Entry, ...]:
        entries = self._pool.follow(standing).entries
        if not entries:
            return ()
        shares = list(accumulate((at + 1) ** -self._alpha for at in range(len(entries))))
        return distinct(lambda: entries[drawn(shares, rng)], n)


def drawn(shares: list[float], rng: random.Random) -> int:
    """An index, by running sums of what each is worth."""
    return min(bisect(shares, rng.random() * shares[-1]), len(shares) - 1)
