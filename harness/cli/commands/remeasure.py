"""`packsmith remeasure`: archived programs judged again.

Owns: this verb. Does not know: how notes are kept, which measurements compare.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated

import typer

from evaluator import Judge, Rejected, Scored
from harness.archive import Archive
from harness.cli import measured
from harness.cli.console import Json, UserError, emit, messages, output, warn
from harness.cli.runs import ConfigOption, OpenRun, RunFolder, open_run
from harness.cli.same_draws import answer_again
from harness.cli.signals import Interruptible
from harness.report import jsonl, measurements_view
from harness.report.progress import Waiting
from harness.runs.judges import judge_of
from harness.text import one_line
from harness.types import Entry, Measurement

_LINE = 400


def remeasure(
    run: RunFolder,
    ids: Annotated[list[str], typer.Argument(metavar="ID", help="Attempts: numbers, commits, best or seed.")],
    device: Annotated[
        str | None, typer.Option("--device", metavar="DEVICE", help="auto, cpu, cuda or cuda:N; by default the run's.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Judge on other loads: shown separately, never pooled.")
    ] = None,
    same_draws: Annotated[
        bool, typer.Option("--same-draws", help="Answer the archived calls again and compare; nothing is measured.")
    ] = False,
    times: Annotated[int, typer.Option("--times", metavar="K", min=1, help="How often to measure each attempt.")] = 1,
    config: ConfigOption = None,
    json: Json = False,
) -> None:
    """Judge archived programs again, and note the results.

    Use it to confirm a result, or to measure on another machine. A measurement is a git note: the attempts and the
    decisions of the search do not change. Measurements under the same conditions (hardware, driver, torch, task, seed)
    are pooled into one figure with a narrower interval; others are shown separately, with what differs. A measurement
    that the search ended early is shown, but not pooled: when it ended depends on what it showed. Exit code 1 when a
    program was rejected.

    With --same-draws the calls that gave an attempt its score are answered again, on the same loads, which follow from
    the secret that is stored with it. Exit code 1 unless every answer has the stored quality, to 7 decimals. Another
    CPU, GPU or version of torch may break ties otherwise: how the conditions differ from those of the score is shown.

    \b
    Examples:
    packsmith remeasure runs/mine best --times 3
    packsmith remeasure runs/mine 12 40 --device cuda:1
    packsmith remeasure runs/mine best --same-draws
    git -C runs/mine log --notes=measurements best
    """
    if same_draws and (seed is not None or times > 1):
        raise typer.BadParameter(
            "expected neither --seed nor --times: the calls are those archived", param_hint="--same-draws"
        )
    with open_run(run, config) as opened:
        chosen = _chosen(opened, ids)
        if same_draws:
            answer_again(opened, chosen, device=device, json=json)
            return
        before = {entry.id: measured.noted(opened.archive, entry) for entry in chosen}
        taken = _measured(opened, chosen, device=device, seed=opened.config.seed if seed is None else seed, times=times)
        _show(opened, chosen, before, taken, json=json)
    if any(isinstance(measurement.verdict, Rejected) for each in taken.values() for measurement in each):
        raise typer.Exit(1)


def _measured(
    opened: OpenRun, chosen: Sequence[Entry], *, device: str | None, seed: int, times: int
) -> dict[str, list[Measurement]]:
    """Judge the attempts, and note each measurement as soon as it is made."""
    opened.archive.measurements.begin()
    taken: dict[str, list[Measurement]] = {entry.id: [] for entry in chosen}

    def safe() -> str:
        count = sum(map(len, taken.values()))
        return f"{count} measurement{'s' * (count != 1)} noted before it stay{'s' * (count == 1)}"

    with (
        Interruptible(safe),
        judge_of(opened.config, device=device, seed=seed) as judge,
        Waiting(messages()) as waiting,
    ):
        for round_ in range(times):  # all of them once, then again: drift affects them equally
            for entry in chosen:
                what = f"attempt {entry.number}" + (f", {round_ + 1} of {times}" if times > 1 else "")
                measurement = _judged(judge, opened.archive, entry, seed, what, waiting)
                opened.archive.measurements.add(entry.id, measurement)
                taken[entry.id].append(measurement)
    return taken


def _chosen(opened: OpenRun, ids: Sequence[str]) -> list[Entry]:
    """The attempts named, each once. Raises UserError for one without a program."""
    chosen = {entry.id: entry for entry in map(opened.attempt, ids)}
    for entry in chosen.values():
        verdict = entry.verdict
        if isinstance(verdict, Rejected) and verdict.stage == "patch":
            raise UserError(
                f"attempt {entry.number} has no program to measure: its reply was refused "
                f"({one_line(verdict.reason, _LINE)}); choose another attempt"
            )
    return list(chosen.values())


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
    console, notices = output(), messages()
    for entry in chosen:
        groups = measured.grouped(opened.archive, entry, before[entry.id], taken[entry.id])
        if json:
            record = measurements_view.record(entry, groups, opened.config.task)
            emit(jsonl.line({"number": entry.number, "id": entry.id, "name": entry.name, **record}))
            continue
        console.print(measurements_view.view(entry, groups, opened.config.task))
        for measurement in taken[entry.id]:
            if isinstance(measurement.verdict, Rejected):
                notices.print(
                    f"attempt {entry.number}: {one_line(measurement.verdict.detail, _LINE)}", style="red", markup=False
                )
    warnings = dict.fromkeys(
        text for each in taken.values() for measurement in each for text in measurement.environment.warnings
    )
    for warning in () if json else warnings:
        warn(warning)
