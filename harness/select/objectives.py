"""What makes one program better than another, as the user chooses it.

Owns: the objectives and their limits. Does not know: scores, standings, how any of them decides.
"""

from __future__ import annotations

from dataclasses import dataclass


def check(holds: bool, expected: str, found: object) -> None:
    if not holds:
        raise ValueError(f"expected {expected}, found {found}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pareto:
    """The fastest program above the floor: none whose quality is clearly below the seed program's less `epsilon`."""

    epsilon: float = 0.0

    def __post_init__(self) -> None:
        check(self.epsilon >= 0, "epsilon >= 0", self.epsilon)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeLimit:
    """The best quality among programs at least `min_speedup_over_seed` times as fast as the seed program.

    Both speeds are ratios against the reference; the low end of the program's interval must meet the limit, against the
    seed program's median. While no program does, the fastest above the floor leads.
    """

    min_speedup_over_seed: float
    epsilon: float = 0.0

    def __post_init__(self) -> None:
        check(self.min_speedup_over_seed > 0, "min_speedup_over_seed > 0", self.min_speedup_over_seed)
        check(self.epsilon >= 0, "epsilon >= 0", self.epsilon)


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityLimit:
    """The fastest program whose quality is within `within` of the seed program's."""

    within: float

    def __post_init__(self) -> None:
        check(self.within >= 0, "within >= 0", self.within)

    @property
    def epsilon(self) -> float:
        return self.within


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighted:
    """The largest `quality * quality_weight + ln(speedup) * speed_weight` above the floor."""

    quality_weight: float
    speed_weight: float
    epsilon: float = 0.0

    def __post_init__(self) -> None:
        weights = (self.quality_weight, self.speed_weight)
        check(min(weights) >= 0 and max(weights) > 0, "weights >= 0, one of them above 0", weights)
        check(self.epsilon >= 0, "epsilon >= 0", self.epsilon)


Objective = Pareto | RuntimeLimit | QualityLimit | Weighted
