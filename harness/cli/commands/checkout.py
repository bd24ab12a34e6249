"""`packsmith checkout`: one attempt of a run as files in a folder.

Owns: this verb. Does not know: how an archive is stored, how programs are judged.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from harness.cli import folders
from harness.cli.console import Json, UserError, emit, output
from harness.cli.folders import Folder
from harness.cli.runs import AttemptWord, RunFolder, open_run, task_of
from harness.git import Repository
from harness.git.viewing import add_worktree, plain_files
from harness.report import attempts, jsonl
from harness.types import Entry

PROGRAM = "program.py"


def checkout(run: RunFolder, id: AttemptWord, folder: Folder, json: Json = False) -> None:
    """Check out an attempt into a folder, to change and judge it.

    Use it to work on a program by hand. The folder holds program.py, reply.md and attempt.json. It is a work tree of
    the run: `git diff` there shows your changes, `git log` shows the program's ancestors, and `git worktree remove DIR`
    deletes it. If you may not write to the run, the folder holds only the files.

    \b
    Examples:
    packsmith checkout runs/mine best work
    packsmith evaluate work/program.py --run runs/mine
    """
    with open_run(run) as opened:
        task_of(opened.archive.config, run)
        entry = opened.attempt(id)
        origin = attempts.verdict_origin(entry, opened.archive.find)
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
    _say(run, entry, folder, worktree=worktree, origin=origin, json=json)


def _ours(run: Path) -> bool:
    """Whether a work tree of the run may be made: git refuses to work in one whose repository is another user's."""
    return os.access(run, os.W_OK) and run.stat().st_uid == os.geteuid()


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    with folders.made_whole(folder) as inside:
        for name, data in files.items():
            (inside / name).write_bytes(data)


def _say(run: Path, entry: Entry, folder: Path, *, worktree: bool, origin: str, json: bool) -> None:
    program = shlex.quote(str(folder / PROGRAM))
    command = f"packsmith evaluate {program} --run {shlex.quote(str(run))}"
    if json:
        record = {
            "run": str(run),
            "number": entry.number,
            "id": entry.id,
            "path": str(folder),
            "same_as": entry.same_as or None,
        }
        emit(jsonl.line({**record, "worktree": worktree, "evaluate": command}))
        return
    what = "a work tree of the run" if worktree else "plain files, since the run is not yours to write"
    lines = (f"attempt {entry.number} is in {folder} ({what})", origin, f"judge it as the run does: {command}")
    output().print("\n".join(filter(None, lines)), markup=False)
