"""`packsmith track`: a run in an experiment tracker.

Owns: this verb. Does not know: any one tracker, and what is sent to it.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.console import Json, UserError, counted, emit, messages, output
from harness.cli.runs import RunFolder, open_run
from harness.cli.tracking import target, tracker_kinds, tracking
from harness.report import jsonl
from harness.report.progress import Waiting
from harness.trackers import TRACKERS


def track(
    run: RunFolder,
    to: Annotated[
        str,
        typer.Option("--to", metavar="KIND", help=f"The tracker: {', '.join(TRACKERS)}.", autocompletion=tracker_kinds),
    ],
    out: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="DIR", help="The folder of its files, instead of its usual one."),
    ] = None,
    json: Json = False,
) -> None:
    """Send a run to MLflow, TensorBoard or wandb.

    Use it to see runs beside your other experiments. wandb is Weights & Biases. Each attempt becomes a row of figures
    at the step of its number: quality, speed-up, the best so far, whether it was scored, dollars, tokens and seconds.
    The config goes along as parameters, without keys and headers, and the best program as an artefact.

    Files are written on this machine only. What the tracker has already is not sent again, so the same command after
    more attempts sends the new ones. For a search that is going on: packsmith search CONFIG --track KIND.

    \b
    Examples:
    packsmith track runs/mine --to tensorboard
    packsmith track runs/mine --to mlflow -o mlruns
    packsmith track runs/mine --to wandb --json
    """
    wanted = target(to, out, option="--to")
    with open_run(run) as opened, Waiting(messages()) as waiting:
        waiting.say(f"sending {counted(len(opened.archive.entries))} to {to}")
        with tracking(opened.archive, run, [wanted], notice=lambda text: None) as feed:
            pass
    if to in feed.failed:
        raise UserError(f"{to}: {feed.failed[to]}")
    if json:
        emit(jsonl.line({"run": str(run), "to": to, "place": feed.places[to], "sent": feed.sent[to]}))
        return
    look = TRACKERS[to].look.replace("DIR", shlex.quote(str(wanted.folder)))
    output().print(f"sent {counted(feed.sent[to])} to {feed.places[to]}\nlook: {look}", markup=False)
