"""Islands: populations that evolve apart, exchange their best programs, and start anew where they fall behind.

Owns: which island a program belongs to, migration, resets, and the parents that an island gives.
Does not know: other rules, how programs were made.

Everything follows from the attempts in their order. The seed program is on every island. A program belongs to the
island of its parent; if the parent is on several, to the one of these with the fewest attempts.
"""

from __future__ import annotations

import random
from itertools import accumulate

from harness.select.pool import Best, worth
from harness.select.ranked import drawn
from harness.select.settings import IslandSettings, PowerLawSettings
from harness.select.simple import distinct
from harness.select.standing import Standing
from harness.series import Follower
from harness.types import Entry


class Islands:
    """An island by chance, and its programs by their rank there, by a power law."""

    def __init__(self, settings: IslandSettings, ranks: PowerLawSettings) -> None:
        self._settings, self._alpha = settings, ranks.alpha
        self._programs = Follower(self._forget_valid, self._add_valid)
        self._attempts = Follower(self._forget, self._add)
        self._forget_valid()
        self._forget()

    def __call__(self, standing: Standing, rng: random.Random, n: int) -> tuple[Entry, ...]:
        self._programs.follow(standing.valid)
        self._attempts.follow(standing.attempts)
        living = [island for island in self._islands if len(island)]
        if not living:
            return ()
        island = living[rng.randrange(len(living))]
        shares = list(accumulate((at + 1) ** -self._alpha for at in range(len(island))))
        return distinct(lambda: island[drawn(shares, rng)], n)

    def _forget_valid(self) -> None:
        self._valid: set[str] = set()

    def _add_valid(self, entry: Entry) -> None:
        self._valid.add(entry.id)

    def _forget(self) -> None:
        self._islands = [Best() for _ in range(self._settings.count)]
        self._made = [0] * self._settings.count
        self._on: dict[str, set[int]] = {}
        self._count = 0

    def _add(self, entry: Entry) -> None:
        if entry.kind == "seed":
            homes = set(range(self._settings.count))
        else:
            homes = {self._home(entry)}
            self._made[min(homes)] += 1
            self._count += 1
        if entry.id in self._valid:
            self._on[entry.id] = homes
            for home in homes:
                self._islands[home].add(entry)
        if entry.kind != "seed":
            self._exchange()

    def _home(self, entry: Entry) -> int:
        islands = self._on.get(entry.parents[0]) or range(self._settings.count)
        return min(islands, key=lambda at: (self._made[at], at))

    def _exchange(self) -> None:
        """Migrate and reset, when it is time."""
        settings, islands = self._settings, self._islands
        if settings.migrate_every and self._count % settings.migrate_every == 0:
            best = [island[0] if len(island) else None for island in islands]
            for at, entry in enumerate(best):
                self._copy(entry, (at + 1) % settings.count)
        if settings.reset_every and self._count % settings.reset_every == 0:
            living = [at for at in range(settings.count) if len(islands[at])]
            if len(living) > 1:
                by_worth = sorted(living, key=lambda at: (worth(islands[at][0]), -at))
                islands[by_worth[0]].discard()
                self._copy(islands[by_worth[-1]][0], by_worth[0])

    def _copy(self, entry: Entry | None, to: int) -> None:
        if entry is not None and entry not in self._islands[to]:
            self._islands[to].add(entry)
            self._on[entry.id] = self._on[entry.id] | {to}
