"""`packsmith search`: run a search, or carry one on.

Owns: this command: building the collaborators a config names, and showing the attempts.
Does not know: how the loop works.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from evaluator import Judge, Rejected, Scored
from harness.archive import Archive
from harness.cli import common
from harness.cli.common import UserError
from harness.config import Config, difference, load
from harness.proposers import PROPOSERS
from harness.report import attempts, jsonl
from harness.report.progress import Waiting
from harness.search import Progress
from harness.search import search as run_search
from harness.select import SELECTORS, Standing, standing
from harness.types import Entry

LAST_S, LAST_TIMES = 6.0, 8.0
"""The best program is timed against the seed program for longer, because it is what a reader will quote: for so many
seconds a case, but at most so many times what the config gives a measurement.
"""


def search(
    config: Annotated[str, typer.Argument(metavar="CONFIG", help="A config file, such as configs/quickstart.yaml.")],
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "-s", "--set", metavar="KEY=VALUE", help="Override a key: -s budget.attempts=50 (may be repeated)."
        ),
    ] = None,
    run: Annotated[
        Path | None, typer.Option("--run", metavar="DIR", help="The archive's folder, instead of the config's.")
    ] = None,
    json: common.Json = False,
) -> None:
    """Search for better programs, or carry a search on.

    Every attempt is archived before it is printed: stop at any time with Ctrl-C, and go on with the same command.

    \b
    Examples:
    packsmith search configs/quickstart.yaml
    packsmith search my.yaml -s budget.attempts=100 -s seed=7 --run runs/seven
    """
    settings = load(config, set_ or ())
    folder = run if run is not None else settings.run
    common.need_git()
    archive = _open(folder, settings)

    def safe() -> str:
        made = sum(entry.number > 0 for entry in archive.entries)
        return f"everything so far (attempts: {made}) is in {folder}; the same command goes on from there"

    with common.Interruptible(safe):
        _run(archive, settings, folder, json=json)


def _run(archive: Archive, settings: Config, folder: Path, *, json: bool) -> None:
    console, notices = common.output(), common.messages()
    for note in (*settings.task.notes, *archive.damage):
        notices.print(f"note: {note}", markup=False)
    with ExitStack() as stack:
        judge = stack.enter_context(_judge(settings, settings.reference.text(), settings.reference.path.name))
        view = stack.enter_context(_View(console, notices, judge, json=json))
        if not json:
            view.begin(settings, folder, archive.next_number - 1)
        for entry in _attempts(archive, judge, settings, view):
            view.show(entry, archive)
        result = standing(archive.entries, settings.objective)
    if result.champion is None or result.seed is None:
        raise UserError(f"{folder}: the seed program has no score yet; give the search a larger budget")
    _conclude(result, archive, settings, folder, console, notices, json=json)


def _open(folder: Path, settings: Config) -> Archive:
    """The run's archive: a new one, or the one that is there if it was made under the same conditions."""
    resolved = settings.resolved()
    if not Archive.exists(folder):
        return Archive.create(folder, seed_source=settings.program.text(), config=resolved)
    archive = Archive.open(folder)
    lines = difference(archive.config, resolved)
    if lines:
        raise UserError(
            f"{folder} was begun under another config, and its scores would not compare:\n  "
            + "\n  ".join(lines)
            + "\nUndo the difference to carry it on, or start a new run with --run DIR."
        )
    return archive


def _judge(settings: Config, reference: str, name: str, *, last: bool = False) -> Judge:
    limits = settings.judge
    usual_s = limits.timing.budget_s
    timing = replace(limits.timing, budget_s=max(usual_s, min(LAST_S, LAST_TIMES * usual_s)) if last else usual_s)
    return Judge(
        settings.task,
        reference=reference,
        reference_name=name,
        device=settings.device,
        seed=settings.seed,
        settings=replace(limits, timing=timing),
    )


def _attempts(archive: Archive, judge: Judge, settings: Config, view: _View) -> Iterator[Entry]:
    return run_search(
        archive,
        judge,
        PROPOSERS[settings.settings.proposer.kind](settings.proposer_options),
        SELECTORS[settings.settings.search.rule],
        settings.objective,
        settings.budget,
        settings.seed,
        progress=view.progress,
    )


class _View:
    """The live view: a line an attempt on standard output, a status line on standard error."""

    def __init__(self, console: Console, notices: Console, judge: Judge, *, json: bool) -> None:
        self._console, self._notices, self._judge, self._json = console, notices, judge, json
        self._waiting = Waiting(notices)
        self.ended = ""

    def __enter__(self) -> _View:
        self._waiting.__enter__()
        return self

    def begin(self, settings: Config, folder: Path, last: int) -> None:
        """Say what is searched for, and head the rows to come."""
        going_on = f", going on after attempt {last}" if last >= 0 else ""
        start = f"{self._judge.task.name} on {self._judge.device} from {settings.program.path.name}"
        with self._waiting.aside():
            self._notices.print(f"{start}, archived in {folder}{going_on}", markup=False)
            self._notices.print(attempts.legend(settings.reference.path.name), style="dim", markup=False)
            self._console.print(attempts.heading(self._judge.task), style="bold", markup=False)

    def __exit__(self, *error: object) -> None:
        self._waiting.__exit__(None, None, None)
        if self.ended and not self._json:
            self._notices.print(f"search ended: {self.ended}", markup=False)

    def progress(self, step: Progress) -> None:
        """Follow the loop."""
        if step.phase == "ended":
            self.ended = step.reason
        elif step.judging is not None:
            self._waiting.judging(f"attempt {step.number}, {step.name}", step.judging)
        else:
            self._waiting.say(f"attempt {step.number}: {step.phase}")

    def show(self, entry: Entry, archive: Archive) -> None:
        """Print an attempt that is archived."""
        with self._waiting.aside():
            if self._json:
                common.emit(jsonl.line(jsonl.entry_record(entry, task=self._judge.task, device=self._judge.device)))
            else:
                self._console.print(attempts.row(entry, archive.entries, self._console.width))


def _conclude(
    result: Standing,
    archive: Archive,
    settings: Config,
    folder: Path,
    console: Console,
    notices: Console,
    *,
    json: bool,
) -> None:
    """The front against the reference, the champion against the seed program, and where the champion is."""
    champion, seed = result.champion, result.seed
    assert champion is not None and seed is not None and seed.scored is not None
    path = folder / "best.py"
    common.write_program(path, archive.source(champion.id))
    direct = None
    if champion.program_id != seed.program_id:
        with (
            _judge(settings, settings.program.text(), settings.program.path.name, last=True) as judge,
            Waiting(notices) as waiting,
        ):
            direct = judge.evaluate(
                archive.source(champion.id), progress=lambda step: waiting.judging("best against seed", step)
            )
    if json:
        record = {"best": champion.number, "id": champion.id, "path": str(path), "against_seed": None}
        if isinstance(direct, Scored):
            record["against_seed"] = {"speedup": jsonl.interval(direct.score.speedup)}
        common.emit(jsonl.line(record))
        return
    reference = settings.reference.path.name
    console.print(attempts.front_table(result, settings.task, reference))
    if isinstance(direct, Scored):
        name = settings.program.path.name
        console.print(attempts.against_seed(direct, seed.scored, champion, task=settings.task, name=name))
    elif isinstance(direct, Rejected):
        notices.print(f"warning: judged again, the best program was rejected at {direct.stage}: {direct.detail}")
    console.print(f"best program:  {path}  (attempt {champion.number}, {champion.name})", markup=False)
    console.print(f"the way there: packsmith log {folder}; packsmith show {folder} {champion.number}", markup=False)
