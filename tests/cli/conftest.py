"""What the tests of the command share: a folder with the small search's files, and one run of it."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cli.runs import Cli, Done, git, write_workshop


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """A finished search: its run's folder, the folder it was started in, and what it printed."""

    run: Path
    workshop: Path
    done: Done

    @property
    def best(self) -> dict[str, Any]:
        """The record of the best attempt, as git's ref names it."""
        commit = git(self.run, "rev-parse", "refs/heads/best").strip()
        [record] = [record for record in self.records if record["id"] == commit]
        return record

    @property
    def records(self) -> list[dict[str, Any]]:
        """The records of all attempts."""
        return Cli(cwd=self.workshop)("log", self.run, "--json").records

    def number(self, name: str) -> int:
        """The first attempt whose name begins so."""
        return next(int(record["number"]) for record in self.records if record["name"].startswith(name))


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], Done]) -> tuple[Path, Done]:
    """A workshop in which a command ended well, and what it printed; `make` runs the command in a folder.

    Processes that share the tests make it once: the first that needs it does, and each gets a copy of its own.
    """
    base = factory.getbasetemp()
    place = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    first, printed = place / f"{name}-made", place / f"{name}-made.json"
    with printed.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not printed.exists():
            shutil.rmtree(first, ignore_errors=True)
            done = make(write_workshop(first))
            assert done.code == 0, done.err
            printed.write_text(json.dumps(asdict(done)))
    return Path(shutil.copytree(first, base / name)), Done(**json.loads(printed.read_text()))


@pytest.fixture(scope="session", autouse=True)
def own_temporary_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A folder for temporary files that no other packsmith uses: its measurements would make ours wait."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("TMPDIR", str(tmp_path_factory.mktemp("temporary")))
        yield


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_reaches_the_command() -> Iterator[None]:
    """Commands start with the default action for SIGINT, as from a terminal.

    A shell without job control starts what it puts in the background (`nohup pytest &`) with SIGINT ignored, and every
    child would inherit that.
    """
    before = signal.getsignal(signal.SIGINT)
    if before == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def workshop(tmp_path: Path) -> Path:
    """A folder with the small search's files."""
    return write_workshop(tmp_path / "workshop")


@pytest.fixture
def cli(workshop: Path) -> Cli:
    """The command, run in the workshop."""
    return Cli(cwd=workshop)


@pytest.fixture(scope="session")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Searched:
    """The small search, run once for all tests that only read it."""

    def search(folder: Path) -> Done:
        return Cli(cwd=folder)("search", "tiny.yaml", "--run", "run", afresh=True)

    folder, done = made_once(tmp_path_factory, "searched", search)
    return Searched(run=folder / "run", workshop=folder, done=done)


@pytest.fixture
def own_run(searched: Searched, tmp_path: Path) -> Path:
    """A copy of the run, to be changed."""
    return Path(shutil.copytree(searched.run, tmp_path / "copy"))
