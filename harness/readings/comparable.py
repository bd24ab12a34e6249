"""Measurements of one program in comparable groups, and the pooled speed-up of each group. Pure.

Owns: the groups and the pooled speed-up. Does not know: where measurements come from, how they are shown.

Measurements are comparable if they have the same conditions (`Environment.fingerprint`), the same seed, which
determines the inputs and so the quality, and the same cases.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from evaluator import Environment, Interval, Samples, Score, Scored, combined_speedup, joined
from harness.types import Entry, Measurement

Occasion = Literal["in the run", "noted", "now"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PooledSpeedup:
    """The pooled result of comparable measurements: their number, the speed-up, and that of each case.

    `apart`: the 95 % intervals of two measurements do not overlap. Then something changed that no fingerprint shows,
    and the pooled interval is too narrow.
    """

    measurements: int
    rounds: int
    speedup: Interval
    cases: tuple[tuple[str, Interval], ...]
    apart: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A measurement, and when it was taken."""

    taken: Occasion
    measurement: Measurement


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Comparable measurements, oldest first. `differs`: how they differ from the first group, in words.

    `pooled` is None if fewer than two of them are scored.
    """

    differs: tuple[str, ...]
    members: tuple[Taken, ...]
    pooled: PooledSpeedup | None

    @property
    def seed(self) -> int:
        return self.members[0].measurement.seed

    @property
    def environment(self) -> Environment:
        return self.members[-1].measurement.environment


def members(
    entry: Entry, seed: int, place: Environment | None, noted: Iterable[Measurement], now: Iterable[Measurement] = ()
) -> tuple[Taken, ...]:
    """All measurements of an attempt: its own, taken with `seed`, those noted before, and those taken now.

    `place` is the environment of the run, which a rejected attempt does not record; without it, a rejected attempt has
    no measurement of its own.
    """
    taken: list[Taken] = []
    where = entry.scored.environment if entry.scored is not None else place
    if where is not None:
        own = Measurement(verdict=entry.verdict, when_s=entry.when_s, seed=seed, environment=where)
        taken.append(Taken(taken="in the run", measurement=own))
    taken += [Taken(taken="noted", measurement=measurement) for measurement in noted]
    return (*taken, *(Taken(taken="now", measurement=measurement) for measurement in now))


def groups(taken: Sequence[Taken]) -> tuple[Group, ...]:
    """The measurements in comparable groups; the group of the first measurement is first."""
    names = next((_names(item.measurement) for item in taken if _names(item.measurement)), ())
    alike: dict[tuple[object, ...], list[Taken]] = {}
    for item in taken:
        # A rejected program has no cases: it joins the group measured under the same conditions.
        cases = _names(item.measurement) or names
        alike.setdefault((item.measurement.environment.fingerprint, item.measurement.seed, cases), []).append(item)
    return tuple(
        Group(
            differs=_differs(taken[0].measurement, members[0].measurement, names),
            members=tuple(members),
            pooled=pool([member.measurement for member in members]),
        )
        for members in alike.values()
    )


def pool(measurements: Sequence[Measurement]) -> PooledSpeedup | None:
    """The pooled result of comparable measurements; None if fewer than two are scored with known samples.

    Their rounds are pooled as those of one measurement, since rounds are independent.
    """
    scores = [taken.verdict.score for taken in measurements if isinstance(taken.verdict, Scored)]
    samples = [per_score for per_score in map(_samples, scores) if per_score]
    if len(samples) < 2:
        return None
    per_case = [joined(parts) for parts in zip(*samples, strict=True)]
    cases = zip(scores[0].cases, per_case, strict=True)
    speedups = [score.speedup for score in scores]
    return PooledSpeedup(
        measurements=len(samples),
        rounds=len(per_case[0].rounds),
        speedup=combined_speedup(per_case),
        cases=tuple((case.quality.case, combined_speedup([pooled])) for case, pooled in cases),
        apart=max(speedup.low for speedup in speedups) > min(speedup.high for speedup in speedups),
    )


def _samples(score: Score) -> tuple[Samples, ...]:
    """The samples of each case; () unless all are known."""
    samples = tuple(case.samples for case in score.cases if case.samples is not None)
    return samples if len(samples) == len(score.cases) else ()


def _names(measurement: Measurement) -> tuple[str, ...]:
    verdict = measurement.verdict
    return tuple(case.quality.case for case in verdict.score.cases) if isinstance(verdict, Scored) else ()


def _differs(first: Measurement, other: Measurement, names: tuple[str, ...]) -> tuple[str, ...]:
    differences = first.environment.differences(other.environment)
    if first.seed != other.seed:
        differences += (f"seed {first.seed} and {other.seed}",)
    return (*differences, "other cases") if (_names(other) or names) != names else differences
