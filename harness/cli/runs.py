"""The one door to a run: opening it, starting it, and what every verb takes from it.

Owns: opening an archive together with its config, the checks on the way, and the arguments that name a run and an
attempt. Does not know: any one verb, how an archive is stored, how programs are judged.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from evaluator import TASKS, Task
from harness.archive import Archive, glance
from harness.archive.glance import Glance
from harness.cli.console import UserError, messages, warn
from harness.config import REFERENCE, Config, difference, load, restored, stored_objective
from harness.report.progress import Waiting
from harness.select import Standing, standing
from harness.types import Entry

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder.")]
AttemptWord = Annotated[str, typer.Argument(metavar="ID", help="An attempt: its number, its commit, best or seed.")]
ConfigOption = Annotated[
    str | None,
    typer.Option(
        "--config", metavar="CONFIG", help="The run's config file; needed only if the run does not store its files."
    ),
]


class OpenRun:
    """A run: its folder, its archive, and the config by which its programs are judged."""

    def __init__(self, folder: Path, archive: Archive, stack: ExitStack, config: Config | None) -> None:
        """`config`: the user's config file, whole; None is the stored config. `stack` ends when the run is closed."""
        self.folder, self.archive, self.own_config = folder, archive, config is not None
        self._config, self._stack = config, stack

    @property
    def config(self) -> Config:
        """The config, restored from the archive on first use unless the user named a file. Raises ConfigError."""
        if self._config is None:
            archive = self.archive
            self._config = restored(
                archive.config,
                program=archive.source(archive.root_id),
                reference=archive.file(REFERENCE),
                folder=Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="packsmith-run-"))),
            )
        return self._config

    @property
    def task(self) -> Task:
        """The task with its default options: for names and columns, not for judging. Raises UserError."""
        return task_of(self.archive.config, self.folder)

    def standing(self) -> Standing:
        """The best attempt, the front and the seed program, under the stored objective."""
        return standing(self.archive.entries, stored_objective(self.archive.config))

    def attempt(self, word: str) -> Entry:
        """The attempt that a word names: its number, its commit, `best` or `seed`. Raises ArchiveError."""
        return self.archive.entry(word)


@contextmanager
def open_run(folder: Path, config: str | None = None, *, cached: bool = True) -> Iterator[OpenRun]:
    """Open a run; show progress if it is slow, and warn of what is damaged.

    `config` names the user's config file, which must judge as the stored one does. Without `cached` every attempt is
    read from its commit. Raises UserError, ArchiveError and ConfigError.
    """
    need_git()
    with ExitStack() as stack:
        archive = stack.enter_context(_opened(folder, cached=cached))
        for damage in archive.damage:
            warn(damage)
        own = None if config is None else load(config).continuing(archive.config)
        if own is not None and (lines := difference(archive.config, own.resolved())):
            raise UserError(f"{config} is not the config that {folder} was started with:\n  " + "\n  ".join(lines))
        yield OpenRun(folder, archive, stack, own)


@contextmanager
def begin_run(folder: Path, config: Config, *, imported: bool = False) -> Iterator[OpenRun]:
    """Start the run of a config, or continue the one in the folder if it was started under the same conditions.

    `imported`: its programs come from another framework. Raises UserError and ArchiveError. Damage is not reported: see
    `archive.damage`.
    """
    need_git()
    with ExitStack() as stack:
        archive = stack.enter_context(_begun(folder, config, imported))
        yield OpenRun(folder, archive, stack, config.continuing(archive.config))


def best_of(folder: Path) -> Glance:
    """The best attempt of a run, its program and the stored config, without reading the other attempts.

    If anything about it is missing or damaged, or if it is a twin, which no search makes the best, the whole run is
    read, with warnings. Raises UserError, ArchiveError.
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
            entry = run.standing().champion or entry
        return Glance(config=run.archive.config, entry=entry, source=run.archive.source(entry.id))


def is_run(folder: Path) -> bool:
    """Whether the folder holds a run, or a damaged one."""
    return Archive.exists(folder)


def task_of(config: Mapping[str, Any], folder: Path) -> Task:
    """The task of a stored config, with default options. Raises UserError if no search of this version wrote it."""
    try:
        for needed in (config["device"], config["seed"], config["judge"]["reference"]["file"]):
            str(needed)
        return TASKS[config["task"]["name"]]({})
    except (KeyError, TypeError) as error:
        raise UserError(
            f"{folder}: expected the config of a search in the root commit (`git -C {folder} show seed:config.yaml`), "
            f"found one without {error}: this run was written by another tool or a newer packsmith"
        ) from error


def need_git() -> None:
    """Raises UserError if the git command, which stores runs, is missing."""
    if shutil.which("git") is None:
        raise UserError("git was not found on the PATH, and a run is kept as a git repository: install git")


def _opened(folder: Path, *, cached: bool = True) -> Archive:
    with ExitStack() as stack:
        waiting: list[Waiting] = []

        def say(done: int, total: int) -> None:
            if not waiting:  # only now, so that nothing flashes up in a small run
                waiting.append(stack.enter_context(Waiting(messages())))
            waiting[0].say(f"reading {folder}: {done:,} of {total:,} attempts")

        return Archive.open(folder, cached=cached, progress=say)


def _begun(folder: Path, config: Config, imported: bool) -> Archive:
    if not is_run(folder):
        return Archive.create(
            folder,
            seed_source=config.program.text(),
            config=config.resolved(),
            files={REFERENCE: config.reference.text()},
            imported=imported,
        )
    archive = _opened(folder)
    if lines := difference(archive.config, config.continuing(archive.config).resolved()):
        archive.close()
        raise UserError(
            f"{folder} was started under another config, and its scores would not compare:\n  "
            + "\n  ".join(lines)
            + "\nUndo the difference to continue it, or start a new run with --run DIR."
        )
    return archive
