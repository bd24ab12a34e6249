"""What to do after a search, as commands to copy.

Owns: which commands these are, and what they are for. Does not know: any one verb; what is not a verb is left out.
"""

from __future__ import annotations

import shlex
from collections.abc import Container
from pathlib import Path

import typer
from typer.core import TyperGroup


def next_steps(context: typer.Context, folder: Path, number: int, width: int) -> list[str]:
    """Lines for the run in `folder`, whose best attempt has this number; without verbs that the command lacks."""
    top = context.find_root().command
    return lines(top.commands if isinstance(top, TyperGroup) else (), folder, number, width)


def lines(verbs: Container[str], folder: Path, number: int, width: int) -> list[str]:
    """The same for the command with these verbs; a folder with unusual characters is quoted, as a shell reads it.

    Where `width` columns do not suffice for what the commands are for, there are only the commands.
    """
    run = shlex.quote(str(folder))
    steps = {
        "best": (f"packsmith best {run}", "the best program"),
        "show": (f"packsmith show {run} {number}", "its change and its scores"),
        "report": (f"packsmith report {run} -o report.html", "the run as one page"),
        "dashboard": (f"packsmith dashboard {run}", "the run in a browser"),
    }
    shown = [step for verb, step in steps.items() if verb in verbs]
    longest = max((len(command) for command, _ in shown), default=0)
    said = [f"  {command:<{longest}}  {why}" for command, why in shown]
    if any(len(line) > width for line in said):
        said = [f"  {command}" for command, _ in shown]
    return ["next:", *said] if shown else []
