"""The sections of a report on the search itself: the front, the champions one after another, proposals and cost.

Owns: their tables and figures. Does not know: formats.
"""

from __future__ import annotations

from collections.abc import Iterator

from evaluator.types import STAGES
from harness.document import curves, pareto, words
from harness.document.blocks import Block, Column, Heading, Paragraph, Picture, Quoted, Row, Table, columns
from harness.document.report import SCORED, UNJUDGED, Report
from harness.figures.chart import Chart
from harness.readings.contrast import Contestant, levels
from harness.report.stats import Refusal
from harness.report.stats_table import NOTE, dollars, tokens
from harness.report.tables import credited, headings, metric_cells, milliseconds, ratio_interval
from harness.text import one_line
from harness.types import Entry

_REFUSALS, _TOLD, _CHAMPIONS, _FRONT = 8, 200, 40, 60


def front(report: Report) -> Iterator[Block]:
    yield Heading(text="The Pareto front", anchor="front")
    yield Picture(
        chart=pareto.chart(report),
        caption="Bars are 95 % intervals. A program joins the front if it is clearly better or faster than each on it.",
    )
    shown = list(report.course.standing.front)
    rows = [_front_row(entry, report) for entry in shown[:_FRONT]]
    if report.seed not in shown:
        rows.append(_front_row(report.seed, report))
    extra = headings(report.facts.columns)
    texts = (report.facts.quality, "ceiling", *(text.replace("\n", " ") for text in extra), "ms", "speed-up")
    more = len(shown) - _FRONT
    yield Table(
        columns=(
            Column(heading="attempt", right=True),
            Column(heading="name"),
            *(Column(heading=text, right=True) for text in texts),
        ),
        rows=tuple(rows),
        note="fastest first, the seed program for comparison" + (f"; {more} more are not listed" if more > 0 else ""),
    )


def _front_row(entry: Entry, report: Report) -> Row:
    assert entry.scored is not None, "a front holds scored programs only"
    score = entry.scored.score
    cells = (
        credited(score),
        f"{score.quality.ceiling:.4f}",
        *metric_cells(report.facts.columns, score.metrics),
        milliseconds(score.runtime_ms),
        ratio_interval(score.speedup),
    )
    role = " (champion)" if entry.id == report.champion.id else ""
    name = ("the seed program" if entry.id == report.seed.id else words.name(entry), role)
    return Row(cells=(str(entry.number), name, *cells), strong=entry.id == report.champion.id)


def progress(report: Report) -> Iterator[Block]:
    yield Heading(text="Champions", anchor="champions")
    yield Picture(chart=progress_chart(report), caption="The champion's figures; the bands are 95 % intervals.")
    course = report.course
    paid = course.total("dollars") > 0
    turns: list[Row] = []
    last = ""
    for change in course.changes:
        if change.champion.id == last:
            continue
        last = change.champion.id
        spent = course.spent
        entry = change.champion
        assert entry.scored is not None, "a champion has a score"
        cells = (
            f"{spent['attempts'][change.at]:,.0f}",
            words.duration(spent["minutes"][change.at]),
            *((dollars(spent["dollars"][change.at]),) if paid else ()),
            str(entry.number),
            (words.name(entry),),
            credited(entry.scored.score),
            ratio_interval(entry.scored.score.speedup),
        )
        turns.append(Row(cells=cells, strong=entry.id == report.champion.id))
    kept = turns if len(turns) <= _CHAMPIONS else [*turns[: _CHAMPIONS // 2], *turns[-_CHAMPIONS // 2 :]]
    yield Table(
        columns=(
            *(Column(heading=text, right=True) for text in ("after attempts", "time")),
            *((Column(heading="dollars", right=True),) if paid else ()),
            Column(heading="attempt", right=True),
            Column(heading="champion"),
            *(Column(heading=text, right=True) for text in (report.facts.quality, "speed-up over the reference")),
        ),
        rows=tuple(kept),
        note="" if len(kept) == len(turns) else f"{len(turns) - len(kept)} champions between are not listed",
    )


def progress_chart(report: Report) -> Chart:
    """The champion's speed-up and quality over attempts, minutes, and dollars if any were spent."""
    facts = report.facts
    run = Contestant(name="champion", quality_key=facts.quality, course=report.course, workload={}, seed=facts.seed)
    [level] = levels([run])
    kinds = tuple(kind for kind in curves.efforts(level) if kind != "judged")
    return curves.chart(level, kinds, quality=facts.quality, title="Champion over the search", volume=False)


def proposals(report: Report) -> Iterator[Block]:
    yield Heading(text="Proposals and verdicts", anchor="proposals")
    if not report.verdicts:
        yield Paragraph(line="Nothing was proposed yet.")
        return
    counted = (SCORED, *STAGES, UNJUDGED)
    used = [outcome for outcome in counted if any(counts[outcome] for counts in report.verdicts.values())]
    rows = tuple(
        Row(
            cells=(
                (Quoted(text=one_line(model, words.NAME) or "unknown"),),
                f"{counts.total():,}",
                *(f"{counts[outcome]:,}" for outcome in used),
            )
        )
        for model, counts in report.verdicts.items()
    )
    names = (outcome if outcome in (SCORED, UNJUDGED) else f"rejected at {outcome}" for outcome in used)
    yield Table(columns=columns("model", "proposals", *names), rows=rows, caption="Verdicts by model and stage")
    yield _by_kind(report)
    if report.statistics.refusals:
        yield _refusals(report.statistics.refusals)


def _by_kind(report: Report) -> Table:
    rows = [
        Row(
            cells=(
                (Quoted(text=one_line(row.model, words.NAME)),),
                row.kind or "all",
                *(f"{count:,}" for count in (row.proposals, row.applied, row.valid, row.better, row.known)),
            )
        )
        for row in report.statistics.rows
    ]
    return Table(
        columns=columns("model", "kind", "proposals", "applied", "valid", "better", "known", left=2),
        rows=tuple(rows),
        caption="Proposals by model and kind",
        note=f"{NOTE}; known: the program was judged before",
    )


def _refusals(refusals: tuple[Refusal, ...]) -> Table:
    more = len(refusals) - _REFUSALS
    rows = tuple(
        Row(
            cells=(
                f"{refusal.count:,}",
                (f"{refusal.stage}: ", Quoted(text=one_line(refusal.reason, words.NAME))),
                (Quoted(text=one_line(refusal.newest, _TOLD)),),
            )
        )
        for refusal in refusals[:_REFUSALS]
    )
    return Table(
        columns=(
            Column(heading="times", right=True),
            Column(heading="refused at"),
            Column(heading="the newest was told"),
        ),
        rows=rows,
        caption="Why proposals got no score",
        note=f"and {more} more reasons: packsmith stats RUN --json" if more > 0 else "",
    )


def cost(report: Report) -> Iterator[Block]:
    yield Heading(text="Cost", anchor="cost")
    total, booked, course = report.statistics.total, report.facts.booked, report.course
    yield Paragraph(
        line=(
            f"{dollars(booked.usd)} and {tokens(booked.tokens)} tokens in {booked.calls:,} calls of models; "
            f"{course.total('judged'):,.0f} s of judging; {words.duration(course.total('minutes'))} from the first "
            "attempt to the last, pauses included."
        )
    )
    if not (booked.calls or booked.usd or total.tokens):
        return
    models: dict[str, list[float]] = {}
    for row in report.statistics.rows:
        sums = models.setdefault(row.model, [0.0] * 4)
        parts = (row.turns, row.tokens, row.usd, row.judge_s)
        models[row.model] = [have + part for have, part in zip(sums, parts, strict=True)]
    rows = tuple(
        Row(
            cells=(
                (Quoted(text=one_line(model, words.NAME)),),
                f"{sums[0]:,.0f}",
                tokens(round(sums[1])),
                dollars(sums[2]),
                f"{sums[3]:,.0f}",
            )
        )
        for model, sums in models.items()
    )
    yield Table(
        columns=columns("model", "calls", "tokens", "dollars", "seconds of judging"),
        rows=rows,
        note="of archived attempts; the sum above also counts calls whose attempt is not archived",
    )
