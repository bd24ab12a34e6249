"""A run that is open: its archive together with the config by which its programs are judged.

Owns: opening and starting a run, and the checks on the way. Does not know: the command, how an archive is stored, how
programs are judged, how anything is shown.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from evaluator import TASKS, Task, Unfit, stored_task
from harness.archive import Archive
from harness.config import PROMPTS, REFERENCE, TASK, Config, difference, load, restored, stored_files, stored_objective
from harness.gate import GatedStanding, gated_standing
from harness.proposers import Proposer
from harness.runs.vouched import is_vouched, vouch
from harness.types import Entry, HarnessError, Kind

_CONTINUE = "\nUndo the difference to continue it, or start a new run with --run DIR."
_UNTOUCHED = (
    "\nNothing was judged in it yet: unless a search has just begun there, delete the folder {folder}, with which "
    "nothing is lost, and run the same command again."
)
Reading = Callable[[int, int], None]
"""Told from time to time, while a run is read, how many of its attempts are read, and how many there are."""
Notice = Callable[[str], None]
"""Told a sentence for people."""


class OpenRun:
    """A run: its folder, its archive, and the config by which its programs are judged."""

    def __init__(self, folder: Path, archive: Archive, stack: ExitStack, config: Config | None) -> None:
        """`config`: the user's config file, whole; None is the stored config. `stack` ends when the run is closed."""
        self.folder, self.archive, self.own_config = folder, archive, config is not None
        self._config, self._stack = config, stack
        self.proposers: dict[Kind | None, Proposer] = {}
        """What has written prompts of this run (`asking`), by the kind that it was asked for."""

    @property
    def config(self) -> Config:
        """The config, restored from the archive on first use unless the user named a file. Raises ConfigError."""
        if self._config is None:
            archive = self.archive
            self._config = restored(
                archive.config,
                program=archive.source(archive.root_id),
                reference=archive.file(REFERENCE),
                task=_own_task(archive, self.folder),
                prompts=archive.file(PROMPTS),
                folder=Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="packsmith-run-"))),
            )
        return self._config

    @property
    def task(self) -> Task:
        """The task with its default options: for names and columns, not for judging. Raises HarnessError."""
        return task_of(self.archive.config, self.folder)

    def standing(self) -> GatedStanding:
        """The best attempt, the front and the seed program, under the stored objective."""
        return gated_standing(self.archive.entries, stored_objective(self.archive.config))

    def attempt(self, word: str | int) -> Entry:
        """The attempt that a word names: its number, its commit, `best` or `seed`. Raises ArchiveError."""
        return self.archive.entry(word)


def _ignore(text: str) -> None:
    """A notice that nobody reads."""


@contextmanager
def opened(
    folder: Path,
    config: str | None = None,
    *,
    cached: bool = True,
    reading: Reading | None = None,
    notice: Notice = _ignore,
) -> Iterator[OpenRun]:
    """Open a run.

    `config` names the user's config file, which must judge as the stored one does. Without `cached` every attempt is
    read from its commit. `notice` is told what is damaged. Raises HarnessError, ArchiveError and ConfigError.
    """
    need_git()
    with ExitStack() as stack:
        archive = stack.enter_context(Archive.open(folder, cached=cached, progress=reading))
        for damage in archive.damage:
            notice(damage)
        own = None if config is None else load(config).continuing(archive.config)
        if own is not None and (lines := difference(archive.config, own.resolved())):
            raise HarnessError(f"{config} is not the config that {folder} was started with:\n  " + "\n  ".join(lines))
        yield OpenRun(folder, archive, stack, own)


@contextmanager
def begun(folder: Path, config: Config, *, imported: bool = False, reading: Reading | None = None) -> Iterator[OpenRun]:
    """Start the run of a config, or continue the one in the folder if it was started under the same conditions.

    `imported`: its programs come from another framework. Raises HarnessError and ArchiveError. Damage is not reported:
    see `archive.damage`.
    """
    need_git()
    with ExitStack() as stack:
        archive = stack.enter_context(_begun(folder, config, imported=imported, reading=reading))
        if config.task_file is not None:
            vouch(config.task_file.sha256)
        yield OpenRun(folder, archive, stack, config.continuing(archive.config))


def is_run(folder: Path) -> bool:
    """Whether the folder holds a run, or a damaged one."""
    return Archive.exists(folder)


def task_of(config: Mapping[str, Any], folder: Path) -> Task:
    """The task of a stored config, with default options. Raises HarnessError if no search of this version wrote it."""
    try:
        for needed in (config["device"], config["seed"], config["judge"]["reference"]["file"]):
            str(needed)
        stored = config["task"]
        if file := stored.get("file"):
            return stored_task(stored["name"], stored["facts"], file=file["file"], digest=file["sha256"])
        return TASKS[stored["name"]]({})
    except (KeyError, TypeError, AttributeError, Unfit) as error:
        raise HarnessError(
            f"{folder}: expected the config of a search in the root commit (`git -C {folder} show seed:config.yaml`), "
            f"found one without {error}: this run was written by another tool or a newer packsmith"
        ) from error


def _own_task(archive: Archive, folder: Path) -> str | None:
    """The stored file of a task of one's own; None for a shipped task. Raises HarnessError if it came from elsewhere:
    it is code, and whoever judges by it executes it.
    """
    file = archive.config["task"].get("file")
    if file is None:
        return None
    text = archive.file(TASK)
    digest = "" if text is None else hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
    if text is None or digest != file["sha256"]:
        raise HarnessError(f"{folder}: its task file {file['file']} is not stored as the run says: add --config CONFIG")
    if not is_vouched(digest):
        raise HarnessError(
            f"{folder}: this run came from elsewhere with its task file {file['file']}, which is code that judging "
            f"would execute: read it (`git -C {folder} show seed:{TASK}`), keep it as a file, and add --config with a "
            f"config that names it"
        )
    return text


def need_git() -> None:
    """Raises HarnessError if the git command, which stores runs, is missing."""
    if shutil.which("git") is None:
        raise HarnessError("git was not found on the PATH, and a run is kept as a git repository: install git")


def _begun(folder: Path, config: Config, *, imported: bool, reading: Reading | None) -> Archive:
    if not is_run(folder):
        return Archive.create(
            folder,
            seed_source=config.program.text(),
            config=config.resolved(),
            files=stored_files(config),
            imported=imported,
        )
    archive = Archive.open(folder, progress=reading)
    if lines := difference(archive.config, config.continuing(archive.config).resolved()):
        untouched = not (archive.entries or archive.pending() or archive.advice())
        archive.close()
        raise HarnessError(
            f"{folder} was started under another config, and its scores would not compare:\n  "
            + "\n  ".join(lines)
            + (_UNTOUCHED.format(folder=folder) if untouched else _CONTINUE)
        )
    return archive
