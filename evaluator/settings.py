"""The judge's limits and its timing plan, with their defaults.

Owns: what each knob means and which values it takes. Does not know: config files.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

SandboxLevel = Literal["L0", "L1", "L2", "L3"]
LEVELS: tuple[SandboxLevel, ...] = get_args(SandboxLevel)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimingSettings:
    """How long a case is measured: pairs are added until the interval is narrow, or the pairs or the time run out."""

    budget_s: float = 2.0
    warmups: int = 1
    min_pairs: int = 3
    max_pairs: int = 100
    half_width: float = 0.02
    """Enough when the 95 % interval of the case's speedup is within this share of its median."""

    def __post_init__(self) -> None:
        if self.budget_s <= 0 or self.warmups < 1 or not 3 <= self.min_pairs <= self.max_pairs or self.half_width <= 0:
            raise ValueError(
                f"expected budget_s > 0, warmups >= 1, 3 <= min_pairs <= max_pairs and half_width > 0, found {self}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeSettings:
    """What a candidate may take, and how it is measured."""

    timeout_s: float = 10.0
    """Wall-clock limit of one call."""
    load_timeout_s: float = 20.0
    """Wall-clock limit of loading the program (its imports and module level)."""
    memory_gb: float = 4.0
    threads: int = 1
    cpus: tuple[int, ...] = ()
    """Cores the candidate and the reference are pinned to; () leaves the choice to the judge."""
    require: SandboxLevel = "L1"
    """The weakest confinement under which a run is allowed: below it the judge refuses to start."""
    source_bytes: int = 1_000_000
    scratch_mb: int = 64
    timing: TimingSettings = field(default_factory=TimingSettings)

    def __post_init__(self) -> None:
        if min(self.timeout_s, self.load_timeout_s, self.memory_gb, self.threads, self.source_bytes) <= 0:
            raise ValueError(f"expected positive limits, found {self}")
        if self.require not in LEVELS:
            raise ValueError(f"expected require to be one of {', '.join(LEVELS)}, found {self.require!r}")
