"""`packsmith search`: start a search, or continue one.

Owns: this verb: joining the collaborators of a config, and showing the attempts. Does not know: how the loop works.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from evaluator import Duel, Rejected
from harness.archive import Archive, is_gated
from harness.cli import plan
from harness.cli.completing import run_folders
from harness.cli.console import Json, Plain, UserError, emit, messages, output
from harness.cli.live import View
from harness.cli.next_steps import next_steps
from harness.cli.runs import begin_run, need_git
from harness.cli.searching import searcher
from harness.cli.signals import Interruptible
from harness.cli.splits import against_seed
from harness.cli.tracking import Target, TrackOption, targets, tracking
from harness.cli.user_files import write_program
from harness.cli.verdicts import say_notes
from harness.config import Config, load
from harness.config.models import keyed
from harness.gate import GatedStanding, gated_standing
from harness.islands import exposed
from harness.llm import Model
from harness.proposers import EXTERNAL_PROPOSER
from harness.readings.splits import Splits, splits
from harness.report import attempts, jsonl, splits_view
from harness.report.stats import stats
from harness.report.stats_table import stats_view
from harness.text import one_line


def search(
    config_file: Annotated[
        str, typer.Argument(metavar="CONFIG", help="A config file, such as configs/quickstart.yaml.")
    ],
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "-s", "--set", metavar="KEY=VALUE", help="Override a key: -s budget.attempts=50 (may be repeated)."
        ),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(
            "--run", metavar="DIR", help="The run's folder, instead of the config's.", autocompletion=run_folders
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Print the plan and the worst-case cost; call, judge and archive nothing."),
    ] = False,
    track: TrackOption = None,
    plain: Plain = False,
    json: Json = False,
) -> None:
    """Search for better programs, or continue a search.

    Use it to start a run from a config file. Every attempt is archived before it is printed: stop at any time with
    Ctrl-C, and continue with the same command. On a terminal, a panel shows the front, the best program, what is spent
    and the time left.

    \b
    Examples:
    packsmith search configs/quickstart.yaml
    packsmith search mine.yaml -s budget.attempts=100 -s seed=7 --run runs/mine
    packsmith search configs/quickstart.yaml --track tensorboard
    packsmith search configs/quickstart.yaml -s models[0].name=MODEL --dry-run
    """
    trackers = targets(track)
    config = load(config_file, set_ or ())
    folder = run if run is not None else config.run
    if dry_run:
        plan.show(config, folder, json=json, plain=plain)
        return
    need_git()
    # Before the run is started: without its keys a search cannot work.
    models = keyed(config.models, os.environ) if config.asks_models else ()
    console, notices = output(plain=plain), messages(plain=plain)
    with begin_run(folder, config, plain=plain) as opened:
        archive, config = opened.archive, opened.config

        def safe() -> str:
            made = sum(entry.number > 0 for entry in archive.entries)
            return f"everything so far (attempts: {made}) is in {folder}; the same command continues from there"

        with Interruptible(safe):
            ended = _run(archive, config, folder, models, trackers, console, notices, json=json)
    if not json and ended.best is not None and config.kind != EXTERNAL_PROPOSER:
        steps = next_steps(folder, ended.best.number, console.width)
        console.print("\n".join(steps), markup=False, soft_wrap=True)


def _run(
    archive: Archive,
    config: Config,
    folder: Path,
    models: Sequence[Model],
    trackers: Sequence[Target],
    console: Console,
    notices: Console,
    *,
    json: bool,
) -> GatedStanding:
    """Search, and show the result, which is returned."""
    say_notes(config.task)
    for damage in archive.damage:
        notices.print(f"note: {damage}", markup=False)

    def tell(text: str) -> None:
        notices.print(f"note: {text}", markup=False)

    with searcher(archive, config, folder, models, notice=tell) as ours:
        view = View(console, notices, ours.judges, ours.ledger, config=config, budget=config.budget, json=json)
        with ours.attempts(view.progress, view.note) as going, view, closing(going):
            view.begin(archive, folder)
            with tracking(archive, folder, trackers, view.note) as feed:
                for entry in going:
                    view.show(entry, archive)
                    if told := exposed(entry, config.task.resolution):
                        view.note(f"the claim does not hold: {told}")
                    feed.add(entry)
        result = gated_standing(archive.entries, config.objective)
        if result.best is None or result.seed is None:
            raise UserError(f"{folder}: the seed program has no score yet; give the search a larger budget")
        if config.kind == EXTERNAL_PROPOSER:
            _say_how_to_go_on(console, folder, json=json)
            return result
        if not json and any(entry.turns for entry in archive.entries):
            console.print(stats_view(stats(result, archive.entries)))
        write_program(folder / "best.py", archive.source(result.best.id))
        direct, measured = against_seed(
            result.best, result.seed, archive, ours.judges[0], notices, held_out=is_gated(archive.config)
        )
    found = splits(measured, result)
    if json:
        _emit_end(result, direct, found, folder, archive, ended=view.ended)
    else:
        _conclude(result, direct, found, config, folder, console, notices)
    return result


def _say_how_to_go_on(console: Console, folder: Path, *, json: bool) -> None:
    """Say what to do next in a run whose proposals come from outside."""
    if json:
        return
    console.print(
        f"\nThe seed program is judged, and the run waits for answers. For each of them:\n"
        f"  packsmith ask {folder} -o prompt.md          a prompt, and its ticket\n"
        f"  packsmith tell {folder} TICKET reply.md      the answer; its verdict\n"
        f"See packsmith ask -h, and packsmith status {folder}.",
        markup=False,
    )


def _emit_end(
    result: GatedStanding, direct: Duel | Rejected | None, found: Splits, folder: Path, archive: Archive, *, ended: str
) -> None:
    """Print the last record: where the best program is, and how it compares with the seed program, by split."""
    champion = result.best
    assert champion is not None
    record: dict[str, Any] = {"best": champion.number, "id": champion.id, "path": str(folder / "best.py")}
    record |= {"against_seed": None, "ended": ended, "booked": asdict(archive.booked)}
    if isinstance(direct, Duel):
        record["against_seed"] = {"speedup": jsonl.interval(direct.speedup), "gain": jsonl.gain_record(direct.gain)}
    emit(jsonl.line(record | splits_view.record(found, archive.find)))


def _conclude(
    result: GatedStanding,
    direct: Duel | Rejected | None,
    found: Splits,
    config: Config,
    folder: Path,
    console: Console,
    notices: Console,
) -> None:
    """Show the front against the reference, the champion against the seed program, and where the champion is."""
    champion, seed = result.best, result.seed
    assert champion is not None and seed is not None
    console.print(attempts.front_table(result, config.task, config.reference.path.name))
    if isinstance(direct, Duel):
        console.print(attempts.against_seed(direct, seed, champion, task=config.task, name=config.program.path.name))
    elif isinstance(direct, Rejected):
        notices.print(f"warning: judged again, the best program was rejected at {direct.stage}: {direct.detail}")
    if found.measured:
        console.print(splits_view.table(found, config.task.quality_key, config.program.path.name))
    else:
        console.print("\n".join(splits_view.only_lines(found)), markup=False)
    name = one_line(champion.name, 80)
    console.print(f"best program:  {folder / 'best.py'}  (attempt {champion.number}, {name})", markup=False)
    console.print(f"the way there: packsmith log {folder}; packsmith show {folder} {champion.number}", markup=False)
