"""Islands: independent runs that exchange their best programs through git repositories."""

from harness.islands.elites import Elite, Origin, exposed, origin_of
from harness.islands.exchanger import Exchanger, IslandSettings
from harness.islands.proposer import IslandProposer
from harness.islands.reading import Expected

__all__ = ["Elite", "Exchanger", "Expected", "IslandProposer", "IslandSettings", "Origin", "exposed", "origin_of"]
