"""`packsmith verify`: prove every archived program.

Owns: this verb. Does not know: what makes an attempt sound, how an archive is stored.
"""

from __future__ import annotations

from dataclasses import asdict

import typer

from harness.cli.console import Json, counted, emit, messages, output
from harness.cli.runs import RunFolder, open_run, task_of
from harness.readings.verify import verify as verify_archive
from harness.report import jsonl
from harness.report.progress import Waiting
from harness.text import one_line

_FAULT = 400


def verify(run: RunFolder, json: Json = False) -> None:
    """Prove every archived program from its parent and its reply.

    Use it before you trust a run that you received, or after a disk fault. Each stored reply is applied to its stored
    parent again, offline, and must give the same bytes. Exit code 0 when every attempt passes, 1 when one does not.

    \b
    Examples:
    packsmith verify runs/mine
    packsmith verify runs/mine --json
    """
    with open_run(run, cached=False) as opened:
        task_of(opened.archive.config, run)
        with Waiting(messages()) as waiting:
            waiting.say(f"verifying {counted(len(opened.archive.entries))}")
            report = verify_archive(opened.archive)
    if json:
        emit(jsonl.line({"run": str(run), **asdict(report)}))
    else:
        console = output()
        for mismatch in report.mismatches:
            where = str(run) if mismatch.number is None else f"attempt {mismatch.number} ({mismatch.id[:12]})"
            expected, found = (one_line(part, _FAULT) for part in (mismatch.expected, mismatch.found))
            text = f"{where}: expected {expected}, found {found}"
            console.print(text, style="red", markup=False)
        wrong = f"{len(report.mismatches)} faults, see above"
        result = "each is what its reply makes of its parent" if report.ok else wrong
        console.print(f"{counted(report.checked)} checked: {result}", markup=False)
    if report.mismatches:
        raise typer.Exit(1)
