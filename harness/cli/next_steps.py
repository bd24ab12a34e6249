"""What to do after a search, as commands to copy.

Owns: which commands these are, and what they are for. Does not know: what the verbs do.
"""

from __future__ import annotations

import shlex
from pathlib import Path


def next_steps(folder: Path, number: int, width: int) -> list[str]:
    """Lines for the run in `folder`, whose best attempt has this number. A folder with unusual characters is quoted, as
    a shell reads it.

    Where `width` columns do not suffice for what the commands are for, there are only the commands.
    """
    run = shlex.quote(str(folder))
    steps = (
        (f"packsmith best {run}", "the best program"),
        (f"packsmith show {run} {number}", "its change and its scores"),
        (f"packsmith report {run} -o report.html", "the run as one page"),
        (f"packsmith dashboard {run}", "the run in a browser"),
    )
    longest = max(len(command) for command, _ in steps)
    said = [f"  {command:<{longest}}  {why}" for command, why in steps]
    if any(len(line) > width for line in said):
        said = [f"  {command}" for command, _ in steps]
    return ["next:", *said]
