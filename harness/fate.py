"""What becomes of an attempt while it is measured: whether more measuring could still change anything.

Owns: when an attempt's fate is decided, and the clause that says how; when a duel has told what it was for.
Does not know: how anything is measured, archives, the clock. Pure.

An attempt matters to a search if it is better than its parent, joins the front, or becomes champion. Its fate is
decided
- against it, if it is surely below the floor; or if neither its parent nor some member of the front leaves it a chance
  to be clearly better or clearly faster;
- for it, if it surely cannot claim the champion's place, and surely joins the front; or is surely better or faster than
  its parent, and either some member of the front leaves it no chance to join, or it is measured well enough to be
  ranked, `SHARP` times as wide as in full.

What may become champion is measured in full. A duel is over when its answer to the claim is certain, or when the
difference is most likely too small to matter.
"""

from __future__ import annotations

import math

from evaluator.fate import Estimate, OpenDuel
from evaluator.types import Interval
from harness.select import Claim, Pareto, QualityLimit, RuntimeLimit, Standing, Weighted
from harness.types import Entry

SHARP = 2
"""A program is ranked by its middle values: intervals twice as wide as in full, of .001 in balance and 4 % in speed,
misplace few.
"""


def decided(standing: Standing, parent: Entry | None, estimate: Estimate) -> str:
    """How the fate of an attempt is decided, as a clause; "" if it is open. `parent` is the entry it was made from,
    None if that is not above the floor.
    """
    half_width, resolution = estimate.half_width, estimate.resolution
    parent = None if parent is None or parent.scored is None else parent
    seed = standing.seed
    if seed is None or seed.scored is None or standing.champion is None:
        return ""
    if estimate.quality.high < _quality(seed).low - standing.objective.epsilon - resolution:
        return "below the floor"

    def hopeless(other: Entry) -> bool:
        slow = estimate.speedup.high < _speed(other).high * (1 + half_width)
        return slow and estimate.quality.high < _quality(other).high + resolution

    above = next((member for member in (standing.champion, *standing.front) if hopeless(member)), None)
    if above is not None and (parent is None or hopeless(parent)):
        return f"not better than attempt {above.number}"
    in_question = estimate.quality.low < _quality(seed).low - standing.objective.epsilon
    if in_question or not estimate.processes_differ or _may_claim(standing, estimate):
        return ""

    def better(other: Entry) -> str:
        if estimate.quality.low > _quality(other).high:
            return "better"
        return "faster" if estimate.speedup.low > _speed(other).high else ""

    if all(map(better, standing.front)):
        return "on the front, behind the champion"
    if parent is None or not (what := better(parent)):
        return ""
    if above is not None:
        return f"{what} than its parent, attempt {parent.number}, but not better than attempt {above.number}"
    return f"{what} than its parent, attempt {parent.number}, behind the champion" if _is_sharp(estimate) else ""


def _is_sharp(estimate: Estimate) -> bool:
    """Whether both intervals are at most `SHARP` times as wide as those of a full measurement."""
    speed, quality = estimate.speedup, estimate.quality
    width = math.log(speed.high / speed.low) / 2
    return width <= SHARP * estimate.half_width and (quality.high - quality.low) / 2 <= SHARP * estimate.resolution


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


def settled(standing: Standing, made: Claim, open_duel: OpenDuel) -> bool:
    """Whether a duel against the champion has told whether the claim `made` holds (see `harness.select.confirms`)."""
    duel, objective, gain = open_duel.duel, standing.objective, open_duel.duel.gain
    if isinstance(objective, Weighted) and gain is not None:
        return open_duel.decided and open_duel.is_bounded  # the formula is given the ends of both intervals
    if open_duel.decided or gain is None:
        return open_duel.decided
    if made == "quality":
        if duel.quality_comparison == "undecided":
            return open_duel.enough_rounds and gain.high <= open_duel.resolution
        speed_matters = duel.quality_comparison == "better" and not isinstance(objective, RuntimeLimit)
        known = duel.comparison != "undecided" or duel.speedup.low * (1 + open_duel.half_width) >= 1
        return known or not speed_matters
    if duel.comparison == "worse" or (duel.quality_comparison == "worse" and standing.champion_meets_limit):
        return True
    if duel.comparison == "undecided":
        return open_duel.enough_rounds and duel.speedup.high <= 1 + open_duel.half_width
    return (gain.high - gain.low) / 2 <= open_duel.resolution


def _quality(entry: Entry) -> Interval:
    assert entry.scored is not None
    return entry.scored.score.quality_interval


def _speed(entry: Entry) -> Interval:
    assert entry.scored is not None
    return entry.scored.score.speedup
