"""`packsmith import`: another framework's archive as a run.

Owns: this verb. Does not know: how any framework stores its programs, when a claim holds.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from evaluator import DEFAULT_TASK
from harness.archive import Archive
from harness.cli import folders
from harness.cli.console import Json, UserError, emit, messages, output, warn
from harness.cli.live import View
from harness.cli.runs import begin_run, is_run, need_git
from harness.cli.signals import Interruptible
from harness.cli.verdicts import say_notes
from harness.config import Config, load, stored_files
from harness.gate import gated_standing
from harness.imports import ForeignArchive, read_archive
from harness.readings.claims import claims, usual_score
from harness.report import claims_view, jsonl
from harness.report.progress import Waiting
from harness.runs.judges import started
from harness.runs.vouched import vouch
from harness.search import ImportedProgram, ImportProposer, SearchSetup, judge_imported, store_unjudged
from harness.search.budget import Budget
from harness.text import one_line
from harness.types import Claimed, Imported

_LINE = 300
_NOTES = 10

Framework = Annotated[
    Literal["openevolve", "shinka", "skydiscover", "gepa"],
    typer.Argument(metavar="FRAMEWORK", help="openevolve, shinka, skydiscover or gepa."),
]
ConfigName = Annotated[
    str | None,
    typer.Option("--config", metavar="CONFIG", help="What the run judges by; by default a shipped one."),
]
Score = Annotated[
    str | None, typer.Option("--score", metavar="NAME", help="The claimed score to compare with what is measured.")
]
Component = Annotated[
    str, typer.Option("--component", metavar="NAME", help="gepa: which component of a candidate is the program.")
]


def import_(
    framework: Framework,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Its archive: a folder, or a file in it.")],
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The run's folder, to be made.")],
    config: ConfigName = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("-s", "--set", metavar="KEY=VALUE", help="Override a key of the config (may be repeated)."),
    ] = None,
    rejudge: Annotated[
        bool, typer.Option("--rejudge", help="Measure every program here, and say which claims hold.")
    ] = False,
    score: Score = None,
    component: Component = "",
    json: Json = False,
) -> None:
    """Make a run of another framework's archive.

    Every program becomes an attempt, with its parents and inspirations as far as they are recorded. Its scores there
    are kept as claims: hearsay, by which nothing is decided. Without --rejudge no program is judged, and the run can be
    read and measured (packsmith log, show, lineage, remeasure), but not searched on. With --rejudge each distinct
    program is measured in full by the run's own judge; at the end claims and measurements stand side by side. Stop at
    any time with Ctrl-C, and continue with the same command. The first program is the run's seed program.

    \b
    openevolve, skydiscover   a checkpoint, or a folder of checkpoints
    shinka                    programs.sqlite, or the gen_* folders
    gepa                      a result as JSON, or a run's folder

    \b
    Examples:
    packsmith import openevolve openevolve_output runs/theirs
    packsmith import shinka results runs/theirs --rejudge --config mine.yaml
    packsmith import gepa result.json runs/theirs --rejudge -s judge.timeout_s=30
    """
    need_git()
    with Waiting(messages()) as waiting:
        waiting.say(f"reading {folder}")
        found = read_archive(framework, folder, component)
    programs = tuple(_imported(found))
    with _config(config, set_ or (), programs[0].source) as judged_by:
        if rejudge:
            _rejudge(run, judged_by, programs, found, score=score, json=json)
            return
        _store(run, judged_by, programs)
    record = {"run": str(run), "framework": found.framework, **_counts(programs), "judged": False}
    if json:
        emit(jsonl.line({**record, "notes": list(found.notes)}))
        return
    _say(found, record, run)
    output().print("nothing is judged: --rejudge measures every program, packsmith remeasure single ones", markup=False)


def _imported(found: ForeignArchive) -> Iterator[ImportedProgram]:
    for program in found.programs:
        yield ImportedProgram(
            source=program.source,
            imported=Imported(
                claimed=Claimed(framework=found.framework, id=program.id, scores=program.scores),
                name=program.name,
                description=program.description,
                warnings=program.notes,
            ),
            parents=program.parents,
            inspirations=program.inspirations,
            model=program.model,
        )


@contextmanager
def _config(path: str | None, overrides: Sequence[str], seed: str) -> Iterator[Config]:
    """The config of the run, with the first program as its seed program."""
    with tempfile.TemporaryDirectory(prefix="packsmith-import-") as folder:
        program = Path(folder) / "first.py"
        program.write_bytes(seed.encode("utf-8"))
        own = () if path else ("proposer.kind=ask",)
        yield load(path or f"configs/{DEFAULT_TASK}.yaml", (*own, *overrides, f"program={program}"))


def _store(run: Path, config: Config, programs: Sequence[ImportedProgram]) -> None:
    """Make the run, whole or not at all."""
    if is_run(run):
        raise UserError(f"{run}: expected a new folder, found a run: name another folder")
    with (
        folders.made_whole(run) as beside,
        Archive.create(
            beside,
            seed_source=programs[0].source,
            config=config.resolved(),
            files=stored_files(config),
            imported=True,
        ) as archive,
        Waiting(messages()) as waiting,
    ):
        waiting.say(f"writing {len(programs):,} programs")
        store_unjudged(archive, programs)
        if config.task_file is not None:
            vouch(config.task_file.sha256)


def _rejudge(
    run: Path,
    config: Config,
    programs: Sequence[ImportedProgram],
    found: ForeignArchive,
    *,
    score: str | None,
    json: bool,
) -> None:
    """Judge and archive every program, then show which claims hold."""
    with begin_run(run, config, imported=True) as opened:
        archive, config = opened.archive, opened.config
        for damage in archive.damage:
            warn(damage)
        say_notes(config.task)

        def safe() -> str:
            return f"{len(archive.entries)} of {len(programs)} programs are in {run}; the same command continues"

        with Interruptible(safe):
            _judge(run, archive, config, programs, json=json)
        result = claims(archive.entries, archive.find, score or usual_score(archive.entries))
        champion = gated_standing(archive.entries, config.objective).best
        record = {"run": str(run), "framework": found.framework, **_counts(programs), "judged": True}
        record |= {"best": None if champion is None else champion.number}
        if json:
            emit(jsonl.line({**record, "notes": list(found.notes), "claims": claims_view.record(result)}))
            return
        console = output()
        console.print(claims_view.view(result, config.task))
        _say(found, record, run)
        if champion is None:
            console.print("the first program was rejected, so that a search cannot go on from this run", markup=False)
        else:
            console.print(f"best program: attempt {champion.number}, {one_line(champion.name, 80)}", markup=False)


def _judge(run: Path, archive: Archive, config: Config, programs: Sequence[ImportedProgram], *, json: bool) -> None:
    """Judge what is not archived yet, showing each attempt."""
    with ExitStack() as stack:
        judges = started(config, stack).judges
        budget = Budget(attempts=max(1, len(programs) - 1))
        view = View(output(), messages(), judges, budget.ledger(), config=config, budget=budget, json=json)
        stack.enter_context(view)
        setup = SearchSetup(
            judges=judges,
            proposer=ImportProposer(programs, archive.root_id),
            selector=config.selector(archive.source),
            objective=config.objective,
            budget=Budget(attempts=archive.next_number + len(programs)),
            seed=config.seed,
            in_flight=len(judges),
            progress=view.progress,
        )
        view.begin(archive, run)
        for entry in stack.enter_context(closing(judge_imported(archive, setup, programs))):
            view.show(entry, archive)
        if len(archive.entries) >= len(programs):
            view.ended = ""


def _counts(programs: Sequence[ImportedProgram]) -> dict[str, Any]:
    return {
        "programs": len(programs),
        "with_parents": sum(bool(program.parents) for program in programs),
        "with_claims": sum(bool(program.imported.claimed.scores) for program in programs),
    }


def _say(found: ForeignArchive, record: dict[str, Any], run: Path) -> None:
    """Say what was imported, and what was left out."""
    lost = [f"{program.id}: {note}" for program in found.programs for note in program.notes]
    for note in (*found.notes, *lost[:_NOTES]):
        messages().print(f"note: {one_line(note, _LINE)}", style="yellow", markup=False)
    if len(lost) > _NOTES:
        messages().print(f"note: {len(lost) - _NOTES} more such notes; packsmith show has them", style="yellow")
    programs, parents, scored = record["programs"], record["with_parents"], record["with_claims"]
    output().print(
        f"imported {programs} programs of {found.framework} into {run}: {parents} with a parent, {scored} with claims",
        markup=False,
    )
