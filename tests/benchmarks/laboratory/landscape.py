"""The measured landscape: programs, what was measured of each, and which of them one proposal leads to.

Owns: reading the file, what a judge would see of a program (its calls, resampled), and what a program is worth in truth
(all its calls). Does not know: searches, rules.

Worth is hypervolume: quality in points over the reference, and doublings of speed over it, above a corner that lies
`BELOW` the seed program.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from evaluator.types import CaseQuality, CaseScore, Interval, Quality, Score, Scored
from harness.readings.hypervolume import area
from harness.shape import Shape
from tests.benchmarks.laboratory.catalogue import applied, patches, seed
from tests.harness.builders import ENVIRONMENT

FILE = Path(__file__).with_name("measured.jsonl")
BELOW = (0.1, 1.0)
"""How far the corner lies below the seed program: points of quality, doublings of speed."""
REFERENCE_QUALITY, CEILING = 0.85, 0.93
"""Only differences of quality count here; these two make them values of a task."""
Point = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A program: `logs` and `gains` [cases, calls] are the logarithm of its speed-up over the reference, and its gain
    in quality. `path` are the patches that first led to it. `ways` are the programs it is made from in one patch, of
    the first of them by patch `by`; `leads` are those that one patch makes of it.
    """

    number: int
    key: str
    patches: frozenset[int]
    path: tuple[int, ...]
    shape: Shape
    logs: Any
    gains: Any
    truth: Point
    ways: tuple[int, ...]
    by: int
    leads: tuple[int, ...]


def _truth(logs: Any, gains: Any) -> Point:
    """Points of quality and doublings of speed: means over the cases, of speed over the medians of their calls."""
    return float(100 * gains.mean()), float(np.median(logs, axis=1).mean() / math.log(2))


@dataclass(frozen=True, kw_only=True)
class Landscape:
    """All programs, the seed program first; `facts` is the file's first line."""

    programs: Sequence[Program]
    facts: Mapping[str, Any]
    rejected: int
    _sources: dict[int, str] = field(default_factory=lambda: {0: seed()})
    _texts: Mapping[str, str] = field(default_factory=patches)

    @cached_property
    def by_patches(self) -> Mapping[frozenset[int], int]:
        return {program.patches: program.number for program in self.programs}

    def source(self, program: Program) -> str:
        """The text of a program, made from that of the program it is one patch away from."""
        if program.number not in self._sources:
            before = self.programs[program.ways[0]]
            made = applied(self.source(before), self._texts[self.facts["patches"][program.by]])
            assert made is not None, program.key
            self._sources[program.number] = made
        return self._sources[program.number]

    @property
    def corner(self) -> Point:
        quality, speed = self.programs[0].truth
        return quality - BELOW[0], speed - BELOW[1]

    @cached_property
    def most(self) -> float:
        """The hypervolume of all programs together."""
        return area([program.truth for program in self.programs], self.corner)

    def judged(self, program: Program, rng: np.random.Generator) -> Scored:
        """A judge's verdict: as many calls as were measured, drawn from them with replacement."""
        cases, calls = program.logs.shape
        drawn = rng.integers(calls, size=(cases, calls))
        logs = np.take_along_axis(program.logs, drawn, axis=1)
        gains = np.take_along_axis(program.gains, drawn, axis=1)
        speed, gain = _exp(_mean(logs)), _mean(gains)
        parts = tuple(
            CaseScore(
                quality=CaseQuality(case=name, value=REFERENCE_QUALITY, ceiling=CEILING),
                runtime_ms=1.0,
                reference_ms=1.0,
                speedup=_exp(_mean(logs[at : at + 1])),
                samples=None,
                gain=_mean(gains[at : at + 1]),
                reference_quality=REFERENCE_QUALITY,
            )
            for at, name in enumerate(self.facts["cases"])
        )
        score = Score(
            quality=Quality(name="balance_next", value=REFERENCE_QUALITY + gain.median, ceiling=CEILING),
            runtime_ms=1 / speed.median,
            speedup=speed,
            cases=parts,
            gain=gain,
        )
        return Scored(score=score, environment=ENVIRONMENT)


def _mean(values: Any, z: float = 1.96) -> Interval:
    """The mean over cases and calls, with its 95 % interval (of normal errors)."""
    mean = float(values.mean())
    half = z * math.sqrt(float(values.var(axis=1, ddof=1).sum()) / values.shape[1]) / values.shape[0]
    return Interval(median=mean, low=mean - half, high=mean + half)


def _exp(interval: Interval) -> Interval:
    return Interval(median=math.exp(interval.median), low=math.exp(interval.low), high=math.exp(interval.high))


def read(file: Path = FILE) -> Landscape:
    """The landscape of a file; programs that were rejected lead nowhere, and are left out and counted."""
    first, *lines = file.read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    kept = [row for row in rows if not isinstance(row[4], str)]
    numbers = {row[0]: number for number, row in enumerate(kept)}
    ways = [tuple(numbers[key] for key, _ in row[2] if key in numbers) for row in kept]
    leads: list[list[int]] = [[] for _ in kept]
    for number, parents in enumerate(ways):
        for parent in parents:
            leads[parent].append(number)
    programs = []
    for number, (key, path, made_from, shape, logs, gains, _) in enumerate(kept):
        log_ratios, gained = np.array(logs) / 1000, np.array(gains) / 1e6
        programs.append(
            Program(
                number=number,
                key=key,
                patches=frozenset(path),
                path=tuple(path),
                shape=Shape(**dict(zip(Shape.__slots__, shape, strict=True))),
                logs=log_ratios,
                gains=gained,
                truth=_truth(log_ratios, gained),
                ways=ways[number],
                by=made_from[0][1] if made_from else -1,
                leads=tuple(leads[number]),
            )
        )
    return Landscape(programs=programs, facts=json.loads(first), rejected=len(rows) - len(kept))
