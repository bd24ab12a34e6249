"""Which program is the champion, which are on the Pareto front, and which become parents.

Owns: the objectives, the floor, the front, the champion, and the rules that pick parents.
Does not know: how a program was made or judged, the archive, files, the clock.

Quality is `score.quality_interval`, speed is `score.speedup`, the ratio against the reference: both higher is better.
Absolute run times are never compared, since entries are measured in different sessions.

Both are measurements. An entry is *clearly* faster or better than another if its whole 95 % interval lies above the
other's; an entry that is neither changes nothing. Among hundreds of equal programs some are clearly better by chance,
so this is only a *claim*: an entry becomes champion only if a *confirmation* archived with it, a paired re-evaluation
against that champion, supports the claim. Each confirmation of a run uses a stricter level than the one before, so that
the chance of any error among them is at most `RUN_ERROR`. Records of earlier versions have no interval of quality, and
their claims of quality no confirmation: they are taken as they are.

What an entry claims, by objective:
- Pareto and QualityLimit: clearly faster is a claim of speed. Clearly better quality and not clearly slower is a claim
  of quality.
- RuntimeLimit: a program that meets the limit against a champion that does not claims speed. Between two that meet it
  quality decides; where neither is clearly better, clearly faster is a claim of speed, and the confirmation must show
  that quality is not worse (`_no_worse`, a test of non-inferiority). Between two that do not: as Pareto.
- Weighted: a gain with clearly better quality and not clearly lower speed claims quality. Any other gain, where one of
  the two is clear, is a trade: it is confirmed if the formula gains even with the low ends of the confirmation's
  certain intervals.

A confirmed claim of speed leaves the program above the floor, a confirmed claim of quality no slower, as far as the
confirmation can tell. An entry whose duel does not show what it claimed joins the front only by the other of the two.
A standing is a fold over the archived entries in the order of their numbers, and depends on nothing else. Of two equal
programs the earlier stays; an entry whose verdict was copied from an equal program (`same_as`) is ignored.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from types import MappingProxyType
from typing import Literal

from evaluator.types import Interval, Score, Scored
from harness.series import Names, Series
from harness.types import Confirmation, Entry

EQUAL_QUALITY = 1e-9
"""Qualities this close are equal: sums in another order differ by less."""
QUALITY_LEEWAY, SPEED_LEEWAY = 0.001, 0.04
"""How far below another a program may read and not count as worse, or as slower, whatever the width of its interval:
a program could make its own as wide as it likes.
"""
RUN_ERROR = 0.05
"""The chance that any confirmation of a run, however long, accepts an equal program as faster or better."""

Claim = Literal["none", "quality", "speed"]
"""Whether an entry claims the champion's place, and by what."""


def _check(holds: bool, expected: str, found: object) -> None:
    if not holds:
        raise ValueError(f"expected {expected}, found {found}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pareto:
    """The fastest program above the floor: none whose quality is clearly below the seed program's less `epsilon`."""

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


def clearly_better(score: Score, other: Score) -> bool:
    """Whether the 95 % interval of a score's quality lies above all of the other's."""
    return score.quality_interval.low > other.quality_interval.high + EQUAL_QUALITY


def improves(child: Entry, parent: Entry) -> bool:
    """Whether a scored entry clearly beats another in quality or in speed."""
    return clearly_better(_score(child), _score(parent)) or clearly_faster(child, parent)


def needs_confirmation(made: Claim, score: Score) -> bool:
    """Whether a claim that a score makes needs a confirmation: all but those of quality in earlier versions."""
    return made == "speed" or (made == "quality" and score.gain is not None)


def _no_slower(score: Score, other: Score) -> bool:
    """Whether a score's speed is not clearly lower; without a confirmation to tell, its median must not be lower."""
    if score.gain is None:
        return score.speedup.median >= other.speedup.median
    return min(score.speedup.high, score.speedup.median * (1 + SPEED_LEEWAY)) >= other.speedup.low


def _at_best(quality: Interval) -> float:
    """The upper end of an interval of quality, or of a gain, within the leeway."""
    return min(quality.high, quality.median + QUALITY_LEEWAY)


def _no_worse(gain: Interval) -> bool:
    """Whether a gain in quality may be none, and is none within the leeway."""
    return gain.high >= -EQUAL_QUALITY and gain.low >= -QUALITY_LEEWAY


def _claim_to_be_faster(score: Score, other: Score) -> Claim:
    """Quality, if clearly better and not clearly slower; speed, if clearly faster."""
    if _no_slower(score, other) and clearly_better(score, other):
        return "quality"
    return "speed" if _clearly_faster(score, other) else "none"


def _meets_limit(score: Score, seed: Score, objective: RuntimeLimit) -> bool:
    return score.speedup.low >= objective.min_speedup_over_seed * seed.speedup.median


def _worth(score: Score, objective: Weighted) -> float:
    """The value of a weighted objective (see `Weighted`), higher is better."""
    return objective.quality_weight * score.quality.value + objective.speed_weight * math.log(score.speedup.median)


def claim(objective: Objective, challenger: Score, champion: Score, seed: Score) -> Claim:
    """What a later program claims over the champion by its score. Both must be above the floor."""
    better, faster = clearly_better(challenger, champion), _clearly_faster(challenger, champion)
    match objective:
        case Pareto() | QualityLimit():
            return _claim_to_be_faster(challenger, champion)
        case RuntimeLimit():
            fits, fitted = (_meets_limit(score, seed, objective) for score in (challenger, champion))
            if fits != fitted:
                return "speed" if fits else "none"
            if not fits:
                return _claim_to_be_faster(challenger, champion)
            if better:
                return "quality"
            return "speed" if faster and not clearly_better(champion, challenger) else "none"
        case Weighted():
            gains = _worth(challenger, objective) > _worth(champion, objective)
            if not gains or not (better or faster):
                return "none"
            return "quality" if better and _no_slower(challenger, champion) else "speed"


def confirms(
    objective: Objective, made: Claim, challenger: Score, champion: Score, seed: Score, confirmation: Confirmation
) -> bool:
    """Whether a confirmation against this champion supports the claim `made` by the challenger's score.

    A champion that failed when it was run again has lost.
    """
    duel = confirmation.duel
    if duel is None:
        return True
    if made == "quality":
        slower = duel.comparison == "worse" and not isinstance(objective, RuntimeLimit)
        if not (slower and isinstance(objective, Weighted)):  # else a trade after all
            return duel.quality_comparison == "better" and not slower
    if duel.gain is not None:
        floor = seed.quality.value - objective.epsilon
        if champion.quality.value + _at_best(duel.gain) < floor - EQUAL_QUALITY:
            return False
        if isinstance(objective, RuntimeLimit) and _meets_limit(champion, seed, objective):
            return duel.comparison == "better" and _no_worse(duel.gain)
    if isinstance(objective, Weighted):
        lowest = duel.certain_gain.low if duel.certain_gain else challenger.quality.value - champion.quality.value
        return objective.quality_weight * lowest + objective.speed_weight * math.log(duel.certain.low) > 0
    return duel.comparison == "better"


def confirmation_level(number: int) -> float:
    """The level of a run's confirmation number 1, 2, ...: 1/2, 1/6, 1/12, ... of `RUN_ERROR`, which is their sum."""
    return 1 - RUN_ERROR / (number * (number + 1))


def _dominates(entry: Entry, other: Entry) -> bool:
    return quality(entry) >= quality(other) and speed(entry) >= speed(other)


def _fastest_first(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    return tuple(sorted(entries, key=lambda entry: (-speed(entry), entry.number)))


def _join(front: tuple[Entry, ...], entry: Entry) -> tuple[Entry, ...]:
    if not all(improves(entry, member) for member in front):
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
        """The quality below which programs do not count, if they are clearly below it."""
        return -math.inf if self.seed is None else quality(self.seed) - self.objective.epsilon

    def _is_below_floor(self, score: Score) -> bool:
        """Whether the whole interval of a score's quality, within the leeway, lies below that of the seed program, less
        epsilon.
        """
        assert self.seed is not None
        seed = _score(self.seed).quality_interval
        lowest = max(seed.low, seed.median - QUALITY_LEEWAY) - self.objective.epsilon
        return _at_best(score.quality_interval) < lowest - EQUAL_QUALITY

    def claim(self, program_id: str, scored: Scored, syntax_hash: str = "") -> Claim:
        """What a program with this score would claim if it were archived now; "none" for a known program."""
        if self.seed is None or self.champion is None or self._knows(program_id, syntax_hash):
            return "none"
        if self._is_below_floor(scored.score):
            return "none"
        return claim(self.objective, scored.score, _score(self.champion), _score(self.seed))

    @property
    def champion_meets_limit(self) -> bool:
        """Whether the objective limits the run time, and the champion is fast enough."""
        if not isinstance(self.objective, RuntimeLimit) or self.champion is None or self.seed is None:
            return False
        return _meets_limit(_score(self.champion), _score(self.seed), self.objective)

    def _knows(self, program_id: str, syntax_hash: str) -> bool:
        return program_id in self.programs or syntax_hash in self.programs

    def _is_confirmed(self, entry: Entry, made: Claim) -> bool:
        assert self.champion is not None and self.seed is not None
        mine, theirs, seed = _score(entry), _score(self.champion), _score(self.seed)
        return any(confirms(self.objective, made, mine, theirs, seed, duel) for duel in self._duels(entry))

    def _duels(self, entry: Entry) -> list[Confirmation]:
        return [each for each in entry.confirmations if self.champion and each.against == self.champion.id]

    def _shows(self, entry: Entry, made: Claim) -> bool:
        """Whether a duel with the champion shows the one thing claimed, whatever else it shows."""
        duels = [each.duel for each in self._duels(entry) if each.duel is not None]
        return any((duel.quality_comparison if made == "quality" else duel.comparison) == "better" for duel in duels)

    def add(self, entry: Entry) -> Standing:
        """The standing after one more entry, whose number must be higher than all before."""
        if entry.scored is None or entry.same_as:
            return self
        if entry.kind == "seed" and self.seed is None:
            known, valid = Names(_programs(entry)), Series([entry])
            return replace(self, seed=entry, champion=entry, pareto=(entry,), valid=valid, programs=known)
        if self.seed is None or self.champion is None or self._is_below_floor(_score(entry)):
            return self
        if self._knows(entry.program_id, entry.syntax_hash):
            return self
        mine, theirs = _score(entry), _score(self.champion)
        claimed = self.claim(entry.program_id, entry.scored, entry.syntax_hash)
        wins = claimed != "none" and (not needs_confirmation(claimed, mine) or self._is_confirmed(entry, claimed))
        other = _clearly_faster if claimed == "quality" else clearly_better
        joins = wins or claimed == "none" or self._shows(entry, claimed) or other(mine, theirs)
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


SELECTORS: Mapping[str, Selector] = MappingProxyType({"front": pick_front, "best": pick_best, "random": pick_random})
