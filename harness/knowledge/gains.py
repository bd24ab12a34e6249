"""What a try changed against the program that it was applied to, and the mean over several tries.

Owns: these changes, with intervals, and when one is sure. Pure. Does not know: ideas, how a change is worded.

A score that a model reads has to be true, and a program that reads better by luck must not be called better. So:
- A change is relative, and has an interval: of quality from (my low - their high) to (my high - their low), of speed
  the ratio of the same ends. That is at least the 95 % interval of the difference of two independent measurements, and
  it holds no change exactly if the two intervals overlap. A duel between the two takes the place where its own interval
  is narrower: that which holds however often it is looked at.
- The mean over tries has the mean half-width. Tries on one parent share that parent's error, and so are correlated; the
  standard deviation of a mean is at most the mean of the standard deviations, whatever the correlation.
- A change is sure if its interval excludes none.

Only measurements on the loads of the search are read: what is measured on held-out loads (`Entry.gates`) never is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from evaluator.types import Interval
from harness.select import EQUAL_QUALITY
from harness.types import Confirmation, Entry

_FARTHEST = 30.0
"""The largest logarithm of a ratio that is told from a larger one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change of quality (a difference) and of speed (the logarithm of a ratio), above 0 = better; None where two
    measurements do not compare.
    """

    quality: Interval | None = None
    speed: Interval | None = None

    @property
    def rank(self) -> tuple[int, float]:
        """What the best of several tries is chosen by: in how many of both it is surely better, then its speed."""
        return sign(self.quality) + sign(self.speed), self.speed.median if self.speed is not None else 0.0


def sign(change: Interval | None) -> int:
    """1 for a change that is surely better, -1 for one that is surely worse, else 0."""
    if change is None:
        return 0
    return (change.low > EQUAL_QUALITY) - (change.high < -EQUAL_QUALITY)


def change(entry: Entry, parent: Entry) -> Change:
    """What a scored entry changed against another. Run times compare only under equal conditions, and qualities only
    where both were measured in the same way.
    """
    if entry.scored is None or parent.scored is None:
        return Change()
    mine, theirs = entry.scored.score, parent.scored.score
    # Records of earlier versions hold the quality on other loads, without an interval.
    alike = (mine.gain is None) == (theirs.gain is None)
    quality = _between(mine.quality_interval, theirs.quality_interval) if alike else None
    comparable = entry.scored.environment is parent.scored.environment or not entry.scored.environment.differing(
        parent.scored.environment
    )
    speed = _between(_log(mine.speedup), _log(theirs.speedup)) if comparable else None
    for held in entry.confirmations:
        if held.against == parent.id:
            quality, speed = _narrower(quality, _gain(held)), _narrower(speed, _ratio(held))
    return Change(quality=quality, speed=speed)


def _gain(held: Confirmation) -> Interval | None:
    return None if held.duel is None else held.duel.certain_gain


def _ratio(held: Confirmation) -> Interval | None:
    return None if held.duel is None else _log(held.duel.certain)


def _narrower(first: Interval | None, second: Interval | None) -> Interval | None:
    both = [each for each in (first, second) if each is not None]
    return min(both, key=lambda each: each.high - each.low, default=None)


def _between(mine: Interval, theirs: Interval) -> Interval:
    return Interval(median=mine.median - theirs.median, low=mine.low - theirs.high, high=mine.high - theirs.low)


def _log(ratio: Interval) -> Interval:
    low, median, high = (
        max(-_FARTHEST, min(_FARTHEST, math.log(value))) if value > 0 else -_FARTHEST
        for value in (ratio.low, ratio.median, ratio.high)
    )
    return Interval(median=median, low=low, high=high)


@dataclass(slots=True)
class Mean:
    """The mean of changes as they come: their number, sums, and how many were surely better or worse on their own."""

    count: int = 0
    better: int = 0
    worse: int = 0
    median: float = 0.0
    low: float = 0.0
    high: float = 0.0

    def add(self, change: Interval | None) -> None:
        if change is None:
            return
        self.count += 1
        self.better += sign(change) > 0
        self.worse += sign(change) < 0
        self.median, self.low, self.high = (
            self.median + change.median,
            self.low + change.low,
            self.high + change.high,
        )

    @property
    def interval(self) -> Interval | None:
        """The mean with its interval; None without a change."""
        if not self.count:
            return None
        middle = self.median / self.count
        # Sums of equal ends may differ in their last digit.
        return Interval(median=middle, low=min(middle, self.low / self.count), high=max(middle, self.high / self.count))
