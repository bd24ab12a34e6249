"""`packsmith export` and `packsmith checkout`: a run, or one attempt of it, as files in a folder.

Owns: these two commands. Does not know: how an archive is stored, how programs are judged.
"""

from __future__ import annotations

import csv
import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from evaluator import Task
from harness.archive import Archive
from harness.cli import common, folders
from harness.cli.common import UserError
from harness.cli.run_verbs import Id, Run, open_run
from harness.config import stored_objective
from harness.git import Repository
from harness.git.viewing import add_worktree, plain_files
from harness.readings.patch_series import SEED
from harness.report import flat, jsonl
from harness.report.progress import Waiting
from harness.select import Standing, standing
from harness.text import encode
from harness.types import Entry

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A folder that is new or empty.")]
CONFIG = "config.yaml"
PROGRAM = "program.py"


def export(run: Run, folder: Folder, json: common.Json = False) -> None:
    """Write a run into a folder as plain files, for use without git.

    \b
    attempts.csv     a row an attempt, for spreadsheets
    attempts.jsonl   all of it, an object a line, as `log --json` prints it
    config.yaml      the whole config of the run
    seed.py best.py  the first program and the best
    front/000042.py  the programs of the front, by number

    \b
    Example:
    packsmith export runs/quickstart exported
    """
    archive, task = open_run(run)
    result = standing(archive.entries, stored_objective(archive.config))
    with archive, Waiting(common.messages()) as waiting, folders.made_whole(folder) as inside:
        waiting.say(f"exporting {len(archive.entries)} attempts")
        _programs(archive, result, inside)
        (inside / CONFIG).write_bytes(encode(archive.file(CONFIG) or ""))
        _attempts(archive, task, inside)
    record = {"attempts": len(archive.entries), "front": [entry.number for entry in result.front]}
    if json:
        common.emit(jsonl.line({"run": str(run), "path": str(folder), **record}))
    else:
        count = "1 attempt" if len(archive.entries) == 1 else f"{len(archive.entries)} attempts"
        common.output().print(f"wrote {folder}: {count}, {len(result.front)} programs of the front", markup=False)


def _programs(archive: Archive, result: Standing, folder: Path) -> None:
    (folder / "front").mkdir()
    (folder / SEED).write_bytes(encode(archive.source(archive.root_id)))
    if result.champion is not None:
        (folder / "best.py").write_bytes(encode(archive.source(result.champion.id)))
    for entry in result.front:
        (folder / "front" / f"{entry.number:06d}.py").write_bytes(encode(archive.source(entry.id)))


def _attempts(archive: Archive, task: Task, folder: Path) -> None:
    """Both tables of the attempts, one attempt at a time: a run may have 100,000 of them."""
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


def checkout(run: Run, id: Id, folder: Folder, json: common.Json = False) -> None:
    """Put an attempt into a folder, to be read, changed and judged.

    The folder holds program.py, reply.md and attempt.json. It is a work tree of the run: `git diff` there shows what
    you change, `git log` what the program was made from, and `git worktree remove DIR` gives it up. Where the run is
    not yours to write, the folder holds the files alone.

    \b
    Examples:
    packsmith checkout runs/quickstart best work
    packsmith evaluate work/program.py --run runs/quickstart
    """
    archive, _ = open_run(run)
    with archive:
        entry = archive.entry(id)
    path = folders.free(folder)
    repository = Repository(run)
    try:
        files = plain_files(repository, entry.id)
    finally:
        repository.close()
    if PROGRAM not in files:
        raise UserError(f"attempt {entry.number} of {run} holds no plain file {PROGRAM}: `packsmith verify` says more")
    worktree = _ours(run)
    if worktree:
        add_worktree(repository.path, path, entry.id, files)
    else:
        _write(folder, files)
    _say(run, entry, folder, worktree=worktree, json=json)


def _ours(run: Path) -> bool:
    """Whether a work tree of the run may be made: git refuses to work in one whose repository is another user's."""
    return os.access(run, os.W_OK) and run.stat().st_uid == os.geteuid()


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    with folders.made_whole(folder) as inside:
        for name, data in files.items():
            (inside / name).write_bytes(data)


def _say(run: Path, entry: Entry, folder: Path, *, worktree: bool, json: bool) -> None:
    program = shlex.quote(str(folder / PROGRAM))
    command = f"packsmith evaluate {program} --run {shlex.quote(str(run))}"
    if json:
        record = {"run": str(run), "number": entry.number, "id": entry.id, "path": str(folder)}
        common.emit(jsonl.line({**record, "worktree": worktree, "evaluate": command}))
        return
    what = "a work tree of the run" if worktree else "plain files, since the run is not yours to write"
    common.output().print(
        f"attempt {entry.number} is in {folder} ({what})\njudge it as the run does: {command}", markup=False
    )
