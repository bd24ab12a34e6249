"""`packsmith evaluate` and `packsmith replay`: verdicts on programs and on patches.

Owns: these two commands. Does not know: searching, how a run stores what it judges by.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import typer

from evaluator import CaseQuality, Judge, JudgeSettings, Rejected, Scored, Task, TimingSettings, Verdict
from harness import patch as patch_format
from harness.cli import building, common, options
from harness.cli.common import UserError
from harness.cli.driving import ConfigOption
from harness.cli.options import Judging
from harness.report import jsonl, tables
from harness.report.progress import Waiting
from harness.types import Candidate

_LIMITS, _TIMING = JudgeSettings(), TimingSettings()
LADDER = ("random_placement.py", "snake.py", "greedy.py", "lpt_swap.py")
LADDER_METRIC = "same_window_balance"
LADDER_STEP = 5e-4
"""The least difference in balance that tells two rungs apart."""


def evaluate(
    context: typer.Context,
    programs: Annotated[list[str] | None, typer.Argument(metavar="PROGRAM", help="Solver programs (.py).")] = None,
    task: options.Task_ = "eplb",
    reference: options.Reference = "",
    case: options.Cases = None,
    trace: options.Traces = None,
    form: options.FormOption = None,
    device: options.Device = "auto",
    seed: options.Seed = 0,
    timeout: options.Timeout = _LIMITS.timeout_s,
    budget: options.BudgetS = _TIMING.budget_s,
    memory: options.Memory = _LIMITS.memory_gb,
    threads: options.Threads = _LIMITS.threads,
    require: options.Require = _LIMITS.require,
    run: options.FromRun = None,
    config: ConfigOption = None,
    ladder: Annotated[
        bool, typer.Option("--ladder", help="Also show whether each case tells known programs apart.")
    ] = False,
    details: Annotated[bool, typer.Option("--details", help="Also show every other metric.")] = False,
    json: common.Json = False,
) -> None:
    """Judge programs: balance and run time on every case.

    Balance is that of the window after the one planned on. Run time is measured in pairs with a reference program.
    Exit code 0 when every program was scored, 1 when one was rejected.

    \b
    Examples:
    packsmith evaluate programs/eplb/lpt_swap.py
    packsmith evaluate mine.py --case global-ep32 --reference theirs.py --json
    packsmith evaluate mine.py --trace monday.json --trace tuesday.json
    packsmith evaluate mine.py --run runs/quickstart
    packsmith evaluate --ladder
    """
    _check_run(context, run, config)
    if not programs and not ladder:
        raise typer.BadParameter("expected at least one program, or --ladder", param_hint="PROGRAM")
    judging = Judging(
        task=task, reference=reference, cases=case or (), traces=trace or (), form=form, device=device, seed=seed,
        timeout_s=timeout, budget_s=budget, memory_gb=memory, threads=threads, require=require,
    )  # fmt: skip
    sources = {name: common.read_program(name) for name in programs or ()}
    with ExitStack() as stack:
        if run is not None:
            opened = stack.enter_context(building.opened(run, config))
            judge, seed = opened.judge(), opened.settings.seed
        else:
            judge = judging.judge(judging.build_task())
        _say_notes(judge.task)
        stack.enter_context(judge)
        verdicts = judge_all(judge, sources, seed=seed, details=details, json=json)
        if ladder:
            _climb(judge, judge.task, json=json)
    if any(isinstance(verdict, Rejected) for verdict in verdicts):
        raise typer.Exit(1)


def _check_run(context: typer.Context, run: Path | None, config: str | None) -> None:
    """Nothing is asked for that a run decides. Raises BadParameter."""
    if run is None:
        if config is not None:
            raise typer.BadParameter("expected --run RUN with it: it is that run's config file", param_hint="--config")
        return
    for name in options.DECIDED_BY_RUN:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise typer.BadParameter("the run decides that: leave it out, or --run", param_hint=f"--{name}")


def _say_notes(task: Task) -> None:
    """What the task did to its workload without being asked, such as dropping layers without load."""
    for note in task.notes:
        common.messages().print(f"note: {note}", markup=False)


def judge_all(
    judge: Judge, sources: Mapping[str, str], *, seed: int, details: bool = False, json: bool = False
) -> list[Verdict]:
    """Judge and show programs, each as soon as its verdict is reached."""
    verdicts: list[Verdict] = []
    console = common.output()
    for name, source in sources.items():
        with Waiting(common.messages()) as waiting:
            verdict = judge.evaluate(source, progress=lambda p, name=name, w=waiting: w.judging(name, p))  # type: ignore[misc]
        verdicts.append(verdict)
        if json:
            record = jsonl.verdict_record(
                verdict, program=name, task=judge.task, device=judge.device, environment=judge.environment()
            )
            common.emit(jsonl.line(record))
            continue
        console.print(tables.verdict_view(verdict, program=name, task=judge.task))
        if isinstance(verdict, Scored) and details:
            console.print(tables.metrics_table(verdict, program=name))
    scored = [verdict for verdict in verdicts if isinstance(verdict, Scored)]
    if scored and not json:
        environment = scored[-1].environment
        console.print(tables.environment_line(environment, seed), style="dim", markup=False)
        for warning in environment.warnings:
            common.messages().print(f"warning: {warning}", style="yellow", markup=False)
    return verdicts


def told_apart(rungs: Sequence[CaseQuality], metric: str) -> bool:
    """Whether the metric puts programs of known order, worst first, in that order with room between them."""
    values = [rung.metrics[metric] for rung in rungs]
    return all(above - below >= LADDER_STEP for below, above in pairwise(values))


def _climb(judge: Judge, task: Task, *, json: bool) -> None:
    """Show the ladder: random < snake < greedy < greedy with swaps, on the same window."""
    if task.name != "eplb":
        raise UserError(f"--ladder: {task.name} has no programs of known order")
    rungs: dict[str, tuple[CaseQuality, ...]] = {}
    with Waiting(common.messages()) as waiting:
        for name in LADDER:
            waiting.say(f"ladder: {name}")
            qualities = judge.qualify(common.read_program(f"programs/eplb/{name}"))
            if isinstance(qualities, Rejected):
                raise UserError(f"--ladder: {name} was rejected at {qualities.stage}: {qualities.detail}")
            rungs[name.removesuffix(".py")] = qualities
    cases = [quality.case for quality in next(iter(rungs.values()))]
    separated = {
        case: told_apart([qualities[at] for qualities in rungs.values()], LADDER_METRIC)
        for at, case in enumerate(cases)
    }
    if json:
        record: dict[str, Any] = {"ladder": LADDER_METRIC, "told_apart": separated}
        record["rungs"] = {
            name: [jsonl.quality_record(quality, task.quality_key) for quality in qualities]
            for name, qualities in rungs.items()
        }
        common.emit(jsonl.line(record))
    else:
        common.output().print(tables.ladder_table(rungs, separated, LADDER_METRIC))


def replay(
    patches: Annotated[
        list[str],
        typer.Argument(metavar="PATCH", help="Patches or model replies, applied in this order; - is standard input."),
    ],
    onto: Annotated[str, typer.Option("--onto", metavar="PROGRAM", help="The program to patch.")],
    out: Annotated[Path | None, typer.Option("-o", "--output", metavar="OUT", help="Write the result here.")] = None,
    evaluate: Annotated[bool, typer.Option("--evaluate", help="Judge the program before and after.")] = False,
    task: options.Task_ = "eplb",
    reference: options.Reference = "",
    case: options.Cases = None,
    trace: options.Traces = None,
    form: options.FormOption = None,
    device: options.Device = "auto",
    seed: options.Seed = 0,
    timeout: options.Timeout = _LIMITS.timeout_s,
    budget: options.BudgetS = _TIMING.budget_s,
    memory: options.Memory = _LIMITS.memory_gb,
    threads: options.Threads = _LIMITS.threads,
    require: options.Require = _LIMITS.require,
    json: common.Json = False,
) -> None:
    """Apply patches to a program, and judge what they change.

    All blocks of a patch apply, or none. Without -o and --evaluate the patched program is printed. Exit code 1 where a
    patch is refused or a program rejected.

    \b
    Examples:
    packsmith replay reply.txt --onto programs/eplb/greedy.py -o child.py
    packsmith replay first.patch second.patch --onto mine.py --evaluate
    """
    parent = common.read_program(onto)
    child = parent
    for path in patches:
        child = _apply(path, child, json=json)
    if out is not None:
        common.write_program(out, child)
        if not json:
            common.output().print(f"wrote {out}", markup=False)
    if not evaluate:
        if out is None and not json:
            common.emit_text(child)
        return
    judging = Judging(
        task=task, reference=reference, cases=case or (), traces=trace or (), form=form, device=device, seed=seed,
        timeout_s=timeout, budget_s=budget, memory_gb=memory, threads=threads, require=require,
    )  # fmt: skip
    built = judging.build_task()
    _say_notes(built)
    with judging.judge(built) as judge:
        names = (onto, str(out) if out is not None else f"{onto} patched")
        before, after = judge_all(judge, dict(zip(names, (parent, child), strict=True)), seed=seed, json=json)
    if isinstance(before, Scored) and isinstance(after, Scored) and not json:
        common.output().print(tables.change_table(before, after))
    if isinstance(after, Rejected) or isinstance(before, Rejected):
        raise typer.Exit(1)


def _apply(path: str, source: str, *, json: bool) -> str:
    try:
        candidate: Candidate = patch_format.apply_reply(common.read_reply(path), source)
    except patch_format.PatchError as error:
        if json:
            common.emit(jsonl.line({"patch": path, "applied": False, "reason": error.reason, "detail": error.detail}))
        raise UserError(f"{path}: refused ({error.reason})\n{error.detail}") from None
    if json:
        record = {"patch": path, "applied": True, "name": candidate.name, "tiers": list(candidate.tiers)}
        common.emit(jsonl.line({**record, "warnings": list(candidate.warnings)}))
    else:
        blocks = "block" if len(candidate.tiers) == 1 else "blocks"
        console = common.messages()
        name, tiers = candidate.name or "unnamed", ", ".join(candidate.tiers)
        console.print(f"{path}: {name}: {len(candidate.tiers)} {blocks} applied ({tiers})", markup=False)
        for warning in candidate.warnings:
            console.print(f"warning: {warning}", style="yellow", markup=False)
    return candidate.source
