"""`packsmith advise`: guidance from the user for all further prompts of a run.

Owns: this verb. Does not know: what counts as advice, how prompts are made.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from harness.cli.console import output
from harness.cli.runs import RunFolder, open_run
from harness.runs import asking


def advise(
    run: RunFolder,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What the next prompts should say; - is standard input.")],
) -> None:
    """Add your own guidance to a run's next prompts.

    Use it to direct a search while it is running. The advice is archived with the run, and every later prompt repeats
    it.

    \b
    Examples:
    packsmith advise runs/mine "Quality is good enough: look for speed."
    packsmith advise runs/mine - < notes.txt
    """
    given = sys.stdin.buffer.read().decode("utf-8", "replace") if text == "-" else text
    words = asking.checked_advice(given)
    with open_run(run) as opened:
        number = opened.archive.advise(words)
    output().print(f"advice {number} of {run}: every prompt repeats it from now on", markup=False)
