"""`packsmith study`: methods x tasks x seeds at equal budgets, and the table of what they found.

Owns: this verb, what it shows while it works, and where its table goes. Does not know: what a study file means, how a
cell is searched, how results are averaged.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Annotated

import typer

from harness.cli.console import Json, UserError, emit, emit_text, messages, output
from harness.cli.new_files import check_free, write_whole
from harness.cli.runs import need_git
from harness.cli.signals import Interruptible
from harness.cli.studying import Left, Watcher, alone, check_runs, keys_of, outcome_of, outcomes, search_cell
from harness.report import jsonl
from harness.report.progress import Waiting
from harness.report.study_files import FORMATS
from harness.report.study_view import Found, record, view
from harness.report.tables import ratio
from harness.search import Progress
from harness.study.findings import rows
from harness.study.states import read_state
from harness.study.study_file import Cell, Study, read_study
from harness.text import encode, one_line
from harness.types import Entry

_NAME = 40


def study(
    file: Annotated[Path, typer.Argument(metavar="STUDY", help="A study file, such as configs/study.yaml.")],
    run: Annotated[
        Path | None, typer.Option("--run", metavar="DIR", help="The folder of the runs, instead of the study's.")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "-s",
            "--set",
            metavar="KEY=VALUE",
            help="Override a key of the study (budget.attempts, seeds) or of all its configs (may be repeated).",
        ),
    ] = None,
    table: Annotated[
        bool, typer.Option("--table", help="Search nothing; show the table of the searches that have ended.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Write the table to a new file: .md, .csv or .tex."),
    ] = None,
    json: Json = False,
) -> None:
    """Compare ways of searching at equal budgets.

    Use it to find out whether one way of searching is better than another, with intervals, for a paper or for your own
    settings. A study file names methods, tasks, seeds and one budget; each cell is an ordinary run, which every other
    verb reads. The searches go one after the other, so interleaved that a machine that changes over the hours does so
    under all methods alike.

    Stop it at any time: the same command continues unfinished searches and skips finished ones. At the end comes the
    table: best quality and speed-up, mean over the seeds with 95 % intervals, and each method against the first, paired
    by seed.

    \b
    Examples:
    packsmith study configs/study.yaml
    packsmith study configs/study.yaml --table
    packsmith study mine.yaml -s budget.attempts=9 -s seeds=[1,2] --run runs/short
    packsmith study mine.yaml --run runs/mine-study -o table.tex
    """
    if out is not None:
        if out.suffix not in FORMATS:
            raise typer.BadParameter(f"expected a name that ends in {', '.join(FORMATS)}, found {out.name!r}")
        check_free(out)
    need_git()
    plan = read_study(file, run, set_ or ())
    left = check_runs(plan)
    if not table and left.cells:
        _search(plan, left, json=json)
    _show(plan, out, json=json)


def _search(plan: Study, left: Left, *, json: bool) -> None:
    models = keys_of(left.cells, os.environ)
    before, done = len(plan.cells) - len(left.cells), list(left.ended_s)

    def safe() -> str:
        return (
            f"{len(done)} of {len(plan.cells)} searches have ended, and every attempt of the others is in "
            f"{plan.folder}; the same command continues"
        )

    with alone(plan.folder), Interruptible(safe), Waiting(messages()) as waiting:
        shown = _Shown(waiting)
        for at, cell in enumerate(left.cells, start=before + 1):
            shown.begin(cell, f"search {at} of {len(plan.cells)}", _left_words(done, len(plan.cells)))
            if not search_cell(cell, plan, models[cell.name], shown):
                raise UserError(f"{cell.name} was asked to stop: the same command continues with it")
            state = read_state(cell.folder)
            done.append(state.used_s)
            outcome = outcome_of(cell, state)
            if json:
                record = {"method": cell.method, "task": cell.task, "seed": cell.seed, "run": str(cell.folder)}
                found = None if outcome is None else {"quality": outcome.quality, "speedup": outcome.speedup}
                emit(jsonl.line({**record, "ended": state.ended, "used_s": state.used_s, "best": found}))
            else:
                best = "no best program" if outcome is None else f"{outcome.quality:.4f}, {ratio(outcome.speedup)}"
                shown.say(f"  best {best}; {state.ended}")


class _Shown(Watcher):
    """A line for each search, and a status line with the step it is at."""

    def __init__(self, waiting: Waiting) -> None:
        self._waiting = waiting

    def begin(self, cell: Cell, place: str, left: str) -> None:
        """Say which search begins, and about how long all that are left take."""
        self.say(f"{place}: {cell.name}" + (f" ({left})" if left else ""))
        self._waiting.beside(", ".join(filter(None, (place, left))))

    def say(self, text: str) -> None:
        """Print a line."""
        with self._waiting.aside():
            messages().print(text, markup=False)

    def note(self, text: str) -> None:
        self.say(f"note: {text}")

    def archived(self, entry: Entry) -> None:
        self._waiting.say(f"attempt {entry.number}, {one_line(entry.name, _NAME)}: archived")

    def progress(self, step: Progress) -> None:
        name = f"attempt {step.number}, {one_line(step.name, _NAME)}" if step.name else f"attempt {step.number}"
        if step.judging is not None:
            self._waiting.judging(name, step.judging)
        elif step.phase in ("left_out", "waits"):
            self.note(step.reason)
        elif step.phase != "ended":
            self._waiting.say(f"{name}: {step.phase}")


def _left_words(done: Sequence[float], count: int) -> str:
    """About how long the searches that are left take, by the mean of those that have ended; "" before one has."""
    if not done:
        return ""
    minutes = fmean(done) * (count - len(done)) / 60
    return f"about {minutes / 60:.1f} h left" if minutes >= 90 else f"about {max(1, round(minutes))} min left"


def _show(plan: Study, out: Path | None, *, json: bool) -> None:
    """The table of the searches that have ended, on standard output or in a file."""
    found = Found(
        rows=rows(outcomes(plan), methods=plan.methods, tasks=plan.tasks, seeds=plan.seeds),
        first=plan.methods[0],
        quality_key=_quality_key(plan),
    )
    if out is not None:
        write_whole(out, encode(FORMATS[out.suffix](found)))
        emit_text(f"wrote {out}\n") if not json else None
    if json:
        for row in found.rows:
            emit(jsonl.line(record(row, found)))
    elif out is None:
        output().print(view(found))
        messages().print(f"the runs: {plan.folder}/TASK/METHOD/seed-N", markup=False)


def _quality_key(plan: Study) -> str:
    """What the tasks call their quality; `quality` if they differ."""
    keys = {cell.config.task.quality_key for cell in plan.cells}
    return keys.pop() if len(keys) == 1 else "quality"
