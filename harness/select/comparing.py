"""Which of two programs is better: what a score claims, and whether a duel confirms it.

Owns: comparisons of entries and scores, claims and confirmations.
Does not know: standings, the floor, parents, how a program was made or judged.

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
"""

from __future__ import annotations

import math
from typing import Literal

from evaluator.types import Interval, Score
from harness.select.objectives import Objective, Pareto, QualityLimit, RuntimeLimit, Weighted
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


def score_of(entry: Entry) -> Score:
    """The score of a scored entry. Raises ValueError for another."""
    if entry.scored is None:
        raise ValueError(f"attempt {entry.number} has no score")
    return entry.scored.score


def quality(entry: Entry) -> float:
    """The quality of a scored entry, higher is better. Raises ValueError for an entry without a score."""
    return score_of(entry).quality.value


def speed(entry: Entry) -> float:
    """The median speed-up of a scored entry over the reference, higher is better. Raises ValueError without a score."""
    return score_of(entry).speedup.median


def clearly_faster(entry: Entry, other: Entry) -> bool:
    """Whether the 95 % interval of `entry`'s speed lies above all of `other`'s, under the same conditions.

    Conditions may differ within a run that an earlier packsmith continued on another machine.
    """
    if not score_faster(score_of(entry), score_of(other)):
        return False
    assert entry.scored is not None and other.scored is not None
    return not entry.scored.environment.differing(other.scored.environment)


def score_faster(score: Score, other: Score) -> bool:
    """Whether the 95 % interval of a score's speed lies above all of the other's."""
    return score.speedup.low > other.speedup.high


def clearly_better(score: Score, other: Score) -> bool:
    """Whether the 95 % interval of a score's quality lies above all of the other's."""
    return score.quality_interval.low > other.quality_interval.high + EQUAL_QUALITY


def improves(child: Entry, parent: Entry) -> bool:
    """Whether a scored entry clearly beats another in quality or in speed."""
    return clearly_better(score_of(child), score_of(parent)) or clearly_faster(child, parent)


def needs_confirmation(made: Claim, score: Score) -> bool:
    """Whether a claim that a score makes needs a confirmation: all but those of quality in earlier versions."""
    return made == "speed" or (made == "quality" and score.gain is not None)


def _no_slower(score: Score, other: Score) -> bool:
    """Whether a score's speed is not clearly lower; without a confirmation to tell, its median must not be lower."""
    if score.gain is None:
        return score.speedup.median >= other.speedup.median
    return min(score.speedup.high, score.speedup.median * (1 + SPEED_LEEWAY)) >= other.speedup.low


def at_best(quality: Interval) -> float:
    """The upper end of an interval of quality, or of a gain, within the leeway."""
    return min(quality.high, quality.median + QUALITY_LEEWAY)


def _no_worse(gain: Interval) -> bool:
    """Whether a gain in quality may be none, and is none within the leeway."""
    return gain.high >= -EQUAL_QUALITY and gain.low >= -QUALITY_LEEWAY


def _claim_to_be_faster(score: Score, other: Score) -> Claim:
    """Quality, if clearly better and not clearly slower; speed, if clearly faster."""
    if _no_slower(score, other) and clearly_better(score, other):
        return "quality"
    return "speed" if score_faster(score, other) else "none"


def meets_limit(score: Score, seed: Score, objective: RuntimeLimit) -> bool:
    """Whether a score is surely as fast as the objective demands."""
    return score.speedup.low >= objective.min_speedup_over_seed * seed.speedup.median


def _worth(score: Score, objective: Weighted) -> float:
    """The value of a weighted objective (see `Weighted`), higher is better."""
    return objective.quality_weight * score.quality.value + objective.speed_weight * math.log(score.speedup.median)


def claim(objective: Objective, challenger: Score, champion: Score, seed: Score) -> Claim:
    """What a later program claims over the champion by its score. Both must be above the floor."""
    better, faster = clearly_better(challenger, champion), score_faster(challenger, champion)
    match objective:
        case Pareto() | QualityLimit():
            return _claim_to_be_faster(challenger, champion)
        case RuntimeLimit():
            fits, fitted = (meets_limit(score, seed, objective) for score in (challenger, champion))
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
        if champion.quality.value + at_best(duel.gain) < floor - EQUAL_QUALITY:
            return False
        if isinstance(objective, RuntimeLimit) and meets_limit(champion, seed, objective):
            return duel.comparison == "better" and _no_worse(duel.gain)
    if isinstance(objective, Weighted):
        lowest = duel.certain_gain.low if duel.certain_gain else challenger.quality.value - champion.quality.value
        return objective.quality_weight * lowest + objective.speed_weight * math.log(duel.certain.low) > 0
    return duel.comparison == "better"


def confirmation_level(number: int) -> float:
    """The level of a run's confirmation number 1, 2, ...: 1/2, 1/6, 1/12, ... of `RUN_ERROR`, which is their sum."""
    return 1 - RUN_ERROR / (number * (number + 1))
