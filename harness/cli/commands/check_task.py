"""`packsmith check-task`: whether a task of one's own keeps the contract of tasks.

Owns: this verb. Does not know: the clauses, how they are tried.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from evaluator import CLAUSES, Finding, check_task_file, confined_programs
from harness.cli.console import Json, emit, messages, output
from harness.report import jsonl
from harness.report.progress import Waiting
from harness.text import visible

_WIDTH, _INDENT = 80, 21
_BEYOND = (
    "Not tried: rules of your own, such as capacities. One that `read` does not check does not exist, and a search "
    "finds that: give a program that breaks each, and see it rejected."
)
_STYLES = {"ok": "green", "FAILED": "bold red", "not tried": "yellow"}


def check_task(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A task file, such as task.py.")],
    json: Json = False,
) -> None:
    """Check that scores under your own task can be believed: the contract of tasks, clause by clause.

    Use it after every change of a task file, before money is spent on a search. The file is loaded in a process of its
    own, twice; the programs that it names answer in confined processes; valid answers are corrupted, and must be
    refused or score lower. One line a clause: ok with what was tried, or FAILED with the reason and what to change.
    Exit code 0 when all are kept, 1 when one is broken.

    \b
    Examples:
    packsmith check-task task.py
    packsmith check-task task.py --json
    """
    found = []
    for finding in _findings(file):
        found.append(finding)
        if json:
            emit(jsonl.line({"file": str(file), **asdict(finding)}))
        else:
            _show(output(), finding)
    kept = sum(finding.ok for finding in found)
    if not json:
        result = "the task keeps the contract" if kept == len(CLAUSES) else "correct the file, and check again"
        output().print(f"{kept} of {len(CLAUSES)} clauses are kept: {result}", markup=False)
        if kept == len(CLAUSES):
            output().print(_BEYOND, markup=False)
    if kept < len(CLAUSES):
        raise typer.Exit(1)


def _findings(file: Path) -> Iterator[Finding]:
    """Every finding, with progress in between."""
    clauses = iter(CLAUSES)
    with confined_programs() as programs:
        going = check_task_file(file, programs)
        while True:
            with Waiting(messages()) as waiting:
                waiting.say(f"checking {next(clauses, '')}")
                finding = next(going, None)
            if finding is None:
                return
            yield finding


def _show(console: Console, finding: Finding) -> None:
    console.print(f"{finding.state:<9} {finding.clause:<10} ", style=_STYLES[finding.state], markup=False, end="")
    for at, line in enumerate(_lines(finding)):
        console.print(f"{'' if at == 0 else ' ' * _INDENT}{line}", markup=False)


def _lines(finding: Finding) -> list[str]:
    lines = textwrap.wrap(visible(finding.said), _WIDTH - _INDENT)
    advice = f"to do: {visible(finding.advice)}" if finding.advice else ""
    return [*lines, *textwrap.wrap(advice, _WIDTH - _INDENT)]
