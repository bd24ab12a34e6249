"""What a tracker is to us.

Owns: the interface, and what is told of a run beside its rows. Does not know: any one tracker.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from harness.trackers.parameters import Value
from harness.trackers.rows import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The run that is tracked: its name for people, its root commit, and its parameters."""

    name: str
    id: str
    parameters: Mapping[str, Value]


class Tracker(Protocol):
    """One run in one tracker. Whatever a library raises comes through: see `Feed`."""

    place: str
    """Where the run is, for people."""

    @property
    def last(self) -> int:
        """The highest number of an attempt that was there when it was opened; -1 for none."""

    def write(self, row: Row) -> None:
        """Add one row."""

    def close(self, best: str | None) -> None:
        """Add the source of the best program, if there is one, and end. Nothing is called afterwards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of tracker. `package` is what has to be installed, by the extra of that name.

    `folder` is where its files go if the user names no other. `environment` holds variables that must be set before its
    library is imported; `look` says how people look at a folder, which is put in the place of DIR.
    """

    package: str
    extra: str
    folder: str
    look: str
    open: Callable[[Subject, Path], Tracker]
    environment: Mapping[str, str] = field(default_factory=dict)
