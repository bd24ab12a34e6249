"""A judge that works for one caller at a time, and can be told to stop.

Owns: the judge's life (started when first needed, ended when nobody needed it for a while), and that a judgement that
was stopped ends in an error and never in a verdict. Does not know: protocols, runs, how programs are judged.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from evaluator import Duel, EvaluatorError, Judge, Rejected, Split, Verdict
from evaluator import Progress as Step
from evaluator.fate import Fate, Settled

IDLE_S = 60.0
"""How long a judge waits for the next program before its processes end, and with them its claim on cores."""

Report = Callable[[Step], None]
Outcome = TypeVar("Outcome")


class LentJudge:
    """A judge as a search uses it, whose verdicts count only if it was not stopped meanwhile."""

    def __init__(self, judge: Judge) -> None:
        self._judge, self._stopped = judge, threading.Event()

    @property
    def stopped(self) -> bool:
        return self._stopped.is_set()

    def evaluate(self, source: str, *, progress: Report | None = None) -> Verdict:
        return self._unless_stopped(lambda: self._judge.evaluate(source, progress=progress))

    def race(self, source: str, fate: Fate, *, progress: Report | None = None) -> Verdict:
        return self._unless_stopped(lambda: self._judge.race(source, fate, progress=progress))

    def compare(
        self,
        source: str,
        other: str,
        *,
        level: float,
        other_name: str = "the other program",
        settled: Settled | None = None,
        progress: Report | None = None,
        split: Split = "search",
    ) -> Duel | Rejected:
        return self._unless_stopped(
            lambda: self._judge.compare(
                source, other, level=level, other_name=other_name, settled=settled, progress=progress, split=split
            )
        )

    def stop(self) -> None:
        """End, soon, what is being judged: with an EvaluatorError."""
        self._stopped.set()
        self._judge.stop()

    def _unless_stopped(self, judge: Callable[[], Outcome]) -> Outcome:
        outcome = judge()
        if self.stopped:  # what a judge says that is stopped is no verdict
            raise EvaluatorError("the judging was stopped")
        return outcome


class JudgeKeeper:
    """Lends the one judge of a run, to one thread at a time; `stop` may be called at any time."""

    def __init__(self, make: Callable[[], Judge]) -> None:
        self._make, self._lock = make, threading.Lock()
        self._judge: Judge | None = None
        self._lent: LentJudge | None = None
        self._since = time.monotonic()

    @contextmanager
    def lent(self) -> Iterator[LentJudge]:
        """The judge, started if it is not yet; others wait meanwhile. Raises EvaluatorError."""
        with self._lock:
            if self._judge is None:
                judge = self._make()
                judge.__enter__()
                self._judge = judge
            self._lent = lent = LentJudge(self._judge)
            try:
                yield lent
            finally:
                self._lent, self._since = None, time.monotonic()
                if lent.stopped:
                    self._end()

    def stop(self) -> None:
        """End what is being judged now, if anything is."""
        lent = self._lent
        if lent is not None:
            lent.stop()

    def end_idle(self) -> None:
        """End the judge's processes if nobody has needed them for a while."""
        if self._lock.acquire(blocking=False):
            try:
                if time.monotonic() - self._since > IDLE_S:
                    self._end()
            finally:
                self._lock.release()

    def close(self) -> None:
        """End the judge's processes, once nobody uses them."""
        with self._lock:
            self._end()

    def _end(self) -> None:
        judge, self._judge = self._judge, None
        if judge is not None:
            judge.__exit__(None, None, None)
