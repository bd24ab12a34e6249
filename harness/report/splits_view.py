"""The best program on the loads of the search and on held-out ones, as a table, as lines and as JSON values.

Owns: how they are worded. Does not know: when they are measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import RenderableType

from harness.readings.lineage import Find
from harness.readings.splits import Splits, qualities
from harness.report import jsonl
from harness.report.duels_view import gate_words
from harness.report.tables import figures, named, plain_table, points_interval, ratio_interval, titled
from harness.text import one_line
from harness.types import Entry

_NAME, _LISTED = 40, 5


def table(found: Splits, quality: str, seed: str) -> RenderableType:
    """A row for each split; below it what a gap says, and which programs are better on the loads of the search only."""
    rows = named(plain_table(tight=True), "loads")
    figures(rows, f"{quality},\nseed", "best", "gain,\npoints", "times as fast")
    for each in found.measured:
        values = qualities(each.duel)
        best, first = ("", "") if values is None else (f"{value:.4f}" for value in values)
        gain = "" if each.duel.gain is None else points_interval(each.duel.gain)
        rows.add_row(each.split, first, best, gain, ratio_interval(each.duel.speedup))
    note = "\n".join([*gap_lines(found), *only_lines(found)])
    return titled(f"Best against seed ({one_line(seed, _NAME)}) by split; only search steers", rows, note)


def gap_lines(found: Splits) -> Iterator[str]:
    """A line for each held-out split: the gap in gain, and whether it is overfitting."""
    for split, gap in found.gaps.items():
        verdict = "overfitting" if split in found.overfits else "no overfitting seen"
        yield f"gap from search to {split}: {points_interval(gap)} points, {verdict}"


def only_lines(found: Splits) -> Iterator[str]:
    """A line for the programs that are better on the loads of the search only, and one for those of which the gate
    could not tell; none if there are none.
    """
    if found.search_only:
        yield f"better on the loads of the search only: {_listed(found.search_only)}"
    if found.untold:
        yield f"on held-out loads not told in time (judge.timing.duel_s): {_listed(found.untold)}"


def _listed(entries: Sequence[Entry]) -> str:
    words = [f"{entry.number} {one_line(entry.name, _NAME)}" for entry in entries[-_LISTED:]]
    more = len(entries) - len(words)
    return ", ".join(words) + (f", and {more} before" if more else "")


def record(found: Splits, find: Find) -> dict[str, Any]:
    """The keys `splits`, `overfitting`, `search_only` and `untold` as JSON values."""
    measured = {}
    for each in found.measured:
        values = qualities(each.duel)
        measured[each.split] = {
            "quality": None if values is None else values[0],
            "seed_quality": None if values is None else values[1],
            "gain": jsonl.gain_record(each.duel.gain),
            "speedup": jsonl.interval(each.duel.speedup),
            "gap": jsonl.gain_record(found.gaps.get(each.split)),
        }

    def told(entries: Sequence[Entry]) -> list[dict[str, Any]]:
        return [
            {"number": entry.number, "name": entry.name, "gate": [gate_words(gate, find) for gate in entry.gates or ()]}
            for entry in entries
        ]

    only, untold = told(found.search_only), told(found.untold)
    return {"splits": measured, "overfitting": list(found.overfits), "search_only": only, "untold": untold}
