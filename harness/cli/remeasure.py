"""`packsmith remeasure`: archived programs judged again.

Owns: this command. Does not know: how notes are kept, which measurements compare.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated

import typer

from evaluator import Judge, Rejected, Scored
from harness.archive import Archive
from harness.cli import building, common, measured
from harness.cli.building import OpenRun
from harness.cli.common import UserError
from harness.cli.driving import ConfigOption
from harness.cli.run_verbs import Run
from harness.report import jsonl, measurements_view
from harness.report.progress import Waiting
from harness.text import one_line
from harness.types import Entry, Measurement

_LINE = 400


def remeasure(
    run: Run,
    ids: Annotated[list[str], typer.Argument(metavar="ID", help="Attempts: numbers, commits, or best.")],
    device: Annotated[
        str | None, typer.Option("--device", metavar="DEVICE", help="auto, cpu, cuda or cuda:N; else the run's.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Judge on other loads: shown apart, never averaged in.")
    ] = None,
    times: Annotated[int, typer.Option("--times", metavar="K", min=1, help="Measure each so often.")] = 1,
    config: ConfigOption = None,
    json: common.Json = False,
) -> None:
    """Judge archived programs again, and note it on their commits.

    The run itself does not change: a measurement is a git note, and what the search decided stays decided. Those taken
    under the same conditions (hardware, driver, torch, task, seed) give a joint figure, which is surer than each of
    them; others stand apart, with what differs. Exit code 1 when a program was rejected.

    \b
    Examples:
    packsmith remeasure runs/my best --times 3
    packsmith remeasure runs/my 12 40 --device cuda:1
    git -C runs/my log --notes=measurements best
    """
    with building.opened(run, config) as opened:
        chosen = _chosen(opened.archive, ids)
        opened.archive.measurements.begin()
        seed = opened.settings.seed if seed is None else seed
        taken: dict[str, list[Measurement]] = {entry.id: [] for entry in chosen}
        before = {entry.id: measured.noted(opened.archive, entry) for entry in chosen}

        def safe() -> str:
            count = sum(map(len, taken.values()))
            return f"{count} measurement{'s' * (count != 1)} noted before it stay{'s' * (count == 1)}"

        with (
            common.Interruptible(safe),
            building.judge_of(opened.settings, device=device, seed=seed) as judge,
            Waiting(common.messages()) as waiting,
        ):
            for round_ in range(times):  # all of them once, then again: what drifts takes them alike
                for entry in chosen:
                    what = f"attempt {entry.number}" + (f", {round_ + 1} of {times}" if times > 1 else "")
                    found = _judged(judge, opened.archive, entry, seed, what, waiting)
                    opened.archive.measurements.add(entry.id, found)
                    taken[entry.id].append(found)
        _show(opened, chosen, before, taken, json=json)
    if any(isinstance(one.verdict, Rejected) for found in taken.values() for one in found):
        raise typer.Exit(1)


def _chosen(archive: Archive, ids: Sequence[str]) -> list[Entry]:
    """The attempts named, each once. Raises UserError for one without a program."""
    found = {entry.id: entry for entry in map(archive.entry, ids)}
    for entry in found.values():
        verdict = entry.verdict
        if isinstance(verdict, Rejected) and verdict.stage == "patch":
            raise UserError(
                f"attempt {entry.number} has no program to measure: its reply was refused "
                f"({one_line(verdict.reason, _LINE)}); choose another attempt"
            )
    return list(found.values())


def _judged(judge: Judge, archive: Archive, entry: Entry, seed: int, what: str, waiting: Waiting) -> Measurement:
    verdict = judge.evaluate(archive.source(entry.id), progress=lambda step: waiting.judging(what, step))
    where = verdict.environment if isinstance(verdict, Scored) else judge.environment()
    return Measurement(verdict=verdict, when_s=int(time.time()), seed=seed, environment=where)


def _show(
    opened: OpenRun,
    chosen: Sequence[Entry],
    before: dict[str, tuple[Measurement, ...]],
    taken: dict[str, list[Measurement]],
    *,
    json: bool,
) -> None:
    console, notices = common.output(), common.messages()
    for entry in chosen:
        found = measured.grouped(opened.archive, entry, before[entry.id], taken[entry.id])
        if json:
            record = measurements_view.record(entry, found, opened.settings.task)
            common.emit(jsonl.line({"number": entry.number, "id": entry.id, "name": entry.name, **record}))
            continue
        console.print(measurements_view.view(entry, found, opened.settings.task))
        for one in taken[entry.id]:
            if isinstance(one.verdict, Rejected):
                notices.print(
                    f"attempt {entry.number}: {one_line(one.verdict.detail, _LINE)}", style="red", markup=False
                )
    warnings = dict.fromkeys(text for found in taken.values() for one in found for text in one.environment.warnings)
    for warning in () if json else warnings:
        notices.print(f"warning: {warning}", style="yellow", markup=False)
