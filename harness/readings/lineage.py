"""How a program came about: the chain of patches from the seed program, and what each of them bought. Pure.

Owns: the chain, and what an attempt gained over another: quality, and speed where it surely differs.
Does not know: archives, how a chain is shown or written.

The chain follows first parents, which are the programs that the patches apply to. A crossover's other parents are
named and their own chains not followed.

Quality repeats to the last digit. A speed is a measurement: it is better or worse only where the whole 95 % intervals
of the two say so, or a duel between the two, which overrules them. Run times are compared only like with like.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from evaluator.types import Environment, Interval
from harness.select import EQUAL_QUALITY, quality
from harness.types import Entry, HarnessError

Find = Callable[[str], Entry | None]
"""An attempt by its commit; None for the root, and for what cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """What a scored attempt has over another: `points` (hundredths) of quality, and how many `times` as fast it is.

    Each is None where there is no difference, or no sure one. `not_compared` says what keeps run times apart.
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
    """What an attempt has over another; None where either has no score."""
    if other is None or entry.scored is None or other.scored is None:
        return None
    difference = quality(entry) - quality(other)
    points = 100 * difference if abs(difference) > EQUAL_QUALITY else None
    if (duel := _duel(entry, other)) is not None:
        return Gain(points=points, times=None if duel == 1 else duel)
    if (duel := _duel(other, entry)) is not None:
        return Gain(points=points, times=None if duel == 1 else 1 / duel)
    if apart := unlike(entry.scored.environment, other.scored.environment):
        return Gain(points=points, not_compared=apart)
    return Gain(points=points, times=significant_speedup(entry.scored.score.speedup, other.scored.score.speedup))


def first_parent(entry: Entry) -> str:
    """The commit that an attempt's patch applies to; "" in a record of somebody else's that names none."""
    return entry.parents[0] if entry.parents else ""


def unlike(one: Environment, other: Environment) -> tuple[str, ...]:
    """What makes run times taken in two environments not comparable, in words; () for alike."""
    return () if one is other else one.differences(other)


def significant_speedup(mine: Interval, other: Interval) -> float | None:
    """How many times as fast one of two speeds over one reference surely is, below 1 where it is surely slower; None
    where their intervals overlap.
    """
    return mine.median / other.median if mine.low > other.high or other.low > mine.high else None


def _duel(entry: Entry, other: Entry) -> float | None:
    """How many times as fast an attempt was head to head; 1 where that was undecided, None without a duel."""
    for one in entry.confirmations:
        if one.against == other.id and one.duel is not None:
            return 1.0 if one.duel.comparison == "undecided" else one.duel.speedup.median
    return None


def lineage(entry: Entry, find: Find, root_id: str) -> Lineage:
    """The chain from the seed program to an attempt. Raises HarnessError where a link of it cannot be read."""
    chain = [entry]
    while chain[-1].kind != "seed" and first_parent(chain[-1]) != root_id:
        child = chain[-1]
        parent = find(first_parent(child))
        if parent is None:
            raise HarnessError(
                f"attempt {child.number} was made from {first_parent(child)[:12] or 'nothing'}, which is no attempt of "
                f"this run that can be read: `packsmith verify RUN` says what is damaged"
            )
        chain.append(parent)
    steps = [Step(entry=chain[-1])]
    for one in reversed(chain[:-1]):
        parent = steps[-1].entry
        merged = tuple(find(other) for other in dict.fromkeys(one.parents[1:]) if other != parent.id)
        steps.append(Step(entry=one, parent=parent, merged=merged, gain=gain(one, parent)))
    return Lineage(steps=tuple(steps), gain=gain(entry, chain[-1]) if len(chain) > 1 else None)
