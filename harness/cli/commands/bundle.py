"""`packsmith bundle`: a run as one file.

Owns: this verb. Does not know: how anything is exchanged.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.console import Json
from harness.cli.exchanging import Shown, all_of, emit_record, report_rest, say
from harness.cli.runs import RunFolder, need_git
from harness.exchange.sending import bundle as bundle_run


def bundle(
    run: RunFolder,
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="The file; by default RUN's name and .bundle.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
    json: Json = False,
) -> None:
    """Write a run into one file, to mail or to keep.

    Use it if two machines share no network. Read the file with `packsmith pull NEWRUN FILE`, or with
    `git clone --mirror FILE`. Open tickets stay here.

    \b
    Examples:
    packsmith bundle runs/mine
    packsmith bundle runs/mine mine.bundle --force
    """
    need_git()
    with Shown() as shown:
        path, sent = bundle_run(run, file, force=force, progress=shown.progress, say=shown.say)
    if json:
        emit_record({"run": str(run), "file": str(path)}, sent)
    else:
        say(f"wrote {path}: {all_of(sent)}")
    report_rest(sent, json=json)
