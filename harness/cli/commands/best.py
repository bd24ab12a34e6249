"""`packsmith best`: the best program of a run.

Owns: this verb. Does not know: how the best program is chosen, how an archive is stored.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.console import Json, emit, emit_text, output
from harness.cli.runs import RunFolder, best_of, open_run, task_of
from harness.cli.user_files import check_replaceable, write_program
from harness.report import jsonl, tables


def best(
    run: RunFolder,
    out: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write the program here.")] = None,
    json: Json = False,
) -> None:
    """Print a run's best program, or write it with -o.

    Use it to take the result of a search, also while the search is running.

    \b
    Examples:
    packsmith best runs/mine > best.py
    packsmith best runs/mine -o best.py
    """
    result = best_of(run)
    entry, source = result.entry, result.source
    task = task_of(result.config, run)
    if out is not None:
        check_replaceable(out, lambda known: _archived(run, known))
        write_program(out, source)
    if json:
        record = jsonl.entry_record(entry, task=task, device=str(result.config["device"]))
        emit(jsonl.line({**record, "source": source, "path": None if out is None else str(out)}))
    elif out is None:
        emit_text(source)
    else:
        console = output()
        console.print(tables.verdict_view(entry.verdict, program=f"attempt {entry.number}, {entry.name}", task=task))
        console.print(f"wrote {out}", markup=False)


def _archived(folder: Path, known: str) -> bool:
    """Whether the run has a program with this `program_id`."""
    with open_run(folder) as run:
        return run.archive.known(known) is not None
