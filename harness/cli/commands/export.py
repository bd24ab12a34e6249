"""`packsmith export`: a run as plain files in a folder.

Owns: this verb, and the names of the files it writes. Does not know: how an archive is stored.
"""

from __future__ import annotations

import csv
from pathlib import Path

from evaluator import Task
from harness.archive import Archive
from harness.cli import folders
from harness.cli.console import Json, counted, emit, messages, output
from harness.cli.folders import Folder
from harness.cli.runs import RunFolder, open_run
from harness.gate import GatedStanding
from harness.readings.patch_series import SEED
from harness.report import flat, jsonl
from harness.report.progress import Waiting
from harness.text import encode

CONFIG = "config.yaml"


def export(run: RunFolder, folder: Folder, json: Json = False) -> None:
    """Write a run into a folder as plain files.

    Use it to analyse a run in a spreadsheet or a notebook, without git.

    \b
    attempts.csv     one row for each attempt, for spreadsheets
    attempts.jsonl   the same in full, one object per line, as in `log --json`
    config.yaml      the whole config of the run
    seed.py best.py  the first program and the best
    front/000042.py  the programs of the front, by number

    \b
    Examples:
    packsmith export runs/mine exported
    packsmith export runs/mine exported --json
    """
    with open_run(run) as opened, Waiting(messages()) as waiting, folders.made_whole(folder) as inside:
        archive, task, result = opened.archive, opened.task, opened.standing()
        waiting.say(f"exporting {counted(len(archive.entries))}")
        _programs(archive, result, inside)
        (inside / CONFIG).write_bytes(encode(archive.file(CONFIG) or ""))
        _attempts(archive, task, inside)
        count = len(archive.entries)
    front = [entry.number for entry in result.front]
    if json:
        emit(jsonl.line({"run": str(run), "path": str(folder), "attempts": count, "front": front}))
    else:
        output().print(f"wrote {folder}: {counted(count)}, {len(front)} programs of the front", markup=False)


def _programs(archive: Archive, result: GatedStanding, folder: Path) -> None:
    (folder / "front").mkdir()
    (folder / SEED).write_bytes(encode(archive.source(archive.root_id)))
    if result.best is not None:
        (folder / "best.py").write_bytes(encode(archive.source(result.best.id)))
    for entry in result.front:
        (folder / "front" / f"{entry.number:06d}.py").write_bytes(encode(archive.source(entry.id)))


def _attempts(archive: Archive, task: Task, folder: Path) -> None:
    """Both tables of the attempts, written one attempt at a time: a run may have 100,000 of them."""
    device = str(archive.config["device"])
    with (
        (folder / "attempts.csv").open("w", encoding="utf-8", newline="") as table,
        (folder / "attempts.jsonl").open("w", encoding="ascii") as lines,
    ):
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(flat.columns(task))
        for entry in archive.entries:
            writer.writerow(flat.flat_row(entry, archive.find))
            lines.write(jsonl.line(jsonl.entry_record(entry, task=task, device=device)) + "\n")
