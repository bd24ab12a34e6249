"""`remeasure --same-draws`: the archived calls of attempts, answered again and compared with what is stored.

Owns: this part of the verb, its words and its JSON keys. Does not know: which calls are answered, how they are drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import typer
from rich.text import Text

from evaluator import Judge, Redrawn, Rejected, Scored, identified
from harness.cli.console import UserError, emit, messages, output
from harness.cli.runs import OpenRun
from harness.report import jsonl
from harness.report.progress import Waiting
from harness.report.tables import rejected_text
from harness.runs.judges import judge_of
from harness.text import one_line
from harness.types import Entry

_LINE, _LONGEST = 60, 400
TIES = "another CPU, GPU or version of torch may break ties otherwise, and so give other qualities"


def answer_again(opened: OpenRun, chosen: Sequence[Entry], *, device: str | None, json: bool) -> None:
    """Answer the secret calls of attempts again and show how many agree. Exits with 1 unless all do; raises
    UserError for an attempt that stores no calls, before any is judged.
    """
    judge = judge_of(opened.config, device=device)
    scores = [(entry, _scored(entry, judge)) for entry in chosen]
    results = []
    with judge, Waiting(messages()) as waiting:
        for entry, scored in scores:
            waiting.say(f"attempt {entry.number}: answering its calls again")
            result = judge.requalify(opened.archive.source(entry.id), scored.score)
            results.append((result, scored.environment.differences(judge.environment())))
    for entry, (result, differs) in zip(chosen, results, strict=True):
        if json:
            emit(jsonl.line({"number": entry.number, "id": entry.id, "name": entry.name, **record(result, differs)}))
        else:
            output().print(text(entry, result, differs))
    if not all(_agrees(result) for result, _ in results):
        raise typer.Exit(1)


def _scored(entry: Entry, judge: Judge) -> Scored:
    """The score of an attempt, if its calls can be drawn again. Raises UserError."""
    scored = entry.scored
    if scored is None:
        raise UserError(f"attempt {entry.number} has no score, so no calls to answer again: choose another attempt")
    if not scored.score.secret:
        raise UserError(
            f"attempt {entry.number} was judged by an earlier version, which stored no secret: its loads cannot be "
            f"drawn again. `packsmith remeasure` without --same-draws measures its program on fresh loads"
        )
    task = identified(judge.task)
    if scored.environment.task != task:
        raise UserError(
            f"attempt {entry.number} was judged on {scored.environment.task}, and this packsmith has {task}, which "
            f"draws other loads: use the version that judged it"
        )
    return scored


def _agrees(result: tuple[Redrawn, ...] | Rejected) -> bool:
    return not isinstance(result, Rejected) and all(case.ok for case in result)


def record(result: tuple[Redrawn, ...] | Rejected, differs: Sequence[str]) -> dict[str, Any]:
    """The result as JSON values. `differs`: the conditions that are not those of the score, with both values. Every key
    is always present; what a rejected program does not have is null.
    """
    shared: dict[str, Any] = {"differs": list(differs)}
    if isinstance(result, Rejected):
        refused = {"stage": result.stage, "reason": result.reason, "detail": result.detail}
        return {"calls": None, "agree": None, "largest_difference": None, "cases": [], "rejected": refused, **shared}
    cases = [
        {"name": case.case, "calls": case.calls, "agree": case.agree, "largest_difference": case.largest}
        for case in result
    ]
    return {
        "calls": sum(case.calls for case in result),
        "agree": sum(case.agree for case in result),
        "largest_difference": max(case.largest for case in result),
        "cases": cases,
        "rejected": None,
        **shared,
    }


def text(entry: Entry, result: tuple[Redrawn, ...] | Rejected, differs: Sequence[str]) -> Text:
    """The result in lines; the last says how the conditions differ from those of the score, if they do."""
    name = f"attempt {entry.number}, {one_line(entry.name, _LINE)}"
    found = rejected_text(result, program=name) if isinstance(result, Rejected) else _lines(name, result)
    if differs:
        found.append(f"  not judged under these conditions: {one_line('; '.join(differs), _LONGEST)}; {TIES}\n")
    return found


def _lines(name: str, result: tuple[Redrawn, ...]) -> Text:
    found = Text(f"{name}: its scored calls, answered again\n", style="bold")
    for case in result:
        words = f"  {one_line(case.case, _LINE)}: {case.agree} of {case.calls} calls have the stored quality"
        differ = "" if case.ok else f"; the largest difference is {case.largest:.7f}"
        found.append(f"{words}{differ}\n", style="green" if case.ok else "red")
    return found
