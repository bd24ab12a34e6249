"""The judge's clock: pairs of calls in rounds of fresh processes, until there is enough, and how quiet the machine was.

Owns: the order of calls, how long a round lasts, when to stop, the noise probe. Does not know: what is called, what a
good answer is, or which comparison is wanted.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

import numpy as np

from evaluator.measuring.warmup import cold
from evaluator.settings import TimingSettings
from evaluator.types import Samples

TimedPair = Callable[[bool], tuple[int, int]]
"""Calls candidate and reference on the same fresh inputs, the reference first if asked to; nanoseconds of each."""

BeginRound = Callable[[bool], Sequence[TimedPair]]
"""Starts fresh processes, the reference's first if asked to; gives a pair function a case."""

_PROBE_S = 0.001
_LOOP = 1000
DISTURBED = 0.25
"""So much longer than at its best may the judge's own loop take on a quiet machine."""


def measure(
    begin_round: BeginRound,
    settings: TimingSettings,
    *,
    budget_s: float,
    rounds: int,
    enough: Callable[[Sequence[Samples]], bool],
    rng: np.random.Generator,
    clock: Callable[[], float] = time.monotonic,
    until_steady: bool = False,
) -> tuple[Samples, ...]:
    """Rounds until `enough` says so of the samples so far (one a case), or the time or the pairs run out.

    At least `rounds` rounds are to find room in the time: processes differ, and several have to be seen. A coin decides
    who goes first in a round: between equal programs, whom a round favours is then as a coin falls, whatever the
    machine does. Warm-ups are counted, or go on `until_steady`, for no longer than the round itself.
    """
    candidate: list[list[int]] = []
    reference: list[list[int]] = []
    counts: list[list[int]] = []
    begin = clock()
    pair_s: list[float] = []
    share_s = 0.0
    while True:
        reference_first = bool(rng.integers(2))
        pairs = begin_round(reference_first)
        if not candidate:
            candidate, reference, counts = [[] for _ in pairs], [[] for _ in pairs], [[] for _ in pairs]
            pair_s = [0.0] * len(pairs)
            share_s = budget_s / len(pairs) / rounds
        for at, pair in enumerate(pairs):
            warm = pair_s[at] < share_s / 4
            room = max(1, min(settings.round_pairs, settings.max_pairs - len(candidate[at])))
            if warm:
                _warm_up(pair, reference_first, settings.warmups, share_s if until_steady else 0.0)
            times = _round(pair, reference_first, room, share_s, clock)
            pair_s[at] = sum(map(sum, times)) / len(times) / 1e9
            candidate[at] += [max(1, one // 1000) for one, _ in times]
            reference[at] += [max(1, other // 1000) for _, other in times]
            counts[at].append(len(times))
        if min(map(len, candidate)) < settings.min_pairs:
            continue
        samples = tuple(
            Samples(candidate_us=tuple(c), reference_us=tuple(r), rounds=tuple(n))
            for c, r, n in zip(candidate, reference, counts, strict=True)
        )
        most = max(map(len, candidate))
        if most >= settings.max_pairs or clock() - begin >= budget_s or enough(samples):
            return samples


def _warm_up(pair: TimedPair, reference_first: bool, least: int, room_s: float) -> None:
    """So many pairs, and then as many as it takes and as there is room for."""
    made: list[tuple[int, int]] = []
    while cold(made, least=least, room_s=room_s):
        made.append(pair(reference_first))


def _round(
    pair: TimedPair, reference_first: bool, room: int, share_s: float, clock: Callable[[], float]
) -> list[tuple[int, int]]:
    """Blocks A B B A until the share of time is spent; a single pair where that alone spends it."""
    times: list[tuple[int, int]] = []
    begin = clock()
    while len(times) < room:
        times.append(pair(reference_first == (len(times) % 2 == 0)))
        if clock() - begin >= share_s and (len(times) % 2 == 0 or len(times) == 1):
            break
    return times


class NoiseProbe:
    """How much longer a loop of the judge's own takes than at its best: others were running, or the clock went down.

    A look takes a millisecond; looks before, between and after the rounds of a measurement see what it saw.
    """

    def __init__(self) -> None:
        self._loops_ns: list[int] = []

    def look(self) -> None:
        end = time.perf_counter() + _PROBE_S
        while time.perf_counter() < end:
            begin = time.perf_counter_ns()
            for _ in range(_LOOP):
                pass
            self._loops_ns.append(time.perf_counter_ns() - begin)

    @property
    def excess(self) -> float:
        """Mean duration of the loop over its best, less 1."""
        return float(np.mean(self._loops_ns) / np.min(self._loops_ns)) - 1 if self._loops_ns else 0.0

    def warnings(self) -> tuple[str, ...]:
        """What to say of a disturbed measurement."""
        if self.excess <= DISTURBED or not math.isfinite(self.excess):
            return ()
        return (
            f"the machine was disturbed while measuring: a loop of the judge's took {self.excess:.0%} longer than at "
            f"its best; run times are less certain",
        )
