"""What a search asks of a judge.

Owns: these protocols. Does not know: any judge, threads, where a judge works.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from evaluator.fate import Fate, Settled
from evaluator.splits import Split
from evaluator.types import Duel, Rejected, Verdict
from evaluator.types import Progress as Judging


class Judge(Protocol):
    """A judge as the search uses it. If it has `stop`, it is stopped when the search is."""

    def evaluate(self, source: str, *, progress: Callable[[Judging], None] | None = None) -> Verdict: ...

    def compare(
        self,
        source: str,
        other: str,
        *,
        level: float,
        other_name: str = "the other program",
        settled: Settled | None = None,
        progress: Callable[[Judging], None] | None = None,
        split: Split = "search",
    ) -> Duel | Rejected:
        """Compare two programs on fresh inputs of a split in fresh processes, no longer than until it is `settled`.
        Rejected where `source` fails; raises OtherFailed where `other` does.
        """
        ...


@runtime_checkable
class RacingJudge(Protocol):
    """A judge that can end a measurement as soon as an attempt's fate is decided."""

    def race(self, source: str, fate: Fate, *, progress: Callable[[Judging], None] | None = None) -> Verdict: ...


@runtime_checkable
class Stoppable(Protocol):
    """A judge that can be stopped while it judges."""

    def stop(self) -> None:
        """Abort, soon, the judging that is under way in another thread."""
        ...


@runtime_checkable
class Restartable(Protocol):
    """A judge elsewhere, which may come later and be lost."""

    def arrive(self) -> None:
        """Wait until it can work. Raises JudgeLost."""
        ...

    def restart(self) -> None:
        """Start it again. Raises JudgeLost."""
        ...


class Checker(Protocol):
    """A judge whose run times do not count for this run: it says whether a program answers validly."""

    def check(self, source: str, *, progress: Callable[[Judging], None] | None = None) -> Rejected | None: ...
