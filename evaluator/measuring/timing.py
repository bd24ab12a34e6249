"""The judge's clock: pairs of calls in rounds of fresh processes, when to stop, and how quiet the machine was.

Owns: the order of calls, how long a round lasts, when to stop, the noise probe. Does not know: what is called, what a
good answer is, or which comparison is needed.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from statistics import fmean
from typing import Protocol

import numpy as np

from evaluator.measuring.stats import BLOCK
from evaluator.measuring.warmup import cold, starting
from evaluator.settings import TimingSettings
from evaluator.types import Samples


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One call of candidate and reference on the same loads: nanoseconds and quality of each, and the numbers of the
    call and of the draw that its loads come from.
    """

    candidate_ns: int
    reference_ns: int
    candidate_quality: float
    reference_quality: float
    call: int
    draw: int

    @property
    def times(self) -> tuple[int, int]:
        return self.candidate_ns, self.reference_ns


class TimedPair(Protocol):
    """Calls candidate and reference on the same fresh loads."""

    def __call__(self, other_first: bool, *, warm_up: bool = False) -> Pair:
        """One pair, the reference first if `other_first`. The loads of a `warm_up` belong to no scored draw, so what a
        program works out in it, off the clock, serves no call that counts.
        """
        ...


BeginRound = Callable[[bool], Sequence[TimedPair]]
"""Starts fresh processes, the reference's first if True; returns one pair function per case."""

USUAL_START_S, PATIENCE = 0.25, 4
"""Until all rounds are taken, starting the two processes of one counts for at most USUAL_START_S seconds; but no
measurement takes more than PATIENCE times its budget for that.
"""
QUALITY_DECIMALS = 7
"""Qualities are stored to this many decimals: far below any difference that matters."""
_PROBE_S = 0.001
_LOOP = 1000
DISTURBED = 0.25
"""The probe loop may exceed its best time by this share before we warn."""


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
    usual_ns: Sequence[tuple[float, float]] = (),
) -> tuple[Samples, ...]:
    """Take rounds until `enough` accepts the samples so far, or the time or the pairs run out; returns one per case.

    A round gets a share of `budget_s` seconds such that at least `rounds` rounds fit: processes differ, so we must
    measure several. Where starting the processes takes long, because a program compiles while it is loaded, that alone
    does not end the measurement before `rounds` rounds or `PATIENCE` times the budget. `rng` draws which program goes
    first in a round: order effects cancel, and between equal programs a round favours each with probability 1/2,
    whatever the machine does. Warm-ups have a fixed number, or continue `until_steady` for at most as long as the round
    itself. Programs so slow that warm-ups would take a round's time have none, until a first pair shows that they start
    slowly; in the first round only if `usual_ns` says so, what a call of candidate and reference takes in each case.
    `clock` returns seconds.
    """
    cases: list[_CaseTimes] = []
    begin, slow_s, done, share_s = clock(), 0.0, 0, 0.0
    while True:
        reference_first = bool(rng.integers(2))
        asked = clock()
        pairs = begin_round(reference_first)
        slow_s, done = slow_s + max(0.0, clock() - asked - USUAL_START_S), done + 1
        if not cases:
            cases = [_CaseTimes(usual_ns=usual) for usual in usual_ns or [(0.0, 0.0)] * len(pairs)]
            share_s = budget_s / len(pairs) / rounds
        for times, pair in zip(cases, pairs, strict=True):
            times.take_round(pair, reference_first, settings, share_s, until_steady=until_steady, clock=clock)
        if min(len(times.pairs) for times in cases) < settings.min_pairs:
            continue
        samples = tuple(times.samples() for times in cases)
        most = max(len(times.pairs) for times in cases)
        spent_s = clock() - begin
        over = spent_s >= budget_s if done >= rounds else spent_s - slow_s >= budget_s
        if over or spent_s >= PATIENCE * budget_s or most >= settings.max_pairs or enough(samples):
            return samples


@dataclass(slots=True)
class _CaseTimes:
    """What was timed on one case so far, and how its first calls in a process behave."""

    pairs: list[Pair] = field(default_factory=list)
    rounds: list[int] = field(default_factory=list)
    usual_ns: tuple[float, float] = (0.0, 0.0)
    """Mean times of candidate and reference in the round before, or before the first one; 0 if unknown."""
    slow_start: bool = False
    """Whether a first call was seen to be much slower than usual: then every round is warmed up."""

    def take_round(
        self,
        pair: TimedPair,
        reference_first: bool,
        settings: TimingSettings,
        share_s: float,
        *,
        until_steady: bool,
        clock: Callable[[], float],
    ) -> None:
        """Time pairs in one round of fresh processes, warmed up first where that costs little of the share."""
        room = max(1, min(settings.round_pairs, settings.max_pairs - len(self.pairs)))
        if warm := self.slow_start or sum(self.usual_ns) / 1e9 < share_s / 4:
            _warm_up(pair, reference_first, settings.warmups, share_s if until_steady else 0.0)
        pairs = _round(pair, reference_first, room, share_s, clock)
        if not warm and starting(pairs[0].times, self.usual_ns):
            # From now on always warmed up: to leave out slow pairs only would flatter a program that varies.
            self.slow_start = True
            pairs = _round(pair, reference_first, room, share_s, clock)
        self.usual_ns = (fmean(pair.candidate_ns for pair in pairs), fmean(pair.reference_ns for pair in pairs))
        self.pairs += pairs
        self.rounds.append(len(pairs))

    def samples(self) -> Samples:
        return Samples(
            candidate_us=tuple(max(1, pair.candidate_ns // 1000) for pair in self.pairs),
            reference_us=tuple(max(1, pair.reference_ns // 1000) for pair in self.pairs),
            rounds=tuple(self.rounds),
            candidate_quality=tuple(round(pair.candidate_quality, QUALITY_DECIMALS) for pair in self.pairs),
            reference_quality=tuple(round(pair.reference_quality, QUALITY_DECIMALS) for pair in self.pairs),
            calls=tuple(pair.call for pair in self.pairs),
            draws=tuple(len(tuple(pairs)) for _, pairs in groupby(pair.draw for pair in self.pairs)),
        )


def _warm_up(pair: TimedPair, reference_first: bool, least: int, room_s: float) -> None:
    """Make at least `least` pairs of calls, then more until they are warm or `room_s` seconds are spent."""
    made: list[tuple[int, int]] = []
    while cold(made, least=least, room_s=room_s):
        made.append(pair(reference_first, warm_up=True).times)


def _round(pair: TimedPair, reference_first: bool, room: int, share_s: float, clock: Callable[[], float]) -> list[Pair]:
    """Blocks AB BA BA AB until the share of time is spent, or one pair or two if those spend it.

    A program that runs right after itself finds its data in the caches: we saw calls of milliseconds 5 % faster for
    that. In such a block each program does so once; in AB BA AB BA the second would twice, the first once.
    """
    pairs: list[Pair] = []
    begin = clock()
    while len(pairs) < room:
        pairs.append(pair(reference_first == (len(pairs) % BLOCK in (0, 3))))
        if clock() - begin >= share_s and (len(pairs) % BLOCK == 0 or len(pairs) <= 2):
            break
    return pairs


class NoiseProbe:
    """How much longer a fixed loop takes than at its best: because others run, or the clock frequency is lower.

    A probe takes a millisecond; probes before, between and after the rounds see the same noise as the measurement.
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
        """Mean duration of the loop divided by its best, minus 1; 0 if the loop never ran."""
        return float(np.mean(self._loops_ns) / np.min(self._loops_ns)) - 1 if self._loops_ns else 0.0

    def warnings(self) -> tuple[str, ...]:
        """A warning that the machine was disturbed; () if it was quiet."""
        if self.excess <= DISTURBED or not math.isfinite(self.excess):
            return ()
        return (
            f"the machine was disturbed while measuring: the judge's probe loop took {self.excess:.0%} longer than at "
            f"its best, so run times are less certain",
        )
