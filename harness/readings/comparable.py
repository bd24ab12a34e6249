"""Measurements of one program in comparable groups, and the pooled figures of each group. Pure.

Owns: the groups, the pooled speed-up and the pooled gain in quality. Does not know: where measurements come from, how
they are shown.

Measurements are comparable if they have the same conditions (`Environment.fingerprint`), the same seed, which
determines the loads of the pass and the kind of all others, and the same cases. Each was taken on secret loads of its
own, so that their rounds are independent. Only full measurements are pooled: one that ended early (`Score.decided`) did
so because of its outcome, and would bias the figure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from evaluator import CaseScore, Environment, Interval, Samples, Score, Scored, combined_gain, combined_speedup, joined
from harness.types import Entry, Measurement, Unjudged

Occasion = Literal["in the run", "noted", "now"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PooledCase:
    """The pooled speed-up and gain of one case."""

    name: str
    speedup: Interval
    gain: Interval | None = None
    quality: Interval | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pooled:
    """The pooled result of comparable measurements: their number, the speed-up, the gain in quality over the reference,
    and both of each case.

    `quality` is the quality that counts, with its interval. It and the gains are None if a measurement, of an earlier
    version, has no qualities of its calls. `apart`: the 95 % intervals of two measurements do not overlap. Then
    something changed that no fingerprint shows, and the pooled interval is too narrow.
    """

    measurements: int
    rounds: int
    speedup: Interval
    cases: tuple[PooledCase, ...]
    apart: bool
    gain: Interval | None = None
    quality: Interval | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A measurement, and when it was taken."""

    taken: Occasion
    measurement: Measurement


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Comparable measurements, oldest first. `differs`: how they differ from the first group, in words.

    `pooled` is None if fewer than two of them are scored in full.
    """

    differs: tuple[str, ...]
    members: tuple[Taken, ...]
    pooled: Pooled | None

    @property
    def seed(self) -> int:
        return self.members[0].measurement.seed

    @property
    def environment(self) -> Environment:
        return self.members[-1].measurement.environment

    @property
    def ended_early(self) -> int:
        """How many of the measurements ended early, and so are in no pooled figure."""
        verdicts = [member.measurement.verdict for member in self.members]
        return sum(isinstance(verdict, Scored) and bool(verdict.score.decided) for verdict in verdicts)


def members(
    entry: Entry, seed: int, place: Environment | None, noted: Iterable[Measurement], now: Iterable[Measurement] = ()
) -> tuple[Taken, ...]:
    """All measurements of an attempt: its own, taken with `seed`, those noted before, and those taken now.

    `place` is the environment of the run, which a rejected attempt does not record; without it, a rejected attempt has
    no measurement of its own. An attempt that was not judged has none either.
    """
    taken: list[Taken] = []
    where = entry.scored.environment if entry.scored is not None else place
    if where is not None and not isinstance(entry.verdict, Unjudged):
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


def pool(measurements: Sequence[Measurement]) -> Pooled | None:
    """The pooled result of comparable measurements; None if fewer than two are scored in full with known samples.

    Their rounds are pooled as those of one measurement, since rounds are independent. A measurement that ended early is
    left out: how many rounds it has depends on what they showed.
    """
    scores = [taken.verdict.score for taken in measurements if isinstance(taken.verdict, Scored)]
    scores = [score for score in scores if not score.decided]
    samples = [per_score for per_score in map(_samples, scores) if per_score]
    if len(samples) < 2:
        return None
    per_case = [joined(parts) for parts in zip(*samples, strict=True)]
    gain = combined_gain(per_case)
    return Pooled(
        measurements=len(samples),
        rounds=len(per_case[0].rounds),
        speedup=combined_speedup(per_case),
        cases=tuple(_pool_case(case, pooled) for case, pooled in zip(scores[0].cases, per_case, strict=True)),
        apart=_apart([score.speedup for score in scores])
        or _apart([score.gain for score in scores if score.gain is not None]),
        gain=gain,
        quality=around(fmean(case.reference_quality for case in scores[0].cases), gain),
    )


def _pool_case(case: CaseScore, pooled: Samples) -> PooledCase:
    gain = combined_gain([pooled])
    return PooledCase(
        name=case.quality.case,
        speedup=combined_speedup([pooled]),
        gain=gain,
        quality=around(case.reference_quality, gain),
    )


def around(reference: float, gain: Interval | None) -> Interval | None:
    """The quality that counts: the reference's in the pass, plus a gain over it."""
    if gain is None:
        return None
    return Interval(median=reference + gain.median, low=reference + gain.low, high=reference + gain.high)


def _apart(intervals: Sequence[Interval]) -> bool:
    """Whether two of these intervals do not overlap."""
    return bool(intervals) and max(each.low for each in intervals) > min(each.high for each in intervals)


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
