"""Runs on the command line: opening and starting them with what people see of it, and the arguments that name them.

Owns: the progress and the warnings while a run is opened, and the arguments that name a run and an attempt.
Does not know: any one verb, how a run is opened (`harness.runs`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import typer

from harness.archive import glance
from harness.archive.glance import Glance
from harness.cli.completing import attempt_numbers, run_folders
from harness.cli.console import UserError, messages, warn
from harness.config import Config
from harness.report.progress import Waiting
from harness.runs.opened import OpenRun, Reading, begun, is_run, need_git, opened, task_of

__all__ = [
    "AttemptWord",
    "ConfigOption",
    "OpenRun",
    "RunFolder",
    "begin_run",
    "best_of",
    "is_run",
    "need_git",
    "open_run",
    "runs_here",
    "task_of",
]

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder.", autocompletion=run_folders)]
AttemptWord = Annotated[
    str,
    typer.Argument(
        metavar="ID", help="An attempt: its number, its commit, best or seed.", autocompletion=attempt_numbers
    ),
]
ConfigOption = Annotated[
    str | None,
    typer.Option(
        "--config", metavar="CONFIG", help="The run's config file; needed only if the run does not store its files."
    ),
]


def runs_here() -> list[Path]:
    """The runs in the working folder, in `runs` and in the folders of studies in it, the one changed last first."""
    patterns = ("*", "runs/*", "runs/*/*/*/*")
    found = [folder for pattern in patterns for folder in Path().glob(f"{pattern}/") if _is_readable_run(folder)]
    return sorted(found, key=lambda folder: folder.stat().st_mtime, reverse=True)


def _is_readable_run(folder: Path) -> bool:
    try:
        return is_run(folder)
    except OSError:
        return False


@contextmanager
def open_run(folder: Path, config: str | None = None, *, cached: bool = True) -> Iterator[OpenRun]:
    """Open a run (`runs.opened`); show progress if it is slow, and warn of what is damaged."""
    damaged: list[str] = []
    with ExitStack() as stack:
        try:
            with _reading(folder) as reading:
                run = stack.enter_context(opened(folder, config, cached=cached, reading=reading, notice=damaged.append))
        finally:
            for damage in damaged:
                warn(damage)
        yield run


@contextmanager
def begin_run(folder: Path, config: Config, *, imported: bool = False, plain: bool = False) -> Iterator[OpenRun]:
    """Start or continue the run of a config (`runs.begun`); show progress if it is slow, unless `plain`."""
    with ExitStack() as stack:
        with _reading(folder, plain=plain) as reading:
            run = stack.enter_context(begun(folder, config, imported=imported, reading=reading))
        yield run


def best_of(folder: Path) -> Glance:
    """The best attempt of a run, its program and the stored config, without reading the other attempts.

    If anything about it is missing or damaged, or if it is a twin, which no search makes the best, the whole run is
    read, with warnings. Raises HarnessError, ArchiveError.
    """
    need_git()
    result = glance.best(folder)
    if result is not None:
        return result
    with open_run(folder) as run:
        task_of(run.archive.config, folder)
        if not run.archive.entries:
            raise UserError(f"{folder}: no attempt is archived yet, so there is no best program")
        entry = run.attempt("best")
        if entry.same_as:
            entry = run.standing().best or entry
        return Glance(config=run.archive.config, entry=entry, source=run.archive.source(entry.id))


@contextmanager
def _reading(folder: Path, *, plain: bool = False) -> Iterator[Reading]:
    """What shows how much of a run is read; nothing appears for a run that is read at once."""
    with ExitStack() as stack:
        waiting: list[Waiting] = []

        def say(done: int, total: int) -> None:
            if not waiting:  # only now, so that nothing flashes up in a small run
                waiting.append(stack.enter_context(Waiting(messages(plain=plain))))
            waiting[0].say(f"reading {folder}: {done:,} of {total:,} attempts")

        yield say
