"""The trackers of one run, fed with its attempts: from the archive, or as they are archived.

Owns: that every tracker gets each row once, and that a tracker that fails stops nothing. Does not know: any one
tracker, where entries come from.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from harness.select import Objective
from harness.text import one_line
from harness.trackers.rows import Rows
from harness.trackers.tracker import Kind, Subject, Tracker
from harness.types import Entry

T = TypeVar("T")
_LINE = 300


class Feed:
    """Sends entries, added in the order of their numbers, to the trackers that are open.

    A tracker that is not installed, or whose library raises anything, is told once by `notice`, gets nothing more, and
    is in `failed` with the reason.
    """

    def __init__(self, subject: Subject, objective: Objective, notice: Callable[[str], None]) -> None:
        self._subject, self._notice = subject, notice
        self._rows = Rows(objective)
        self._open: dict[str, Tracker] = {}
        self.failed: dict[str, str] = {}
        self.sent: dict[str, int] = {}
        """How many rows each tracker got."""
        self.places: dict[str, str] = {}
        """Where the run is in each tracker that was opened."""

    def open(self, name: str, kind: Kind, folder: Path) -> None:
        """Open a tracker, before the first entry is added."""
        tracker = self._guarded(name, partial(kind.open, self._subject, folder), kind)
        if tracker is not None:
            self._open[name], self.sent[name], self.places[name] = tracker, 0, tracker.place

    def add(self, entry: Entry) -> None:
        """Send one more entry to each tracker that does not have it."""
        if not self._open:
            return
        row = self._rows.add(entry)
        for name, tracker in tuple(self._open.items()):
            if row.number > tracker.last:
                self._guarded(name, partial(tracker.write, row))
                self.sent[name] += name in self._open

    def close(self, best: str | None) -> None:
        """End every tracker, with the source of the best program."""
        for name, tracker in tuple(self._open.items()):
            self._guarded(name, partial(tracker.close, best))
        self._open.clear()

    def _guarded(self, name: str, action: Callable[[], T], kind: Kind | None = None) -> T | None:
        """What the action returns; None if it raised, after which the tracker gets nothing more."""
        try:
            return action()
        except Exception as error:  # a library that is not ours raises what it likes, and the search is worth more
            self._open.pop(name, None)
            missing = isinstance(error, ImportError) and kind is not None
            reason = f"{type(error).__name__}: {error}"
            if missing and kind is not None:
                reason = f"{kind.package} is not installed ({error}): pip install 'packsmith[{kind.extra}]'"
            self.failed[name] = one_line(reason, _LINE)
            self._notice(f"{name} gets nothing more of this run: {self.failed[name]}")
            return None
