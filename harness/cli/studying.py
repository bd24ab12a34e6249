"""The searches of a study, one after the other, and what came of them.

Owns: which cells are left, searching them so that a kill at any instant loses nothing, and their outcomes.
Does not know: the verb, how results are averaged or shown.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from evaluator import EvaluatorError
from harness.archive import Archive
from harness.cli.console import UserError
from harness.cli.runs import begin_run, is_run, open_run
from harness.cli.searching import searcher
from harness.cli.user_files import write_program
from harness.config import Config, conflicts
from harness.config.models import keyed
from harness.gate import gated_standing
from harness.llm import Model
from harness.readings.hypervolume import Figures
from harness.search import Progress
from harness.select import quality, speed
from harness.study.findings import Outcome
from harness.study.states import State, read_state, write_state
from harness.study.study_file import Cell, Study
from harness.types import Entry, HarnessError

_LEAST_MINUTES = 1e-6
"""Left of a budget in minutes that is used up: enough to say so."""
_WRITE_EVERY_S = 1.0
"""How often the time that a search has used is written, at most; a kill loses no more of it than an attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """The cells of a study that have not ended, in their order, and how long the ended ones took."""

    cells: tuple[Cell, ...]
    ended_s: tuple[float, ...]


def check_runs(study: Study) -> Left:
    """Which cells are left. Raises UserError where a run is there that the study would search otherwise, naming every
    difference: its results would not be those of the study.
    """
    lines: list[str] = []
    left: list[Cell] = []
    ended: list[float] = []
    for cell in study.cells:
        state = read_state(cell.folder) if is_run(cell.folder) else State()
        if not state.ended_under(study.budget):
            left.append(cell)
        else:
            ended.append(state.used_s)
        if is_run(cell.folder):
            lines += [f"{cell.name} ({cell.folder}): {line}" for line in _conflicts(cell, state, study)]
    if lines:
        raise UserError(
            f"{study.name}: the study has changed since these searches were started, and their results would not "
            "belong to it:\n  " + "\n  ".join(lines) + "\nUndo the difference, or name another folder with --run DIR."
        )
    return Left(cells=tuple(left), ended_s=tuple(ended))


def _conflicts(cell: Cell, state: State, study: Study) -> Iterator[str]:
    with open_run(cell.folder) as run:
        stored, made = run.archive.config, run.archive.next_number - 1
        yield from conflicts(stored, cell.config.continuing(stored).resolved(), aside=("budget",))
    most = cell.config.budget.attempts
    if most is not None and made > most:
        yield f"budget.attempts: {made} made in the run, {most} in the study"
        return
    before = state.budget if state.ended else stored.get("budget")
    if isinstance(before, Mapping):
        yield from (
            f"budget.{name}: {before.get(name)} in the run, {limit} in the study, which is less"
            for name, limit in study.budget.items()
            if name != "attempts" and _less(limit, before.get(name))
        )


def _less(limit: object, before: object) -> bool:
    """Whether a limit is tighter than the one a search was begun under; None is no limit."""
    if not isinstance(limit, int | float):
        return False
    return not isinstance(before, int | float) or limit < before


def keys_of(cells: Sequence[Cell], environment: Mapping[str, str]) -> dict[str, tuple[Model, ...]]:
    """The models of each cell with their keys, before anything is started. Raises ConfigError for a missing key."""
    return {cell.name: keyed(cell.config.models, environment) if cell.config.asks_models else () for cell in cells}


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold a study's folder for this process. Raises UserError while another works there."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / "study.lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise UserError(
            f"{folder}: another `packsmith study` works here: wait for it, or name another folder"
        ) from None
    finally:
        os.close(descriptor)


class Watcher:
    """What is shown of a cell's search while it works. This one shows nothing."""

    def progress(self, step: Progress) -> None:
        """A step of the search."""

    def note(self, text: str) -> None:
        """Something that an endpoint made us say; from any thread."""

    def archived(self, entry: Entry) -> None:
        """An attempt is archived."""


def search_cell(cell: Cell, study: Study, models: Sequence[Model], watcher: Watcher) -> bool:
    """Search a cell until its budget is used up, from where it is; False if it was asked to stop before.

    Raises UserError, naming the cell, for what ends its search otherwise.
    """
    try:
        before_s = read_state(cell.folder).used_s if is_run(cell.folder) else 0.0
        with begin_run(cell.folder, cell.config) as run:
            return _searched(run.archive, run.config, cell, study, models, watcher, _Clock(before_s))
    except (HarnessError, EvaluatorError) as error:
        raise UserError(f"{cell.name} ({cell.folder}): {error}") from error


def _searched(
    archive: Archive,
    config: Config,
    cell: Cell,
    study: Study,
    models: Sequence[Model],
    watcher: Watcher,
    used: _Clock,
) -> bool:
    limits = config.budget
    if limits.minutes is not None:
        limits = replace(limits, minutes=max(limits.minutes - used.total_s / 60, _LEAST_MINUTES))
    reasons: list[str] = []

    def progress(step: Progress) -> None:
        if step.phase == "ended":
            reasons.append(step.reason)
        watcher.progress(step)

    try:
        with searcher(archive, config, cell.folder, models, budget=limits) as ours:
            with ours.attempts(progress, watcher.note) as going, closing(going):
                for entry in going:
                    watcher.archived(entry)
                    if used.due():
                        write_state(cell.folder, State(used_s=used.total_s))
            if (champion := gated_standing(archive.entries, config.objective).best) is not None:
                write_program(cell.folder / "best.py", archive.source(champion.id))
    finally:
        write_state(cell.folder, State(used_s=used.total_s))
    if archive.stop_asked():
        return False
    reason = reasons[-1] if reasons else "nothing was left to do"
    write_state(cell.folder, State(used_s=used.total_s, ended=reason, budget=study.budget))
    return True


class _Clock:
    """How long a search has worked, with what it had worked before."""

    def __init__(self, before_s: float) -> None:
        self._before_s, self._start, self._written = before_s, time.monotonic(), -_WRITE_EVERY_S

    @property
    def total_s(self) -> float:
        return self._before_s + time.monotonic() - self._start

    def due(self) -> bool:
        """Whether it is time to write it down; True at most once in `_WRITE_EVERY_S`."""
        now = time.monotonic()
        if now - self._written < _WRITE_EVERY_S:
            return False
        self._written = now
        return True


def outcomes(study: Study) -> Iterator[Outcome]:
    """The outcome of every cell that has ended; one without a champion is left out."""
    for cell in study.cells:
        if not is_run(cell.folder):
            continue
        state = read_state(cell.folder)
        if state.ended_under(study.budget) and (outcome := outcome_of(cell, state)) is not None:
            yield outcome


def outcome_of(cell: Cell, state: State) -> Outcome | None:
    """What a cell's search has found by now; None before the seed program has a score."""
    with open_run(cell.folder) as run:
        result, booked = run.standing(), run.archive.booked
        attempts = sum(entry.kind != "seed" for entry in run.archive.entries)
    champion, seed = result.best, result.seed
    if champion is None or champion.scored is None or seed is None:
        return None
    return Outcome(
        method=cell.method,
        task=cell.task,
        seed=cell.seed,
        quality=quality(champion),
        speedup=speed(champion),
        front=tuple(_figures(entry) for entry in result.front),
        start=_figures(seed),
        attempts=attempts,
        usd=booked.usd,
        tokens=booked.tokens,
        used_s=state.used_s,
        fingerprint=champion.scored.environment.fingerprint,
    )


def _figures(entry: Entry) -> Figures:
    assert entry.scored is not None, "a front holds scored programs only"
    return entry.scored.score.quality_interval, entry.scored.score.speedup
