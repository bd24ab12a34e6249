"""What an engine would see of a program: whether its ranks agree, and its time beside a busy interpreter.

Owns: taking these figures with progress shown, their words and JSON. Does not know: any one verb, how they are taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import RenderableType

from evaluator import Agreement, AgreementCheck, BusyTime, JudgeSettings, Rejected, Task, busy_times
from harness.cli.console import messages
from harness.report import tables
from harness.report.progress import Waiting
from harness.text import visible

NOTE = "held up: for how long a loop of Python beside the call did not go on at most, as the program's process reports"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Both figures of one program; a Rejected says how it failed when it was asked for one."""

    agreement: Agreement | Rejected
    busy: tuple[BusyTime, ...] | Rejected


class Deployment:
    """Takes these figures of programs of one task, on the CPU."""

    def __init__(self, task: Task, check: AgreementCheck, *, seed: int, settings: JudgeSettings) -> None:
        self._task, self._check, self._seed, self._settings = task, check, seed, settings

    def agreement(self, name: str, source: str) -> Agreement | Rejected:
        with Waiting(messages()) as waiting:
            return self._check.check(source, progress=lambda progress: waiting.judging(name, progress))

    def busy(self, name: str, source: str, **switch: float) -> tuple[BusyTime, ...] | Rejected:
        """`switch_s`: another switch interval than the interpreter's own."""
        with Waiting(messages()) as waiting:
            return busy_times(
                source,
                self._task,
                seed=self._seed,
                settings=self._settings,
                progress=lambda progress: waiting.judging(name, progress),
                **switch,
            )

    def figures(self, name: str, source: str) -> Figures:
        return Figures(agreement=self.agreement(name, source), busy=self.busy(name, source))


@contextmanager
def deployment(task: Task, *, seed: int, settings: JudgeSettings) -> Iterator[Deployment]:
    """The processes that are asked are started when they are first needed, and ended with the block."""
    with AgreementCheck(task, seed=seed, settings=settings) as check:
        yield Deployment(task, check, seed=seed, settings=settings)


def agreement_text(found: Agreement | Rejected) -> str:
    """Whether ranks would agree, in one sentence."""
    if isinstance(found, Rejected):
        return f"rank agreement: rejected at {found.stage} ({found.reason}): {visible(found.detail)}"
    if found.disagreement is not None:
        return f"rank agreement: no: {found.disagreement}"
    return f"rank agreement: yes, on {found.inputs} inputs with {', '.join(found.conditions)}"


def busy_view(found: tuple[BusyTime, ...] | Rejected) -> RenderableType:
    """The time beside a busy interpreter, a row for each case."""
    if isinstance(found, Rejected):
        return f"beside a busy interpreter: rejected at {found.stage} ({found.reason}): {visible(found.detail)}"
    table = tables.named(tables.plain_table(), "case")
    tables.figures(table, "alone, ms", "busy, ms", "times", "held up, ms")
    for figure in found:
        cells = (figure.alone_ms, figure.busy_ms, figure.times, figure.held_ms)
        table.add_row(figure.case, *map(tables.milliseconds, cells))
    return tables.titled("In a thread beside one that is busy in Python", table, NOTE)


def record(figures: Figures | None) -> dict[str, Any]:
    """The figures as JSON values; null where they were not taken, and where the program failed."""
    if figures is None:
        return {"agreement": None, "busy": None}
    found, busy = figures.agreement, figures.busy
    return {
        "agreement": None if isinstance(found, Rejected) else agreement_record(found),
        "busy": None if isinstance(busy, Rejected) else [asdict(figure) for figure in busy],
    }


def agreement_record(found: Agreement) -> dict[str, Any]:
    disagreement = found.disagreement
    return {
        "agrees": found.agrees,
        "inputs": found.inputs,
        "conditions": list(found.conditions),
        "disagreement": None if disagreement is None else asdict(disagreement),
    }
