"""The options of the rules that pick parents, as keys of a config.

Owns: one class for each rule that has options, and the settings they make.
Does not know: files, YAML, how a rule picks.
"""

from __future__ import annotations

from typing import Protocol

from pydantic import Field, field_validator

from harness.config.model_schema import Section
from harness.select import (
    AXES,
    AdaptiveSettings,
    Axis,
    Behaviour,
    IslandSettings,
    PowerLawSettings,
    RuleSettings,
    TournamentSettings,
    TradeOffSettings,
)

_RULES = RuleSettings()


class TournamentSection(Section):
    """`rule: tournament`: the best of some programs drawn from all."""

    size: int = Field(default=_RULES.tournament.size, ge=1)
    """Programs that are drawn for each parent."""


class PowerLawSection(Section):
    """`rule: power_law`, and the programs of an island: by rank."""

    alpha: float = Field(default=_RULES.power_law.alpha, ge=0)
    """The r-th best is picked in proportion to r ** -alpha; 0 is uniform."""


class IslandsSection(Section):
    """`rule: islands`: populations that evolve apart."""

    count: int = Field(default=_RULES.islands.count, ge=1)
    """How many there are."""
    migrate_every: int = Field(default=_RULES.islands.migrate_every, ge=0)
    """Attempts of the run after which the best of each is copied to the next; 0 is never."""
    reset_every: int = Field(default=_RULES.islands.reset_every, ge=0)
    """Attempts of the run after which the worst starts anew from the best program; 0 is never."""


class MapElitesSection(Section):
    """`rule: map_elites`: the best program of each way to behave."""

    axes: tuple[Axis, ...] = _RULES.map_elites.axes
    """Of `quality`, `time`, `cases` (both case by case), `size`, `structure`."""

    @field_validator("axes")
    @classmethod
    def _different(cls, axes: tuple[Axis, ...]) -> tuple[Axis, ...]:
        if not axes or len(set(axes)) != len(axes):
            raise ValueError(f"different axes of {', '.join(AXES)}|{', '.join(axes) or 'none'}")
        return axes


class AdaptiveSection(Section):
    """`rule: adaptive`: the weight of a parent near the front, by what its children brought."""

    credit: float = Field(default=_RULES.adaptive.credit, ge=0)
    """What a child that joined the front adds to its parent's weight of 1."""
    fatigue: float = Field(default=_RULES.adaptive.fatigue, ge=0)
    """The exponent by which tries lower it: 0 is not at all."""
    depth: float = Field(default=_RULES.adaptive.depth, ge=0, le=1)
    """What is left of it with each layer behind the front."""


class TradeOffsSection(Section):
    """`rule: trade_offs`: quality and speed, weighed otherwise for each pick."""

    goal: float = Field(default=_RULES.trade_offs.goal, ge=0, le=1)
    """The share of picks that weigh them as the objective does; the others do at random."""


class RuleSections(Protocol):
    """The section of a config that holds them."""

    tournament: TournamentSection
    power_law: PowerLawSection
    islands: IslandsSection
    map_elites: MapElitesSection
    adaptive: AdaptiveSection
    trade_offs: TradeOffsSection


def rule_settings(section: RuleSections) -> RuleSettings:
    """The options of all rules."""
    return RuleSettings(
        tournament=TournamentSettings(**section.tournament.model_dump()),
        power_law=PowerLawSettings(**section.power_law.model_dump()),
        islands=IslandSettings(**section.islands.model_dump()),
        map_elites=Behaviour(**section.map_elites.model_dump()),
        adaptive=AdaptiveSettings(**section.adaptive.model_dump()),
        trade_offs=TradeOffSettings(**section.trade_offs.model_dump()),
    )
