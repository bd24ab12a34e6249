"""A program beside another, case by case.

Owns: which figures are set side by side, and over which measurements. Does not know: how they are worded, runs.

Against the reference all figures come from the same calls. Against another program of the run both were measured in
pairs with the reference, at other times and on other draws: their ratio has the outer ends of both intervals, their
difference in quality the half-widths of both in quadrature.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import geometric_mean
from typing import Literal

from evaluator import CaseScore, Interval, Score
from harness.readings.lineage import change_of_quality, quality_change, speed_change, speed_ratio, unlike
from harness.types import Entry

ALL = "all"
_SHORTEST_MS = 1e-6
"""Records from elsewhere may hold times of 0, which have no geometric mean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One case, or all of them: quality and run time before and after. `points` is the change of quality and `times`
    how many times as fast, each with its 95 % interval; None where it cannot be compared or was not measured.
    """

    case: str
    before: Interval | None
    after: Interval
    before_ms: float
    after_ms: float
    points: Interval | None
    times: Interval | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """A champion against a program: its role, its name, and a row for each case, the last for all of them together.

    `apart` says why run times are not comparable.
    """

    role: Literal["seed", "reference", "seed and reference"]
    name: str
    rows: tuple[Side, ...]
    apart: tuple[str, ...] = ()

    @property
    def overall(self) -> Side:
        return self.rows[-1]


def against_seed(champion: Entry, seed: Entry, name: str) -> Against:
    """The champion against the seed program, on the cases that both were judged on."""
    assert champion.scored is not None and seed.scored is not None, "both have scores"
    apart = unlike(champion.scored.environment, seed.scored.environment)
    before = {case.quality.case: case for case in seed.scored.score.cases}
    rows = [
        _side(before[case.quality.case], case, comparable=not apart)
        for case in champion.scored.score.cases
        if case.quality.case in before
    ]
    first, last = seed.scored.score, champion.scored.score
    overall = Side(
        case=ALL,
        before=first.quality_interval,
        after=last.quality_interval,
        before_ms=first.runtime_ms,
        after_ms=last.runtime_ms,
        points=change_of_quality(champion, seed),
        times=speed_change(champion, seed),
    )
    return Against(role="seed", name=name, rows=_with(rows, overall), apart=apart)


def _side(before: CaseScore, after: CaseScore, *, comparable: bool) -> Side:
    return Side(
        case=after.quality.case,
        before=before.interval,
        after=after.interval,
        before_ms=before.runtime_ms,
        after_ms=after.runtime_ms,
        points=quality_change(after.interval, before.interval),
        times=speed_ratio(after.speedup, before.speedup) if comparable else None,
    )


def against_reference(champion: Entry, name: str, *, is_seed: bool) -> Against:
    """The champion against the program that it was measured against."""
    assert champion.scored is not None, "a champion has a score"
    score = champion.scored.score
    rows = [_paired(case) for case in score.cases]
    role: Literal["reference", "seed and reference"] = "seed and reference" if is_seed else "reference"
    return Against(role=role, name=name, rows=_with(rows, _all_paired(score)))


def _paired(case: CaseScore) -> Side:
    level = None if case.gain is None else _exactly(case.reference_quality)
    return Side(
        case=case.quality.case,
        before=level,
        after=case.interval,
        before_ms=case.reference_ms,
        after_ms=case.runtime_ms,
        points=case.gain,
        times=case.speedup,
    )


def _all_paired(score: Score) -> Side:
    level = None if score.gain is None else _exactly(score.quality.value - score.gain.median)
    return Side(
        case=ALL,
        before=level,
        after=score.quality_interval,
        before_ms=geometric_mean([max(case.reference_ms, _SHORTEST_MS) for case in score.cases]),
        after_ms=score.runtime_ms,
        points=score.gain,
        times=score.speedup,
    )


def _exactly(value: float) -> Interval:
    return Interval(median=value, low=value, high=value)


def _with(rows: list[Side], overall: Side) -> tuple[Side, ...]:
    """The rows with that for all; a single case is all there is."""
    return (*rows, overall) if len(rows) > 1 else (replace(overall, case=rows[0].case if rows else ALL),)
