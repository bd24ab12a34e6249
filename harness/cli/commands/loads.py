"""`packsmith loads`: what is in recorded loads, and their conversion.

Owns: this verb. Does not know: file formats, figures, any task.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from evaluator import LoadsReport, Written
from harness.cli.console import Json, emit, messages, output
from harness.cli.loads_options import check_output, read_options, read_ranges, reader, takes_loads_options
from harness.cli.new_files import new_file
from harness.cli.task_options import Given
from harness.report import jsonl
from harness.report.loads_view import loads_record, loads_view
from harness.report.progress import Waiting


@takes_loads_options
def loads(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Files and folders; all are one sequence, in this order.")
    ],
    given: Given,
    layers: Annotated[
        str, typer.Option("--layers", metavar="RANGES", help="These layers only, from 0, as in 3-60 or 0,7.")
    ] = "",
    windows: Annotated[
        str, typer.Option("--windows", metavar="RANGES", help="These windows only, from 0, as in 4-9.")
    ] = "",
    to: Annotated[str, typer.Option("--to", metavar="FORMAT", help="Convert instead, to this format.")] = "",
    file: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="The new file that --to writes.")
    ] = None,
    ordered: Annotated[
        bool, typer.Option("--sort", help="Sort each layer's experts by load in the map, which shows its shape.")
    ] = False,
    task: Annotated[
        str,
        typer.Option("--task", metavar="TASK", help="The task that reads the files."),
    ] = "",
    json: Json = False,
) -> None:
    """Show what is in recorded expert loads, or convert them.

    Skew of each layer, a map of layers and experts, drift from window to window with the part that is sampling noise,
    regimes, prefill and decode steps, and which windows to plan on, with reasons.

    FORMATS

    With --to it writes every step in another format, or every window where their number of steps is given.

    \b
    Examples:
    EXAMPLES
    """
    name, kind = reader(task)
    options = read_options(name, given)
    chosen = read_ranges(layers, "--layers"), read_ranges(windows, "--windows")
    target = check_output(kind, to, file)
    with Waiting(messages()) as waiting:
        recorded = kind.read(paths, options, *chosen, waiting.say)
        if target is None:
            report = recorded.describe()
        else:
            with new_file(target) as beside:
                written = recorded.write(to, beside)
    if target is None:
        _show(report, ordered=ordered, json=json)
    else:
        _tell(target, to, written, json=json)


def _show(report: LoadsReport, *, ordered: bool, json: bool) -> None:
    if json:
        emit(jsonl.line(loads_record(report)))
        return
    console = output()
    console.print(loads_view(report, console.width, ordered=ordered))
    _say(report.notes)


def _tell(file: Path, form: str, written: Written, *, json: bool) -> None:
    """What was written."""
    if json:
        emit(jsonl.line({"file": str(file), "format": form, **asdict(written)}))
        return
    rows = written.rows if written.count > 1 else written.rows.removesuffix("s")
    layers = "layer" if written.layers == 1 else "layers"
    shape = f"{written.count} {rows} x {written.layers} {layers} x {written.experts} experts"
    output().print(f"wrote {file}: {shape}", markup=False)
    _say(written.notes)


def _say(notes: Sequence[str]) -> None:
    for note in notes:
        messages().print(f"note: {note}", markup=False, style="dim")
