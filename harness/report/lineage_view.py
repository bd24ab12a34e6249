"""The chain of patches to an attempt, and the difference of two attempts, in 80 columns and as JSON values.

Owns: how these are laid out and worded. Does not know: archives, git, the terminal itself.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from evaluator import CaseScore, Interval, Rejected, Task
from harness.readings.lineage import (
    Find,
    Gain,
    Lineage,
    Step,
    change_of_quality,
    gain,
    larger_half,
    quality_change,
    significant_speedup,
)
from harness.report import jsonl
from harness.report.attempts import UNCERTAIN, change_words, half_width, same, speed_words, unjudged
from harness.report.stats_table import dollars, tokens
from harness.report.tables import credited, figures, named, plain_table, points_interval, ratio, titled
from harness.text import one_line
from harness.types import Entry, Unjudged

_NAME, _NAME_PAID = 20, 12
"""The most characters of a name, alone and beside columns of costs."""
_REASON = 40


def chain_view(line: Lineage, task: Task, find: Find) -> RenderableType:
    """A row per step, and the total gain and cost."""
    paid = line.tokens > 0 or line.usd > 0
    table = plain_table(tight=True)
    table.add_column("#", justify="right", no_wrap=True)
    named(table, "name")
    table.add_column("from", no_wrap=True)
    figures(table, task.quality_key)
    table.add_column("speed-up", no_wrap=True)
    table.add_column("bought", overflow="fold", min_width=14)
    if paid:
        figures(table, "tokens", "dollars")
    for step in line.steps:
        entry = step.entry
        scores = ("", "")
        if entry.scored is not None:
            speedup = entry.scored.score.speedup
            scores = (credited(entry.scored.score), f"{ratio(speedup.median)} {half_width(speedup)}")
        spent = (tokens(entry.tokens), dollars(entry.usd)) if paid else ()
        words = Text(_bought(step, find))
        table.add_row(
            str(entry.number),
            Text(one_line(entry.name, _NAME_PAID if paid else _NAME)),
            _origin(step),
            *scores,
            words,
            *spent,
        )
    steps = len(line.steps) - 1
    title = f"Lineage of attempt {line.entry.number}: {steps} {'patch' if steps == 1 else 'patches'} from the seed"
    return titled(title, table, _sum(line))


def _origin(step: Step) -> str:
    """The parents by number; the chain of a second parent, which was merged in, is not followed."""
    merged = [str(parent.number) if parent else "?" for parent in step.merged]
    return "" if step.parent is None else "+".join([str(step.parent.number), *merged])


def _bought(step: Step, find: Find) -> str:
    entry = step.entry
    if isinstance(entry.verdict, Unjudged):
        return unjudged(entry)
    if isinstance(entry.verdict, Rejected):
        return f"{entry.verdict.stage}: {one_line(entry.verdict.reason, _REASON)}"
    words = [] if step.gain is None else [change_words(step.gain)]
    return ", ".join(filter(None, [*words, same(entry, find)]))


def _sum(line: Lineage) -> str:
    """The total gain and cost of the chain, in a sentence."""
    words = []
    if line.gain is not None:
        change = change_of_quality(line.entry, line.steps[0].entry)
        assert change is not None, "a gain is one of two scores"
        words += [f"{points_interval(change)} points", speed_words(line.gain) or "no sure change of speed"]
    if line.tokens:
        words.append(f"{tokens(line.tokens)} tokens")
    if line.usd:
        words.append(dollars(line.usd))
    words.append(f"{line.seconds:,.0f} s of proposing and judging" if line.seconds else "")
    return f"in all, against attempt {line.steps[0].entry.number}: {', '.join(filter(None, words))}"


def chain_records(line: Lineage, task: Task) -> Iterator[Mapping[str, Any]]:
    """The chain as JSON values: a record per step, then one with the totals."""
    for step in line.steps:
        entry = step.entry
        yield {
            "number": entry.number,
            "id": entry.id,
            "kind": entry.kind,
            "name": entry.name,
            "parent": None if step.parent is None else step.parent.number,
            "merged": [None if parent is None else parent.number for parent in step.merged],
            task.quality_key: None if entry.scored is None else entry.scored.score.quality.value,
            "bought": _gain_record(step.gain, entry, step.parent),
            "model": entry.model,
            "tokens": entry.tokens,
            "usd": entry.usd,
            "seconds": entry.seconds,
            "same_as": entry.same_as or None,
        }
    spent = {"tokens": line.tokens, "usd": line.usd, "seconds": line.seconds}
    first, last = line.steps[0].entry, line.entry
    bought = _gain_record(line.gain, last, first)
    yield {"from": first.number, "to": last.number, "patches": len(line.steps) - 1, "bought": bought, **spent}


def _gain_record(bought: Gain | None, entry: Entry, other: Entry | None) -> dict[str, Any] | None:
    """`points` are hundredths of quality, 0 if no difference is certain, and `gain` is the difference itself with its
    interval; `times_as_fast` is null if no difference is certain.
    """
    if bought is None:
        return None
    apart = list(bought.not_compared)
    change = jsonl.gain_record(change_of_quality(entry, other))
    return {"points": bought.points or 0.0, "gain": change, "times_as_fast": bought.times, "not_compared": apart}


def difference_view(first: Entry, second: Entry, task: Task) -> RenderableType:
    """The scores of two attempts, case by case: quality in points with its interval, and speed if the difference is
    certain.
    """
    title = f"Attempt {second.number} ({one_line(second.name, 24)}) against {first.number} ({one_line(first.name, 24)})"
    bought = gain(second, first)
    if bought is None or first.scored is None or second.scored is None:
        unscored = [_unscored(entry) for entry in (first, second) if entry.scored is None]
        return Group(Text(title, style="bold"), *(Text(f"  {words}", style="red") for words in unscored), Text())
    table = named(plain_table(tight=True), "case")
    qualities = (f"{task.quality_key}\n{entry.number}" for entry in (first, second))
    figures(table, *qualities, "points", *(f"speed-up\n{entry.number}" for entry in (first, second)))
    table.add_column("speed")
    for before, after in _like(first, second):
        times = None if bought.not_compared else significant_speedup(after.speedup, before.speedup)
        table.add_row(
            after.quality.case,
            f"{before.value:.4f}",
            f"{after.value:.4f}",
            _points(after.interval, before.interval),
            *(f"{ratio(case.speedup.median)} {half_width(case.speedup)}" for case in (before, after)),
            "" if bought.not_compared else speed_words(Gain(times=times)) or UNCERTAIN,
        )
    table.add_section()
    scores = (first.scored.score, second.scored.score)
    table.add_row(
        "all",
        *(f"{score.quality.value:.4f}" for score in scores),
        _points(second.scored.score.quality_interval, first.scored.score.quality_interval),
        *(f"{ratio(score.speedup.median)} {half_width(score.speedup)}" for score in scores),
        "" if bought.not_compared else speed_words(bought) or UNCERTAIN,
        style="bold",
    )
    note = "points: hundredths of quality, with the half-width of the 95 % interval"
    return titled(title, table, f"{note}\n{speed_words(bought)}" if bought.not_compared else note)


def _points(mine: Interval, other: Interval) -> str:
    """A change of quality in points with the half-width of its interval: `+0.16 ±0.06`."""
    change = quality_change(mine, other)
    words = f"{100 * change.median:+.2f}"
    return f"{words} ±{100 * larger_half(change):.2f}" if change.high > change.low else words


def difference_record(first: Entry, second: Entry, task: Task, diff: str) -> dict[str, Any]:
    """The same as JSON values, with the diff of the programs."""
    bought = gain(second, first)
    cases = []
    for before, after in _like(first, second):
        times = None if bought is None or bought.not_compared else significant_speedup(after.speedup, before.speedup)
        change = jsonl.interval(quality_change(after.interval, before.interval))
        qualities = {task.quality_key: [before.value, after.value], "gain": change}
        cases.append({"name": after.quality.case, **qualities, "times_as_fast": times})
    pair = [{"number": entry.number, "id": entry.id, "name": entry.name} for entry in (first, second)]
    return {"a": pair[0], "b": pair[1], "bought": _gain_record(bought, second, first), "cases": cases, "diff": diff}


def _like(first: Entry, second: Entry) -> Iterator[tuple[CaseScore, CaseScore]]:
    """The scores on each case that both attempts were judged on."""
    if first.scored is None or second.scored is None:
        return
    before = {case.quality.case: case for case in first.scored.score.cases}
    for case in second.scored.score.cases:
        if case.quality.case in before:
            yield before[case.quality.case], case


def _unscored(entry: Entry) -> str:
    verdict = entry.verdict
    why = f"{verdict.stage}: {one_line(verdict.reason, _REASON)}" if isinstance(verdict, Rejected) else unjudged(entry)
    return f"attempt {entry.number} has no score: {why}"


def program_diff(before: str, after: str, names: tuple[str, str]) -> str:
    """A unified diff that `patch -p1` and `git apply` accept; "" for equal programs."""
    old, new = (f"{name}/program.py" for name in names)
    lines = difflib.unified_diff(_lines(before), _lines(after), old, new)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _lines(text: str) -> list[str]:
    """Lines as git and `patch` split them: only "\\n" ends a line."""
    *whole, last = text.split("\n")
    return [*(f"{line}\n" for line in whole), *([last] if last else [])]
