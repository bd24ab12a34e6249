"""One search over the landscape: what it proposes, how it is judged, and what it has found after each attempt.

Owns: the stand-in for a model, the order of an attempt, the curve of a search. Does not know: any rule, the file.

The stand-in replies to the programs that a rule picks. Some replies do not apply (`REFUSED`), some are crossovers of
the first two parents; the others change the first parent by one patch or several, by an exchange of one patch for
another, or by leaving one out. So programs can be reached again, in which case the attempt is spent for nothing, and
nothing beyond the landscape's depth is proposed. Verdicts are noisy, as measured; a claim is confirmed by a duel, as in
a run.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from evaluator.types import Comparison, Duel, Interval, Samples, Scored
from harness.readings.hypervolume import area
from harness.select import Pareto, Selector, Standing, confirmation_level, needs_confirmation
from harness.types import Confirmation, Entry
from tests.benchmarks.laboratory.landscape import Landscape, Program
from tests.harness.builders import ENVIRONMENT, REJECTED

REFUSED, CROSSED, LEFT_OUT, EXCHANGED = 0.15, 0.15, 0.1, 0.25
"""The shares of replies that do not apply, of crossovers, and of what the others do to a program."""
MORE = 0.35
"""How often a reply that adds a patch adds another one."""
EPSILON = 0.001
_SAMPLES = (Samples(candidate_us=(1000,), reference_us=(1000,)),)
Rule = Callable[[Callable[[str], str]], Selector]


class Proposals:
    """The stand-in for a model."""

    def __init__(self, landscape: Landscape, rng: random.Random) -> None:
        self._programs, self._by_patches, self._rng = landscape.programs, landscape.by_patches, rng

    def reply(self, parents: Sequence[Program]) -> Program | None:
        """The program that a reply makes; None where it does not apply."""
        kind, first = self._rng.random(), parents[0]
        if kind < REFUSED:
            return None
        if kind < REFUSED + CROSSED and len(parents) > 1:
            number = self._by_patches.get(first.patches | parents[1].patches)
            return None if number is None else self._programs[number]
        change = self._rng.random()
        if first.ways and change < LEFT_OUT:
            return self._one(first.ways)
        if first.ways and (change < LEFT_OUT + EXCHANGED or not first.leads):
            before = self._one(first.ways)
            return self._one(before.leads)
        return self._added(first)

    def _added(self, program: Program) -> Program | None:
        if not program.leads:
            return None
        program = self._one(program.leads)
        while program.leads and self._rng.random() < MORE:
            program = self._one(program.leads)
        return program

    def _one(self, numbers: Sequence[int]) -> Program:
        return self._programs[numbers[self._rng.randrange(len(numbers))]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a search has found: its share of the landscape's hypervolume after each attempt, in truth; `lucky`: how many
    programs, of `crowned`, became champion though the one before is as good in both numbers, in truth; `best`:
    doublings of the last champion.
    """

    curve: tuple[float, ...]
    crowned: int
    lucky: int
    readings: int
    lucky_readings: int
    best: float


def search(landscape: Landscape, rule: Rule, attempts: int, seed: int) -> Found:
    """A search with this number of attempts."""
    return _Search(landscape, rule, seed).run(attempts)


class _Search:
    def __init__(self, landscape: Landscape, rule: Rule, seed: int) -> None:
        self._landscape, self._seed = landscape, seed
        self._noise = np.random.default_rng(seed)
        self._proposals = Proposals(landscape, random.Random(f"replies {seed}"))
        self._of: dict[str, Program] = {}
        self._selector = rule(lambda entry_id: landscape.source(self._of[entry_id]))
        self._known: dict[int, str] = {}
        self._standing = Standing(objective=Pareto(epsilon=EPSILON))
        self._front: list[tuple[float, float]] = []
        self._duels = self._crowned = self._lucky = self._readings = self._lucky_readings = 0
        self._fastest = (0.0, landscape.programs[0])

    def run(self, attempts: int) -> Found:
        self._archive(self._landscape.programs[0], ())
        curve = []
        for number in range(1, attempts + 1):
            picked = self._selector(self._standing, random.Random(f"{self._seed}/{number}"), 4)
            program = self._proposals.reply([self._of[entry.id] for entry in picked])
            self._archive(program, tuple(entry.id for entry in picked[:1]))
            curve.append(area(self._front, self._landscape.corner) / self._landscape.most)
        champion = self._standing.champion
        assert champion is not None
        return Found(
            curve=tuple(curve),
            crowned=self._crowned,
            lucky=self._lucky,
            readings=self._readings,
            lucky_readings=self._lucky_readings,
            best=self._of[champion.id].truth[1],
        )

    def _archive(self, program: Program | None, parents: tuple[str, ...]) -> None:
        number = len(self._standing.attempts)
        before = self._standing.champion
        entry = self._entry(program, number, parents)
        self._standing = self._standing.add(entry)
        if program is None or program.number in self._known:
            return
        self._known[program.number] = entry.id
        self._front = _with(self._front, program.truth)
        self._read(entry, program)
        if before is not None and self._standing.champion is entry:
            then = self._of[before.id].truth
            self._crowned += 1
            self._lucky += program.truth[0] <= then[0] and program.truth[1] <= then[1]

    def _read(self, entry: Entry, program: Program) -> None:
        """Compare the reading of a program above the floor with the fastest so far."""
        assert entry.scored is not None
        reading, above = entry.scored.score.speedup.median, self._standing.valid[-1] is entry
        if above and reading > self._fastest[0]:
            before = self._fastest[1].truth
            self._readings += entry.kind != "seed"
            self._lucky_readings += entry.kind != "seed" and program.truth[1] <= before[1]
            self._fastest = (reading, program)

    def _entry(self, program: Program | None, number: int, parents: tuple[str, ...]) -> Entry:
        verdict = REJECTED if program is None else self._landscape.judged(program, self._noise)
        key = f"none {number}" if program is None else program.key
        confirmations: tuple[Confirmation, ...] = ()
        if program is not None:
            self._of[f"e{number}"] = program
            known = self._known.get(program.number, "")
            if isinstance(verdict, Scored) and not known:
                confirmations = self._confirmed(program, key, verdict)
        return Entry(
            id=f"e{number}",
            number=number,
            kind="patch" if number else "seed",
            name="",
            description="",
            parents=parents,
            inspirations=(),
            proposer="laboratory",
            model="",
            program_id=key,
            tiers=(),
            warnings=(),
            verdict=verdict,
            usd=0.0,
            tokens=0,
            seconds=0.0,
            when_s=0,
            confirmations=confirmations,
            same_as="" if program is None else self._known.get(program.number, ""),
        )

    def _confirmed(self, program: Program, key: str, verdict: Scored) -> tuple[Confirmation, ...]:
        """The duel with the champion that a claim asks for."""
        made, champion = self._standing.claim(key, verdict), self._standing.champion
        if champion is None or not needs_confirmation(made, verdict.score):
            return ()
        self._duels += 1
        return (Confirmation(against=champion.id, duel=self._duel(program, self._of[champion.id])),)

    def _duel(self, mine: Program, theirs: Program) -> Duel:
        level = confirmation_level(self._duels)
        z = NormalDist().inv_cdf((1 + level) / 2)
        speed = self._difference(mine.logs, theirs.logs, z)
        gain = self._difference(mine.gains, theirs.gains, z)
        certain = Interval(median=math.exp(speed.median), low=math.exp(speed.low), high=math.exp(speed.high))
        return Duel(
            comparison=_comparison(certain, 1.0),
            level=level,
            speedup=certain,
            certain=certain,
            samples=_SAMPLES,
            environment=ENVIRONMENT,
            gain=gain,
            certain_gain=gain,
        )

    def _difference(self, mine: np.ndarray, theirs: np.ndarray, z: float) -> Interval:
        """The difference of the means of resampled calls, four times as many as a verdict has."""
        cases, calls = mine.shape
        drawn = self._noise.integers(calls, size=(2, cases, 4 * calls))
        apart = np.take_along_axis(mine, drawn[0], axis=1) - np.take_along_axis(theirs, drawn[1], axis=1)
        mean = float(apart.mean())
        half = z * math.sqrt(float(apart.var(axis=1, ddof=1).sum()) / apart.shape[1]) / cases
        return Interval(median=mean, low=mean - half, high=mean + half)


def _comparison(certain: Interval, even: float) -> Comparison:
    return "better" if certain.low > even else "worse" if certain.high < even else "undecided"


def _with(front: list[tuple[float, float]], point: tuple[float, float]) -> list[tuple[float, float]]:
    """A front with one more point."""
    if any(x >= point[0] and y >= point[1] for x, y in front):
        return front
    return [(x, y) for x, y in front if x > point[0] or y > point[1]] + [point]
