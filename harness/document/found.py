"""The first section of a report: what was found.

Owns: the sentence, the figures and the tables that say how the champion compares. Does not know: formats.
"""

from __future__ import annotations

from collections.abc import Iterator

from evaluator import Scored
from harness.document import words
from harness.document.against import Against, Side
from harness.document.blocks import (
    Block,
    Column,
    Heading,
    Line,
    Paragraph,
    Part,
    Quoted,
    Row,
    Subheading,
    Table,
    Tile,
    Tiles,
    columns,
    parts,
)
from harness.document.report import Report
from harness.readings.comparable import Group
from harness.report.measurements_view import APART
from harness.report.stats_table import dollars, tokens
from harness.report.tables import credited, milliseconds, points_interval, ratio_interval, with_half_width
from harness.text import one_line

_ROLES = {"seed": "the seed program", "reference": "the reference", "seed and reference": "the seed program"}
_CASE = 60


def found(report: Report) -> Iterator[Block]:
    yield Heading(text="What was found", anchor="found")
    yield Paragraph(line=_sentence(report), look="lead")
    yield Tiles(tiles=tuple(_tiles(report)))
    for against in report.against:
        yield from _against(against, report)
    yield Paragraph(line=_how_measured(report), look="note")
    yield from _later(report)


def _sentence(report: Report) -> Line:
    facts, first = report.facts, report.against[0]
    if report.champion.id == report.seed.id:
        attempts = len(report.entries) - 1
        return f"No program was found in {_counted(attempts)} that is better than the seed program."
    subject: tuple[Part, ...] = ("The best program is ", *parts(words.numbered(report.champion)))
    return (*subject, f". Against {_ROLES[first.role]}: {_changes(first, facts.quality)}.")


def _changes(against: Against, quality: str) -> str:
    """Both changes in words, each with its interval or as no sure change."""
    side = against.overall
    said = []
    if side.times is not None:
        sure = words.excludes(side.times, 1)
        unsure = f"{words.NO_SURE_CHANGE} of speed ({words.times(side.times)})"
        said.append(words.faster(side.times) if sure else unsure)
    elif against.apart:
        said.append("run times cannot be compared")
    if side.points is not None:
        change = f"{points_interval(side.points)} points"
        sure = words.excludes(side.points, 0)
        said.append(f"{change} of {quality}" if sure else f"{words.NO_SURE_CHANGE} of {quality} ({change})")
    return ", and ".join(said) or "nothing that can be compared"


def _counted(attempts: int) -> str:
    return "1 attempt" if attempts == 1 else f"{attempts:,} attempts"


def _tiles(report: Report) -> Iterator[Tile]:
    facts, course = report.facts, report.course
    for against in report.against:
        side, role = against.overall, _ROLES[against.role]
        if side.times is not None:
            label = f"times as fast as {role}"
            yield Tile(label=label, value=_head(words.times(side.times)), note=_rest(words.times(side.times)))
    side = report.against[0].overall
    if side.points is not None:
        text = words.points(side.points)
        label = f"points of {facts.quality} over {_ROLES[report.against[0].role]}"
        unsure = "" if words.excludes(side.points, 0) else words.NO_SURE_CHANGE
        yield Tile(label=label, value=_head(text), note=", ".join(filter(None, (_rest(text), unsure))))
    scored = sum(entry.scored is not None for entry in report.entries)
    note = f"{scored:,} programs scored, in {words.duration(course.total('minutes'))}"
    yield Tile(label="attempts", value=f"{len(report.entries) - 1:,}", note=note)
    booked, calls = facts.booked, f"{facts.booked.calls:,} calls of models"
    if booked.calls or booked.usd:
        yield Tile(label="spent", value=dollars(booked.usd), note=f"{tokens(booked.tokens)} tokens, {calls}")


def _head(text: str) -> str:
    return text.partition(" [")[0]


def _rest(text: str) -> str:
    _, bracket, rest = text.partition(" [")
    return f"95 % interval [{rest}" if bracket else ""


def _against(against: Against, report: Report) -> Iterator[Block]:
    quality = report.facts.quality
    role = _ROLES[against.role]
    also = ", which is also the reference" if against.role == "seed and reference" else ""
    whose = "The seed program against" if report.champion.id == report.seed.id else "Against"
    yield Subheading(line=(f"{whose} {role}, ", Quoted(text=one_line(against.name, words.NAME)), also))
    rows = tuple(_row(side, strong=side is against.overall and len(against.rows) > 1) for side in against.rows)
    yield Table(
        columns=(
            Column(heading="case"),
            *(Column(heading=heading, right=True) for heading in (f"{quality} before", "after", "points")),
            *(Column(heading=heading, right=True) for heading in ("ms before", "after", "times as fast")),
        ),
        rows=rows,
    )
    if against.apart:
        yield Paragraph(line=("Run times are not comparable: ", Quoted(text=one_line("; ".join(against.apart), 400))))


def _row(side: Side, *, strong: bool) -> Row:
    before = "" if side.before is None else with_half_width(side.before)
    if side.before is not None and side.before.low == side.before.high:
        before = f"{side.before.median:.4f}"
    case: Line = side.case if strong else (Quoted(text=one_line(side.case, _CASE)),)
    return Row(
        cells=(
            case,
            before,
            with_half_width(side.after) if side.after.low < side.after.high else f"{side.after.median:.4f}",
            words.points(side.points),
            milliseconds(side.before_ms),
            milliseconds(side.after_ms),
            words.times(side.times),
        ),
        strong=strong,
    )


def _how_measured(report: Report) -> Line:
    facts = report.facts
    text = (
        f"{facts.quality}: higher is better; points are hundredths of it. "
        "Brackets and ± are 95 % intervals. Every figure comes from calls in pairs with the reference, on loads that "
        "were secret until they were answered. "
    )
    if any(against.role == "seed" for against in report.against):
        text += (
            "The seed program and the champion were timed at different times, each beside the reference: times as fast "
            "is the ratio of their speed-ups over it, or a duel, not that of the milliseconds. Where the two are "
            "measured side by side, as at the end of a search, the figures differ: loads are others, and what runs "
            "beside a program changes its time. "
        )
    return text + words.objective(facts.objective, facts.quality)


def _later(report: Report) -> Iterator[Block]:
    """Measurements of the champion after the search; nothing if there are none."""
    if sum(len(group.members) for group in report.measured) < 2:
        return
    yield Subheading(line="Measured again")
    for group in report.measured:
        yield from _group(group, report.facts.quality)


def _group(group: Group, quality: str) -> Iterator[Block]:
    rows = []
    for member in group.members:
        verdict = member.measurement.verdict
        shown = ("rejected", "", "")
        if isinstance(verdict, Scored):
            score = verdict.score
            shown = (credited(score), milliseconds(score.runtime_ms), ratio_interval(score.speedup))
        rows.append(Row(cells=(member.taken, words.when(member.measurement.when_s), *shown)))
    if (pooled := group.pooled) is not None:
        level = "" if pooled.quality is None else with_half_width(pooled.quality)
        cells = ("together", f"{pooled.rounds} rounds", level, "", ratio_interval(pooled.speedup))
        rows.append(Row(cells=cells, strong=True))
    yield Table(
        columns=columns("measured", "when", quality, "ms", "speed-up over the reference", left=2),
        rows=tuple(rows),
        note=APART if pooled is not None and pooled.apart else "",
    )
    if group.differs:
        yield Paragraph(line=("Not compared with the first: ", Quoted(text=one_line("; ".join(group.differs), 400))))
