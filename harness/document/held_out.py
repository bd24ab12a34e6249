"""The section of a report on held-out loads: whether what was found on the loads of the search holds on others.

Owns: its table and sentences. Does not know: when the loads are measured, formats.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.document import words
from harness.document.blocks import Block, Heading, Items, Line, Paragraph, Quoted, Row, Table, columns, parts
from harness.document.report import Report
from harness.readings.splits import qualities
from harness.report.duels_view import gate_words
from harness.report.splits_view import gap_lines
from harness.report.tables import points_interval, ratio_interval
from harness.text import one_line
from harness.types import Entry

_LISTED, _WORDS = 20, 300


def held_out(report: Report) -> Iterator[Block]:
    found, quality = report.splits, report.facts.quality
    if not (found.held_out or found.search_only or found.untold):
        return
    yield Heading(text="On held-out loads", anchor="held-out")
    yield Paragraph(
        line="The search was steered by its own loads alone. A new best program had to be no worse on those of the "
        "gate; the final ones were measured once, at the end. A gain that is surely more than a quarter smaller there "
        "is overfitting."
    )
    rows = []
    for each in found.measured:
        values = qualities(each.duel)
        best, seed = ("", "") if values is None else (f"{value:.4f}" for value in values)
        gain = "" if each.duel.gain is None else points_interval(each.duel.gain)
        gap = points_interval(found.gaps[each.split]) if each.split in found.gaps else ""
        rows.append(Row(cells=(each.split, seed, best, gain, ratio_interval(each.duel.speedup), gap)))
    if rows:
        headings = ("loads", f"{quality}, seed program", "best program", "points", "times as fast", "gap to search")
        yield Table(columns=columns(*headings), rows=tuple(rows), note="; ".join(gap_lines(found)))
    for heading, entries in (
        ("Better than the best of their time on the loads of the search only:", found.search_only),
        ("Better there, and on the gate not told in time:", found.untold),
    ):
        if entries:
            yield Paragraph(line=heading)
            yield Items(lines=tuple(_listed(report, entries)))


def _listed(report: Report, entries: Sequence[Entry]) -> Iterator[Line]:
    for entry in entries[-_LISTED:]:
        shown = "; ".join(gate_words(gate, report.find, report.facts.quality) for gate in entry.gates or ())
        yield (*parts(words.numbered(entry)), ": ", Quoted(text=one_line(shown, _WORDS)))
    if len(entries) > _LISTED:
        yield f"and {len(entries) - _LISTED} before"
