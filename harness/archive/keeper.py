"""The upkeep of a run, in a background process.

Owns: when that process is started. Does not know: what it does (`harness.git.upkeep`).

It is a process, of low priority, so that it takes neither the writer's core nor its interpreter. It is detached and
ends by itself within seconds, whether or not the writer lives. At most one works on a run at a time.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from subprocess import Popen

from harness.archive.attempt_table import ATTEMPTS
from harness.archive.commits import attempt_objects
from harness.git import GitError, Pace, Upkeep, python_process, usual_pace

_CODE = "from harness.archive.keeper import main; main()"


class Keeper:
    """Starts the upkeep of an archive when enough refs are loose."""

    def __init__(self, run: Path) -> None:
        self._run = run
        self._loose = -1
        self._process: Popen[bytes] | None = None

    def made(self, count: int) -> None:
        """Count newly archived attempts, and start the upkeep if it is due."""
        pace = usual_pace()
        with contextlib.suppress(OSError):  # nothing depends on it
            if self._loose < 0:
                self._loose = upkeep(self._run, pace).loose()
            self._loose += count
            if self._loose >= pace.portion and (self._process is None or self._process.poll() is not None):
                arguments = (str(self._run), *map(repr, (pace.portion, pace.stray_s, pace.locked_s)))
                self._process = python_process(_CODE, *arguments)
                self._loose = 0

    def all(self) -> None:
        """Do all upkeep in this process, after any other is done. Raises GitError, OSError."""
        upkeep(self._run, usual_pace()).all()

    def close(self) -> None:
        """Detach from the process."""
        if self._process is not None and self._process.poll() is None:
            self._process.returncode = 0  # so that Popen does not warn that it still runs


def upkeep(run: Path, pace: Pace) -> Upkeep:
    """The upkeep of the run in the folder `run`."""
    return Upkeep(run, ATTEMPTS, attempt_objects, pace)


def main() -> None:
    """The background process; its arguments are the run's folder and the pace."""
    run, portion, stray_s, locked_s = sys.argv[1:]
    with contextlib.suppress(GitError, OSError):  # it remains due, and is started again with the next portion
        upkeep(Path(run), Pace(portion=int(portion), stray_s=float(stray_s), locked_s=float(locked_s))).due()
