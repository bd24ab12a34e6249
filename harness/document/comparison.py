"""A comparison of runs as a document, as a chart, and as rows for spreadsheets.

Owns: what it says, in which order, and the columns of its rows. Does not know: formats, which runs compare.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from evaluator import Interval
from harness.document import curves, words
from harness.document.blocks import (
    Block,
    Column,
    Document,
    Heading,
    Items,
    Line,
    Paragraph,
    Picture,
    Quoted,
    Row,
    Table,
)
from harness.figures.chart import Chart
from harness.readings.checkpoints import State, curve, states
from harness.readings.contrast import Level
from harness.readings.course import EFFORTS, Effort
from harness.report.compare_view import MIXED, UNITS, amount, cells, meaning
from harness.report.flat import Cell, plain_cell, text_cell
from harness.text import one_line

_RUN, _LONGEST = 60, 400
_INTERVALS = ("quality", "speedup", "hypervolume")
COLUMNS = (
    *("run", "group", "attempts", "minutes", "usd", "judge_s", "champion", "champion_id", "quality_is"),
    *(f"{name}{end}" for name in _INTERVALS for end in ("", "_low", "_high")),
    "fingerprint",
)


def compared(levels: Sequence[Level], effort: Effort) -> Document:
    """The comparison as a document: for each group of runs that compare, the figures and the tables."""
    runs = [run.name for level in levels for run in level.members]
    subtitle: Line = "1 run" if len(runs) == 1 else f"{len(runs)} runs, by {UNITS[effort]}"
    blocks: list[Block] = []
    if len(levels) > 1:
        blocks.append(Paragraph(line="Not all of these runs compare: each group stands apart.", look="lead"))
        groups = [_apart(level, number) for number, level in enumerate(levels, 1)]
        blocks.append(Items(lines=tuple(groups)))
    for number, level in enumerate(levels, 1):
        blocks += _group(level, number, effort, of_many=len(levels) > 1)
    return Document(title="Comparison of runs", subtitle=subtitle, blocks=tuple(blocks))


def _apart(level: Level, number: int) -> Line:
    names = Quoted(text=one_line(", ".join(run.name for run in level.members), _LONGEST))
    if not level.differs:
        return (f"Group {number}: ", names, ".")
    differs = Quoted(text=one_line("; ".join(level.differs), _LONGEST))
    return (f"Group {number}: ", names, ", not compared with group 1, since these differ: ", differs, ".")


def _group(level: Level, number: int, effort: Effort, *, of_many: bool) -> Iterator[Block]:
    quality = level.quality_key
    yield Heading(text=f"Group {number}" if of_many else "Results", anchor=f"group{number}")
    title = "Best against effort"
    yield Picture(chart=curves.chart(level, curves.efforts(level), quality=quality, title=title, volume=True))
    found = list(states(level, effort))
    if len(level.members) > 1 and not all(state.end for state in found):
        between = [state for state in found if not state.end]
        rows = tuple(_row(state, (amount(state.at, effort),), level) for state in between)
        yield _table(f"Best after equal {UNITS[effort]}", (UNITS[effort],), rows, quality)
    ends = [state for state in found if state.end]
    spent = (tuple(amount(state.run.course.total(kind), kind) for kind in EFFORTS) for state in ends)
    rows = tuple(_row(state, each, level) for state, each in zip(ends, spent, strict=True))
    yield _table("At the end", tuple(UNITS[kind] for kind in EFFORTS), rows, quality)
    yield Paragraph(line=f"{meaning(level)}.", look="note")
    for run in level.members:
        if run.mixed:
            name, words_ = (Quoted(text=one_line(text, _LONGEST)) for text in (run.name, run.mixed[0]))
            yield Paragraph(line=(name, f": {MIXED}", words_), look="note")


def _table(caption: str, first: tuple[str, ...], rows: tuple[Row, ...], quality: str) -> Table:
    names = (*first, "best attempt", quality, "speed-up", "hypervolume")
    return Table(
        columns=(Column(heading="run"), *(Column(heading=name, right=True) for name in names)),
        rows=rows,
        caption=caption,
    )


def _row(state: State, first: tuple[str, ...], level: Level) -> Row:
    return Row(cells=((Quoted(text=one_line(state.run.name, _RUN)),), *first, *cells(state, level)))


def picture(levels: Sequence[Level]) -> Chart:
    """All groups in one chart, each in panels of its own."""
    charts = [
        curves.chart(level, curves.efforts(level), quality=level.quality_key, title="Best against effort", volume=True)
        for level in levels
    ]
    rows = []
    for number, (level, chart) in enumerate(zip(levels, charts, strict=True), 1):
        for at, row in enumerate(chart.rows):
            if len(levels) > 1 and at == 0:
                differs = f": {'; '.join(level.differs)}" if level.differs else ""
                row = (replace(row[0], title=one_line(f"group {number}{differs}", words.NAME)), *row[1:])
            rows.append(row)
    return replace(charts[0], rows=tuple(rows), description=" ".join(chart.description for chart in charts))


def rows(levels: Sequence[Level], *, plain: bool = False) -> Iterator[tuple[Cell, ...]]:
    """A row for each change of a run's champion or front: efforts spent, figures, and bounds of each. `plain`: names
    are for a program that takes none for a formula.
    """
    for number, level in enumerate(levels, 1):
        for run in level.members:
            name = plain_cell(run.name) if plain else text_cell(run.name)
            for spent, state in curve(level, run):
                assert state.champion is not None, "a change has a champion"
                first: tuple[Cell, ...] = (name, number, *(spent[kind] for kind in EFFORTS))
                scale = "gain" if level.relative else "quality"
                best: tuple[Cell, ...] = (state.champion.number, state.champion.id, scale)
                figures = (*_ends(state.quality), *_ends(state.speedup), *_ends(state.hypervolume))
                yield (*first, *best, *figures, run.environment.fingerprint)


def _ends(value: Interval | None) -> tuple[Cell, Cell, Cell]:
    return (None, None, None) if value is None else (value.median, value.low, value.high)
