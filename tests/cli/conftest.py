"""What the tests of the command share: a folder with the small search's files, and one run of it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.runs import Cli, Done, write_workshop


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """A finished search: its run's folder, the folder it was started in, and what it printed."""

    run: Path
    workshop: Path
    done: Done


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
    folder = write_workshop(tmp_path_factory.mktemp("searched"))
    done = Cli(cwd=folder)("search", "tiny.yaml", "--run", "run")
    assert done.code == 0, done.err
    return Searched(run=folder / "run", workshop=folder, done=done)


@pytest.fixture
def own_run(searched: Searched, tmp_path: Path) -> Path:
    """A copy of the run, to be changed."""
    return Path(shutil.copytree(searched.run, tmp_path / "copy"))
