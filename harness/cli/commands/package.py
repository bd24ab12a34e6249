"""`packsmith package`: a solver as an installable package for an engine.

Owns: this verb, and which solvers are packaged. Does not know: what stands in a package, how figures are taken, any
engine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer

from evaluator import TASKS, Agreement, BusyTime, Engine, JudgeSettings, Rejected, Scored, Task, kind_of
from harness.cli import deployment, folders
from harness.cli.console import Json, UserError, emit, messages, output, warn
from harness.cli.judge_options import JudgeOptions, check_run, takes_judge_options
from harness.cli.runs import OpenRun, is_run, open_run
from harness.cli.user_files import read_program
from harness.cli.verdicts import say_notes
from harness.packages import Origin, Package
from harness.report import jsonl, tables
from harness.report.progress import Waiting
from harness.types import Entry

_ENGINES = ", ".join(dict.fromkeys(engine.name for kind in TASKS.values() for engine in kind.engines))
MOST_TIMES, MOST_HELD_MS = 10.0, 1.0
"""Beside a busy interpreter a solver may take this many times as long as alone, and hold others up for this long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Solver:
    """What is packaged, and by what it is judged."""

    task: Task
    source: str
    origin: Origin
    verdict: Scored
    seed: int
    settings: JudgeSettings


@takes_judge_options
def package(
    *,
    context: typer.Context,
    solver: Annotated[str, typer.Argument(metavar="RUN[:ID]|PROGRAM", help="A run (its best program), or a program.")],
    engine: Annotated[str, typer.Option("--for", metavar="ENGINE", help=f"What calls it: {_ENGINES}.")],
    out: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="A folder that is new or empty.")],
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="The name of the package's module.")] = "",
    min_gain: Annotated[
        float, typer.Option("--min-gain", min=0, max=1, help="Quality a plan must gain to replace the one in force.")
    ] = 0.005,
    accept_busy: Annotated[
        bool, typer.Option("--accept-busy", help="Package what is slow, or holds others up, in a busy interpreter.")
    ] = False,
    options: JudgeOptions,
    json: Json = False,
) -> None:
    """Make an installable Python package of a solver, for an engine that calls it.

    The package holds the solver, where it comes from and how it was measured, the engine's interface, a fallback to
    the engine's own policy, and a test. It does not need packsmith. A program that is not from a run is judged first.
    A solver whose plan differs from process to process is refused, because ranks of an engine plan by themselves.

    \b
    Examples:
    packsmith package runs/mine --for vllm -o policy
    packsmith package runs/mine:17 --for sglang -o policy
    packsmith package mine.py --for plain -o policy --name mine_policy
    pip install ./policy && python -m packsmith_policy.selftest
    """
    folders.free(out)
    with _solver(context, solver, options) as found:
        target = _engine(found.task, engine)
        with deployment.deployment(found.task, seed=found.seed, settings=found.settings) as taking:
            agreed = _agreed(taking, found)
            busy = _busy(taking, found, target, accept=accept_busy) if target.threaded else ()
    made = Package(
        engine=target,
        task=found.task.name,
        name=name or "packsmith_policy",
        source=found.source,
        origin=found.origin,
        verdict=found.verdict,
        quality_key=found.task.quality_key,
        agreement=agreed,
        busy=busy,
        min_gain=min_gain,
        version=metadata.version("packsmith"),
    )
    files = made.files()
    with folders.made_whole(out) as inside:
        for path, data in files.items():
            (inside / path).parent.mkdir(exist_ok=True)
            (inside / path).write_bytes(data)
    _say(made, out, json=json)


@contextmanager
def _solver(context: typer.Context, word: str, options: JudgeOptions) -> Iterator[Solver]:
    """The solver that a word names. Raises UserError, ArchiveError, ConfigError and EvaluatorError."""
    run, attempt = _named(word)
    if run.is_dir() or is_run(run):
        check_run(context, run, None)
        with open_run(run) as opened:
            yield _attempt(opened, attempt)
    else:
        yield _program(word, options)


def _named(word: str) -> tuple[Path, str]:
    """The path that a word names and the attempt after its last colon; "" for none."""
    folder, colon, attempt = word.rpartition(":")
    return (Path(folder), attempt) if colon and folder and not Path(word).exists() else (Path(word), "")


def _attempt(opened: OpenRun, word: str) -> Solver:
    entry: Entry | None = None if word else opened.standing().best
    entry = entry or opened.attempt(word or "best")
    if isinstance(entry.verdict, Rejected):
        raise UserError(
            f"attempt {entry.number} of {opened.folder} was rejected at {entry.verdict.stage} "
            f"({entry.verdict.reason}): expected an attempt with a score; `packsmith log {opened.folder}` lists them"
        )
    if entry.scored is None:
        raise UserError(
            f"attempt {entry.number} of {opened.folder} was imported and never judged: expected an attempt with a "
            f"score; package its program instead (`packsmith checkout`), or import with --rejudge"
        )
    run = opened.folder.resolve().name
    return Solver(
        task=opened.config.task,
        source=opened.archive.source(entry.id),
        origin=Origin(name=entry.name, run=run, attempt=entry.number, commit=entry.id),
        verdict=entry.scored,
        seed=opened.config.seed,
        settings=opened.config.judge,
    )


def _program(path: str, options: JudgeOptions) -> Solver:
    """A program that is judged now."""
    source, task = read_program(path), options.build_task()
    say_notes(task)
    with options.judge(task) as judge, Waiting(messages()) as waiting:
        verdict = judge.evaluate(source, progress=lambda progress: waiting.judging(Path(path).name, progress))
    if isinstance(verdict, Rejected):
        raise UserError(
            f"{path}: rejected at {verdict.stage} ({verdict.reason}), so it is not packaged: {verdict.detail}"
        )
    for warning in verdict.environment.warnings:
        warn(warning)
    origin = Origin(name=Path(path).name)
    return Solver(
        task=task, source=source, origin=origin, verdict=verdict, seed=options.seed, settings=options.settings()
    )


def _engine(task: Task, name: str) -> Engine:
    engines = {engine.name: engine for engine in kind_of(task).engines}
    if name not in engines:
        known = ", ".join(engines) or f"none for the task {task.name}"
        raise UserError(f"--for {name}: no such engine; known: {known}")
    return engines[name]


def _agreed(taking: deployment.Deployment, solver: Solver) -> Agreement:
    """The agreement of a solver that may be packaged. Raises UserError for any other."""
    found = taking.agreement(solver.origin.name, solver.source)
    if isinstance(found, Rejected) or not found.agrees:
        why = deployment.agreement_text(found)
        raise UserError(
            f"{solver.origin.name} is not packaged, because ranks of an engine would plan differently\n{why}"
        )
    return found


def _busy(taking: deployment.Deployment, solver: Solver, engine: Engine, *, accept: bool) -> tuple[BusyTime, ...]:
    """The figures of a solver that may be packaged. Raises UserError for any other."""
    found = taking.busy(solver.origin.name, solver.source, switch_s=engine.switch_s)
    if isinstance(found, Rejected):
        raise UserError(f"{solver.origin.name}, beside a busy interpreter: {found.detail}")
    if text := excess(solver.origin.name, engine, found):
        if not accept:
            raise UserError(
                f"{text}: compile its loops with numba and nogil=True, measure again where nothing else runs, or give "
                "--accept-busy"
            )
        warn(text)
    return found


def excess(name: str, engine: Engine, figures: Sequence[BusyTime]) -> str:
    """Where a solver is slower beside a busy interpreter than it may be, or holds others up longer; "" for nowhere."""
    for figure in figures:
        if figure.times > MOST_TIMES or figure.held_ms > MOST_HELD_MS:
            return (
                f"{engine.name} plans in a thread beside other Python, where {name} takes {figure.busy_ms:.1f} ms "
                f"instead of {figure.alone_ms:.1f} ({figure.case}), and holds the others up for {figure.held_ms:.1f} "
                f"ms; expected at most {MOST_TIMES:g} times as long and {MOST_HELD_MS:g} ms"
            )
    return ""


def _say(made: Package, out: Path, *, json: bool) -> None:
    if json:
        agreement = deployment.agreement_record(made.agreement)
        record = {"path": str(out), "engine": made.engine.name, "name": made.name, "agreement": agreement}
        busy = [asdict(figure) for figure in made.busy]
        emit(jsonl.line({**record, "busy": busy, "provenance": made.provenance(), "files": sorted(made.files())}))
        return
    console = output()
    console.print(deployment.agreement_text(made.agreement), markup=False)
    if made.busy:
        console.print(deployment.busy_view(made.busy))
    quality = tables.credited(made.verdict.score)
    console.print(f"{made.origin.name}: {made.quality_key} {quality}, packaged for {made.engine.name}", markup=False)
    console.print(f"in {out}: pip install {out} && python -m {made.name}.selftest", markup=False)
