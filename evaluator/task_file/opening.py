"""Opening a task file by its path, and what is said of any task where a task of one's own differs from a shipped one.

Owns: the names that a task of one's own may not have, its kind, and how scores name it. Does not know: how the file is
executed, configs.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evaluator.task_file.process import TaskFileError
from evaluator.task_file.task import FileTask, read_source, task_of_source
from evaluator.task_protocol import Task, TaskKind
from evaluator.tasks import TASKS


def open_task_file(path: str | Path, options: Mapping[str, Any] | None = None, *, name: str = "") -> FileTask:
    """The task that a file defines, loaded in a process of its own. `options` are those of its `task(options)`; `name`
    is what errors call the file, by default its path.

    Raises EvaluatorError: TaskFileError where the file is at fault, WorkloadError for options that it refuses.
    """
    file = name or str(path)
    task = task_of_source(read_source(Path(path), file), file=file, folder=Path(path).parent, options=options or {})
    if task.name in TASKS:
        task.process.close()
        raise TaskFileError(f"{file}: `name`: expected another name than that of a shipped task, found {task.name}")
    return task


def kind_of(task: Task) -> TaskKind:
    """The kind of a task. One of a task file has no engines and no policies; its options are in `file_kind`."""
    return TASKS.get(task.name) or TaskKind(build=lambda options: task)


def identified(task: Task) -> str:
    """The task that a score is of: name and version, and of a task file the beginning of its sha256."""
    digest = f" {task.digest[:12]}" if isinstance(task, FileTask) else ""
    return f"{task.name}/{task.version}{digest}"
