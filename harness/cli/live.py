"""What a search shows while it works: a line for each attempt on standard output, a status line on standard error.

Owns: these lines. Does not know: how the loop works.
"""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from evaluator import Judge
from harness.archive import Archive
from harness.cli.console import emit
from harness.config import Config
from harness.llm.ledger import Ledger
from harness.report import attempts, jsonl
from harness.report.progress import Waiting
from harness.report.stats_table import spending
from harness.search import Progress
from harness.types import Entry


class View:
    """The live view of a search. `ended` says why the search ended; "" while it works."""

    def __init__(self, console: Console, notices: Console, judge: Judge, ledger: Ledger, *, json: bool) -> None:
        self._console, self._notices, self._judge, self._ledger, self._json = console, notices, judge, ledger, json
        self._waiting = Waiting(notices)
        self.ended = ""

    def __enter__(self) -> View:
        self._waiting.__enter__()
        return self

    def begin(self, config: Config, folder: Path, last: int) -> None:
        """Print the task, the run folder, and the heading of the rows."""
        continuing = f", continuing after attempt {last}" if last >= 0 else ""
        start = f"{self._judge.task.name} on {self._judge.device} from {config.program.path.name}"
        with self._waiting.aside():
            self._notices.print(f"{start}, archived in {folder}{continuing}", markup=False)
            self._notices.print(attempts.legend(config.reference.path.name), style="dim", markup=False)
            self._console.print(attempts.heading(self._judge.task), style="bold", markup=False)

    def __exit__(self, *error: object) -> None:
        self._waiting.__exit__(None, None, None)
        if self.ended and not self._json:
            self._notices.print(f"search ended: {self.ended}", markup=False)

    def progress(self, step: Progress) -> None:
        """Show the current step of the search."""
        if step.phase == "ended":
            self.ended = step.reason
            return
        self._waiting.beside(self._money(step))
        if step.judging is not None:
            self._waiting.judging(_named(step), step.judging)
        else:
            self._waiting.say(f"{_named(step)}: {step.phase}")

    def _money(self, step: Progress) -> str:
        """The cost of model calls, the limit, and the calls in flight."""
        spent = self._ledger.spent
        return spending(
            usd=spent.usd,
            limit_usd=self._ledger.limits.usd,
            calls=spent.calls,
            in_flight=step.asked,
            waiting=step.waiting,
        )

    def note(self, text: str) -> None:
        """Print a note, from any thread."""
        with self._waiting.aside():
            self._notices.print(f"note: {text}", markup=False)

    def show(self, entry: Entry, archive: Archive) -> None:
        """Print an archived attempt."""
        with self._waiting.aside():
            if self._json:
                emit(jsonl.line(jsonl.entry_record(entry, task=self._judge.task, device=self._judge.device)))
            else:
                self._console.print(attempts.row(entry, archive.find, self._console.width))


def _named(step: Progress) -> str:
    what = "attempt" if step.phase == "archived" else "ticket"
    if step.number == 0:
        return "the seed program"
    return f"{what} {step.number}, {step.name}" if step.name else f"{what} {step.number}"
