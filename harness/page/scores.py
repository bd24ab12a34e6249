"""The scores of a run's attempts in a few numbers each, to tell what improved on what. Pure.

Owns: the nearest scored ancestor of an attempt, and whether an attempt improves on it. Does not know: archives.
"""

from __future__ import annotations

from array import array

from evaluator.types import Environment
from harness.select import EQUAL_QUALITY
from harness.types import Entry

_NONE = -1


class Scores:
    """The scores of attempts by row; a row is what the caller counts attempts by."""

    def __init__(self) -> None:
        self._ends = [array("d") for _ in range(4)]
        self._place = array("l")
        self._above = array("l")
        """The nearest ancestor with a score, the row itself if it has one; -1 if no ancestor has."""
        self._environments: dict[Environment, int] = {}

    def add(self, entry: Entry, parent: int) -> bool:
        """Append a row, whose first parent is in the row `parent` (-1 for an unknown one). Whether it clearly beats its
        nearest ancestor with a score in quality or in speed, as `harness.select.improves` has it.
        """
        row, above = len(self._above), self._above[parent] if 0 <= parent < len(self._above) else _NONE
        ends, place = (0.0, 0.0, 0.0, 0.0), _NONE
        if entry.scored is not None:
            quality, speedup = entry.scored.score.quality_interval, entry.scored.score.speedup
            ends = (quality.low, quality.high, speedup.low, speedup.high)
            place = self._environments.setdefault(entry.scored.environment, len(self._environments))
        for column, end in zip(self._ends, ends, strict=True):
            column.append(end)
        self._place.append(place)
        self._above.append(above if place == _NONE else row)
        return place != _NONE and above != _NONE and self._beats(row, above)

    def _beats(self, row: int, other: int) -> bool:
        quality_low, quality_high, speed_low, speed_high = self._ends
        if quality_low[row] > quality_high[other] + EQUAL_QUALITY:
            return True
        return speed_low[row] > speed_high[other] and self._comparable(self._place[row], self._place[other])

    def _comparable(self, place: int, other: int) -> bool:
        if place == other:
            return True
        places = list(self._environments)
        return not places[place].differing(places[other])
