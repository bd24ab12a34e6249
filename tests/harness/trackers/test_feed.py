"""Feeding trackers: one that fails is told once, gets nothing more, and stops neither the feed nor the others."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from harness.select import Pareto
from harness.trackers import TRACKERS, Feed, Kind, Subject
from harness.trackers.rows import Row
from tests.harness.trackers.contracts import ID, entries


@dataclass
class Memory:
    """A tracker that keeps rows, and fails at one of them."""

    fails_at: int = -1
    last: int = -1
    place: str = "memory"
    numbers: list[int] = field(default_factory=list)
    closed: list[str | None] = field(default_factory=list)

    def write(self, row: Row) -> None:
        if row.number == self.fails_at:
            raise RuntimeError(f"no\x1b[31m more {'x' * 1000}")
        self.numbers.append(row.number)

    def close(self, best: str | None) -> None:
        self.closed.append(best)


def kind(tracker: Memory | Exception) -> Kind:
    def opened(subject: Subject, folder: Path) -> Memory:
        if isinstance(tracker, Exception):
            raise tracker
        return tracker

    return Kind(package="a-package", extra="an-extra", folder=".", look="look DIR", open=opened)


def test_one_that_fails_leaves_the_others_alone() -> None:
    notices: list[str] = []
    feed = Feed(Subject(name="mine", id=ID, parameters={}), Pareto(), notices.append)
    sound, broken, late = Memory(), Memory(fails_at=1), Memory(last=2)
    feed.open("sound", kind(sound), Path())
    feed.open("broken", kind(broken), Path())
    feed.open("late", kind(late), Path())
    feed.open("missing", kind(ModuleNotFoundError("No module named 'mlflow'")), Path())
    feed.open("full", kind(OSError(28, "No space left on device")), Path())
    for one in entries():
        feed.add(one)
    feed.close("best")
    assert (sound.numbers, broken.numbers, late.numbers) == ([0, 1, 2, 3], [0], [3])
    assert (sound.closed, broken.closed) == (["best"], [])
    assert feed.sent == {"sound": 4, "broken": 1, "late": 1}
    assert notices[0].endswith("pip install 'packsmith[an-extra]'") and "a-package is not installed" in notices[0]
    assert "No space left on device" in notices[1]
    assert len(notices) == 3 and "RuntimeError: no [31m more xxx" in notices[2] and len(notices[2]) < 400


def test_a_signal_is_not_swallowed() -> None:
    class Signal(BaseException):
        pass

    def opened(subject: Subject, folder: Path) -> Memory:
        raise Signal

    feed = Feed(Subject(name="mine", id=ID, parameters={}), Pareto(), lambda text: None)
    with pytest.raises(Signal):
        feed.open("any", replace(kind(Memory()), open=opened), Path())


def test_every_kind_names_its_extra(root: Path) -> None:
    project = (root / "pyproject.toml").read_text()
    pins = (root / "constraints.txt").read_text()
    for each in TRACKERS.values():
        assert f'{each.extra} = ["{each.package}>=' in project
        assert f"\n{each.package}==" in pins
