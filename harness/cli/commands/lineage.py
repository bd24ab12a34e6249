"""`packsmith lineage`: how one attempt was made from the seed program.

Owns: this verb. Does not know: how a chain is found, how patches are written.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from harness.cli import folders
from harness.cli.console import Json, emit, messages, output
from harness.cli.runs import AttemptWord, RunFolder, open_run
from harness.readings.lineage import lineage as chain_to
from harness.readings.patch_series import SEED, PatchSeries, patch_series
from harness.report import attempts, jsonl, lineage_view


def lineage(
    run: RunFolder,
    id: AttemptWord = "best",
    patches: Annotated[
        Path | None,
        typer.Option(
            "--patches", metavar="DIR", help="Write the chain as patch files, and the seed program, into a new folder."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Show the chain of patches from the seed program to an attempt.

    Use it to see which changes made the best program: for each patch, what it gained over the program before it, and
    what it cost. A crossover is in the chain of its first parent; its other parent follows a plus sign.

    With --patches the chain is written as files, which give the same bytes when they are applied in order.

    \b
    Examples:
    packsmith lineage runs/mine
    packsmith lineage runs/mine 17 --patches series
    packsmith replay series/*.patch --onto series/seed.py -o child.py
    """
    with open_run(run) as opened:
        task, archive = opened.task, opened.archive
        line = chain_to(opened.attempt(id), archive.find, archive.root_id)
        written = None if patches is None else _write(patches, patch_series(line, archive.source, archive.reply))
        if json:
            for record in lineage_view.chain_records(line, task):
                emit(jsonl.line(record))
            return
        output().print(lineage_view.chain_view(line, task, archive.find))
        origin = attempts.verdict_origin(line.entry, archive.find)
    if patches is not None and written is not None:
        _say_written(patches, written, origin)


def _write(folder: Path, series: PatchSeries) -> PatchSeries:
    with folders.made_whole(folder) as inside:
        (inside / SEED).write_bytes(series.seed)
        for file in series.patches:
            (inside / file.name).write_bytes(file.text)
    return series


def _say_written(folder: Path, series: PatchSeries, origin: str) -> None:
    stored = sum(file.stored for file in series.patches)
    made = len(series.patches) - stored
    kinds = f"{stored} as they came" + (f", {made} made from the programs before and after" if made else "")
    where = shlex.quote(str(folder))
    messages().print(
        f"wrote {folder}: {SEED} and {len(series.patches)} patches, {kinds}. To get the same bytes again:\n"
        f"  packsmith replay {where}/*.patch --onto {where}/{SEED} -o child.py" + (f"\n{origin}" if origin else ""),
        markup=False,
    )
