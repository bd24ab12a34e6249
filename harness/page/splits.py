"""The best program of a run against the seed program on each split, and single attempts on held-out loads, as JSON
values.

Owns: which of that a page is sent, and that notes are read again only where something has changed. Does not know: how
loads are held out, how anything is measured, HTTP.
"""

from __future__ import annotations

from typing import Any

from harness.archive import is_gated
from harness.archive.feed import Feed
from harness.gate import GatedStanding
from harness.page.words import interval, sound
from harness.readings.lineage import Find
from harness.readings.splits import Splits, qualities, splits
from harness.report.duels_view import gate_words
from harness.types import Entry

_NAMED = 20


class HeldOut:
    """What held-out loads say of a run."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._gated = is_gated(feed.config)
        self._known: tuple[object, dict[str, Any]] = (None, {})

    def state(self, standing: GatedStanding) -> dict[str, Any] | None:
        """What they say of the best program, and which attempts are better on the loads of the search only; None in a
        run that holds no loads out.
        """
        if not self._gated:
            return None
        best = standing.best.id if standing.best is not None else ""
        lists = len(standing.search_only), len(standing.untold)
        key = best, self._feed.split_notes.version, lists
        if key != self._known[0]:
            found = self._found(standing.best, standing)
            lists_of = {"search_only": found.search_only, "untold": found.untold}
            listed = {name: _listed(entries) for name, entries in lists_of.items()}
            self._known = key, {"measured": rows(found), "overfitting": list(found.overfits), **listed}
        return self._known[1]

    def measured(self, entry: Entry, standing: GatedStanding) -> list[dict[str, Any]]:
        """An attempt on each split on which it was measured against the seed program; [] if no held-out one is."""
        found = self._found(entry, standing)
        return rows(found) if found.held_out else []

    def _found(self, entry: Entry | None, standing: GatedStanding) -> Splits:
        seed = standing.seed
        known = {} if entry is None or seed is None else self._feed.split_notes.on(entry.id, seed.id)
        return splits(tuple(known.values()), standing)


def rows(found: Splits) -> list[dict[str, Any]]:
    """A row for each split that was measured."""
    made = []
    for each in found.measured:
        quality, seed_quality = qualities(each.duel) or (None, None)
        made.append(
            {
                "split": each.split,
                "when": each.when_s,
                "quality": quality,
                "seed_quality": seed_quality,
                "gain": interval(each.duel.gain),
                "speedup": interval(each.duel.speedup),
                "gap": interval(found.gaps.get(each.split)),
                "overfits": each.split in found.overfits,
            }
        )
    return made


def gates(entry: Entry, find: Find, quality: str) -> list[dict[str, Any]]:
    """Each measurement of an attempt on the gate, against the best program of the time."""
    made = []
    for gate in entry.gates or ():
        other = find(gate.against)
        made.append(
            {
                "against": None if other is None else other.number,
                "speedup": None if gate.duel is None else interval(gate.duel.speedup),
                "gain": None if gate.duel is None else interval(gate.duel.gain),
                "words": sound(gate_words(gate, find, quality)),
            }
        )
    return made


def _listed(entries: tuple[Entry, ...]) -> dict[str, Any]:
    """How many there are, and the numbers of the newest."""
    return {"count": len(entries), "newest": [entry.number for entry in entries[-_NAMED:]]}
