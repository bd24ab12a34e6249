"""The status line: one line on standard error that says what is going on.

Owns: showing and hiding it, and the words for how far an evaluation is. Does not know: what is being done.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.status import Status

from evaluator import Progress


class Waiting:
    """A status line during slow work; silent if standard error is not a terminal."""

    def __init__(self, console: Console) -> None:
        self._status: Status | None = console.status("starting") if console.is_terminal else None
        self._beside = ""

    def __enter__(self) -> Self:
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status is not None:
            self._status.stop()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Hide the line while something else is printed on the same terminal."""
        if self._status is None:
            yield
            return
        self._status.stop()
        yield
        self._status.start()

    def beside(self, text: str) -> None:
        """Show this text in parentheses after every text from now on; "" for nothing."""
        self._beside = f"  ({text})" if text else ""

    def say(self, text: str) -> None:
        """Show this text."""
        if self._status is not None:
            self._status.update(escape(text + self._beside))

    def judging(self, what: str, progress: Progress) -> None:
        """Show how far an evaluation is."""
        self.say(f"{what}: {judging_words(progress)}")


def judging_words(progress: Progress) -> str:
    """How far an evaluation is, in words."""
    case = f" {progress.case} ({progress.done + 1} of {progress.total})" if progress.case else ""
    verbs = {"run": "checking", "measure": "timing"}
    return f"{verbs.get(progress.stage, progress.stage)}{case}"
