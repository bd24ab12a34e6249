"""Measurements of one program, in groups that compare, and what those of a group say together. Pure.

Owns: these groups and the pooled figure. Does not know: where measurements come from, how they are shown.

Only like is compared with like: the same conditions (`Environment.fingerprint`), the same seed, which decides the loads
and so the balance, and the same cases.
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
    """What like measurements say together: of so many, the speed-up and that of each case.

    `apart`: two of them lie farther apart than their 95 % intervals allow, so that something changed which no
    fingerprint tells, and the pooled interval is narrower than it should be.
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
    """Measurements that compare, oldest first. `differs`: what sets them apart from the first group's, in words.

    `pooled` is None where fewer than two of them are scored.
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
    """All measurements of an attempt: its own, taken under `seed`, those noted before, and those taken now.

    `place` is where the run is judged, which a rejected attempt does not say; without it, it has no measurement of
    its own. An attempt refused at `patch` never has one.
    """
    found: list[Taken] = []
    where = entry.scored.environment if entry.scored is not None else place
    if where is not None:
        own = Measurement(verdict=entry.verdict, when_s=entry.when_s, seed=seed, environment=where)
        found.append(Taken(taken="in the run", measurement=own))
    found += [Taken(taken="noted", measurement=one) for one in noted]
    return (*found, *(Taken(taken="now", measurement=one) for one in now))


def groups(found: Sequence[Taken]) -> tuple[Group, ...]:
    """Those that compare together, the first one's first."""
    names = next((_names(one.measurement) for one in found if _names(one.measurement)), ())
    alike: dict[tuple[object, ...], list[Taken]] = {}
    for one in found:
        # A rejected program has no cases to tell: it stands with what else was measured there.
        cases = _names(one.measurement) or names
        alike.setdefault((one.measurement.environment.fingerprint, one.measurement.seed, cases), []).append(one)
    return tuple(
        Group(
            differs=_differs(found[0].measurement, one[0].measurement, names),
            members=tuple(one),
            pooled=pool([member.measurement for member in one]),
        )
        for one in alike.values()
    )


def pool(measurements: Sequence[Measurement]) -> PooledSpeedup | None:
    """What like measurements say together; None where fewer than two are scored, or their samples are not known.

    Their rounds are taken as those of one measurement: rounds are independent, whenever they are taken.
    """
    scores = [one.verdict.score for one in measurements if isinstance(one.verdict, Scored)]
    samples = [found for found in map(_samples, scores) if found]
    if len(samples) < 2:
        return None
    per_case = [joined(parts) for parts in zip(*samples, strict=True)]
    cases = zip(scores[0].cases, per_case, strict=True)
    speedups = [score.speedup for score in scores]
    return PooledSpeedup(
        measurements=len(samples),
        rounds=len(per_case[0].rounds),
        speedup=combined_speedup(per_case),
        cases=tuple((case.quality.case, combined_speedup([one])) for case, one in cases),
        apart=max(one.low for one in speedups) > min(one.high for one in speedups),
    )


def _samples(score: Score) -> tuple[Samples, ...]:
    """The samples of each case; () where they are not known."""
    found = tuple(case.samples for case in score.cases if case.samples is not None)
    return found if len(found) == len(score.cases) else ()


def _names(measurement: Measurement) -> tuple[str, ...]:
    verdict = measurement.verdict
    return tuple(case.quality.case for case in verdict.score.cases) if isinstance(verdict, Scored) else ()


def _differs(first: Measurement, other: Measurement, names: tuple[str, ...]) -> tuple[str, ...]:
    found = first.environment.differences(other.environment)
    if first.seed != other.seed:
        found += (f"seed {first.seed} and {other.seed}",)
    return (*found, "other cases") if (_names(other) or names) != names else found
