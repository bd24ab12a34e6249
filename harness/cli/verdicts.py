"""Judging programs one after the other and showing each verdict as soon as it is reached.

Owns: the order of judging and showing. Does not know: any one verb, where the programs or the judge come from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from evaluator import Judge, Rejected, Scored, Split, Task, Verdict
from harness.cli import deployment
from harness.cli.console import emit, messages, output, warn
from harness.report import jsonl, tables
from harness.report.progress import Waiting


def say_notes(task: Task) -> None:
    """Print what the task changed in its workload unasked, such as dropped layers without load."""
    for note in task.notes:
        messages().print(f"note: {note}", markup=False)


def say_other_task(task: Task, verdicts: Sequence[Verdict]) -> None:
    """Print how another task is chosen, if a program lacks this one's function."""
    if any(isinstance(verdict, Rejected) and verdict.reason == "entry_point" for verdict in verdicts):
        messages().print(
            f"note: programs of the task {task.name} define {task.entry_point}; --task chooses another", markup=False
        )


def judge_all(
    judge: Judge, sources: Mapping[str, str], *, split: Split, details: bool = False, json: bool = False
) -> list[Verdict]:
    """Judge and show programs, each as soon as its verdict is reached; with `details`, what an engine would see too.
    `split`: which loads the judge's task has.
    """
    verdicts: list[Verdict] = []
    with deployment.deployment(judge.task, seed=judge.seed, settings=judge.settings) as engine:
        for name, source in sources.items():
            with Waiting(messages()) as waiting:
                verdict = judge.evaluate(source, progress=lambda p, name=name, w=waiting: w.judging(name, p))  # type: ignore[misc]
            verdicts.append(verdict)
            seen = engine.figures(name, source) if details and isinstance(verdict, Scored) else None
            _show(judge, name, verdict, seen, split=split, json=json)
    scored = [verdict for verdict in verdicts if isinstance(verdict, Scored)]
    if scored and not json:
        environment = scored[-1].environment
        output().print(tables.environment_line(environment, judge.seed), style="dim", markup=False)
        for warning in environment.warnings:
            warn(warning)
    return verdicts


def _show(
    judge: Judge, name: str, verdict: Verdict, seen: deployment.Figures | None, *, split: Split, json: bool
) -> None:
    """`seen`: what an engine would see of the program; None if that is not asked for."""
    if json:
        record = jsonl.verdict_record(
            verdict, program=name, task=judge.task, device=judge.device, environment=judge.environment()
        )
        emit(jsonl.line(record | {"split": split} | deployment.record(seen)))
        return
    console = output()
    console.print(tables.verdict_view(verdict, program=name, task=judge.task))
    if isinstance(verdict, Scored) and seen is not None:
        console.print(tables.metrics_table(verdict, program=name))
        console.print(deployment.agreement_text(seen.agreement), markup=False)
        console.print()
        console.print(deployment.busy_view(seen.busy))
