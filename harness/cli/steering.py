"""`packsmith status`, `stop`, `advise` and `stats`: a run seen, and led, while others work on it.

Owns: these four commands. Does not know: how a search goes on, how proposals are judged.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from harness.archive import Archive
from harness.cli import common
from harness.cli.common import UserError
from harness.cli.opening import open_archive
from harness.cli.run_verbs import Run
from harness.config import stored_objective
from harness.report import jsonl, status_view
from harness.report.stats import stats as counted
from harness.report.stats_table import stats_record, stats_view
from harness.select import standing

MOST_ADVICE = 4000
"""Characters of one piece of advice: it stands in every prompt from then on."""


def _open(run: Path) -> Archive:
    common.need_git()
    archive = open_archive(run)
    for damage in archive.damage:
        common.messages().print(f"warning: {damage}", style="yellow", markup=False)
    return archive


def stats(run: Run, json: common.Json = False) -> None:
    """Show what each model's proposals came to, by kind.

    Proposals, those that applied, were valid and improved on their parent, what they cost, and why the others failed.
    """
    with _open(run) as archive:
        found = counted(standing(archive.entries, stored_objective(archive.config)), archive.entries)
    if json:
        common.emit(jsonl.line({"run": str(run), **stats_record(found)}))
    else:
        common.output().print(stats_view(found))


def status(run: Run, json: common.Json = False) -> None:
    """Show where a run stands: best program, money, open tickets."""
    with _open(run) as archive:
        found = status_view.status(
            standing(archive.entries, stored_objective(archive.config)),
            archive.entries,
            pending=[(pending, archive.orphaned(pending)) for pending in archive.pending()],
            booked=archive.booked,
            limits=archive.config["budget"],
            advice=archive.advice(),
        )
    if json:
        common.emit(jsonl.line({"run": str(run), **status_view.record(found)}))
    else:
        common.output().print(status_view.view(found, str(run)))


def stop(run: Run) -> None:
    """Ask every search that goes on in a run to stop.

    Nothing new is begun; what is asked of models or being judged is finished and archived first. The same search
    command goes on later.
    """
    with _open(run) as archive:
        archive.ask_to_stop()
    common.output().print(
        f"asked the searches in {run} to stop; each finishes what is under way. To go on, run the same command again",
        markup=False,
    )


def advise(
    run: Run,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What the next prompts are to say; - is standard input.")],
) -> None:
    """Add guidance of yours to a run's next prompts.

    It is archived with the run and stands in every prompt from now on.

    \b
    Examples:
    packsmith advise runs/eplb "Balance is good enough: look for speed."
    packsmith advise runs/eplb - < notes.txt
    """
    words = (sys.stdin.buffer.read().decode("utf-8", "replace") if text == "-" else text).strip()
    if not words:
        raise UserError("expected some words of advice, found none")
    if len(words) > MOST_ADVICE:
        raise UserError(f"expected at most {MOST_ADVICE:,} characters of advice, found {len(words):,}: be brief")
    with _open(run) as archive:
        number = archive.advise(words)
    common.output().print(f"advice {number} of {run}: it stands in every prompt from now on", markup=False)
