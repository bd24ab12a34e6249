"""`packsmith evaluate`: verdicts on programs.

Owns: this verb. Does not know: searching, how a run stores what it judges by.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Annotated

import typer

from evaluator import Rejected
from harness.cli.console import Json
from harness.cli.judge_options import FromRun, JudgeOptions, check_run, on_split, takes_judge_options
from harness.cli.ladder import climb
from harness.cli.runs import ConfigOption, open_run
from harness.cli.verdicts import judge_all, say_notes, say_other_task
from harness.runs.judges import judge_of


@takes_judge_options
def evaluate(
    *,
    context: typer.Context,
    programs: Annotated[
        list[str] | None, typer.Argument(metavar="PROGRAM", help="Solver programs (.py), or engines' policies.")
    ] = None,
    options: JudgeOptions,
    run: FromRun = None,
    config: ConfigOption = None,
    ladder: Annotated[
        bool, typer.Option("--ladder", help="Also show whether each case tells known programs apart.")
    ] = False,
    details: Annotated[
        bool, typer.Option("--details", help="Also show every other metric, and what an engine would see.")
    ] = False,
    json: Json = False,
) -> None:
    """Judge programs: quality and run time on every case.

    Quality is the task's measure of a program's answers. Run time is measured in pairs with a reference program.
    Engines' own policies (vllm:default, sglang:deepseek, sglang:deepseek_vec) are programs too, where the engine is
    installed or its wheel is given. --details also shows whether all ranks of an engine would get the same plan, and
    the time in a thread beside other Python; that takes seconds more. Exit code 0 when every program was scored, 1 when
    one was rejected.

    \b
    Examples:
    packsmith evaluate mine.py
    packsmith evaluate mine.py theirs.py --details
    packsmith evaluate mine.py --reference theirs.py --json
    packsmith evaluate mine.py --reference vllm:default --engine-wheel vllm.whl
    packsmith evaluate mine.py vllm:default sglang:deepseek_vec
    packsmith evaluate mine.py --run runs/quickstart
    packsmith evaluate best.py --run runs/quickstart --split final
    packsmith evaluate --ladder
    """
    check_run(context, run, config)
    if not programs and not ladder:
        raise typer.BadParameter("expected at least one program, or --ladder", param_hint="PROGRAM")
    with ExitStack() as stack:
        if run is not None:
            of_run = stack.enter_context(open_run(run, config)).config
            judge = judge_of(of_run, task=on_split(of_run.task, options.split))
        else:
            judge = options.judge(options.build_task())
        named = [options.named(program, judge.task) for program in programs or ()]
        options.check_wheels(programs or (), judge.task)
        say_notes(judge.task)
        stack.enter_context(judge)
        sources = {each.name: each.source for each in named}
        verdicts = judge_all(judge, sources, split=options.split, details=details, json=json)
        if ladder:
            climb(judge, split=options.split, json=json)
    if run is None:
        say_other_task(judge.task, verdicts)
    if any(isinstance(verdict, Rejected) for verdict in verdicts):
        raise typer.Exit(1)
