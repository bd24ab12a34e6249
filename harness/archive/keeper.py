"""The upkeep of a run, by a process of its own beside those that write to it.

Owns: when that process is started. Does not know: what it does there (`harness.git.upkeep`).

It is a process so that the writer shares neither its core nor its interpreter with it, of low priority, and nobody's:
it ends by itself within seconds, whether the writer lives or not. Only one is at work in a run at a time.
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
    """Starts the upkeep of an archive when it is due."""

    def __init__(self, run: Path) -> None:
        self._run = run
        self._loose = -1
        self._process: Popen[bytes] | None = None

    def made(self, count: int) -> None:
        """So many attempts were archived: have the upkeep begin if it is time."""
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
        """Do all that can be done, here, once nobody else is at it. Raises GitError, OSError."""
        upkeep(self._run, usual_pace()).all()

    def close(self) -> None:
        """Leave the process to itself."""
        if self._process is not None and self._process.poll() is None:
            self._process.returncode = 0  # so that nobody is warned that it goes on


def upkeep(run: Path, pace: Pace) -> Upkeep:
    """The upkeep of the run in a folder."""
    return Upkeep(run, ATTEMPTS, attempt_objects, pace)


def main() -> None:
    """What the process does: its arguments are the run's folder and the pace."""
    run, portion, stray_s, locked_s = sys.argv[1:]
    with contextlib.suppress(GitError, OSError):  # it is as due as before, and begun again with the next portion
        upkeep(Path(run), Pace(portion=int(portion), stray_s=float(stray_s), locked_s=float(locked_s))).due()
