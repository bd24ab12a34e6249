"""`packsmith init`: a folder to start one's own search in.

Owns: this verb. Does not know: what the files say.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from evaluator import DEFAULT_TASK, TASKS
from harness import starts
from harness.cli.completing import task_names
from harness.cli.console import Json, UserError, emit, output
from harness.cli.folders import Folder, made_whole
from harness.report import jsonl


def _tasks(incomplete: str) -> list[str]:
    return [*task_names(incomplete), *([starts.OWN] if starts.OWN.startswith(incomplete) else [])]


def init(
    folder: Folder,
    task: Annotated[
        str,
        typer.Option(
            "--task", metavar="TASK", help="A task by name, or new for a task of your own.", autocompletion=_tasks
        ),
    ] = DEFAULT_TASK,
    json: Json = False,
) -> None:
    """Make a folder to start your own search in.

    It gets a commented config, a program to start from, the contract of programs in words, a schema of the config for
    editors, and a README with the next commands. With --task new also a task to be rewritten, as one file that is
    complete and small. Nothing is overwritten: the folder has to be new or empty.

    \b
    Examples:
    packsmith init mine
    packsmith init mine --task new
    """
    if task not in (*TASKS, starts.OWN):
        raise UserError(f"--task {task}: no such task; known: {', '.join(sorted(TASKS))}, or {starts.OWN} for your own")
    files = starts.files(task)
    with made_whole(folder) as inside:
        for name, text in files.items():
            path = inside / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())
    _say(folder, task, sorted(files), json=json)


def _say(folder: Path, task: str, names: list[str], *, json: bool) -> None:
    if json:
        emit(jsonl.line({"path": str(folder), "task": task, "files": names}))
        return
    console = output()
    console.print(f"wrote {folder}:", *(f"  {name}" for name in names), sep="\n", markup=False)
    there = shlex.quote(str(folder))
    console.print(f"next: cd {there}, read README.md, and run its commands", markup=False)
