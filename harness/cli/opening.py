"""Opening a run, with a word where that takes its time.

Owns: that word. Does not know: any one command, what is done with a run.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from harness.archive import Archive
from harness.cli import common
from harness.report.progress import Waiting


def open_archive(run: Path, *, cached: bool = True) -> Archive:
    """The archive in a folder. Raises ArchiveError where there is none; single damaged attempts go to `damage`."""
    with ExitStack() as stack:
        waiting: list[Waiting] = []

        def say(done: int, total: int) -> None:
            if not waiting:  # so that nothing flashes up where there is little to read
                waiting.append(stack.enter_context(Waiting(common.messages())))
            waiting[0].say(f"reading {run}: {done:,} of {total:,} attempts")

        return Archive.open(run, cached=cached, progress=say)
