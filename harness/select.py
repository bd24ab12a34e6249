"""Which programs are best, which stand on the Pareto front, and which become parents.

Owns: the objectives, the floor, the front, the champion, and the rules that pick parents.
Does not know: how a program was made or judged, the archive, files, the clock.

Quality is `score.quality.value`, speed is `score.speedup`, the ratio against the reference: both higher is better.
Absolute run times are never compared, since entries come from different sessions.

A speed is a measurement. An entry is *clearly faster* than another when its whole 95 % interval lies above the
other's; an entry of the same quality that is not clearly faster changes nothing, so that one lucky run does not
become the best. Standings are folded over the entries in the order of their numbers: the earlier of two equal
programs stays.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from evaluator.types import Score
from harness.types import Entry

EQUAL_QUALITY = 1e-9
"""Qualities this close are the same: sums taken in another order differ by less."""


def _check(holds: bool, expected: str, found: object) -> None:
    if not holds:
        raise ValueError(f"expected {expected}, found {found}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pareto:
    """The fastest program above the floor. The floor is the seed program's quality less `epsilon`."""

    epsilon: float = 0.0

    def __post_init__(self) -> None:
        _check(self.epsilon >= 0, "epsilon >= 0", self.epsilon)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeLimit:
    """The best quality among programs at least `min_speedup_over_seed` times as fast as the seed program.

    Both speeds are ratios against the reference; the low end of the program's interval must meet the limit, against the
    seed program's median. While no program does, the fastest above the floor leads.
    """

    min_speedup_over_seed: float
    epsilon: float = 0.0

    def __post_init__(self) -> None:
        _check(self.min_speedup_over_seed > 0, "min_speedup_over_seed > 0", self.min_speedup_over_seed)
        _check(self.epsilon >= 0, "epsilon >= 0", self.epsilon)


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityLimit:
    """The fastest program whose quality is within `within` of the seed program's."""

    within: float

    def __post_init__(self) -> None:
        _check(self.within >= 0, "within >= 0", self.within)

    @property
    def epsilon(self) -> float:
        return self.within


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighted:
    """The largest `quality * quality_weight + ln(speedup) * speed_weight` above the floor."""

    quality_weight: float
    speed_weight: float
    epsilon: float = 0.0

    def __post_init__(self) -> None:
        weights = (self.quality_weight, self.speed_weight)
        _check(min(weights) >= 0 and max(weights) > 0, "weights >= 0, one of them above 0", weights)
        _check(self.epsilon >= 0, "epsilon >= 0", self.epsilon)


Objective = Pareto | RuntimeLimit | QualityLimit | Weighted


def _score(entry: Entry) -> Score:
    if entry.scored is None:
        raise ValueError(f"attempt {entry.number} has no score")
    return entry.scored.score


def quality(entry: Entry) -> float:
    """The quality of a scored entry, higher is better."""
    return _score(entry).quality.value


def speed(entry: Entry) -> float:
    """The median speed-up over the reference of a scored entry, higher is better."""
    return _score(entry).speedup.median


def clearly_faster(one: Entry, other: Entry) -> bool:
    """Whether the 95 % interval of `one`'s speed lies wholly above `other`'s."""
    return _score(one).speedup.low > _score(other).speedup.high


def _better_quality(one: Entry, other: Entry) -> bool:
    return quality(one) > quality(other) + EQUAL_QUALITY


def improves(child: Entry, parent: Entry) -> bool:
    """Whether a scored entry is better than another in anything: quality, or clearly in speed."""
    return _better_quality(child, parent) or clearly_faster(child, parent)


def _faster(one: Entry, other: Entry) -> bool:
    """Faster, or a tie in speed that quality decides without giving speed away."""
    return clearly_faster(one, other) or (speed(one) > speed(other) and _better_quality(one, other))


def meets_limit(entry: Entry, seed: Entry, objective: RuntimeLimit) -> bool:
    """Whether an entry is fast enough: the low end of its interval against the seed program's median."""
    return _score(entry).speedup.low >= objective.min_speedup_over_seed * speed(seed)


def worth(entry: Entry, objective: Weighted) -> float:
    """The value of a weighted objective's formula, higher is better."""
    return objective.quality_weight * quality(entry) + objective.speed_weight * math.log(speed(entry))


def prefers(objective: Objective, challenger: Entry, champion: Entry, seed: Entry) -> bool:
    """Whether a later entry takes the place of the champion. Both are above the floor."""
    match objective:
        case Pareto() | QualityLimit():
            return _faster(challenger, champion)
        case RuntimeLimit():
            fits, fitted = meets_limit(challenger, seed, objective), meets_limit(champion, seed, objective)
            if fits != fitted:
                return fits
            if not fits:
                return _faster(challenger, champion)
            if abs(quality(challenger) - quality(champion)) <= EQUAL_QUALITY:
                return clearly_faster(challenger, champion)
            return quality(challenger) > quality(champion)
        case Weighted():
            differs = abs(quality(challenger) - quality(champion)) > EQUAL_QUALITY
            gains = worth(challenger, objective) > worth(champion, objective)
            return gains and (differs or clearly_faster(challenger, champion))


def _covers(member: Entry, entry: Entry) -> bool:
    """Whether `entry` offers nothing that `member` does not: no better quality and no clearly higher speed."""
    return not improves(entry, member)


def _dominates(one: Entry, other: Entry) -> bool:
    return quality(one) >= quality(other) and speed(one) >= speed(other)


def _fastest_first(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    return tuple(sorted(entries, key=lambda entry: (-speed(entry), entry.number)))


def _join(front: tuple[Entry, ...], entry: Entry) -> tuple[Entry, ...]:
    if any(_covers(member, entry) for member in front):
        return front
    return _fastest_first([*(member for member in front if not _dominates(entry, member)), entry])


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a search stands: the outcome of folding its entries, in order, under one objective.

    `valid` are the scored programs above the floor, each once, in order; `pareto` those that no other beats on both
    quality and speed, fastest first. `champion` is None until the seed program is scored.
    """

    objective: Objective
    seed: Entry | None = None
    champion: Entry | None = None
    pareto: tuple[Entry, ...] = ()
    valid: tuple[Entry, ...] = ()
    programs: frozenset[str] = frozenset()
    """The program ids of `valid`."""

    @property
    def front(self) -> tuple[Entry, ...]:
        """The Pareto front, fastest first, with the champion also where only noise decided for it."""
        if self.champion is None or any(member.id == self.champion.id for member in self.pareto):
            return self.pareto
        return _fastest_first([*self.pareto, self.champion])

    @property
    def floor(self) -> float:
        return -math.inf if self.seed is None else quality(self.seed) - self.objective.epsilon

    def add(self, entry: Entry) -> Standing:
        """The standing after one more entry, which must have a higher number than all before it."""
        if entry.scored is None:
            return self
        if entry.kind == "seed" and self.seed is None:
            known = frozenset({entry.program_id})
            return replace(self, seed=entry, champion=entry, pareto=(entry,), valid=(entry,), programs=known)
        if self.seed is None or self.champion is None or quality(entry) < self.floor - EQUAL_QUALITY:
            return self
        if entry.program_id in self.programs:
            return self
        return replace(
            self,
            champion=entry if prefers(self.objective, entry, self.champion, self.seed) else self.champion,
            pareto=_join(self.pareto, entry),
            valid=(*self.valid, entry),
            programs=self.programs | {entry.program_id},
        )


def standing(entries: Iterable[Entry], objective: Objective) -> Standing:
    """Where a search with these entries stands."""
    result = Standing(objective=objective)
    for entry in sorted(entries, key=lambda entry: entry.number):
        result = result.add(entry)
    return result


def floor(entries: Iterable[Entry], epsilon: float) -> float:
    """The lowest quality a program may have: the seed program's less `epsilon` (-inf while it has no score)."""
    return standing(entries, Pareto(epsilon=epsilon)).floor


def front(entries: Iterable[Entry], floor: float) -> tuple[Entry, ...]:
    """The programs above the floor that no other beats on both quality and speed, fastest first, each program once."""
    result: tuple[Entry, ...] = ()
    programs: set[str] = set()
    for entry in sorted(entries, key=lambda entry: entry.number):
        above = entry.scored is not None and quality(entry) >= floor - EQUAL_QUALITY
        if above and entry.program_id not in programs:
            programs.add(entry.program_id)
            result = _join(result, entry)
    return result


def best(entries: Iterable[Entry], objective: Objective) -> Entry | None:
    """The champion under an objective, or None while the seed program has no score."""
    return standing(entries, objective).champion


Selector = Callable[[Standing, random.Random, int], tuple[Entry, ...]]
"""Picks up to `n` different parents, the first of them the one a patch is to apply to. Empty only where `valid` is."""


def _sample(pool: Sequence[Entry], rng: random.Random, n: int) -> tuple[Entry, ...]:
    return tuple(rng.sample(pool, min(n, len(pool))))


def pick_front(standing: Standing, rng: random.Random, n: int) -> tuple[Entry, ...]:
    """Members of the Pareto front, each as likely as any other."""
    return _sample(standing.front, rng, n)


def pick_best(standing: Standing, rng: random.Random, n: int) -> tuple[Entry, ...]:
    """The champion, then others of the front at random."""
    if standing.champion is None:
        return ()
    others = [entry for entry in standing.front if entry.id != standing.champion.id]
    return (standing.champion, *_sample(others, rng, n - 1))


def pick_random(standing: Standing, rng: random.Random, n: int) -> tuple[Entry, ...]:
    """Any programs above the floor."""
    return _sample(standing.valid, rng, n)


SELECTORS: Mapping[str, Selector] = MappingProxyType(
    {"front": pick_front, "best": pick_best, "random": pick_random},
)
