"""The judge's limits, its lanes and its timing plan, with their defaults.

Owns: what each setting means and which values are valid. Does not know: config files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

SandboxLevel = Literal["L0", "L1", "L2", "L3"]
Policy = Literal["race", "full"]
LEVELS: tuple[SandboxLevel, ...] = get_args(SandboxLevel)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimingSettings:
    """How long to measure a case: rounds of pairs, each round in fresh processes, until the interval is narrow or the
    time is spent. Raises ValueError for invalid values.
    """

    budget_s: float = 2.0
    """Seconds per case, including the start of its processes, which may exceed it where programs load slowly."""
    warmups: int = 1
    """Calls of each program before the first pair of a round. Programs so slow that a pair takes a quarter of a round
    or more have none, unless the first pair of a round shows that they start slowly.
    """
    min_pairs: int = 3
    """Pairs per case that are taken whatever the time."""
    max_pairs: int = 10_000
    round_pairs: int = 12
    """Largest number of pairs per case in one pair of processes: more do not reduce differences between processes."""
    half_width: float = 0.02
    """A measurement ends when the 95 % interval of the program's speedup is within this share of its middle."""
    policy: Policy = "race"
    """In a search, whether a program is measured only until it is decided what becomes of it, or always in full."""
    duel_s: float = 10.0
    """Largest number of seconds for a head-to-head comparison of two programs; more only where they load slowly."""

    def with_rounds_of(self, pairs: int) -> TimingSettings:
        """These settings with rounds of at most `pairs` pairs a case."""
        return replace(self, round_pairs=min(self.round_pairs, pairs))

    def __post_init__(self) -> None:
        positive = min(self.budget_s, self.warmups, self.round_pairs, self.half_width, self.duel_s) > 0
        if not positive or not 3 <= self.min_pairs <= self.max_pairs:
            raise ValueError(
                f"expected budget_s, warmups, round_pairs, half_width and duel_s > 0 and 3 <= min_pairs <= max_pairs, "
                f"found {self}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """A place to measure: a device ("" is the run's), and the cores for its programs, which are pinned to the first
    `threads` of them; () leaves the choice to the judge.

    Raises ValueError for invalid core numbers.
    """

    device: str = ""
    cpus: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if len(set(self.cpus)) != len(self.cpus) or min(self.cpus, default=0) < 0:
            raise ValueError(f"expected different core numbers from 0, found {self.cpus}")


def own_first(lanes: Sequence[Lane], number: int) -> tuple[Lane, ...]:
    """The lanes in the order in which the judge of this number, from 0, looks for a free one: its own first."""
    start = number % len(lanes) if lanes else 0
    return (*lanes[start:], *lanes[:start])


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeSettings:
    """The resources that a candidate may use, and how it is measured. Raises ValueError for invalid values."""

    timeout_s: float = 10.0
    """Wall-clock limit of one call, in seconds."""
    load_timeout_s: float = 10.0
    """Wall-clock limit, in seconds, of loading the program (its imports and module level, compiling included)."""
    memory_gb: float = 4.0
    threads: int = 1
    """The number of cores that a program is pinned to, timed or not; on a GPU one more, for the driver's threads."""
    lanes: tuple[Lane, ...] = ()
    """Where to measure: a measurement takes the first free lane of the run's device. () means one lane, which excludes
    all other measurements on the machine's cores, or on its GPU.
    """
    require: SandboxLevel = "L1"
    """The weakest confinement that a run accepts: the judge refuses to start below it."""
    source_bytes: int = 256_000
    scratch_mb: int = 64
    timing: TimingSettings = field(default_factory=TimingSettings)

    def with_lanes(self, lanes: Sequence[Lane]) -> JudgeSettings:
        """These settings with other lanes."""
        return replace(self, lanes=tuple(lanes))

    def __post_init__(self) -> None:
        if min(self.timeout_s, self.load_timeout_s, self.memory_gb, self.threads, self.source_bytes) <= 0:
            raise ValueError(f"expected positive limits, found {self}")
        if self.require not in LEVELS:
            raise ValueError(f"expected require to be one of {', '.join(LEVELS)}, found {self.require!r}")
