"""A simulated machine for tests of statistics: paired call times with noise as measured on real machines."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from evaluator.types import Samples


def times(
    rng: np.random.Generator,
    rounds: int,
    *,
    pairs: int = 10,
    speedup: float = 1.0,
    base_us: float = 1900.0,
    order: float = 0.05,
    processes: float = 0.015,
    two_kinds: bool = False,
) -> tuple[list[int], list[int]]:
    """Candidate and reference times of some rounds of `pairs` pairs.

    Common noise slows both calls of a pair (40 % from call to call); the noise within a pair has heavy tails
    (Student's t with 2 degrees of freedom, so that medians of 20 ratios scatter by 0.9 %). The second call of a pair is
    faster by `order`, and the order of a round is random. `processes`: how much the two processes of a round differ:
    its standard deviation if normal, or exactly this much faster or slower if `two_kinds`.
    """
    count = rounds * pairs
    common = base_us * np.exp(0.4 * rng.standard_normal(count)) * np.where(rng.random(count) < 0.1, 3.0, 1.0)
    coin = np.repeat(rng.choice([-1, 1], rounds), pairs) * np.where(np.arange(count) % pairs % 2 == 0, 1, -1)
    kind = rng.choice([-1.0, 1.0], rounds) if two_kinds else rng.standard_normal(rounds)
    bias = np.repeat(processes * kind, pairs)
    reference = common * np.exp(0.02 * rng.standard_t(2, count) + coin * order / 2 + bias)
    candidate = common / speedup * np.exp(0.02 * rng.standard_t(2, count) - coin * order / 2)
    return [max(1, int(x)) for x in candidate], [max(1, int(x)) for x in reference]


def rounds_of(rng: np.random.Generator, rounds: int, *, pairs: int = 10, **more: float) -> Samples:
    """Samples of `rounds` rounds."""
    candidate, reference = times(rng, rounds, pairs=pairs, **more)  # type: ignore[arg-type]
    return Samples(candidate_us=tuple(candidate), reference_us=tuple(reference), rounds=(pairs,) * rounds)


def growing(whole: Samples) -> Iterator[Samples]:
    """The samples after each round."""
    ends = np.cumsum((0, *whole.rounds))
    for number, (_, end) in enumerate(pairwise(ends), start=1):
        yield Samples(
            candidate_us=whole.candidate_us[:end],
            reference_us=whole.reference_us[:end],
            rounds=whole.rounds[:number],
            candidate_quality=whole.candidate_quality[:end],
            reference_quality=whole.reference_quality[:end],
            calls=whole.calls[:end],
        )
