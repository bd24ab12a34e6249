"""Measurements of an attempt as tables and records: comparable ones together, the others apart.

Owns: how they are worded and laid out. Does not know: which are comparable, where they come from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from rich.console import Group as Stack
from rich.console import RenderableType
from rich.markup import escape
from rich.text import Text

from evaluator import Rejected, Task
from harness.readings.comparable import Group, PooledSpeedup, Taken
from harness.report import jsonl
from harness.report.tables import figures, milliseconds, plain_table, ratio_interval, titled
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
    table = plain_table()
    table.add_column("measured", no_wrap=True)
    table.add_column("when (UTC)", no_wrap=True)
    figures(table, task.quality_key, "ms", "speed-up")
    for member in group.members:
        when = datetime.fromtimestamp(member.measurement.when_s, UTC).strftime("%Y-%m-%d %H:%M")
        table.add_row(member.taken, when, *_cells(member))
    if group.pooled is not None:
        table.add_section()
        rounds = f"{group.pooled.rounds} rounds"
        table.add_row("together", rounds, "", "", ratio_interval(group.pooled.speedup), style="bold")
        if len(group.pooled.cases) > 1:
            for name, speedup in group.pooled.cases:
                table.add_row(escape(f"  {one_line(name, _SLUG)}"), "", "", "", ratio_interval(speedup))
    return table


def _cells(member: Taken) -> tuple[RenderableType, ...]:
    verdict = member.measurement.verdict
    if isinstance(verdict, Rejected):
        return "", "", Text(f"rejected at {verdict.stage}: {one_line(verdict.reason, _SLUG)}", style="red")
    score = verdict.score
    return f"{score.quality.value:.4f}", milliseconds(score.runtime_ms), ratio_interval(score.speedup)


def _where(group: Group) -> str:
    """The conditions that the measurements of a group share."""
    where = group.environment
    threads = "1 thread" if where.threads == 1 else f"{where.threads} threads"
    driver = f"driver {where.driver}, " if where.driver else ""
    shared = (
        f"{where.task} on {where.device.partition(':')[0]} ({where.hardware}, {threads}), {driver}torch {where.torch}, "
        f"seed {group.seed}; speed-up is over {where.reference.rpartition(' ')[0]}; fingerprint {where.fingerprint}"
    )
    return one_line(f"{shared}; {APART}" if group.pooled is not None and group.pooled.apart else shared, 2 * _LINE)


def record(entry: Entry, groups: Sequence[Group], task: Task) -> dict[str, Any]:
    """All measurements, with the conditions that differ from the first group's (`differs`), and the joint figures."""
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


def _pooled_record(group: Group, pooled: PooledSpeedup) -> dict[str, Any]:
    return {
        "differs": list(group.differs),
        "fingerprint": group.environment.fingerprint,
        "seed": group.seed,
        **asdict(pooled),
        "speedup": jsonl.interval(pooled.speedup),
        "cases": {name: jsonl.interval(speedup) for name, speedup in pooled.cases},
    }
