"""`Run`: a run from Python. README: API.md.

Owns: the methods and what they promise; the judge that is started when it is first needed. Does not know: the command,
how archives are stored, how programs are judged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from evaluator import Judge, Task, Verdict
from evaluator import Progress as Step
from harness.accounts import Booked
from harness.config import Config, load
from harness.gate import GatedStanding
from harness.runs import asking
from harness.runs.attempt import Attempts, RunAttempt
from harness.runs.judges import judge_of
from harness.runs.opened import OpenRun, begun, is_run, opened
from harness.runs.rows import frame, row
from harness.search import Report, outside
from harness.search.setup import quiet
from harness.types import Entry, HarnessError, Kind, Message

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTicket:
    """A ticket that waits for an answer: what is asked, and the program that the answer changes.

    `messages` is the conversation as a model takes it (with `role` and `text`), `prompt` the same as one text.
    `parents` are attempts by number; the first is the one whose source is `program`.
    """

    number: int
    kind: Kind
    prompt: str
    messages: tuple[Message, ...]
    program: str
    parents: tuple[int, ...]


class Run:
    """A run: read its attempts, judge programs as it does, ask for prompts and tell answers.

    Use it as a context manager, from one thread. Other processes may search, ask and tell in the same run meanwhile:
    `refresh` shows what they archived. Everything that can fail for a reason that the caller can change raises
    `harness.types.HarnessError` or `evaluator.EvaluatorError` with a text that says what to do.
    """

    def __init__(self, opened: OpenRun, stack: ExitStack, *, read_only: bool) -> None:
        """Use `open` or `create`."""
        self._opened, self._stack, self._read_only = opened, stack, read_only
        self._judge: Judge | None = None
        self._standing: tuple[int, GatedStanding] | None = None
        self.attempts = Attempts(lambda: opened.archive.entries, opened.archive)
        """All readable attempts, by number; the first is the seed program, once that is judged."""

    @classmethod
    def open(cls, path: str | Path, *, config: str | Path | None = None, read_only: bool = False) -> Self:
        """Open the run in a folder.

        `config` is the run's config file, needed to judge and to ask only if the run does not store its files (recorded
        loads, own prompts). With `read_only`, `ask` and `tell` are refused. Raises HarnessError.
        """
        with ExitStack() as stack:
            held = stack.enter_context(opened(Path(path), None if config is None else str(config)))
            return cls(held, stack.pop_all(), read_only=read_only)

    @classmethod
    def create(
        cls, config: str | Path | Config, path: str | Path | None = None, *, overrides: Sequence[str] = ()
    ) -> Self:
        """Start the run of a config: a file, with `overrides` as of `-s` ("budget.attempts=50"), or what `load` made.

        `path` is a new folder, by default the config's. Nothing is judged yet. Raises HarnessError, also if there is a
        run already.
        """
        if isinstance(config, Config) and overrides:
            raise HarnessError("expected overrides beside the name of a config file, found a loaded config: load it so")
        loaded = config if isinstance(config, Config) else load(config, overrides)
        folder = loaded.run if path is None else Path(path)
        if is_run(folder):
            raise HarnessError(f"expected a free folder, found a run at {folder}: Run.open it, or name another folder")
        with ExitStack() as stack:
            held = stack.enter_context(begun(folder, loaded))
            return cls(held, stack.pop_all(), read_only=False)

    def close(self) -> None:
        """End the judge's processes and close the archive. Nothing is lost: all that was archived is durable."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Reading

    @property
    def path(self) -> Path:
        return self._opened.folder

    @property
    def config(self) -> Mapping[str, Any]:
        """The whole config that the run was started with, defaults included, as JSON values."""
        return self._opened.archive.config

    @property
    def task(self) -> Task:
        """The task that its programs solve, as it is without options: for its name, quality and columns."""
        return self._opened.task

    @property
    def best(self) -> RunAttempt | None:
        """The champion under the objective, as held-out loads confirm it; None if none is valid."""
        return self._made(self._now.best)

    @property
    def seed(self) -> RunAttempt | None:
        """The seed program; None while it has no score."""
        return self._made(self._now.seed)

    @property
    def front(self) -> tuple[RunAttempt, ...]:
        """The Pareto front of quality and speed, fastest first, with the champion in it."""
        return tuple(RunAttempt(entry=entry, archive=self._opened.archive) for entry in self._now.front)

    @property
    def booked(self) -> Booked:
        """What models cost so far, calls in progress at their bounds: `usd`, `tokens`, `calls`."""
        return self._opened.archive.booked

    @property
    def damage(self) -> tuple[str, ...]:
        """One sentence for each attempt or ticket that cannot be read; everything else is sound."""
        return self._opened.archive.damage

    def attempt(self, word: int | str) -> RunAttempt:
        """An attempt by number, commit id (or its beginning), `best` or `seed`. Raises ArchiveError."""
        return RunAttempt(entry=self._opened.attempt(word), archive=self._opened.archive)

    def refresh(self) -> tuple[RunAttempt, ...]:
        """Read what others have archived since; returns those attempts."""
        archive = self._opened.archive
        return tuple(RunAttempt(entry=entry, archive=archive) for entry in archive.refresh())

    def rows(self) -> list[dict[str, Any]]:
        """One flat record for each attempt, with the keys of `harness.runs.rows.COLUMNS`."""
        front, best = frozenset(attempt.id for attempt in self.front), self.best
        return [row(attempt, front=front, best="" if best is None else best.id) for attempt in self.attempts]

    def frame(self) -> pandas.DataFrame:
        """The rows as a data frame, indexed by number. Raises HarnessError without pandas (`packsmith[frame]`)."""
        return frame(self.rows())

    # Judging, asking and telling

    def evaluate(self, source: str, *, progress: Callable[[Step], None] | None = None) -> Verdict:
        """Judge a program as the run does: same task, reference, seed, device and limits. Nothing is archived.

        The first call starts the judge, which takes seconds; later calls use it again. Returns `Scored` or `Rejected`.
        Raises HarnessError and EvaluatorError.
        """
        return self._judging().evaluate(source, progress=progress)

    def ask(self, kind: Kind | None = None) -> OpenTicket:
        """Open a ticket and return it with its prompt, as `packsmith ask` does; durable when this returns.

        The seed program is judged first, if it is not yet. `kind` is one of patch, rewrite, crossover, repair; None
        draws it by the run's shares. Raises HarnessError.
        """
        self._writable()
        archive = self._opened.archive
        if not asking.seed_scored(archive):
            asking.seed_settled(self._opened, self._judging(), quiet)
        pending = asking.ask(self._opened, kind)
        request = pending.request
        assert request is not None
        found = (archive.find(id_) for id_ in request.parents)
        return OpenTicket(
            number=pending.ticket,
            kind=request.kind,
            prompt=asking.prompt_text(request.messages),
            messages=request.messages,
            program=archive.source(request.parents[0]),
            parents=tuple(parent.number for parent in found if parent is not None),
        )

    def tell(
        self,
        ticket: OpenTicket | int,
        reply: str | None = None,
        *,
        program: str | None = None,
        name: str = "",
        description: str = "",
        model: str = "",
        usd: float = 0.0,
        tokens: int = 0,
        progress: Report = quiet,
    ) -> RunAttempt:
        """Judge the answer to a ticket, as `packsmith tell` does, and return the attempt it became, with its verdict.

        Either a `reply` in the patch format, or the whole edited `program`, whose change gets this `name` and
        `description`. `model` names the author, `usd` and `tokens` are what the answer cost. Raises HarnessError for an
        answer that is not accepted, and then the ticket is still open.
        """
        self._writable()
        if (reply is None) == (program is None):
            raise HarnessError("expected either a reply or program=, the whole edited program")
        if program is None and (name or description):
            raise HarnessError("name and description need program=; a reply has its own")
        if not 0 <= usd < float("inf") or tokens < 0:
            raise HarnessError(f"expected usd and tokens of at least 0, found {usd} and {tokens}")
        archive, number = self._opened.archive, ticket if isinstance(ticket, int) else ticket.number
        pending = outside.find(archive, number)
        text = ""
        if not pending.answered and program is not None:
            text = asking.reply_of_program(
                archive, pending, program, name=name or "edited", description=description, where="the program"
            )
        elif not pending.answered:
            text = asking.checked_reply(reply or "", "the reply")
        mine = asking.answered(archive, pending, text, model=model, usd=usd, tokens=tokens)
        entry = asking.settled(self._opened, self._judging(), mine, progress)
        return RunAttempt(entry=entry, archive=archive)

    def _judging(self) -> Judge:
        """The run's judge, started when it is first needed; it ends with the run."""
        if self._judge is None:
            self._judge = self._stack.enter_context(judge_of(self._opened.config))
        return self._judge

    def _writable(self) -> None:
        if self._read_only:
            raise HarnessError(f"{self.path} was opened with read_only=True: open it without that to ask and to tell")

    @property
    def _now(self) -> GatedStanding:
        """The standing of the attempts that are known now."""
        count = len(self._opened.archive.entries)
        if self._standing is None or self._standing[0] != count:
            self._standing = count, self._opened.standing()
        return self._standing[1]

    def _made(self, entry: Entry | None) -> RunAttempt | None:
        return None if entry is None else RunAttempt(entry=entry, archive=self._opened.archive)
