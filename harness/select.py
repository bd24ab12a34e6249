"""Which program is the champion, which are on the Pareto front, and which become parents.

Owns: the objectives, the floor, the front, the champion, and the rules that pick parents.
Does not know: how a program was made or judged, the archive, files, the clock.

Quality is `score.quality.value`, speed is `score.speedup`, the ratio against the reference: both higher is better.
Absolute run times are never compared, since entries are measured in different sessions.

A speed is a measurement. An entry is *clearly faster* than another if its whole 95 % interval lies above the other's;
an entry of the same quality that is not clearly faster changes nothing. Among hundreds of equal programs some are
clearly faster by chance, so this is only a *claim*: a faster entry becomes champion only if a *confirmation* archived
with it, a paired re-evaluation against that champion, supports the claim. Each confirmation of a run uses a stricter
level than the one before, so that the chance of any error among them is at most `RUN_ERROR`. Quality is deterministic
and needs no confirmation.

What an entry claims, by objective:
- Pareto and QualityLimit: clearly faster is a claim of speed. Better quality at no lower median speed is a claim of
  quality.
- RuntimeLimit: a program that meets the limit against a champion that does not claims speed. Between two that meet it
  quality decides; at equal quality clearly faster is a claim of speed. Between two that do not: as Pareto.
- Weighted: a gain with better quality and no lower median speed claims quality. Any other gain is a trade that depends
  on the speeds: it is confirmed if the formula gains even with the low end of the confirmation's certain interval.

An entry whose claim of speed was not confirmed does not count as faster: without better quality than the champion it
does not join the front. A standing is a fold over the archived entries in the order of their numbers, and depends on
nothing else. Of two equal programs the earlier stays; an entry whose verdict was copied from an equal program
(`same_as`) is ignored.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from types import MappingProxyType
from typing import Literal

from evaluator.types import Score, Scored
from harness.series import Names, Series
from harness.types import Confirmation, Entry

EQUAL_QUALITY = 1e-9
"""Qualities this close are equal: sums in another order differ by less."""
RUN_ERROR = 0.05
"""The chance that any confirmation of a run, however long, accepts an equal program as faster."""

Claim = Literal["none", "quality", "speed"]
"""Whether an entry claims the champion's place, and by what."""


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
    """The quality of a scored entry, higher is better. Raises ValueError for an entry without a score."""
    return _score(entry).quality.value


def speed(entry: Entry) -> float:
    """The median speed-up of a scored entry over the reference, higher is better. Raises ValueError without a score."""
    return _score(entry).speedup.median


def clearly_faster(entry: Entry, other: Entry) -> bool:
    """Whether the 95 % interval of `entry`'s speed lies above all of `other`'s, under the same conditions.

    Conditions may differ within a run that an earlier packsmith continued on another machine.
    """
    if not _clearly_faster(_score(entry), _score(other)):
        return False
    assert entry.scored is not None and other.scored is not None
    return not entry.scored.environment.differing(other.scored.environment)


def _clearly_faster(score: Score, other: Score) -> bool:
    return score.speedup.low > other.speedup.high


def _better_quality(score: Score, other: Score) -> bool:
    return score.quality.value > other.quality.value + EQUAL_QUALITY


def improves(child: Entry, parent: Entry) -> bool:
    """Whether a scored entry beats another in quality, or clearly in speed."""
    return _better_quality(_score(child), _score(parent)) or clearly_faster(child, parent)


def _claim_to_be_faster(score: Score, other: Score) -> Claim:
    """Quality, if better at no lower median speed; speed, if clearly faster."""
    if score.speedup.median >= other.speedup.median and _better_quality(score, other):
        return "quality"
    return "speed" if _clearly_faster(score, other) else "none"


def _meets_limit(score: Score, seed: Score, objective: RuntimeLimit) -> bool:
    return score.speedup.low >= objective.min_speedup_over_seed * seed.speedup.median


def worth(entry: Entry, objective: Weighted) -> float:
    """The value of a weighted objective (see `Weighted`), higher is better."""
    return _worth(_score(entry), objective)


def _worth(score: Score, objective: Weighted) -> float:
    return objective.quality_weight * score.quality.value + objective.speed_weight * math.log(score.speedup.median)


def claim(objective: Objective, challenger: Score, champion: Score, seed: Score) -> Claim:
    """What a later program claims over the champion by its score. Both must be above the floor."""
    better = _better_quality(challenger, champion)
    equal = not better and not _better_quality(champion, challenger)
    match objective:
        case Pareto() | QualityLimit():
            return _claim_to_be_faster(challenger, champion)
        case RuntimeLimit():
            fits, fitted = (_meets_limit(score, seed, objective) for score in (challenger, champion))
            if fits != fitted:
                return "speed" if fits else "none"
            if not fits:
                return _claim_to_be_faster(challenger, champion)
            if equal:
                return "speed" if _clearly_faster(challenger, champion) else "none"
            return "quality" if better else "none"
        case Weighted():
            gains = _worth(challenger, objective) > _worth(champion, objective)
            if not gains or (equal and not _clearly_faster(challenger, champion)):
                return "none"
            return "quality" if better and challenger.speedup.median >= champion.speedup.median else "speed"


def confirms(objective: Objective, challenger: Score, champion: Score, confirmation: Confirmation) -> bool:
    """Whether a confirmation against this champion supports a claim of speed.

    A champion that failed when it was run again has lost.
    """
    duel = confirmation.duel
    if duel is None:
        return True
    if isinstance(objective, Weighted):
        gained = objective.quality_weight * (challenger.quality.value - champion.quality.value)
        return gained + objective.speed_weight * math.log(duel.certain.low) > 0
    return duel.comparison == "better"


def confirmation_level(number: int) -> float:
    """The level of a run's confirmation number 1, 2, ...: 1/2, 1/6, 1/12, ... of `RUN_ERROR`, which is their sum."""
    return 1 - RUN_ERROR / (number * (number + 1))


def _covers(member: Entry, entry: Entry) -> bool:
    """Whether `entry` has neither better quality than `member` nor clearly higher speed."""
    return not improves(entry, member)


def _dominates(entry: Entry, other: Entry) -> bool:
    return quality(entry) >= quality(other) and speed(entry) >= speed(other)


def _fastest_first(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    return tuple(sorted(entries, key=lambda entry: (-speed(entry), entry.number)))


def _join(front: tuple[Entry, ...], entry: Entry) -> tuple[Entry, ...]:
    if any(_covers(member, entry) for member in front):
        return front
    return _fastest_first([*(member for member in front if not _dominates(entry, member)), entry])


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The population state of a search: its entries, folded in order, under one objective.

    `valid` holds the scored programs above the floor, each once, in order; `pareto` those that no other beats in both
    quality and speed, fastest first. `champion` is None until the seed program is scored.
    """

    objective: Objective
    seed: Entry | None = None
    champion: Entry | None = None
    pareto: tuple[Entry, ...] = ()
    valid: Series[Entry] = field(default_factory=Series)
    programs: Names = field(default_factory=Names)
    """The program ids of `valid`, and their syntax hashes."""

    @property
    def front(self) -> tuple[Entry, ...]:
        """The Pareto front, fastest first. It includes the champion even if noise alone keeps it off `pareto`."""
        if self.champion is None or any(member.id == self.champion.id for member in self.pareto):
            return self.pareto
        return _fastest_first([*self.pareto, self.champion])

    @property
    def floor(self) -> float:
        return -math.inf if self.seed is None else quality(self.seed) - self.objective.epsilon

    def claim(self, program_id: str, scored: Scored, syntax_hash: str = "") -> Claim:
        """What a program with this score would claim if it were archived now; "none" for a known program."""
        if self.seed is None or self.champion is None or self._knows(program_id, syntax_hash):
            return "none"
        if scored.score.quality.value < self.floor - EQUAL_QUALITY:
            return "none"
        return claim(self.objective, scored.score, _score(self.champion), _score(self.seed))

    def _knows(self, program_id: str, syntax_hash: str) -> bool:
        return program_id in self.programs or syntax_hash in self.programs

    def _is_confirmed(self, entry: Entry) -> bool:
        assert self.champion is not None
        mine, theirs = _score(entry), _score(self.champion)
        duels = (confirmation for confirmation in entry.confirmations if confirmation.against == self.champion.id)
        return any(confirms(self.objective, mine, theirs, duel) for duel in duels)

    def add(self, entry: Entry) -> Standing:
        """The standing after one more entry, whose number must be higher than all before."""
        if entry.scored is None or entry.same_as:
            return self
        if entry.kind == "seed" and self.seed is None:
            known, valid = Names(_programs(entry)), Series([entry])
            return replace(self, seed=entry, champion=entry, pareto=(entry,), valid=valid, programs=known)
        if self.seed is None or self.champion is None or quality(entry) < self.floor - EQUAL_QUALITY:
            return self
        if self._knows(entry.program_id, entry.syntax_hash):
            return self
        claimed = self.claim(entry.program_id, entry.scored, entry.syntax_hash)
        wins = claimed == "quality" or (claimed == "speed" and self._is_confirmed(entry))
        joins = wins or claimed == "none" or _better_quality(_score(entry), _score(self.champion))
        return replace(
            self,
            champion=entry if wins else self.champion,
            pareto=_join(self.pareto, entry) if joins else self.pareto,
            valid=self.valid.plus(entry),
            programs=reduce(Names.plus, _programs(entry), self.programs),
        )


def _programs(entry: Entry) -> tuple[str, ...]:
    return (entry.program_id, entry.syntax_hash) if entry.syntax_hash else (entry.program_id,)


def standing(entries: Iterable[Entry], objective: Objective) -> Standing:
    """The standing of a search with these entries, in any order."""
    result = Standing(objective=objective)
    for entry in sorted(entries, key=lambda entry: entry.number):
        result = result.add(entry)
    return result


Selector = Callable[[Standing, random.Random, int], tuple[Entry, ...]]
"""Picks up to `n` different parents; a patch applies to the first. Empty only if `valid` is."""


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


SELECTORS: Mapping[str, Selector] = MappingProxyType(
    {"front": pick_front, "best": pick_best, "random": pick_random},
)
