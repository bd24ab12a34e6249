"""The options of the rules that pick parents.

Owns: their defaults and limits. Does not know: what the rules make of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from harness.select.objectives import check

Axis = Literal["quality", "time", "cases", "size", "structure"]
AXES: tuple[Axis, ...] = get_args(Axis)


@dataclass(frozen=True, slots=True, kw_only=True)
class TournamentSettings:
    """`tournament`: how many programs are drawn, of which the best becomes the parent."""

    size: int = 4

    def __post_init__(self) -> None:
        check(self.size >= 1, "a size of at least 1", self.size)


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerLawSettings:
    """`power_law`: the program of rank r is picked in proportion to r ** -alpha; 0 is uniform."""

    alpha: float = 1.0

    def __post_init__(self) -> None:
        check(self.alpha >= 0, "alpha >= 0", self.alpha)


@dataclass(frozen=True, slots=True, kw_only=True)
class IslandSettings:
    """`islands`: how many there are, and after how many attempts of the run the best of each is copied to the next one,
    and the worst island is started anew from the best program; 0 is never.
    """

    count: int = 4
    migrate_every: int = 20
    reset_every: int = 60

    def __post_init__(self) -> None:
        check(self.count >= 1, "a count of at least 1", self.count)
        least = min(self.migrate_every, self.reset_every)
        check(least >= 0, "migrate_every and reset_every of at least 0", least)


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """`map_elites`: the axes of the map on which each cell keeps its best program.

    `quality` and `time` are those of all cases, `cases` both case by case, `size` the length of the text, `structure`
    the make-up of the syntax tree.
    """

    axes: tuple[Axis, ...] = ("quality", "time")

    def __post_init__(self) -> None:
        unknown = [axis for axis in self.axes if axis not in AXES]
        check(not unknown and len(self.axes) > 0, f"axes of {', '.join(AXES)}", ", ".join(unknown) or "none")
        check(len(set(self.axes)) == len(self.axes), "different axes", ", ".join(self.axes))


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptiveSettings:
    """`adaptive`: how fast effort leaves a parent whose children bring nothing.

    A parent's weight is (1 + `credit` * gains) / (1 + tries) ** `fatigue`, times `depth` for each layer behind the
    front.
    """

    credit: float = 2.0
    fatigue: float = 1.0
    depth: float = 0.3

    def __post_init__(self) -> None:
        check(self.credit >= 0, "credit >= 0", self.credit)
        check(self.fatigue >= 0, "fatigue >= 0", self.fatigue)
        check(0 <= self.depth <= 1, "0 <= depth <= 1", self.depth)


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeOffSettings:
    """`trade_offs`: how often quality and speed are weighed as the objective does, else at random."""

    goal: float = 0.3

    def __post_init__(self) -> None:
        check(0 <= self.goal <= 1, "0 <= goal <= 1", self.goal)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSettings:
    """The options of all rules; each uses its own."""

    tournament: TournamentSettings = field(default_factory=TournamentSettings)
    power_law: PowerLawSettings = field(default_factory=PowerLawSettings)
    islands: IslandSettings = field(default_factory=IslandSettings)
    map_elites: Behaviour = field(default_factory=Behaviour)
    adaptive: AdaptiveSettings = field(default_factory=AdaptiveSettings)
    trade_offs: TradeOffSettings = field(default_factory=TradeOffSettings)
