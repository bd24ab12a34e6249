"""What a shell offers for a word that is being typed: tasks, run folders, and attempts of a run.

Owns: these words. Does not know: shells, any one verb. Nothing here fails or prints: a shell is waiting.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

from typer import Context

from evaluator import TASKS

_MOST = 200
"""How many words are offered, at most."""
_PLAIN = re.compile(r"[\w./~@%+,=-]+")
"""Names that no shell reads as anything but a name: the scripts of some shells evaluate what they are given."""
_ATTEMPTS = "refs/attempts/"


def task_names(incomplete: str) -> list[str]:
    """The tasks."""
    return [name for name in TASKS if name.startswith(incomplete)]


def run_folders(incomplete: str) -> list[str]:
    """The runs in the folder that is being typed, and the folders in it, which may hold some."""
    head, slash, begun = incomplete.rpartition("/")
    found = []
    with contextlib.suppress(OSError, RuntimeError):  # a folder that cannot be read, a home that is not known
        for path in sorted(Path(f"{head}{slash}").expanduser().iterdir()):
            hidden = path.name.startswith(".") and not begun.startswith(".")
            if path.name.startswith(begun) and not hidden and _PLAIN.fullmatch(path.name) and path.is_dir():
                found.append(f"{head}{slash}{path.name}" + ("" if _is_run(path) else "/"))
    return found[:_MOST]


def attempt_numbers(context: Context, incomplete: str) -> list[str]:
    """`best`, `seed` and the newest attempts of the run that was typed before, newest first."""
    run = context.params.get("run")
    words = ["best", "seed"]
    if run is not None:
        with contextlib.suppress(OSError):
            numbers = sorted(_numbers(Path(run)), reverse=True)
            words += map(str, numbers)
    return [word for word in words if word.startswith(incomplete)][:_MOST]


def _is_run(path: Path) -> bool:
    return (path / "refs").is_dir() and (path / "objects").is_dir()


def _numbers(run: Path) -> set[int]:
    """The numbers of a run's attempts, from the names of its refs alone: loose ones and packed ones."""
    return {int(name) for name in (*_loose(run), *_packed(run)) if name.isdecimal()}


def _loose(run: Path) -> Iterator[str]:
    with contextlib.suppress(OSError):
        yield from (path.name for path in (run / _ATTEMPTS).iterdir())


def _packed(run: Path) -> Iterator[str]:
    with contextlib.suppress(OSError), (run / "packed-refs").open(encoding="ascii", errors="replace") as lines:
        for line in lines:
            _, _, ref = line.strip().partition(" ")
            if ref.startswith(_ATTEMPTS):
                yield ref.removeprefix(_ATTEMPTS)
