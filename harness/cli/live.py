"""What a search shows while it works: a line for each attempt, and on a terminal a panel below them.

Owns: these lines, and the facts that the panel shows. Does not know: how the loop works, how the panel is laid out
(`report.live_view`) or drawn (`panel`).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from evaluator import Rejected
from harness.archive import Archive
from harness.cli.console import emit
from harness.cli.panel import Panel
from harness.config import Config
from harness.gate import GatedStanding, gated_standing
from harness.llm.ledger import Ledger
from harness.report import attempts, jsonl
from harness.report.live_view import Limit, Live, panel
from harness.report.progress import judging_words
from harness.report.shares import shares_words
from harness.runs.judges import AnyJudge
from harness.search import Progress
from harness.search.budget import Budget
from harness.types import Entry, Unjudged


class View:
    """The live view of a search. `ended` says why the search ended; "" while it works.

    It is on a terminal if one of the consoles is; else each attempt is a line, and nothing else is shown.
    """

    def __init__(
        self,
        console: Console,
        notices: Console,
        judges: Sequence[AnyJudge],
        ledger: Ledger,
        *,
        config: Config,
        budget: Budget,
        json: bool,
    ) -> None:
        self._console, self._notices, self._json = console, notices, json
        # Asked now: while programs are judged, a judge elsewhere belongs to the thread that talks to it.
        self._task, self._device = judges[0].task, judges[0].device
        self._facts = Facts(config, budget, ledger, judges=len(judges))
        shown = next((each for each in ((notices,) if json else (console, notices)) if _draws(each)), None)
        self._panel = None if shown is None else Panel(shown, self._lines)
        self.ended = ""

    def __enter__(self) -> View:
        if self._panel is not None:
            self._panel.__enter__()
        return self

    def begin(self, archive: Archive, folder: Path) -> None:
        """Print the task, the run folder, and the heading of the rows; know the attempts that there are."""
        config, last = self._facts.config, archive.next_number - 1
        self._facts.begin(archive, folder)
        if self._json:
            return
        continuing = f", continuing after attempt {last}" if last >= 0 else ""
        start = f"{self._task.name} on {self._device} from {config.program.path.name}"
        self._notice(f"{start}, archived in {folder}{continuing}")
        if config.mix:
            self._notice(f"proposed by {shares_words(config.mix)}")
        self._notice(attempts.legend(config.reference.path.name), style="dim")
        self._row(Text(attempts.heading(self._task), style="bold"))

    def __exit__(self, *error: object) -> None:
        if self._panel is not None:
            self._panel.__exit__(None, None, None)
        if self.ended and not self._json:
            self._notices.print(f"search ended: {self.ended}", markup=False)

    def progress(self, step: Progress) -> None:
        """Note the current step of the search."""
        if step.phase == "ended":
            self.ended = step.reason
        elif step.phase in ("lost", "left_out", "waits"):
            self.note(step.reason)
        elif self._panel is not None:
            self._facts.step(step)

    def note(self, text: str) -> None:
        """Print a note, from any thread."""
        self._notice(f"note: {text}")

    def show(self, entry: Entry, archive: Archive) -> None:
        """Print an archived attempt."""
        if self._panel is not None:
            self._facts.add(entry, archive)
        if not self._json:
            self._row(attempts.row(entry, archive.find, self._console.width))
            return
        line = jsonl.line(jsonl.entry_record(entry, task=self._task, device=self._device))
        if self._panel is None or not _draws(self._console):
            emit(line)
            return
        with self._panel.aside():
            emit(line)

    def _lines(self, width: int, height: int) -> list[Text]:
        return panel(self._facts.now(self._task.quality_key), width, height)

    def _row(self, line: Text) -> None:
        if self._panel is not None and _draws(self._console):
            self._panel.above(line)
        else:
            self._console.print(line)

    def _notice(self, text: str, style: str | None = None) -> None:
        if self._panel is None or not _draws(self._notices):
            self._notices.print(text, style=style, markup=False)
            return
        with self._panel.aside():
            self._notices.print(text, style=style, markup=False)


def _draws(console: Console) -> bool:
    """Whether a panel can be drawn on it."""
    return console.is_terminal and not console.is_dumb_terminal


class Facts:
    """What the panel shows of a search: counted once when it begins, then step by step.

    The search's thread changes it and the panel's reads it: what is read is replaced, never changed in place.
    """

    def __init__(self, config: Config, budget: Budget, ledger: Ledger, *, judges: int) -> None:
        self.config, self._budget, self._ledger, self._most = config, budget, ledger, judges
        self._begun, self._wall = time.monotonic(), time.time()
        self._run, self._last = "", Progress(phase="proposing", number=0)
        self._seen, self._highest, self._made = 0, -1, 0
        self._counts: Mapping[str, int] = {}
        self._rejected: Mapping[str, int] = {}
        self._judge_s = self._judge_s_before = 0.0
        self._standing = GatedStanding(objective=config.objective)
        self._now: Mapping[int, str] = {}
        self._spent_before = ledger.spent

    def begin(self, archive: Archive, folder: Path) -> None:
        """Count the attempts that there are, and start the clock."""
        self._begun, self._wall, self._run = time.monotonic(), time.time(), folder.name
        self._standing = gated_standing(archive.entries, self.config.objective)
        self._count(archive.entries)
        self._judge_s_before = self._judge_s
        self._know(archive.entries)

    def step(self, step: Progress) -> None:
        """Note what a judge does, and what is in flight."""
        self._last = step
        if step.judging is not None:
            others = {number: said for number, said in self._now.items() if number != step.number}
            named = f"ticket {step.number}, {step.name}" if step.number else "the seed program"
            self._now = {**others, step.number: f"{named}: {judging_words(step.judging)}"}

    def add(self, entry: Entry, archive: Archive) -> None:
        """Count an archived attempt, with those that others archived before it."""
        self._now = {number: said for number, said in self._now.items() if number != entry.ticket_number}
        self._made += entry.number > 0
        known = archive.entries
        fresh = known[self._seen :]
        if fresh and fresh[0].number > self._highest:
            for new in fresh:
                self._standing = self._standing.add(new)
            self._count(fresh)
        else:  # one of a lower number came late, of another process
            self._standing = gated_standing(known, self.config.objective)
            self._counts, self._rejected, self._judge_s = {}, {}, 0.0
            self._count(known)
        self._know(known)

    def _know(self, entries: Sequence[Entry]) -> None:
        self._seen, self._highest = len(entries), entries[-1].number if entries else -1

    def _count(self, entries: Iterable[Entry]) -> None:
        counts, rejected = Counter(self._counts), Counter(self._rejected)
        for entry in entries:
            self._judge_s += entry.seconds
            if entry.number == 0:
                continue
            if entry.same_as:
                counts["known"] += 1
            elif isinstance(entry.verdict, Rejected):
                rejected[entry.verdict.stage] += 1
            else:
                counts["unjudged" if isinstance(entry.verdict, Unjudged) else "scored"] += 1
        self._counts, self._rejected = counts, rejected

    def now(self, quality: str) -> Live:
        """The state at this moment."""
        spent, said, step = self._ledger.spent, list(self._now.values()), self._last
        elapsed_s = time.monotonic() - self._begun
        return Live(
            run=self._run,
            quality=quality,
            reference=self.config.reference.path.name,
            standing=self._standing,
            scored=self._counts.get("scored", 0),
            known=self._counts.get("known", 0),
            unjudged=self._counts.get("unjudged", 0),
            rejected=self._rejected,
            made=self._made,
            elapsed_s=elapsed_s,
            usd=spent.usd,
            tokens=spent.tokens,
            calls=spent.calls,
            judge_s=self._judge_s,
            limits=self._limits(elapsed_s),
            now=said[-self._most :],
            models=self.config.asks_models,
            asked=step.asked,
            waiting=step.waiting,
        )

    def _limits(self, elapsed_s: float) -> list[Limit]:
        """The limits of the budget, and how much of each is used."""
        budget, spent, before = self._budget, self._ledger.spent, self._spent_before
        made = sum(self._counts.values()) + sum(self._rejected.values())
        champion, last = self._standing.champion, self._seen - 1
        used: dict[str, tuple[float | None, float, float]] = {
            "attempts": (budget.attempts, made, self._made),
            "minutes": (budget.minutes, elapsed_s / 60, elapsed_s / 60),
            "judge_s": (budget.judge_s, self._judge_s, self._judge_s - self._judge_s_before),
            "patience": (budget.patience, 0 if champion is None else last - champion.number, 0),
            "usd": (budget.usd, spent.usd, spent.usd - before.usd),
            "tokens": (budget.tokens, spent.tokens, spent.tokens - before.tokens),
            "calls": (budget.calls, spent.calls, spent.calls - before.calls),
        }
        limits = [
            Limit(name=name, limit=limit, used=value, lately=lately)
            for name, (limit, value, lately) in used.items()
            if limit is not None
        ]
        if budget.deadline_s is not None:
            whole = max(budget.deadline_s - self._wall, 1e-9) / 60
            limits.append(Limit(name="minutes", limit=whole, used=elapsed_s / 60, lately=elapsed_s / 60))
        return limits
