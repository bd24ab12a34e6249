"""The report of a run as a document: its sections in order.

Owns: the order, the title. Does not know: what a section says, formats.
"""

from __future__ import annotations

from harness.document import words
from harness.document.blocks import Document, Quoted
from harness.document.chain import chain
from harness.document.doubtful import doubtful
from harness.document.found import found
from harness.document.held_out import held_out
from harness.document.report import Report
from harness.document.reproduce import reproduce
from harness.document.searching import cost, front, progress, proposals
from harness.text import one_line

_SECTIONS = (found, held_out, chain, front, progress, proposals, cost, doubtful, reproduce)
_RUN = 120


def composed(report: Report) -> Document:
    """The report as a document."""
    facts, where = report.facts, report.environment
    first, last = (report.entries[at].when_s for at in (0, -1))
    subtitle = (
        "packsmith run ",
        Quoted(text=one_line(facts.run, _RUN)),
        f", {words.when(first)} to {words.when(last)}, task {facts.task} on ",
        Quoted(text=one_line(f"{where.device} ({where.hardware})", _RUN)),
    )
    blocks = tuple(block for section in _SECTIONS for block in section(report))
    return Document(title=f"Search report: {facts.task}", subtitle=subtitle, blocks=blocks)
