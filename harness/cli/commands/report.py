"""`packsmith report`: a run as one document, for people and papers.

Owns: this verb, and what it takes from a run. Does not know: what a report says, formats.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from importlib import metadata
from pathlib import PurePath
from typing import Annotated

import typer

from harness.cli import documents, measured
from harness.cli.console import Json, counted, emit, messages, output
from harness.cli.documents import Contents, OutputFile
from harness.cli.runs import OpenRun, RunFolder, open_run
from harness.config import stored_objective
from harness.document import pareto
from harness.document.composed import composed
from harness.document.formats import Format
from harness.document.report import Facts, Report
from harness.document.report import report as report_of
from harness.document.searching import progress_chart
from harness.figures.chart import Chart
from harness.report import flat, jsonl
from harness.report.lineage_view import program_diff
from harness.report.progress import Waiting
from harness.types import Entry, OnSplit


class Figure(StrEnum):
    """The charts that a report has."""

    PARETO = "pareto"
    PROGRESS = "progress"


def report(
    run: RunFolder,
    file: OutputFile = None,
    form: Annotated[
        Format | None, typer.Option("--format", help="The format, whatever the suffix; without -o it is printed.")
    ] = None,
    figure: Annotated[
        Figure | None, typer.Option("--figure", help="What an .svg or .png shows; pareto by default.")
    ] = None,
    json: Json = False,
) -> None:
    """Write a report of a run: what was found, how, at what cost, and what is open to doubt.

    Use it to show a result to others, or to put it into a paper. The suffix of the file gives the format:

    \b
    .html      one page that needs nothing else: it opens offline, has no script, and prints
    .md        the same in Markdown, without the figures
    .csv       one row for each attempt; a text that a spreadsheet would take for a formula begins with '
    .parquet   the same for notebooks, typed, texts as they are: pip install 'packsmith[parquet]'
    .svg .png  one figure: quality against speed (pareto), or the champion over attempts, time and money (progress);
               PNG needs pip install 'packsmith[figures]'

    A file that exists is never overwritten.

    \b
    Examples:
    packsmith report runs/mine -o report.html
    packsmith report runs/mine --format md
    packsmith report runs/mine -o champions.svg --figure progress
    """
    if file is None and form is None:
        raise typer.BadParameter("expected a file or a format: -o report.html, or --format md", param_hint="-o")
    made = documents.chosen(file, form)
    assert made is not None, "a file has a format, or is refused"
    if figure is not None and made not in (Format.SVG, Format.PNG):
        raise typer.BadParameter(
            f"expected svg or png, found {made}: only these show a single figure", param_hint="--figure"
        )
    with open_run(run) as opened, Waiting(messages()) as waiting:
        waiting.say(f"reporting {counted(len(opened.archive.entries))}")
        documents.write(_contents(opened, str(run), figure or Figure.PARETO), made, file)
        attempts = len(opened.archive.entries)
    if json and file is not None:
        emit(jsonl.line({"run": str(run), "path": str(file), "format": str(made), "attempts": attempts}))
    elif file is not None:
        output().print(f"wrote {file}: {counted(attempts)}", markup=False)


def _contents(opened: OpenRun, name: str, figure: Figure) -> Contents:
    archive, task = opened.archive, opened.task

    def whole() -> Report:
        def grouped(entry: Entry) -> measured.Groups:
            return measured.grouped(archive, entry, measured.noted(archive, entry))

        return report_of(_facts(opened, name), archive.entries, archive.find, diff, grouped, on_splits)

    def on_splits(entry: Entry) -> tuple[OnSplit, ...]:
        seed = next((each for each in archive.entries if each.kind == "seed"), None)
        return () if seed is None else tuple(archive.split_notes.on(entry.id, seed.id).values())

    def diff(before: Entry, after: Entry) -> str:
        names = (f"attempt {before.number}", f"attempt {after.number}")
        return program_diff(archive.source(before.id), archive.source(after.id), names)

    def chart() -> Chart:
        return pareto.chart(whole()) if figure is Figure.PARETO else progress_chart(whole())

    def rows(plain: bool) -> Iterable[Sequence[flat.Cell]]:
        return (flat.flat_row(entry, archive.find, plain=plain) for entry in archive.entries)

    return Contents(document=lambda: composed(whole()), chart=chart, columns=flat.columns(task), rows=rows)


def _facts(opened: OpenRun, name: str) -> Facts:
    archive, task = opened.archive, opened.task
    config = archive.config
    program, reference = (_file(held) for held in (config.get("program"), config["judge"]["reference"]))
    return Facts(
        run=name,
        root_id=archive.root_id,
        task=task.name,
        quality=task.quality_key,
        columns=tuple(task.columns),
        objective=stored_objective(config),
        seed=int(config["seed"]),
        program=program[0],
        reference=reference[0],
        same_program=program[1] != "" and program[1] == reference[1],
        config=archive.file("config.yaml") or "",
        booked=archive.booked,
        version=metadata.version("packsmith"),
        made_s=int(time.time()),
        damage=archive.damage,
    )


def _file(held: object) -> tuple[str, str]:
    """The name and the hash of a file in a stored config; "" for what another tool left out."""
    if not isinstance(held, Mapping):
        return "", ""
    return PurePath(str(held.get("file", ""))).name, str(held.get("sha256", ""))
