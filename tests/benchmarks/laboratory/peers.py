"""The rules of other frameworks, rebuilt from what their packages do by default: which program is changed next.

Owns: these rules. Does not know: the landscape, how a search goes.

Read: openevolve 0.4.1, shinka-evolve 0.0.7, skydiscover 0.1.0 (AdaEvolve), levi-evolve 0.1.1 (and arXiv 2605.09764).
Each of them maximises one number; here it is `worth`, the sum of both. What they do beside choosing parents (prompts,
several models, meta-guidance, LEVI's periodic jumps by a larger model) is left out, for every rule gets the same
replies. Features of a program's text come from `harness.shape` in place of their own counts.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from itertools import accumulate
from statistics import median

from harness.select import Selector, Standing
from harness.select.pool import worth
from harness.select.ranked import drawn
from harness.series import Follower
from harness.shape import Shape, shape
from harness.types import Entry

Source = Callable[[str], str]


@cache
def counted(source: str) -> Shape:
    return shape(source)


@cache
def apart(one: Shape, other: Shape) -> float:
    return one.distance(other)


def best_reading(source: Source) -> Selector:
    """The program that was measured best, lucky or not."""
    return lambda standing, rng, n: tuple(sorted(standing.valid, key=worth, reverse=True)[:n])


def seed_alone(source: Source) -> Selector:
    """Every reply changes the seed program."""
    return lambda standing, rng, n: () if standing.seed is None else (standing.seed,)


class _Growing:
    """Follows a search, which only grows: `attempt` is called with each attempt, and whether it is above the floor."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._programs: Follower[Entry] = Follower(self._known.clear, lambda entry: self._known.add(entry.id))
        self._attempts: Follower[Entry] = Follower(_again, lambda entry: self.attempt(entry, entry.id in self._known))

    def attempt(self, entry: Entry, valid: bool) -> None:
        raise NotImplementedError

    def follow(self, standing: Standing) -> None:
        self._programs.follow(standing.valid)
        self._attempts.follow(standing.attempts)


def _again() -> None:
    raise AssertionError("expected a search that continues the one before")


class OpenEvolve(_Growing):
    """Five islands in turn, each a map of length and diversity with ten bins a side. A parent is a random program of
    the island (.2), one of the 100 best of all that is on the island (.7), or one in proportion to its score (.1).
    Every 50 rounds of an island the best tenth of each is copied to both neighbours.
    """

    COUNT, BINS, ARCHIVE, EVERY = 5, 10, 100, 50

    def __init__(self, source: Source) -> None:
        super().__init__()
        self._source = source
        self._islands: list[dict[str, Entry]] = [{} for _ in range(self.COUNT)]
        self._cells: list[dict[tuple[int, int], Entry]] = [{} for _ in range(self.COUNT)]
        self._archive: dict[str, Entry] = {}
        self._range: list[list[float]] = [[], []]
        self._reference: list[Shape] = []
        self._count = 0

    def __call__(self, standing: Standing, rng: random.Random, n: int) -> tuple[Entry, ...]:
        self.follow(standing)
        island = list(self._islands[self._count % self.COUNT].values()) or list(self._archive.values())
        kind = rng.random()
        if kind < 0.2:
            first = rng.choice(island)
        elif kind < 0.9:
            here = [entry for entry in island if entry.id in self._archive]
            first = rng.choice(here or list(self._archive.values()))
        else:
            first = rng.choices(island, [max(worth(entry), 0.001) for entry in island])[0]
        others = sorted((entry for entry in island if entry is not first), key=worth, reverse=True)
        return (first, *others[: n - 1])

    def attempt(self, entry: Entry, valid: bool) -> None:
        at = self._count % self.COUNT
        if entry.kind != "seed":
            self._count += 1
        if not valid:
            return
        self._archive[entry.id] = entry
        if len(self._archive) > self.ARCHIVE:
            del self._archive[min(self._archive.values(), key=worth).id]
        for island in range(self.COUNT) if entry.kind == "seed" else (at,):
            self._place(entry, island)
        if self._count and self._count % (self.EVERY * self.COUNT) == 0:
            self._migrate()

    def _place(self, entry: Entry, island: int) -> None:
        cell = self._cell(entry)
        held = self._cells[island].get(cell)
        if held is None or worth(entry) > worth(held):
            self._cells[island][cell] = entry
            if held is not None:
                self._islands[island].pop(held.id, None)
        self._islands[island][entry.id] = entry

    def _cell(self, entry: Entry) -> tuple[int, int]:
        made = counted(self._source(entry.id))
        if len(self._reference) < 20:
            self._reference.append(made)
        apart = [0.1 * abs(made.characters - other.characters) for other in self._reference]
        return self._bin(0, float(made.characters)), self._bin(1, sum(apart) / len(apart))

    def _bin(self, axis: int, value: float) -> int:
        self._range[axis].append(value)
        low, high = min(self._range[axis]), max(self._range[axis])
        share = (value - low) / (high - low) if high > low else 0.5
        return min(int(share * self.BINS), self.BINS - 1)

    def _migrate(self) -> None:
        best = [sorted(island.values(), key=worth, reverse=True) for island in self._islands]
        for at, ranked in enumerate(best):
            for entry in ranked[: max(1, len(ranked) // 10)]:
                for to in ((at + 1) % self.COUNT, (at - 1) % self.COUNT):
                    self._place(entry, to)


class ShinkaEvolve(_Growing):
    """Two islands, chosen at random, without migration; of the 40 best programs of all, one on the island in proportion
    to a steep sigmoid of its score (around the median, in deviations) and 1 / (1 + children).
    """

    COUNT, ARCHIVE, STEEP = 2, 40, 10.0

    def __init__(self, source: Source) -> None:
        super().__init__()
        self._archive: list[Entry] = []
        self._home: dict[str, int] = {}
        self._children: Counter[str] = Counter()
        self._picked = 0

    def __call__(self, standing: Standing, rng: random.Random, n: int) -> tuple[Entry, ...]:
        self.follow(standing)
        self._picked = rng.randrange(self.COUNT)
        here = [entry for entry in self._archive if self._home[entry.id] in (self._picked, -1)]
        first = rng.choices(here, self._weights(here))[0]
        others = sorted((entry for entry in self._archive if entry is not first), key=worth, reverse=True)
        return (first, *others[: n - 1])

    def _weights(self, entries: Sequence[Entry]) -> list[float]:
        scores = [worth(entry) for entry in entries]
        middle = median(scores)
        spread = max(median(abs(score - middle) for score in scores), 1e-6)
        return [
            _sigmoid(self.STEEP * (score - middle) / spread) / (1 + self._children[entry.id]) + 1e-12
            for score, entry in zip(scores, entries, strict=True)
        ]

    def attempt(self, entry: Entry, valid: bool) -> None:
        if entry.kind != "seed":
            self._children[entry.parents[0]] += 1
        if not valid:
            return
        home = -1 if entry.kind == "seed" else self._home[entry.parents[0]]
        self._home[entry.id] = self._picked if home == -1 and entry.kind != "seed" else home
        self._archive = sorted([*self._archive, entry], key=worth, reverse=True)[: self.ARCHIVE]


class AdaEvolve(_Growing):
    """Islands chosen by an upper bound on their decayed gains. On each, the share of exploration falls from .5 to .15
    as gains add up: exploring takes a program by its novelty, exploiting one of the best, the rest a mixture. Every 15
    attempts the five best go to the next island; where hardly any attempt gains, a new island is begun, up to five.
    """

    LOW, HIGH, DECAY, EVERY, MIGRANTS, MOST, COOLDOWN = 0.15, 0.5, 0.9, 15, 5, 5, 30

    def __init__(self, source: Source) -> None:
        super().__init__()
        self._source = source
        self._shapes: dict[str, Shape] = {}
        self._islands: list[dict[str, Entry]] = [{}, {}]
        self._signal, self._best = [0.0, 0.0], [-math.inf, -math.inf]
        self._visits, self._decayed, self._rewards = [0, 0], [0.0, 0.0], [0.0, 0.0]
        self._gains = self._spawned = self._count = self._now = 0

    def __call__(self, standing: Standing, rng: random.Random, n: int) -> tuple[Entry, ...]:
        self.follow(standing)
        self._now = self._island(rng)
        island = list(self._islands[self._now].values())
        intensity = self.LOW + (self.HIGH - self.LOW) / (1 + math.sqrt(self._signal[self._now] + 1e-8))
        kind = rng.random()
        ranked = sorted(island, key=worth, reverse=True)
        if intensity <= kind < intensity + (1 - intensity) * 0.7:
            first = rng.choice(ranked[: max(1, len(ranked) // 5)])
        else:
            novelty = [self._novelty(entry, island) for entry in island]
            if kind >= intensity:
                place = {entry.id: 1 / (1 + at) for at, entry in enumerate(ranked)}
                novelty = [far + place[entry.id] for far, entry in zip(novelty, island, strict=True)]
            first = island[drawn(list(accumulate(far + 1e-9 for far in novelty)), rng)]
        return (first, *[entry for entry in ranked if entry is not first][: n - 1])

    def _island(self, rng: random.Random) -> int:
        fresh = [at for at, visits in enumerate(self._visits) if visits < 3]
        if fresh:
            return rng.choice(fresh)

        def bound(at: int) -> float:
            return self._rewards[at] / self._decayed[at] + 1.41 * math.sqrt(
                math.log(self._count + 1) / self._visits[at]
            )

        return max(range(len(self._islands)), key=bound)

    def _novelty(self, entry: Entry, island: Sequence[Entry]) -> float:
        """The mean distance to the five nearest."""
        mine = self._shapes[entry.id]
        near = sorted(apart(mine, self._shapes[other.id]) for other in island if other is not entry)[:5]
        return sum(near) / len(near) if near else 1.0

    def attempt(self, entry: Entry, valid: bool) -> None:
        if entry.kind == "seed":
            self._shapes[entry.id] = counted(self._source(entry.id))
            for at, island in enumerate(self._islands):
                island[entry.id] = entry
                self._best[at] = worth(entry)
            return
        self._count += 1
        at, gain = self._now, 0.0
        if valid:
            self._shapes[entry.id] = counted(self._source(entry.id))
            self._islands[at][entry.id] = entry
            gain = max(0.0, worth(entry) - self._best[at])
            self._best[at] = max(self._best[at], worth(entry))
        share = min(gain / (abs(self._best[at]) + 1e-8), 1.0)
        if gain:
            self._gains += 1
            self._signal[at] = self.DECAY * self._signal[at] + (1 - self.DECAY) * share**2
        self._visits[at] += 1
        self._decayed[at] = self.DECAY * self._decayed[at] + 1
        self._rewards[at] = self.DECAY * self._rewards[at] + share
        if self._count % self.EVERY == 0:
            self._migrate()
        if self._gains / self._count < 0.015 and self._count - self._spawned >= self.COOLDOWN:
            self._spawn()

    def _migrate(self) -> None:
        best = [sorted(island.values(), key=worth, reverse=True)[: self.MIGRANTS] for island in self._islands]
        for at, migrants in enumerate(best):
            to = (at + 1) % len(self._islands)
            for entry in migrants:
                self._islands[to][entry.id] = entry
                self._best[to] = max(self._best[to], worth(entry))

    def _spawn(self) -> None:
        if len(self._islands) < self.MOST:
            self._spawned = self._count
            seed = next(iter(self._islands[0].values()))
            self._islands.append({seed.id: seed})
            for values, first in ((self._signal, 0.0), (self._best, worth(seed)), (self._decayed, 0.0)):
                values.append(first)
            self._visits.append(0)
            self._rewards.append(0.0)


class Levi(_Growing):
    """A map of 50 cells (the nearest of 50 centres) of four features of the syntax tree, the best program in each; a
    cell by a softmax of the scores, scaled to 0 to 1, at a temperature of .3, .7, 1 or 1.2.
    """

    CELLS, TEMPERATURES = 50, (0.3, 0.7, 1.0, 1.2)

    def __init__(self, source: Source) -> None:
        super().__init__()
        rng = random.Random(42)
        self._source = source
        self._centres = [tuple(rng.random() for _ in range(4)) for _ in range(self.CELLS)]
        self._elites: dict[int, Entry] = {}
        self._seen: list[tuple[int, ...]] = []

    def __call__(self, standing: Standing, rng: random.Random, n: int) -> tuple[Entry, ...]:
        self.follow(standing)
        left, picked = list(self._elites.values()), []
        temperature = rng.choice(self.TEMPERATURES)
        scores = [worth(entry) for entry in left]
        low, high = min(scores), max(scores)
        weights = [math.exp(((score - low) / ((high - low) or 1.0) - 1) / temperature) for score in scores]
        while left and len(picked) < n:
            at = drawn(list(accumulate(weights)), rng)
            picked.append(left.pop(at))
            weights.pop(at)
        return tuple(picked)

    def attempt(self, entry: Entry, valid: bool) -> None:
        if not valid:
            return
        made = counted(self._source(entry.id))
        features = (made.operations, made.loops, made.branches, made.subscripts)
        self._seen.append(features)
        place = tuple(_sigmoid(_deviations([seen[axis] for seen in self._seen])) for axis in range(4))
        cell = min(range(self.CELLS), key=lambda at: math.dist(self._centres[at], place))
        held = self._elites.get(cell)
        if held is None or worth(entry) > worth(held):
            self._elites[cell] = entry


def _deviations(values: Sequence[int]) -> float:
    """How many standard deviations (at least .1) the last value is above the mean of all."""
    mean = sum(values) / len(values)
    spread = math.sqrt(sum((value - mean) ** 2 for value in values) / max(len(values) - 1, 1))
    return (values[-1] - mean) / max(spread, 0.1)


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-min(max(x, -50.0), 50.0)))
