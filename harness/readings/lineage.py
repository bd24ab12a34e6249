"""The lineage of a program: the chain of patches from the seed program, and the gain of each. Pure.

Owns: the chain, and the gain of an attempt over another: in quality, and in speed if the difference is significant.
Does not know: archives, how a chain is shown or written.

The chain follows first parents, to which the patches apply. A crossover's other parents are named, but their chains are
not followed.

Quality and speed are measurements: two differ only if their 95 % intervals do not overlap; for speed, a duel between
the two takes precedence. Run times are compared only under the same conditions.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from evaluator.types import Environment, Interval
from harness.select import clearly_better, quality
from harness.types import Entry, HarnessError

_FARTHEST = 1e308
"""A half-width or a ratio is at most this: records may hold any finite number, infinities have no difference."""

Find = Callable[[str], Entry | None]
"""An attempt by its commit id; None for the root and for unreadable attempts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """The gain of a scored attempt over another: `points` (hundredths) of quality, and how many `times` as fast it is.

    Each is None without a significant difference. `not_compared` says why run times are not comparable.
    """

    points: float | None = None
    times: float | None = None
    not_compared: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One attempt of a chain. `parent` is None at its beginning; `merged` are a crossover's other parents, None for
    one that cannot be read; `gain` is over the parent, None where either has no score.
    """

    entry: Entry
    parent: Entry | None = None
    merged: tuple[Entry | None, ...] = ()
    gain: Gain | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """The chain to an attempt, oldest first, and what all of it bought: `gain` is over the beginning."""

    steps: tuple[Step, ...]
    gain: Gain | None

    @property
    def entry(self) -> Entry:
        return self.steps[-1].entry

    @property
    def usd(self) -> float:
        return sum(step.entry.usd for step in self.steps)

    @property
    def tokens(self) -> int:
        return sum(step.entry.tokens for step in self.steps)

    @property
    def seconds(self) -> float:
        return sum(step.entry.seconds for step in self.steps)


def gain(entry: Entry, other: Entry | None) -> Gain | None:
    """The gain of an attempt over another; None if either has no score."""
    if other is None or entry.scored is None or other.scored is None:
        return None
    mine, theirs = entry.scored.score, other.scored.score
    certain = clearly_better(mine, theirs) or clearly_better(theirs, mine)
    points = 100 * (quality(entry) - quality(other)) if certain else None
    if (duel := _duel(entry, other)) is not None:
        return Gain(points=points, times=None if duel == 1 else duel)
    if (duel := _duel(other, entry)) is not None:
        return Gain(points=points, times=None if duel == 1 else 1 / duel)
    if apart := unlike(entry.scored.environment, other.scored.environment):
        return Gain(points=points, not_compared=apart)
    return Gain(points=points, times=significant_speedup(entry.scored.score.speedup, other.scored.score.speedup))


def first_parent(entry: Entry) -> str:
    """The commit that an attempt's patch applies to; "" in a damaged record without parents."""
    return entry.parents[0] if entry.parents else ""


def unlike(first: Environment, second: Environment) -> tuple[str, ...]:
    """Why run times from two environments are not comparable, in words; () if they are."""
    return () if first is second else first.differences(second)


def significant_speedup(mine: Interval, other: Interval) -> float | None:
    """The ratio of two speed-ups over one reference; None if their 95 % intervals overlap."""
    return mine.median / other.median if mine.low > other.high or other.low > mine.high else None


def quality_change(mine: Interval, other: Interval) -> Interval:
    """The quality of a program less that of another, measured on other draws against the same reference. The larger
    half-widths of both 95 % intervals are added in quadrature.
    """
    change = mine.median - other.median
    half = min(math.hypot(larger_half(mine), larger_half(other)), _FARTHEST)
    return Interval(median=change, low=change - half, high=change + half)


def change_of_quality(entry: Entry, other: Entry | None) -> Interval | None:
    """The quality of an attempt less that of another, with its interval; None if either has no score."""
    if other is None or entry.scored is None or other.scored is None:
        return None
    return quality_change(entry.scored.score.quality_interval, other.scored.score.quality_interval)


def speed_change(entry: Entry, other: Entry | None) -> Interval | None:
    """How many times as fast an attempt is as another, with its 95 % interval; None if either has no score, or if run
    times are not comparable.

    A duel between the two gives it. Otherwise it is the ratio of both speed-ups over their common reference, between
    the outer ends of their intervals, so that it holds 1 exactly if these overlap.
    """
    if other is None or entry.scored is None or other.scored is None:
        return None
    for first, second, turned in ((entry, other, False), (other, entry, True)):
        for confirmation in first.confirmations:
            if confirmation.against == second.id and confirmation.duel is not None:
                direct = confirmation.duel.speedup
                return _inverse(direct) if turned else direct
    if unlike(entry.scored.environment, other.scored.environment):
        return None
    return speed_ratio(entry.scored.score.speedup, other.scored.score.speedup)


def speed_ratio(mine: Interval, other: Interval) -> Interval:
    """The ratio of two speed-ups over one reference, between the outer ends of their intervals."""
    high = mine.high / other.low if other.low > 0 else _FARTHEST
    return Interval(median=mine.median / other.median, low=mine.low / other.high, high=min(high, _FARTHEST))


def _inverse(ratio: Interval) -> Interval:
    high = 1 / ratio.low if ratio.low > 0 else _FARTHEST
    return Interval(median=1 / ratio.median, low=1 / ratio.high, high=high)


def larger_half(interval: Interval) -> float:
    """The larger distance from the median to an end of the interval."""
    return max(interval.high - interval.median, interval.median - interval.low)


def _duel(entry: Entry, other: Entry) -> float | None:
    """How many times as fast an attempt was in a duel; 1 if it was undecided, None without a duel."""
    for confirmation in entry.confirmations:
        duel = confirmation.duel
        if confirmation.against == other.id and duel is not None:
            return 1.0 if duel.comparison == "undecided" else duel.speedup.median
    return None


def lineage(entry: Entry, find: Find, root_id: str) -> Lineage:
    """The chain from the seed program to an attempt. Raises HarnessError if a link of it cannot be read."""
    chain = [entry]
    while chain[-1].kind != "seed" and first_parent(chain[-1]) != root_id:
        oldest = chain[-1]
        parent = find(first_parent(oldest))
        if parent is None:
            raise HarnessError(
                f"attempt {oldest.number} was made from {first_parent(oldest)[:12] or 'nothing'}, which is no attempt "
                f"of this run that can be read: `packsmith verify RUN` says what is damaged"
            )
        chain.append(parent)
    steps = [Step(entry=chain[-1])]
    for child in reversed(chain[:-1]):
        parent = steps[-1].entry
        merged = tuple(find(other) for other in dict.fromkeys(child.parents[1:]) if other != parent.id)
        steps.append(Step(entry=child, parent=parent, merged=merged, gain=gain(child, parent)))
    return Lineage(steps=tuple(steps), gain=gain(entry, chain[-1]) if len(chain) > 1 else None)
