"""Verdicts as tables that fit a terminal of 80 columns.

Owns: how figures are worded and laid out for people. Does not know: where they come from, nor the terminal itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from evaluator import (
    CaseQuality,
    CaseScore,
    Column,
    Environment,
    Interval,
    Ladder,
    Rejected,
    Score,
    Scored,
    Task,
)
from harness.readings.lineage import larger_half, quality_change
from harness.text import one_line, visible
from harness.types import Outcome, Unjudged

_LINE, _NAME = 800, 80


def _digits(value: float) -> int:
    """Decimals that show three significant figures of a speed-up, or two of a small one."""
    return next((digits for digits, least in enumerate((100, 10, 1, 0.01)) if value >= least), 4)


def ratio(value: float) -> str:
    """A speed-up: 0.021x, 1.02x, 61.4x."""
    return f"{value:.{_digits(value)}f}x"


def ratio_interval(interval: Interval) -> str:
    """A speed-up with its 95 % interval, to the same decimals."""
    digits = _digits(interval.median)
    return f"{ratio(interval.median)} [{interval.low:.{digits}f}, {interval.high:.{digits}f}]"


def credited(score: Score | CaseScore) -> str:
    """The quality that counts, with its half-width; alone in records of earlier versions, which have none."""
    interval = score.quality_interval if isinstance(score, Score) else score.interval
    return f"{interval.median:.4f}" if score.gain is None else with_half_width(interval)


def with_half_width(value: Interval) -> str:
    """A quality with the half-width of its 95 % interval: `0.9052 ±.0002`."""
    return f"{value.median:.4f} ±{f'{larger_half(value):.4f}'.removeprefix('0')}"


def points_interval(change: Interval) -> str:
    """A change of quality in points (hundredths), with its 95 % interval: `+0.16 [+0.10, +0.22]`."""
    words = f"{100 * change.median:+.2f}"
    return f"{words} [{100 * change.low:+.2f}, {100 * change.high:+.2f}]" if change.high > change.low else words


def milliseconds(value: float) -> str:
    """A run time with three figures."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def plain_table(*, tight: bool = False) -> Table:
    """An empty table in the style of all tables; `tight`: with one space between columns instead of two."""
    return Table(box=box.SIMPLE_HEAD, padding=(0, 0 if tight else 1, 0, 0), pad_edge=False, show_edge=False)


def named(table: Table, heading: str) -> Table:
    """Add a column of names, which are folded where a table would be too wide."""
    table.add_column(heading, overflow="fold")
    return table


def figures(table: Table, *headings: str) -> Table:
    """Add columns of numbers, which are never cut."""
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def titled(title: str, table: Table, note: str = "") -> Group:
    """A table under its title, with a note below it, and an empty line before what follows."""
    return Group(Text(title, style="bold"), table, *([Text(note, style="dim")] if note else []), Text())


def environment_line(environment: Environment, seed: int) -> str:
    """Where the figures were taken, in one sentence."""
    threads = "1 thread" if environment.threads == 1 else f"{environment.threads} threads"
    reference = environment.reference.rpartition(" ")[0]
    return one_line(
        f"{environment.task} on {environment.device} ({environment.hardware}, {environment.cores} cores, {threads}), "
        f"torch {environment.torch}, sandbox {environment.sandbox}, seed {seed}; speed-up is over {reference}, "
        f"in pairs, with its 95 % interval; an empty call costs {environment.empty_call_us / 1000:.2f} ms, "
        f"the reference differs from itself by {math.expm1(min(environment.scatter, 10.0)):.1%} from call to call",
        _LINE,
    )


def headings(columns: Sequence[Column]) -> tuple[str, ...]:
    """The headings over the cells of `metric_cells`."""
    return tuple(column.heading for column in columns)


def metric_cells(columns: Sequence[Column], metrics: Mapping[str, float]) -> tuple[str, ...]:
    """A cell for each column; it is empty if a score of an earlier version lacks the metric."""
    return tuple(f"{metrics[column.key]:.4f}" if column.key in metrics else "" for column in columns)


def _with_gap(score: Score | CaseScore) -> tuple[str, ...]:
    """Cells for the quality that counts, its ceiling, and the gap between, in points."""
    value, ceiling = (score.value if isinstance(score, CaseScore) else score.quality.value), score.quality.ceiling
    return credited(score), f"{ceiling:.4f}", f"{100 * (ceiling - value):.2f}"


def verdict_table(verdict: Scored, *, program: str, task: Task) -> RenderableType:
    """One scored program: a row for each case, and one for all."""
    score = verdict.score
    table = named(plain_table(tight=True), "case")
    figures(table, task.quality_key, "ceiling", "gap,\npoints", *headings(task.columns), "ms", "speed-up")
    for case in score.cases:
        quality = case.quality
        cells = (*_with_gap(case), *metric_cells(task.columns, quality.metrics))
        table.add_row(
            Text(one_line(quality.case, _NAME)), *cells, milliseconds(case.runtime_ms), ratio_interval(case.speedup)
        )
    if len(score.cases) > 1:
        table.add_section()
        cells = (*_with_gap(score), *metric_cells(task.columns, score.metrics))
        table.add_row("all", *cells, milliseconds(score.runtime_ms), ratio_interval(score.speedup), style="bold")
    notes = (in_the_pass(score), loads_in(score), score.decided and f"measuring ended early: {score.decided}")
    return titled(program, table, "\n".join(filter(None, notes)))


def in_the_pass(score: Score) -> str:
    """The program's quality in the pass, named for what it is; "" for records of earlier versions."""
    if score.pass_quality is None:
        return ""
    return f"in the pass over the cases of the seed, which repeats to the last digit: {score.pass_quality:.4f}"


def loads_in(score: Score) -> str:
    """How long the program takes to load, which is not in its run time; "" where no version measured it."""
    return f"loads in {score.load_s:.2g} s" if score.load_s else ""


def rejected_text(verdict: Rejected, *, program: str) -> Text:
    """One rejected program: at which stage, why, and what its author needs to know."""
    text = Text()
    text.append(f"{program}\n", style="bold")
    text.append(f"  rejected at {verdict.stage}: {one_line(verdict.reason, _NAME)}\n", style="red")
    for line in verdict.detail.splitlines():
        text.append(f"  {visible(line)}\n")
    if verdict.reason == "timeout" and verdict.stage in ("run", "measure"):
        text.append("  a longer limit: --timeout SECONDS, or judge.timeout_s in a config\n", style="dim")
    if (verdict.stage, verdict.reason) == ("load", "timeout"):
        text.append("  a longer limit: judge.load_timeout_s in a config\n", style="dim")
    return text


NOT_JUDGED = "not judged"


def verdict_view(verdict: Outcome, *, program: str, task: Task) -> RenderableType:
    """A scored or a rejected program, or one that is not judged."""
    if isinstance(verdict, Scored):
        return verdict_table(verdict, program=program, task=task)
    if isinstance(verdict, Unjudged):
        return Text(f"{program}\n  {NOT_JUDGED}: imported from another framework's archive\n")
    return rejected_text(verdict, program=program)


IN_THE_PASS = "all metrics are of the pass over the loads of the seed"
DO_NOTHING = "do_nothing_"
"""The prefix of the metrics of a baseline that keeps the first plan."""


def metrics_table(verdict: Scored, *, program: str) -> RenderableType:
    """Every other metric of a scored program, a column per case; those for keeping the first plan come last."""
    table = plain_table()
    table.add_column("metric", no_wrap=True)
    cases = [case.quality for case in verdict.score.cases]
    figures(table, *(case.case.replace("-", "-\n") if len(cases) > 3 else case.case for case in cases))
    names = dict.fromkeys(name for case in cases for name in case.metrics)
    kept = [name for name in names if name.startswith(DO_NOTHING)]
    for name in (*(name for name in names if name not in kept), *kept):
        if kept and name == kept[0]:
            table.add_section()
            table.add_row("with the first plan kept:", *("" for _ in cases), style="italic")
        values = [case.metrics.get(name) for case in cases]
        label = name.removeprefix(DO_NOTHING)
        table.add_row(label, *("" if value is None else f"{value:.4f}" for value in values))
    note = "" if verdict.score.pass_quality is None else IN_THE_PASS
    return titled(f"{program}: other metrics", table, note)


def ladder_table(
    rungs: Mapping[str, Sequence[CaseQuality]], separated: Mapping[str, bool], ladder: Ladder
) -> RenderableType:
    """Programs of known order from worst to best, and whether each case tells them apart."""
    table = plain_table()
    table.add_column("case", no_wrap=True)
    figures(table, *rungs)
    table.add_column("told\napart")
    for at, case in enumerate(next(iter(rungs.values()))):
        cells = [f"{qualities[at].metrics[ladder.metric]:.4f}" for qualities in rungs.values()]
        told = separated[case.case]
        table.add_row(case.case, *cells, Text("yes" if told else "no", style="green" if told else "yellow"))
    tied = [case for case, told in separated.items() if not told]
    note = "every case tells every rung apart"
    if tied:
        note = f"{', '.join(tied)}: rungs are not told apart. {ladder.note}"
    return titled(f"Ladder: {ladder.metric} of programs of known order", table, note)


def change_table(before: Scored, after: Scored, *, task: Task) -> RenderableType:
    """The effect of a change, by case: quality in points (hundredths), run time as a ratio."""
    table = plain_table()
    table.add_column("case", no_wrap=True)
    figures(table, "points", *(_in_points(column) for column in task.columns), "times the run time")
    for old, new in zip(before.score.cases, after.score.cases, strict=True):
        table.add_row(
            new.quality.case,
            points_interval(quality_change(new.interval, old.interval)),
            *_metric_points(task.columns, old.quality.metrics, new.quality.metrics),
            _times(old.speedup, new.speedup),
        )
    if len(before.score.cases) > 1:
        table.add_section()
        first, second = before.score, after.score
        table.add_row(
            "all",
            points_interval(quality_change(second.quality_interval, first.quality_interval)),
            *_metric_points(task.columns, first.metrics, second.metrics),
            _times(first.speedup, second.speedup),
            style="bold",
        )
    note = "points: hundredths of quality, with the 95 % interval; other metrics are of the pass"
    return titled("The change, after against before", table, note)


def _in_points(column: Column) -> str:
    """The heading of a column of differences: the name on one line, the unit on the next."""
    return f"{column.heading.replace(chr(10), ' ')},\npoints"


def _metric_points(columns: Sequence[Column], old: Mapping[str, float], new: Mapping[str, float]) -> tuple[str, ...]:
    """By how much each column's metric differs, in points."""
    return tuple(_points(old.get(column.key), new.get(column.key)) for column in columns)


def _points(old: float | None, new: float | None) -> str:
    return "" if old is None or new is None else f"{100 * (new - old):+.2f}"


def _times(old: Interval, new: Interval) -> str:
    """Ratio of two programs' run times through their common reference; bounded by the outer ends of both intervals."""
    low, high = old.low / new.high, old.high / new.low
    return ratio_interval(Interval(median=old.median / new.median, low=low, high=high))
