"""`packsmith evaluate` and `packsmith replay`: verdicts on programs and on patches.

Owns: these two commands. Does not know: searching, how a run stores what it judges by.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from evaluator import Judge, Rejected, Scored, Task, Verdict
from harness import patch as patch_format
from harness.cli.console import Json, UserError, emit, emit_text, messages, output
from harness.cli.judge_options import FromRun, JudgeOptions, check_run, takes_judge_options
from harness.cli.ladder import climb
from harness.cli.runs import ConfigOption, open_run
from harness.cli.user_files import read_program, read_reply, write_program
from harness.cli.wiring import judge_of
from harness.report import jsonl, tables
from harness.report.progress import Waiting
from harness.types import Candidate


@takes_judge_options
def evaluate(
    *,
    context: typer.Context,
    programs: Annotated[list[str] | None, typer.Argument(metavar="PROGRAM", help="Solver programs (.py).")] = None,
    options: JudgeOptions,
    run: FromRun = None,
    config: ConfigOption = None,
    ladder: Annotated[
        bool, typer.Option("--ladder", help="Also show whether each case tells known programs apart.")
    ] = False,
    details: Annotated[bool, typer.Option("--details", help="Also show every other metric.")] = False,
    json: Json = False,
) -> None:
    """Judge programs: quality and run time on every case.

    Quality is what the task says of a program's answers. Run time is measured in pairs with a reference program. Exit
    code 0 when every program was scored, 1 when one was rejected.

    \b
    Examples:
    packsmith evaluate mine.py
    packsmith evaluate mine.py theirs.py --details
    packsmith evaluate mine.py --reference theirs.py --json
    packsmith evaluate mine.py --run runs/quickstart
    packsmith evaluate --ladder
    """
    check_run(context, run, config)
    if not programs and not ladder:
        raise typer.BadParameter("expected at least one program, or --ladder", param_hint="PROGRAM")
    sources = {name: read_program(name) for name in programs or ()}
    with ExitStack() as stack:
        if run is not None:
            judge = judge_of(stack.enter_context(open_run(run, config)).config)
        else:
            judge = options.judge(options.build_task())
        _say_notes(judge.task)
        stack.enter_context(judge)
        verdicts = judge_all(judge, sources, details=details, json=json)
        if ladder:
            climb(judge, json=json)
    if any(isinstance(verdict, Rejected) for verdict in verdicts):
        raise typer.Exit(1)


def _say_notes(task: Task) -> None:
    """What the task did to its workload without being asked, such as dropping layers without load."""
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
            messages().print(f"warning: {warning}", style="yellow", markup=False)
    return verdicts


@takes_judge_options
def replay(
    *,
    patches: Annotated[
        list[str],
        typer.Argument(metavar="PATCH", help="Patches or model replies, applied in this order; - is standard input."),
    ],
    onto: Annotated[str, typer.Option("--onto", metavar="PROGRAM", help="The program to patch.")],
    out: Annotated[Path | None, typer.Option("-o", "--output", metavar="OUT", help="Write the result here.")] = None,
    evaluate: Annotated[bool, typer.Option("--evaluate", help="Judge the program before and after.")] = False,
    options: JudgeOptions,
    json: Json = False,
) -> None:
    """Apply patches to a program, and judge what they change.

    All blocks of a patch apply, or none. Without -o and --evaluate the patched program is printed. Exit code 1 where a
    patch is refused or a program rejected.

    \b
    Examples:
    packsmith replay reply.txt --onto mine.py -o child.py
    packsmith replay first.patch second.patch --onto mine.py --evaluate
    """
    parent = read_program(onto)
    child = parent
    for path in patches:
        child = _apply(path, child, json=json)
    if out is not None:
        write_program(out, child)
        if not json:
            output().print(f"wrote {out}", markup=False)
    if not evaluate:
        if out is None and not json:
            emit_text(child)
        return
    built = options.build_task()
    _say_notes(built)
    with options.judge(built) as judge:
        names = (onto, str(out) if out is not None else f"{onto} patched")
        before, after = judge_all(judge, dict(zip(names, (parent, child), strict=True)), json=json)
    if isinstance(before, Scored) and isinstance(after, Scored) and not json:
        output().print(tables.change_table(before, after, task=built))
    if isinstance(after, Rejected) or isinstance(before, Rejected):
        raise typer.Exit(1)


def _apply(path: str, source: str, *, json: bool) -> str:
    try:
        candidate: Candidate = patch_format.apply_reply(read_reply(path), source)
    except patch_format.PatchError as error:
        if json:
            emit(jsonl.line({"patch": path, "applied": False, "reason": error.reason, "detail": error.detail}))
        raise UserError(f"{path}: refused ({error.reason})\n{error.detail}") from None
    if json:
        record = {"patch": path, "applied": True, "name": candidate.name, "tiers": list(candidate.tiers)}
        emit(jsonl.line({**record, "warnings": list(candidate.warnings)}))
    else:
        blocks = "block" if len(candidate.tiers) == 1 else "blocks"
        console = messages()
        name, tiers = candidate.name or "unnamed", ", ".join(candidate.tiers)
        console.print(f"{path}: {name}: {len(candidate.tiers)} {blocks} applied ({tiers})", markup=False)
        for warning in candidate.warnings:
            console.print(f"warning: {warning}", style="yellow", markup=False)
    return candidate.source
