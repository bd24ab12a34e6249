"""The contract of every tracker: what was written is read back by means of its own library.

Owns: the tests that each kind inherits. Does not know: how any library stores what it gets.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.select import Pareto
from harness.trackers import TRACKERS, Feed, Subject
from harness.types import Entry
from tests.harness.builders import REJECTED, confirmed, entry, scored

ID = "0123456789abcdef0123456789abcdef01234567"
PARAMETERS = {"seed": 3, "task.name": "a | b", "search.rule": "front", "judge.timeout_s": 1.5, "flag": True}
BEST = "def solve():\n    return '<b>é</b>'\n"


def entries() -> list[Entry]:
    made = [entry(0, scored(0.5, 1.0)), entry(1, scored(0.75, 2.0)), entry(2, REJECTED), entry(3, scored(0.5, 1.5))]
    return confirmed(made, Pareto())


class TrackerContract:
    """What holds for every kind. A subclass names its kind and reads back what was written."""

    kind: str

    def rows(self, folder: Path) -> dict[int, dict[str, float]]:
        """The figures by attempt and name, as whoever looks at the run would see them."""
        raise NotImplementedError

    def parameters(self, folder: Path) -> dict[str, str]:
        """The parameters by key, as texts."""
        raise NotImplementedError

    def best(self, folder: Path) -> str:
        """The source of the best program."""
        raise NotImplementedError

    def leave(self, feed: Feed) -> None:
        """Leave a feed without closing it, as a kill does."""

    @pytest.fixture(autouse=True)
    def alone(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
        """In a folder of its own, with the variables that the command would set."""
        for name, value in TRACKERS[self.kind].environment.items():
            monkeypatch.setitem(os.environ, name, value)
        monkeypatch.chdir(tmp_path)
        yield

    def feed(self, folder: Path, notices: list[str] | None = None, *, subject: str = ID) -> Feed:
        told = notices if notices is not None else []
        feed = Feed(Subject(name="mine", id=subject, parameters=PARAMETERS), Pareto(), told.append)
        feed.open(self.kind, TRACKERS[self.kind], folder)
        return feed

    def test_what_was_written_is_read_back(self, tmp_path: Path) -> None:
        feed = self.feed(tmp_path / "t")
        for one in entries():
            feed.add(one)
        feed.close(BEST)
        assert not feed.failed and feed.sent == {self.kind: 4}
        rows = self.rows(tmp_path / "t")
        assert set(rows) == {0, 1, 2, 3}
        assert [rows[number].get("speedup") for number in range(4)] == [1.0, 2.0, None, 1.5]
        assert [rows[number]["best_speedup"] for number in range(4)] == [1.0, 2.0, 2.0, 2.0]
        assert [rows[number]["scored"] for number in range(4)] == [1, 1, 0, 1]
        assert rows[3]["quality"] == 0.5 and rows[3]["total_seconds"] == 4.0
        assert {name: self.parameters(tmp_path / "t")[name] for name in PARAMETERS} == {
            name: str(value) for name, value in PARAMETERS.items()
        }
        assert self.best(tmp_path / "t") == BEST

    def test_a_run_is_continued_where_it_was_left(self, tmp_path: Path) -> None:
        first = self.feed(tmp_path / "t")
        for one in entries()[:2]:
            first.add(one)
        self.leave(first)
        second = self.feed(tmp_path / "t")
        for one in entries():
            second.add(one)
        second.close(BEST)
        assert not first.failed and not second.failed
        rows = self.rows(tmp_path / "t")
        assert [rows[number]["best_attempt"] for number in range(4)] == [0, 1, 1, 1]

    def test_a_folder_that_cannot_be_written_is_told_once_and_stops_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("in the way")
        notices: list[str] = []
        feed = self.feed(tmp_path / "file", notices)
        for one in entries():
            feed.add(one)
        feed.close(BEST)
        assert len(notices) == 1 and notices[0].startswith(f"{self.kind} gets nothing more of this run: "), notices
        assert self.kind in feed.failed and (tmp_path / "file").read_text() == "in the way"
