"""Measurements of an attempt as tables and records: comparable ones together, the others apart.

Owns: how they are worded and laid out. Does not know: which are comparable, where they come from.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Group as Stack
from rich.console import RenderableType
from rich.markup import escape
from rich.text import Text

from evaluator import Rejected, Task
from harness.readings.comparable import Group, Pooled, PooledCase, Taken
from harness.report import jsonl
from harness.report.tables import credited, figures, milliseconds, plain_table, ratio_interval, titled, with_half_width
from harness.text import one_line
from harness.types import Entry

_LINE, _SLUG = 400, 40
APART = (
    "two of these intervals do not overlap: something changed that the fingerprint does not record, and the joint "
    "interval is too narrow"
)


def view(entry: Entry, groups: Sequence[Group], task: Task) -> RenderableType:
    """A table for each group; the first title names the attempt."""
    parts: list[RenderableType] = []
    for group in groups:
        title = f"Measurements of attempt {entry.number}, {entry.name}"
        if group.differs:
            title = f"Not compared with these: {'; '.join(group.differs)}"
        parts.append(titled(one_line(title, _LINE), _table(group, task), _where(group)))
    return Stack(*parts)


def _table(group: Group, task: Task) -> Any:
    table = plain_table(tight=True)
    table.add_column("measured", no_wrap=True)
    table.add_column("when (UTC)", no_wrap=True)
    figures(table, task.quality_key, "ms", "speed-up")
    for member in group.members:
        when = datetime.fromtimestamp(member.measurement.when_s, UTC).strftime("%Y-%m-%d %H:%M")
        table.add_row(member.taken, when, *_cells(member))
    if group.pooled is not None:
        table.add_section()
        pooled, rounds = group.pooled, f"{group.pooled.rounds} rounds"
        table.add_row("together", rounds, _quality(pooled), "", ratio_interval(pooled.speedup), style="bold")
        for case in pooled.cases if len(pooled.cases) > 1 else ():
            name = escape(f"  {one_line(case.name, _SLUG)}")
            table.add_row(name, "", _quality(case), "", ratio_interval(case.speedup))
    return table


def _quality(pooled: Pooled | PooledCase) -> str:
    return "" if pooled.quality is None else with_half_width(pooled.quality)


def _cells(member: Taken) -> tuple[RenderableType, ...]:
    verdict = member.measurement.verdict
    if isinstance(verdict, Rejected):
        return "", "", Text(f"rejected at {verdict.stage}: {one_line(verdict.reason, _SLUG)}", style="red")
    score = verdict.score
    return credited(score), milliseconds(score.runtime_ms), ratio_interval(score.speedup)


def _where(group: Group) -> str:
    """The conditions that the measurements of a group share, and what limits their joint figures."""
    where = group.environment
    threads = "1 thread" if where.threads == 1 else f"{where.threads} threads"
    driver = f"driver {where.driver}, " if where.driver else ""
    shared = (
        f"{where.task} on {where.device.partition(':')[0]} ({where.hardware}, {threads}), {driver}torch {where.torch}, "
        f"seed {group.seed}; speed-up is over {where.reference.rpartition(' ')[0]}; fingerprint {where.fingerprint}"
    )
    notes = [shared]
    if group.ended_early and len(group.members) > 1:
        notes.append(f"{group.ended_early} of these ended early, and are in no joint figure")
    if group.pooled is not None and group.pooled.apart:
        notes.append(APART)
    return one_line("; ".join(notes), 2 * _LINE)


def record(entry: Entry, groups: Sequence[Group], task: Task) -> dict[str, Any]:
    """All measurements, with the conditions that differ from the first group's (`differs`), and the joint figures of
    those that did not end early (`decided`).
    """
    return {
        "measurements": [_member_record(entry, member, group, task) for group in groups for member in group.members],
        "joint": [_pooled_record(group, group.pooled) for group in groups if group.pooled is not None],
    }


def _member_record(entry: Entry, member: Taken, group: Group, task: Task) -> dict[str, Any]:
    measurement = member.measurement
    verdict = jsonl.verdict_record(
        measurement.verdict,
        program=entry.name,
        task=task,
        device=measurement.environment.device,
        environment=measurement.environment,
    )
    about = {
        "measured": member.taken,
        "when": measurement.when_s,
        "seed": measurement.seed,
        "differs": list(group.differs),
    }
    return {**about, "fingerprint": measurement.environment.fingerprint, **verdict}


def _pooled_record(group: Group, pooled: Pooled) -> dict[str, Any]:
    return {
        "differs": list(group.differs),
        "fingerprint": group.environment.fingerprint,
        "seed": group.seed,
        "measurements": pooled.measurements,
        "rounds": pooled.rounds,
        "speedup": jsonl.interval(pooled.speedup),
        "cases": {case.name: jsonl.interval(case.speedup) for case in pooled.cases},
        "apart": pooled.apart,
        "gain": jsonl.gain_record(pooled.gain),
        "quality": jsonl.gain_record(pooled.quality),
        "case_gains": {case.name: jsonl.gain_record(case.gain) for case in pooled.cases},
    }
