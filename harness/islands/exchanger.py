"""The exchanges of a search: at its start, on a schedule in a thread of its own, and at its end.

Owns: the schedule, the elites that wait to be proposed, and what is said of remotes. Does not know: git, how an elite
is judged.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from harness.git import GitError
from harness.git.remote import Remote
from harness.islands.elites import Elite
from harness.islands.exchanging import exchange, remember, remembered
from harness.islands.reading import Expected
from harness.text import one_line

_LINE = 400
_PATIENCE_S, _STOPPING_S = 60.0, 10.0
"""How long an exchange that is under way is waited for at the end; and how long a search that was stopped takes for
that and for its last exchange, all remotes together.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class IslandSettings:
    """With which repositories elites are exchanged, how often, and how many are taken in each exchange of each."""

    remotes: tuple[str, ...] = ()
    minutes: float = 10.0
    most: int = 8


class Exchanger:
    """Exchanges elites while a search goes on. A context manager; `publish` and `take` are called by the search."""

    def __init__(
        self,
        run: Path,
        root_id: str,
        remotes: Sequence[Remote],
        settings: IslandSettings,
        expected: Expected,
        *,
        note: Callable[[str], None],
    ) -> None:
        """`note` is called, from any thread, with what the user should know."""
        self._run, self._root_id, self._remotes = run, root_id, remotes
        self._settings, self._expected, self._note = settings, expected, note
        self._memories = remembered(run, [remote.shown for remote in remotes])
        self._mine: Mapping[int, str] = {}
        self._waiting: list[Elite] = []
        self._failed: set[str] = set()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="islands", daemon=True)

    def __enter__(self) -> Self:
        """The first exchange is made before this returns: a short search, too, learns from the others."""
        self.exchange()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """The last exchange publishes what was found, unless the search failed or a remote hangs. A search that was
        stopped, which is no failure, does not take long for it.
        """
        self._ended.set()
        stopped = kind is not None and kind is not GeneratorExit
        patience_s = _STOPPING_S if stopped else _PATIENCE_S
        until_s = time.monotonic() + patience_s
        self._thread.join(patience_s)
        if self._thread.is_alive():
            self._note(f"islands: a remote did not answer for {patience_s:.0f} s, and the last exchange was left out")
        elif kind is None or not issubclass(kind, Exception):
            self.exchange(fetches=False, until_s=until_s if stopped else None)

    def publish(self, elites: Mapping[int, str]) -> None:
        """Commits by number to be published with the next exchange."""
        with self._lock:
            self._mine = dict(elites)

    def take(self) -> Elite | None:
        """The elite that has waited longest; None if none waits."""
        with self._lock:
            return self._waiting.pop(0) if self._waiting else None

    def exchange(self, *, fetches: bool = True, until_s: float | None = None) -> None:
        """Exchange with every remote now, or as far as that is done by `until_s` of `time.monotonic`. What goes wrong
        with one is noted, and the others are asked.
        """
        for remote in self._remotes:
            with self._lock:
                mine = dict(self._mine)
            try:
                made = exchange(
                    self._run,
                    remote if until_s is None else replace(remote, until_s=until_s),
                    root=self._root_id,
                    mine=mine,
                    expected=self._expected,
                    memory=self._memories[remote.shown],
                    most=self._settings.most,
                    fetches=fetches,
                )
                remember(self._run, self._memories)
            except (GitError, OSError) as error:
                if remote.shown not in self._failed:  # said once, until it works again
                    self._failed.add(remote.shown)
                    rest = "the search goes on without it" if fetches else "what was found last is not published there"
                    self._note(f"islands: {one_line(str(error), _LINE)}; {rest}")
                continue
            self._failed.discard(remote.shown)
            for line in made.refused:
                self._note(f"islands: {one_line(line, _LINE)}")
            with self._lock:
                self._waiting += made.elites

    def _work(self) -> None:
        while not self._ended.wait(60 * self._settings.minutes):
            self.exchange()
