"""The value types of the judge.

Owns: what a case, a call, an answer, a score and a verdict are. Does not know: any task (see
`task_protocol`), how a program is run, timed or archived, that a search exists.

Units are in the names (`runtime_ms`, `candidate_us`). For every quality, higher is better.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

Stage = Literal["patch", "screen", "load", "run", "validate", "measure"]
STAGES: tuple[Stage, ...] = get_args(Stage)
Comparison = Literal["better", "worse", "undecided"]

Array = NDArray[Any]
Value = int | float | str | Array | None
"""An argument of a call: a number, a text, an array (a tensor on the device for the solver), or None."""


class EvaluatorError(Exception):
    """The user's or the machine's fault, never the candidate's: the message says what to do."""


class WorkloadError(EvaluatorError):
    """A trace, a case or a task option that cannot be used: says what was expected and found, and where."""


class OtherFailed(EvaluatorError):
    """The program that the candidate is measured against failed, not the candidate."""


class JudgeLost(EvaluatorError):
    """A judge in another process or on another machine is lost, or cannot work there: what it was judging can be judged
    by another one. `for_good`: it is of no use to start it again.
    """

    def __init__(self, message: str, *, for_good: bool = False) -> None:
        super().__init__(message)
        self.for_good = for_good


class InvalidAnswer(Exception):
    """The candidate's answer breaks the task's contract. `reason` is a short slug, `detail` a sentence."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


def _frozen(mapping: Mapping[str, Any]) -> Mapping[str, Any]:
    """An immutable mapping: a dict is copied, any other mapping is immutable already."""
    return MappingProxyType(dict(mapping)) if isinstance(mapping, dict) else mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One workload: its sizes and the judge's own copy of its data.

    `sizes` are the integers passed to a solver (how many items, how many bins). `data` is the task's own array, of any
    dtype and shape (such as the weight of each item in each window of time); it is made read-only.
    """

    name: str
    sizes: Mapping[str, int]
    data: Array

    def __post_init__(self) -> None:
        data = np.array(self.data, copy=True)
        data.setflags(write=False)
        object.__setattr__(self, "data", data)
        object.__setattr__(self, "sizes", _frozen(self.sizes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of the entry point: positional arguments, and the keyword parameters offered.

    An offered parameter is passed only to a solver that declares it by name. Arrays reach the solver as torch tensors
    of the same dtype on the run's device.
    """

    args: tuple[Value, ...]
    offered: Mapping[str, Value] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "offered", _frozen(self.offered))


@dataclass(frozen=True, slots=True, kw_only=True)
class HardCase:
    """A small call that a solver only has to answer validly. `why`: what is hard about it, for people and models."""

    case: Case
    call: Call
    why: str


Answer = tuple[Array, ...]
"""What a solver returned, as the judge's own numpy copies: any dtype, any shape, nothing checked yet."""

Plan = Array
"""A validated answer in the task's canonical form: one array (such as the item in each slot)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseQuality:
    """How good a program's plans are in the pass over one case. `value` and `ceiling`: higher is better."""

    case: str
    value: float = field(metadata={"stored": "quality"})
    ceiling: float
    metrics: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "metrics", _frozen(self.metrics))
        for name, value in {"quality": self.value, "ceiling": self.ceiling, **self.metrics}.items():
            if not math.isfinite(value):
                raise ValueError(f"case {self.case}: {name} is {value}, expected a finite number")


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A measured value with its 95 % interval. The value is a mean; its name is that of earlier versions' records."""

    median: float
    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low <= self.median <= self.high:
            raise ValueError(f"expected low <= median <= high, found {self.low}, {self.median}, {self.high}")


def _around(value: float, gain: Interval | None) -> Interval:
    """The value with the interval of a gain that is part of it."""
    if gain is None:
        return Interval(median=value, low=value, high=value)
    return Interval(median=value, low=value - (gain.median - gain.low), high=value + (gain.high - gain.median))


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """Raw call times of one case in microseconds, and the quality of each answer: entry i of each is pair i, taken on
    identical secret loads.

    `calls` are the numbers of the calls, which together with the secret of the score give their loads (see
    `evaluator.measuring.draws`). `rounds` are the numbers of pairs taken in one pair of processes, in order; () is a
    single round. `draws` are the numbers of successive pairs whose loads come from one draw; () if that is unknown.
    Records of earlier versions have no qualities, no calls and no draws.
    """

    candidate_us: tuple[int, ...]
    reference_us: tuple[int, ...]
    rounds: tuple[int, ...] = ()
    candidate_quality: tuple[float, ...] = ()
    reference_quality: tuple[float, ...] = ()
    calls: tuple[int, ...] = ()
    draws: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if len(self.candidate_us) != len(self.reference_us) or not self.candidate_us:
            raise ValueError(
                f"expected as many candidate as reference times and at least one pair, "
                f"found {len(self.candidate_us)} and {len(self.reference_us)}"
            )
        lengths = {len(self.candidate_quality), len(self.reference_quality), len(self.calls)}
        if lengths not in ({0}, {len(self.candidate_us)}):
            raise ValueError(f"expected qualities and a call for each of {len(self.candidate_us)} pairs, or none")
        if not all(map(math.isfinite, self.candidate_quality + self.reference_quality)):
            raise ValueError("expected finite qualities")
        if min(self.candidate_us + self.reference_us) < 1:
            raise ValueError("expected every time to be at least 1 microsecond")
        for name, parts in (("rounds", self.rounds), ("draws", self.draws)):
            if parts and (min(parts) < 1 or sum(parts) != len(self.candidate_us)):
                raise ValueError(f"expected {name} that sum to {len(self.candidate_us)} pairs, found {parts}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseScore:
    """One case of a scored program. `speedup` is reference time / candidate time, above 1 = faster than the
    reference. `gain` is the quality of its answers less that of the reference's, on the same secret loads.
    `quality` and `reference_quality` are those of the pass, the program's and the reference's. `samples` is None if a
    reader left them on disk; a judge always sets it. Records of earlier versions have no gain.
    """

    quality: CaseQuality
    runtime_ms: float
    reference_ms: float
    speedup: Interval
    samples: Samples | None
    gain: Interval | None = None
    reference_quality: float = 0.0

    @property
    def value(self) -> float:
        """The quality that counts: the reference's in the pass, plus the gain over it on secret loads."""
        return self.quality.value if self.gain is None else self.reference_quality + self.gain.median

    @property
    def interval(self) -> Interval:
        """`value` with its 95 % interval, which is that of the gain; without width in records of earlier versions."""
        return _around(self.value, self.gain)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """A program's quality over all cases, the one that counts: its name, its mean, and the mean ceiling of the pass."""

    name: str
    value: float
    ceiling: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Two numbers, never merged: `quality` (higher better) and `runtime_ms` (lower better).

    Both come from the same calls, on loads that were drawn for this measurement and were secret until its end.
    `runtime_ms` is the geometric mean of the cases' times, `speedup` that of their ratios against the reference.
    `gain` is the quality less the reference's, the mean over the cases; `quality.value` adds it to the reference's
    quality in the pass, which is the same for all programs. `pass_quality` is the program's own in the pass: it
    repeats to the last digit, and nothing is decided by it. `secret` gives the loads of the calls. `load_s` is the
    median number of seconds that a fresh process took to load the program.

    In records of earlier versions `gain` is None, `quality` is that of the pass, and `load_s` may be 0.
    """

    quality: Quality
    runtime_ms: float
    speedup: Interval
    cases: Sequence[CaseScore]
    metrics: Mapping[str, float] = field(default_factory=dict)
    load_s: float = 0.0
    gain: Interval | None = None
    pass_quality: float | None = None
    secret: str = ""
    decided: str = ""
    """Why the measurement ended early, as a clause; "" if it was a full one."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "metrics", _frozen(self.metrics))

    @property
    def quality_interval(self) -> Interval:
        """The quality with its 95 % interval, that of the gain; without width in records of earlier versions."""
        return _around(self.quality.value, self.gain)


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Where a score was taken. Run times whose `fingerprint` differs are never compared.

    The fingerprint covers what a program's speed relative to the reference depends on: the kind of device (`cuda:1`
    equals `cuda:0`), the hardware, the driver, torch, Python's minor version, the threads a program may use and the
    cores available to them, the task, and the content of the reference program. It leaves out:
    - further cores, which no program may use;
    - the kernel, which changes every few weeks: timed calls compute and make few system calls, equally in both
      programs of a pair;
    - the sandbox level: confinement costs time when a process starts, which is not timed, and equally in both (how far
      a score can be trusted is another question: see `judge.sandbox.require`);
    - the cost of an empty call, the scatter and the warnings: they say how precise a figure is, as intervals do.
    """

    device: str
    hardware: str
    cores: int
    threads: int
    python: str
    torch: str
    kernel: str
    sandbox: str
    task: str
    reference: str
    empty_call_us: int = 0
    scatter: float = 0.0
    """The reference called twice in a row on the same inputs: the median of |ln(first time / second time)|."""
    warnings: tuple[str, ...] = ()
    driver: str = ""
    """The NVIDIA driver and torch's CUDA version; "" on a CPU, and in records of earlier versions."""

    @property
    def fingerprint(self) -> str:
        """12 hexadecimal digits; equal if run times are comparable."""
        keys = {name: key for name, (key, _) in self._conditions().items()}
        return hashlib.sha256(json.dumps(keys).encode("ascii")).hexdigest()[:12]

    def differing(self, other: Environment) -> tuple[str, ...]:
        """The conditions that make run times of the two incomparable, by name ("torch"); () if they are comparable."""
        theirs = other._conditions()
        return tuple(name for name, (key, _) in self._conditions().items() if key != theirs[name][0])

    def differences(self, other: Environment) -> tuple[str, ...]:
        """The same conditions with both values ("torch 2.13.0 and 2.14.0")."""
        mine, theirs = self._conditions(), other._conditions()
        return tuple(f"{name} {mine[name][1]} and {theirs[name][1]}" for name in self.differing(other))

    def _conditions(self) -> dict[str, tuple[str, str]]:
        """The conditions in the fingerprint, by name: the value compared, and the value shown."""
        plain = {
            "device": self.device.partition(":")[0],
            "hardware": self.hardware,
            "driver": self.driver,
            "torch": self.torch,
            "Python": ".".join(self.python.split(".")[:2]),
            "threads": str(self.threads),
            "cores for them": str(min(self.cores, self.threads)),
            "task": self.task,
        }
        conditions = {name: (text, text or "unknown") for name, text in plain.items()}
        return conditions | {"reference": (self.reference.rpartition(" ")[2], self.reference)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """The candidate answered every call validly and was measured."""

    score: Score
    environment: Environment


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """The candidate's own fault, at `stage`. `reason` is a slug for tables, `detail` a text for people and models."""

    stage: Stage
    reason: str
    detail: str

    def __post_init__(self) -> None:
        if self.stage not in STAGES:
            raise ValueError(f"expected a stage of {', '.join(STAGES)}, found {self.stage!r}")


Verdict = Scored | Rejected


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where an evaluation is: the stage, the case, and how many of the cases are done."""

    stage: str
    case: str
    done: int
    total: int


FARTHEST = 30.0
"""The half-width of an interval about which nothing is known: records hold finite numbers only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Duel:
    """One program measured against another, head to head, in rounds of fresh processes on secret loads.

    `speedup` is the other's time / the program's time, above 1 = the program is faster, with its 95 % interval for
    reading. `comparison` is taken from `certain`, the interval at `level`, which stays valid however often it is looked
    at (sequential). `gain` and `certain_gain` are the same for quality: the program's less the other's, above 0 = the
    program is better; None in records of earlier versions. `samples` has an entry per case, with the other program as
    the reference; `secret` gives their loads.
    """

    comparison: Comparison
    level: float
    speedup: Interval
    certain: Interval
    samples: Sequence[Samples]
    environment: Environment
    gain: Interval | None = None
    certain_gain: Interval | None = None
    secret: str = ""

    @property
    def quality_comparison(self) -> Comparison:
        """Whether the program's quality is better than the other's at `level`."""
        if self.certain_gain is None:
            return "undecided"
        if self.certain_gain.low > 0:
            return "better"
        return "worse" if self.certain_gain.high < 0 else "undecided"
