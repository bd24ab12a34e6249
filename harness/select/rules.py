"""The rules by which a search picks parents, by name.

Owns: the names of the rules, and how one is made. Does not know: how any of them picks.

A rule is called with the standing, a random state and how many parents are wanted. Its pick depends on these alone:
what a rule keeps follows from the standing, and is brought up to date by what is new in it. So a pick in a long run
takes no longer than in a short one.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from types import MappingProxyType

from harness.select.adaptive import Adaptive
from harness.select.elites import MapElites, Source
from harness.select.islands import Islands
from harness.select.ranked import Crowding, PowerLaw, Tournament
from harness.select.settings import RuleSettings
from harness.select.simple import pick_best, pick_front, pick_random
from harness.select.standing import Standing
from harness.select.trade_offs import TradeOffs
from harness.types import Entry

Selector = Callable[[Standing, random.Random, int], tuple[Entry, ...]]
"""Picks up to `n` different parents; a patch applies to the first. Empty only if `valid` is."""

DEFAULT = "trade_offs"
SELECTORS: Mapping[str, Callable[[RuleSettings, Source], Selector]] = MappingProxyType(
    {
        "front": lambda settings, source: pick_front,
        "best": lambda settings, source: pick_best,
        "random": lambda settings, source: pick_random,
        "crowding": lambda settings, source: Crowding(),
        "tournament": lambda settings, source: Tournament(settings.tournament),
        "power_law": lambda settings, source: PowerLaw(settings.power_law),
        "islands": lambda settings, source: Islands(settings.islands, settings.power_law),
        "map_elites": lambda settings, source: MapElites(settings.map_elites, source),
        "adaptive": lambda settings, source: Adaptive(settings.adaptive),
        "trade_offs": lambda settings, source: TradeOffs(settings.trade_offs),
    }
)


def build(name: str, settings: RuleSettings, source: Source) -> Selector:
    """A fresh rule of that name. `source` gives the text of an entry's program, by the entry's id."""
    return SELECTORS[name](settings, source)
