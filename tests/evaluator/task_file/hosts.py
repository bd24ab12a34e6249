"""Task files for tests: the one that `init --task new` writes, with small changes, and their hosts in this process.

Owns: these. A host in a thread answers as its process does, over the same socket, without the time that a process
takes to start.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from evaluator.shipped import shipped
from evaluator.task_file.host import serve
from evaluator.task_file.process import TaskProcess, Text
from evaluator.task_file.starting import Started
from evaluator.task_file.task import FileTask, task_of_source

NEW = shipped("configs/starts/new")
NONE: Mapping[str, Any] = MappingProxyType({})
SOURCE = (NEW / "task.py").read_text()


def in_thread(idle_s: float = 60.0) -> Started:
    ours, theirs = socket.socketpair()

    def run() -> None:
        with theirs:
            serve(theirs, lambda seconds: None, idle_s)

    threading.Thread(target=run, daemon=True).start()

    def end() -> str:
        ours.close()
        return "its thread was left"

    return ours, end


def edited(*changes: tuple[str, str], source: str = SOURCE) -> str:
    """A source with texts replaced, each of which it holds once."""
    for before, after in changes:
        assert source.count(before) == 1, (before, source.count(before))
        source = source.replace(before, after)
    return source


OPTIONS = """
OPTIONS = (
    TaskOption(key="jobs", flag="--jobs", metavar="N", parse=int, help="Jobs of the small case."),
    TaskOption(key="names", flag="--case", repeated=True, help="A case: few or many."),
)


def task(options):
    CASES["few"] = (options.get("jobs", 24), 6)
    return Makespan()
"""
WITH_OPTIONS = edited(
    ("TASK = Makespan()", OPTIONS),
    ("from evaluator import Column, Ladder", "from evaluator import Column, Ladder, TaskOption"),
)


def loaded(
    source: str = SOURCE, *, limit_s: float = 20.0, folder: Path = NEW, options: Mapping[str, Any] = NONE
) -> FileTask:
    """The task of a source, called task.py, with its host in a thread."""
    process = TaskProcess(Text(file="task.py", source=source, options=options), limit_s=limit_s, start=in_thread)
    return task_of_source(source, file="task.py", folder=folder, options=options, process=process)
