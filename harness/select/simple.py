"""Rules without state of their own: from the front, the champion, or any program.

Owns: these rules. Does not know: how the standing came about.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from harness.select.standing import Standing
from harness.types import Entry


def _sample(pool: Sequence[Entry], rng: random.Random, n: int) -> tuple[Entry, ...]:
    return tuple(rng.sample(pool, min(n, len(pool))))


def pick_front(standing: Standing, rng: random.Random, n: int) -> tuple[Entry, ...]:
    """Members of the Pareto front: the champion first with probability 1/2, else a uniform sample."""
    return pick_best(standing, rng, n) if rng.random() < 0.5 else _sample(standing.front, rng, n)


def pick_best(standing: Standing, rng: random.Random, n: int) -> tuple[Entry, ...]:
    """The champion, then a uniform sample of the rest of the front."""
    if standing.champion is None:
        return ()
    others = [entry for entry in standing.front if entry.id != standing.champion.id]
    return (standing.champion, *_sample(others, rng, n - 1))


def pick_random(standing: Standing, rng: random.Random, n: int) -> tuple[Entry, ...]:
    """A uniform sample of the programs above the floor."""
    return _sample(standing.valid, rng, n)


def distinct(draw: Callable[[], Entry], n: int) -> tuple[Entry, ...]:
    """Up to `n` different programs of repeated draws, in the order in which they came."""
    found: dict[str, Entry] = {}
    for _ in range(4 * n):
        entry = draw()
        found.setdefault(entry.id, entry)
        if len(found) == n:
            break
    return tuple(found.values())
