"""Answers to tickets that were given on the page, while they are judged.

Owns: which answers are under way, and what came of them. Does not know: how an answer is judged, HTTP.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol

from harness.page.words import whole

MOST_JUDGING = 4
_KEPT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer to a ticket: a `reply` in the patch format, or the whole edited `program`; one of the two is ""."""

    reply: str = ""
    program: str = ""
    name: str = ""
    description: str = ""
    model: str = ""
    usd: float = 0.0
    tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What came of an answer: the number of its attempt and the outcome, None and "" if it was not accepted."""

    number: int | None
    outcome: str
    words: str


class Actions(Protocol):
    """What the page may do to a run: the same as the verbs advise, stop and tell. All raise HarnessError."""

    def advise(self, folder: Path, text: str) -> int:
        """Add advice; returns its number."""
        ...

    def stop(self, folder: Path) -> None:
        """Ask the searches on a run to stop."""
        ...

    def answer(self, folder: Path, ticket: int, answer: Answer) -> Told:
        """Judge and archive an answer; returns when that is done."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One answer; `change` counts the changes of all jobs."""

    run: int
    ticket: int
    state: Literal["judging", "done", "refused"]
    started_s: int
    change: int
    told: Told | None = None

    def record(self) -> dict[str, Any]:
        told = self.told
        return {
            "run": self.run,
            "ticket": self.ticket,
            "state": self.state,
            "number": None if told is None else told.number,
            "outcome": "" if told is None else told.outcome,
            "words": "" if told is None else whole(told.words, 8000),
            "started": self.started_s,
        }


class Jobs:
    """The answers under way, and the last of those that are done. For any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: dict[tuple[int, int], Job] = {}
        self.changes = 0

    @property
    def judging(self) -> int:
        return sum(job.state == "judging" for job in list(self._jobs.values()))

    def of(self, run: int, ticket: int) -> Job | None:
        """The newest job on a ticket."""
        return self._jobs.get((run, ticket))

    def since(self, change: int) -> Iterator[Job]:
        """The jobs that changed after this change, oldest change first."""
        return iter(sorted((job for job in list(self._jobs.values()) if job.change > change), key=lambda j: j.change))

    def start(self, run: int, ticket: int, work: Callable[[], Told], tell: Callable[[], None]) -> Job:
        """Do the work in a thread of its own; `tell` is called there when it has ended."""
        job = Job(run=run, ticket=ticket, state="judging", started_s=int(time.time()), change=0)
        job = self._put(job)

        def judge() -> None:
            told = work()
            self._put(replace(job, state="refused" if told.number is None else "done", told=told))
            tell()

        threading.Thread(target=judge, name=f"answer to ticket {ticket}", daemon=True).start()
        return job

    def _put(self, job: Job) -> Job:
        with self._lock:
            self.changes += 1
            changed = replace(job, change=self.changes)
            self._jobs.pop((job.run, job.ticket), None)
            self._jobs[job.run, job.ticket] = changed
            while len(self._jobs) > _KEPT:
                del self._jobs[next(iter(self._jobs))]
            return changed
