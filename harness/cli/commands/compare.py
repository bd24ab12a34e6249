"""`packsmith compare`: several runs side by side.

Owns: this verb, and what it takes from a run. Does not know: which runs compare, how that is shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.cli import documents
from harness.cli.console import Json, UserError, emit, messages, output
from harness.cli.documents import Contents, OutputFile
from harness.cli.runs import open_run
from harness.config import stored_objective
from harness.document import comparison
from harness.document.formats import Format
from harness.document.report import missing
from harness.readings.contrast import Contestant, Level, levels
from harness.readings.course import Effort, course
from harness.readings.hypervolume import ReferencePoint
from harness.report import compare_view, jsonl
from harness.report.progress import Waiting

_PARTS = ("name", "traces")


def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of runs.")],
    by: Annotated[
        Effort, typer.Option("--by", help="After equal amounts of this, the tables show the best.")
    ] = "attempts",
    point: Annotated[
        str,
        typer.Option(
            "--point", metavar="QUALITY,SPEEDUP", help="The reference point of the hypervolume, as in 0.89,0.01."
        ),
    ] = "",
    file: OutputFile = None,
    form: Annotated[
        Format | None, typer.Option("--format", help="The format, whatever the suffix; without -o it is printed.")
    ] = None,
    json: Json = False,
) -> None:
    """Compare runs: their best programs and fronts after equal effort, and at the end.

    Use it to see which way of searching finds more for the same number of attempts, minutes, dollars, or seconds of
    judging. The hypervolume measures the whole front: the area of quality (in points) against speed (in doublings) that
    its programs cover above a reference point, by default one point below the lowest seed program, at a tenth of the
    speed of the slowest.

    Scores of other machines, references, tasks or versions are not compared: such runs stand apart, and what differs is
    said. Where only seeds differ, quality is the gain over the reference.

    With -o it writes the curves: .svg or .png, .csv (a row for each change), .md or .html.

    \b
    Examples:
    packsmith compare runs/mine runs/other
    packsmith compare runs/mine runs/other --by dollars --json
    packsmith compare runs/mine runs/other -o curves.svg
    """
    corner = _point(point)
    made = documents.chosen(file, form)
    with Waiting(messages()) as waiting:
        contestants = _contestants(runs, waiting)
        groups = levels(contestants, corner)
        if made is not None:
            documents.write(_contents(groups, by), made, file)
    if json:
        for record in compare_view.records(groups, by):
            emit(jsonl.line(record))
    elif made is None:
        output().print(compare_view.view(groups, by))
    elif file is not None:
        output().print(f"wrote {file}: {len(contestants)} runs", markup=False)


def _contestants(runs: Sequence[Path], waiting: Waiting) -> list[Contestant]:
    """The runs, each under a name of its own. Raises UserError for one that is named twice, or without a champion."""
    names = _names(runs)
    found: list[Contestant] = []
    for run, name in zip(runs, names, strict=True):
        waiting.say(f"reading {name}")
        with ExitStack() as stack:
            opened = stack.enter_context(open_run(run))
            config, entries = opened.archive.config, opened.archive.entries
            way = course(entries, stored_objective(config))
            if way.standing.best is None:
                raise UserError(missing(str(run), entries))
            found.append(
                Contestant(
                    name=name,
                    quality_key=opened.task.quality_key,
                    course=way,
                    workload=_workload(config["task"]),
                    seed=int(config["seed"]),
                )
            )
    return found


def _workload(task: Mapping[str, Any]) -> dict[str, Any]:
    """What the scores of a run are of: the task's identity and the files of its loads."""
    identity = task.get("identity")
    return {**(identity if isinstance(identity, Mapping) else {}), **{part: task.get(part) for part in _PARTS}}


def _names(runs: Sequence[Path]) -> list[str]:
    """The last parts of the paths where these tell the runs apart, else the paths."""
    places = [run.resolve() for run in runs]
    if len(set(places)) < len(places):
        twice = next(str(run) for run, place in zip(runs, places, strict=True) if places.count(place) > 1)
        raise UserError(f"expected different runs, found {twice} twice: name each once")
    short = [place.name for place in places]
    return short if len(set(short)) == len(short) else [str(run) for run in runs]


def _point(text: str) -> ReferencePoint | None:
    if not text:
        return None
    try:
        quality, speedup = (float(part) for part in text.split(","))
        return ReferencePoint(quality=quality, speedup=speedup)
    except ValueError as error:
        raise typer.BadParameter(
            f"expected a quality and a speed-up above 0, as in 0.89,0.01, found {text!r}", param_hint="--point"
        ) from error


def _contents(groups: Sequence[Level], by: Effort) -> Contents:
    return Contents(
        document=lambda: comparison.compared(groups, by),
        chart=lambda: comparison.picture(groups),
        columns=comparison.COLUMNS,
        rows=lambda plain: comparison.rows(groups, plain=plain),
    )
