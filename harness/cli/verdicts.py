"""Judging programs one after the other and showing each verdict as soon as it is reached.

Owns: the order of judging and showing. Does not know: any one verb, where the programs or the judge come from.
"""

from __future__ import annotations

from collections.abc import Mapping

from evaluator import Judge, Scored, Task, Verdict
from harness.cli.console import emit, messages, output, warn
from harness.report import jsonl, tables
from harness.report.progress import Waiting


def say_notes(task: Task) -> None:
    """Print what the task changed in its workload unasked, such as dropped layers without load."""
    for note in task.notes:
        messages().print(f"note: {note}", markup=False)


def judge_all(judge: Judge, sources: Mapping[str, str], *, details: bool = False, json: bool = False) -> list[Verdict]:
    """Judge and show programs, each as soon as its verdict is reached."""
    verdicts: list[Verdict] = []
    console = output()
    for name, source in sources.items():
        with Waiting(messages()) as waiting:
            verdict = judge.evaluate(source, progress=lambda p, name=name, w=waiting: w.judging(name, p))  # type: ignore[misc]
        verdicts.append(verdict)
        if json:
            record = jsonl.verdict_record(
                verdict, program=name, task=judge.task, device=judge.device, environment=judge.environment()
            )
            emit(jsonl.line(record))
            continue
        console.print(tables.verdict_view(verdict, program=name, task=judge.task))
        if isinstance(verdict, Scored) and details:
            console.print(tables.metrics_table(verdict, program=name))
    scored = [verdict for verdict in verdicts if isinstance(verdict, Scored)]
    if scored and not json:
        environment = scored[-1].environment
        console.print(tables.environment_line(environment, judge.seed), style="dim", markup=False)
        for warning in environment.warnings:
            warn(warning)
    return verdicts
