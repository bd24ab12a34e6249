"""The section of a report on the chain of patches from the seed program to the champion.

Owns: how a patch and what it bought are told. Does not know: formats, how the chain is found.
"""

from __future__ import annotations

from collections.abc import Iterator

from evaluator import Rejected
from harness.document import words
from harness.document.blocks import (
    Block,
    Code,
    Column,
    Fold,
    Heading,
    Paragraph,
    Part,
    Prose,
    Row,
    Subheading,
    Table,
    Typed,
    said,
)
from harness.document.report import Link, Report
from harness.report.attempts import half_width, same
from harness.report.stats_table import dollars, tokens
from harness.report.tables import credited, ratio
from harness.types import Entry

_MOST_LINES, _MOST_SHOWN = 300, 6_000
"""The most lines of a diff, and of all diffs together."""
_LONGEST = 4000
"""The most characters of a description."""


def chain(report: Report) -> Iterator[Block]:
    yield Heading(text="The way there", anchor="chain")
    if not report.links:
        yield Paragraph(line="The seed program is still the best: there is no patch to show.")
        return
    count = len(report.links)
    yield Paragraph(
        line=(
            f"{count} {'patch leads' if count == 1 else 'patches lead'} from the seed program to the champion. Each "
            f"row says what a patch changed against the program it was applied to; {words.NO_SURE_CHANGE} means that "
            "chance could explain the difference."
        )
    )
    yield _overview(report)
    left = _MOST_SHOWN
    for place, link in enumerate(report.links, 1):
        shown = min(_MOST_LINES, left)
        left -= min(shown, link.diff.count("\n"))
        yield from _patch(place, link, report, shown)


def _overview(report: Report) -> Table:
    paid = report.line.usd > 0 or report.line.tokens > 0
    quality = report.facts.quality
    headings = (quality, "speed-up", "points", "times as fast", *(("tokens", "dollars") if paid else ()))
    first = report.line.steps[0].entry
    rows = [Row(cells=(str(first.number), (words.name(first),), "", *_scores(first), "", "", *_paid(first, paid)))]
    for link in report.links:
        entry = link.step.entry
        cells = (str(entry.number), (words.name(entry),), _origin(link), *_scores(entry), *_bought(link))
        rows.append(Row(cells=(*cells, *_paid(entry, paid)), strong=entry.id == report.champion.id))
    return Table(
        columns=(
            Column(heading="attempt", right=True),
            Column(heading="name"),
            Column(heading="from"),
            *(Column(heading=heading, right=True) for heading in headings),
        ),
        rows=tuple(rows),
        note=(
            "speed-up: over the reference; points and times as fast: against the program that was patched, with the "
            "95 % interval"
        ),
    )


def _scores(entry: Entry) -> tuple[str, str]:
    if entry.scored is None:
        return "rejected" if isinstance(entry.verdict, Rejected) else "not judged", ""
    score = entry.scored.score
    return credited(score), f"{ratio(score.speedup.median)} {half_width(score.speedup)}"


def _paid(entry: Entry, paid: bool) -> tuple[str, ...]:
    return (tokens(entry.tokens), dollars(entry.usd)) if paid else ()


def _origin(link: Link) -> str:
    step = link.step
    assert step.parent is not None, "only the first step of a chain has no parent"
    return " + ".join([str(step.parent.number), *(str(other.number) if other else "?" for other in step.merged)])


def _bought(link: Link) -> tuple[str, str]:
    return words.points(link.points), words.times(link.times)


def _patch(place: int, link: Link, report: Report, most: int) -> Iterator[Block]:
    entry, parent = link.step.entry, link.step.parent
    assert parent is not None, "only the first step of a chain has no parent"
    yield Subheading(line=(f"{place}. ", words.name(entry)))
    merged = [str(other.number) for other in link.step.merged if other]
    origin = f"Attempt {entry.number}, {entry.kind} of attempt {parent.number}"
    origin += f", merged with {' and '.join(merged)}" if merged else ""
    yield Paragraph(line=(origin, ", by ", *_author(entry), f": {bought_words(link, report)}."))
    if entry.description.strip():
        yield Prose(text=_shortened(entry.description))
    if link.diff:
        lines = link.diff.count("\n")
        yield Fold(summary=f"the change, {lines} lines", blocks=tuple(_diff(link, report, most)))


def _author(entry: Entry) -> tuple[Part, ...]:
    return said((entry.model or entry.proposer)[: words.NAME])


def bought_words(link: Link, report: Report) -> str:
    """What a patch bought, in words: each change with its interval if it is sure, else that none is."""
    entry, parent, gain = link.step.entry, link.step.parent, link.step.gain
    if entry.scored is None:
        return "it was rejected, and repaired by the next"
    if again := same(entry, report.find):
        return again
    if gain is None:
        return f"attempt {parent.number if parent else '?'} has no score to compare with"
    told = []
    if gain.points is not None and link.points is not None:
        told.append(f"{words.points(link.points)} points of {report.facts.quality}")
    if gain.not_compared:
        told.append("run times not compared, since conditions differ")
    elif gain.times is not None and link.times is not None:
        told.append(words.faster(link.times))
    return ", ".join(told) or words.NO_SURE_CHANGE


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _diff(link: Link, report: Report, most: int) -> Iterator[Block]:
    lines = link.diff.removesuffix("\n").split("\n")
    if most > 0:
        yield Code(text="\n".join(line[:_LONGEST] for line in lines[:most]), language="diff")
    if len(lines) > most:
        parent = link.step.parent
        pair = f"{parent.number if parent else '?'} {link.step.entry.number}"
        command = Typed(text=f"packsmith diff RUN {pair}")
        yield Paragraph(line=(f"and {len(lines) - most} more lines: ", command), look="note")
