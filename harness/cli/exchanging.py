"""What `push`, `pull` and `bundle` share: progress while git works, the checks, and the final report.

Owns: these lines. Does not know: how anything is exchanged.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer

from evaluator import TASKS
from harness.archive import Archive
from harness.cli.console import UserError, counted, emit, messages, output, warn
from harness.config import stored_objective
from harness.exchange.holdings import Pulled, Sent
from harness.exchange.receiving import Hooks
from harness.gate import gated_standing
from harness.git.remote import Remote, remote
from harness.readings.verify import faults, figures_fault
from harness.report import jsonl
from harness.report.progress import Waiting
from harness.text import one_line
from harness.types import Entry, OnSplit

Other = Annotated[str, typer.Argument(metavar="REMOTE", help="A folder, or an address: ssh, https, http, git.")]
_LINE = 300
_SHOWN = 20


class Shown:
    """A status line on a terminal; it is cleared while git may ask for a password."""

    def __init__(self) -> None:
        self._console = messages()
        self._waiting: Waiting | None = None
        self._text = ""

    def __enter__(self) -> Shown:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def say(self, text: str) -> None:
        self._text = one_line(text, _LINE)
        if self._waiting is None:
            self._waiting = Waiting(self._console).__enter__()
        self._waiting.say(self._text)

    def progress(self, text: str) -> None:
        """Show a progress message of git; "" says that git has started."""
        if text:
            self.say(text)
            return
        self._stop()
        if self._console.is_terminal:
            self._console.print(self._text, style="dim", markup=False)

    def remote(self, address: str) -> Remote:
        return remote(address, progress=self.progress, terminal=self._console.is_terminal)

    @property
    def hooks(self) -> Hooks:
        return Hooks(check=_check, fault=_fault, choose=_choose, say=self.say)

    def _stop(self) -> None:
        if self._waiting is not None:
            self._waiting.__exit__(None, None, None)
            self._waiting = None


def _check(archive: Archive, numbers: Collection[int]) -> dict[int, str]:
    """The first fault of each attempt that `packsmith verify` would report, by number."""
    faults_by_number: dict[int, str] = {}
    for fault in faults(archive, numbers):
        if fault.number is not None:
            faults_by_number.setdefault(fault.number, f"expected {fault.expected}, found {fault.found}")
    return faults_by_number


def _fault(measured: OnSplit) -> str:
    """What `packsmith verify` would report of a measurement on a split; "" if nothing."""
    found = figures_fault(measured.duel, "a measurement on a split")
    return "" if found is None else f"expected {found[0]}, found {found[1]}"


def _choose(archive: Archive) -> tuple[Entry | None, Sequence[Entry]]:
    """The champion and the front of a run under its own objective. Raises UserError if its config is not usable."""
    try:
        task, objective = archive.config["task"], stored_objective(archive.config)
        name, known = task["name"], task["name"] in TASKS or "file" in task
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"the config stored in that run was not written by packsmith: {one_line(str(error), _LINE)}"
        ) from None
    if not known:
        raise UserError(f"that run is on the task {name!r}, expected one of {', '.join(TASKS)}: update packsmith")
    where = gated_standing(archive.entries, objective)
    return where.best, where.front


def all_of(done: Sent | Pulled) -> str:
    """What was exchanged, as one line."""
    count = counted(done.attempts)
    parts = [count if done.attempts == done.total else f"{count}, {done.total} now"]
    parts += [f"{done.advice} of advice"] if done.advice else []
    parts += ["measurements"] if done.notes else []
    return ", ".join([*parts, _size(done.size_bytes)])


def report_rest(done: Sent | Pulled, *, json: bool) -> None:
    """Say what was left out, and why. Exit code 1 if an attempt was."""
    console = messages()
    if isinstance(done, Sent):
        if done.tickets and not json:
            what = "1 open ticket stays" if done.tickets == 1 else f"{done.tickets} open tickets stay"
            console.print(f"{what} here: tickets belong to processes of this machine", markup=False)
        for warning in done.warnings:
            warn(one_line(warning, _LINE))
    for line in done.left_out[:_SHOWN]:
        console.print(f"left out: {one_line(line, _LINE)}", style="yellow", markup=False)
    if len(done.left_out) > _SHOWN:
        console.print(
            f"left out: {len(done.left_out) - _SHOWN} more; --json lists them all", style="yellow", markup=False
        )
    if done.left_out and isinstance(done, Pulled) and not json:
        console.print("git clone --mirror copies a run as it is, damage included", style="dim", markup=False)
    if done.left_out:
        raise typer.Exit(1)


def emit_record(named: dict[str, str], done: Sent | Pulled) -> None:
    """Print the JSON record of an exchange; `named` gives its two ends."""
    values: dict[str, Any] = asdict(done)
    emit(jsonl.line({**named, **values, "nothing": done.nothing}))


def say(text: str) -> None:
    """Print one line of results."""
    output().print(one_line(text, _LINE), markup=False)


def _size(bytes_: int) -> str:
    """A size in decimal units, as people read it."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if bytes_ >= scale:
            return f"{bytes_ / scale:.3g} {unit}"
    return f"{bytes_} bytes"
