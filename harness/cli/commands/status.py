"""`packsmith status`: the state of a run, also while others work on it.

Owns: this verb. Does not know: how a search works, which facts a status has.
"""

from __future__ import annotations

from harness.cli.console import Json, emit, output
from harness.cli.runs import RunFolder, open_run
from harness.report import jsonl, status_view


def status(run: RunFolder, json: Json = False) -> None:
    """Show the state of a run: best program, spending, open tickets.

    Use it while a search is running, or to find the tickets that wait for `packsmith tell`. It changes nothing.

    \b
    Examples:
    packsmith status runs/mine
    packsmith status runs/mine --json
    """
    with open_run(run) as opened:
        archive, task = opened.archive, opened.task
        standing = opened.standing()
        best, seed = standing.best, standing.seed
        measured = archive.split_notes.on(best.id, seed.id) if best is not None and seed is not None else {}
        state = status_view.status(
            standing,
            archive.entries,
            pending=[(pending, archive.orphaned(pending)) for pending in archive.pending()],
            booked=archive.booked,
            limits=archive.config["budget"],
            advice=archive.advice(),
            measured=tuple(measured.values()),
        )
        record = status_view.record(state, archive.find)
    if json:
        emit(jsonl.line({"run": str(run), **record}))
    else:
        output().print(status_view.view(state, str(run), task.quality_key))
