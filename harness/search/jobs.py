"""The jobs that wait for a judge, shared by all judges: whichever is free takes the next.

Owns: what a job is, which one is next, and who may take it. Does not know: judges, verdicts reached, threads.
"""

from __future__ import annotations

import heapq
import threading
from dataclasses import dataclass

from evaluator.types import Scored
from harness.types import Confirmation, Gate


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A program to judge or, with a `verdict`, to confirm against the current champion. `parent` is the id of the entry
    that it was made from, "" for none. `lost`: why it is judged again, once for each judge that was lost with it.
    `checked`: it was found valid on hardware whose times do not count. `gates` is None in a run without held-out loads.
    """

    ticket: int
    name: str
    source: str
    parent: str
    program_id: str
    syntax_hash: str = ""
    verdict: Scored | None = None
    confirmations: tuple[Confirmation, ...] = ()
    gates: tuple[Gate, ...] | None = None
    lost: tuple[str, ...] = ()
    checked: bool = False

    @property
    def urgency(self) -> int:
        """Lower is sooner: what was lost with a judge, confirmations, checked programs, all others."""
        if self.lost:
            return 0
        return 1 if self.verdict else 2 if self.checked else 3

    @property
    def is_new(self) -> bool:
        """Whether it may be checked before it is measured."""
        return self.verdict is None and not self.checked


class JobQueue:
    """The waiting jobs, in order of urgency and then of submission. Thread-safe."""

    def __init__(self) -> None:
        self._measure: list[tuple[int, int, Job]] = []
        self._check: list[tuple[int, int, Job]] = []
        self._changed = threading.Condition()
        self._turn = 0
        self._closed = False

    def put(self, job: Job, *, to_check: bool = False) -> None:
        """Add a job; with `to_check`, one that a checker may take before a judge that measures does."""
        with self._changed:
            self._turn += 1
            heapq.heappush(self._check if to_check else self._measure, (job.urgency, self._turn, job))
            self._changed.notify_all()

    def take(self, *, checks: bool = False) -> Job | None:
        """The next job for a judge that measures, or (`checks`) for one that only checks; waits for one. None once the
        queue is closed. A judge that measures takes an unchecked job if there is no other.
        """
        with self._changed:
            while not self._closed:
                for waiting in (self._check,) if checks else (self._measure, self._check):
                    if waiting:
                        return heapq.heappop(waiting)[2]
                self._changed.wait()
            return None

    def close(self) -> None:
        """Let every `take` return None from now on."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
