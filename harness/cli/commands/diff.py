"""`packsmith diff`: how two attempts of a run differ.

Owns: this verb. Does not know: how scores are compared, how a diff is made.
"""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.completing import attempt_numbers
from harness.cli.console import Json, emit, emit_text, output, print_diff_line
from harness.cli.runs import AttemptWord, RunFolder, open_run
from harness.report import attempts, jsonl, lineage_view


def diff(
    run: RunFolder,
    a: AttemptWord,
    b: Annotated[
        str,
        typer.Argument(metavar="OTHER", help="The attempt to compare with it.", autocompletion=attempt_numbers),
    ],
    json: Json = False,
) -> None:
    """Show how two attempts differ: their scores and their programs.

    Use it to see what a change gained. It shows OTHER against ID, case by case: quality in points (hundredths), and
    speed if the difference is significant.

    \b
    Examples:
    packsmith diff runs/mine seed best
    packsmith diff runs/mine 9 16 > change.diff
    """
    with open_run(run) as opened:
        task, archive = opened.task, opened.archive
        before, after = opened.attempt(a), opened.attempt(b)
        names = (f"{before.number:06d}", f"{after.number:06d}")
        text = lineage_view.program_diff(archive.source(before.id), archive.source(after.id), names)
        if json:
            emit(jsonl.line(lineage_view.difference_record(before, after, task, text)))
            return
        console = output()
        console.print(lineage_view.difference_view(before, after, task))
        for entry in (before, after):
            if origin := attempts.verdict_origin(entry, archive.find):
                console.print(f"attempt {entry.number}: {origin}", markup=False)
    if not text:
        console.print("The programs are the same, to the byte.", markup=False)
    elif console.is_terminal:
        for line in text.split("\n")[:-1]:
            print_diff_line(line)
    else:
        emit_text(text)
