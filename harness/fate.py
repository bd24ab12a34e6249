"""What becomes of an attempt while it is measured: whether more measuring could still change anything.

Owns: when an attempt's fate is decided, and the clause that says how. Does not know: how anything is measured,
archives, the clock. Pure.

An attempt matters to a search if it is better than its parent, joins the front, or becomes champion. Its fate is
decided
- against it, if it is surely below the floor; or if neither its parent nor some member of the front leaves it a chance
  to be clearly better or clearly faster;
- for it, if it surely joins the front and surely cannot claim the champion's place, there are enough rounds, and its
  intervals are no more than `WIDE` times as wide as those of a full measurement.

What may become champion is measured in full.
"""

from __future__ import annotations

import math

from evaluator.types import Estimate, Interval
from harness.select import Pareto, QualityLimit, RuntimeLimit, Standing
from harness.types import Entry

WIDE = 2.0
"""How much wider than those of a full measurement the intervals of a member of the front may be."""


def decided(standing: Standing, parent: Entry | None, estimate: Estimate) -> str:
    """How the fate of an attempt is decided, as a clause; "" if it is open. `parent` is the entry it was made from,
    None if that is not above the floor.
    """
    half_width, resolution = estimate.half_width, estimate.resolution
    seed = standing.seed
    if seed is None or seed.scored is None or standing.champion is None:
        return ""
    if estimate.quality.high < _quality(seed).low - standing.objective.epsilon - resolution:
        return "below the floor"

    def hopeless(other: Entry) -> bool:
        slow = estimate.speedup.high < _speed(other).high * (1 + half_width)
        return slow and estimate.quality.high < _quality(other).high + resolution

    if parent is None or parent.scored is None or hopeless(parent):
        for member in (standing.champion, *standing.front):
            if hopeless(member):
                return f"not better than attempt {member.number}"
    if estimate.enough_rounds and _joins(standing, estimate) and not _may_claim(standing, estimate):
        narrow = math.log(estimate.speedup.high / estimate.speedup.low) / 2 <= WIDE * half_width
        if narrow and (estimate.quality.high - estimate.quality.low) / 2 <= WIDE * resolution:
            return "on the front, behind the champion"
    return ""


def _joins(standing: Standing, estimate: Estimate) -> bool:
    """Whether an attempt is surely above the floor, and better or faster than each member of the front."""
    assert standing.seed is not None
    if estimate.quality.low < _quality(standing.seed).low - standing.objective.epsilon:
        return False
    better = (
        estimate.quality.low > _quality(member).high or estimate.speedup.low > _speed(member).high
        for member in standing.front
    )
    return all(better)


def _may_claim(standing: Standing, estimate: Estimate) -> bool:
    """Whether an attempt might claim the champion's place."""
    champion = standing.champion
    assert champion is not None
    slower = estimate.speedup.high < _speed(champion).low
    match standing.objective:
        case Pareto() | QualityLimit():
            return not slower
        case RuntimeLimit():
            return not slower or estimate.quality.high >= _quality(champion).low
        case _:
            return True


def _quality(entry: Entry) -> Interval:
    assert entry.scored is not None
    return entry.scored.score.quality_interval


def _speed(entry: Entry) -> Interval:
    assert entry.scored is not None
    return entry.scored.score.speedup
