"""The ladder of a task: its programs of known order, and whether each case tells them apart.

Owns: judging these programs, and when two count as told apart. Does not know: which programs they are, any command's
options.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from evaluator import CaseQuality, Judge, Ladder, Rejected, Split
from harness.cli.console import UserError, emit, messages, output
from harness.cli.user_files import read_program
from harness.report import jsonl, tables
from harness.report.progress import Waiting


def told_apart(rungs: Sequence[CaseQuality], ladder: Ladder) -> bool:
    """Whether each program (worst first) beats the one before it by at least `ladder.step` on a case."""
    values = [rung.metrics[ladder.metric] for rung in rungs]
    return all(above - below >= ladder.step for below, above in pairwise(values))


def _rungs(judge: Judge, ladder: Ladder) -> dict[str, tuple[CaseQuality, ...]]:
    """The quality of each program on every case, by the program's name. Raises UserError if one is rejected."""
    rungs: dict[str, tuple[CaseQuality, ...]] = {}
    with Waiting(messages()) as waiting:
        for program in ladder.programs:
            name = Path(program).name
            waiting.say(f"ladder: {name}")
            qualities = judge.qualify(read_program(program))
            if isinstance(qualities, Rejected):
                raise UserError(f"--ladder: {name} was rejected at {qualities.stage}: {qualities.detail}")
            rungs[name.removesuffix(".py")] = qualities
    return rungs


def climb(judge: Judge, *, split: Split, json: bool) -> None:
    """Judge and show the ladder of the judge's task; `split` says which loads it has. Raises UserError without one."""
    task = judge.task
    ladder = task.ladder
    if ladder is None:
        raise UserError(f"--ladder: {task.name} has no programs of known order for these options")
    rungs = _rungs(judge, ladder)
    cases = [quality.case for quality in next(iter(rungs.values()))]
    separated = {
        case: told_apart([qualities[at] for qualities in rungs.values()], ladder) for at, case in enumerate(cases)
    }
    if json:
        record: dict[str, Any] = {"ladder": ladder.metric, "split": split, "told_apart": separated}
        record["rungs"] = {
            name: [jsonl.quality_record(quality, task.quality_key) for quality in qualities]
            for name, qualities in rungs.items()
        }
        emit(jsonl.line(record))
    else:
        output().print(tables.ladder_table(rungs, separated, ladder))
