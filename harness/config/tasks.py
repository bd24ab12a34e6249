"""The task of a config: its section in the short forms, and the task that it makes.

Owns: the forms of the section, and what of it is relative to what. Does not know: any task, other sections.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from evaluator import Task, is_task_file, open_task_file
from evaluator.tasks import TASKS
from evaluator.types import EvaluatorError
from harness.config.document import ConfigError, Document, read
from harness.config.files import File, find
from harness.config.schema import Settings

TRACES = ("traces", "gate_traces", "final_traces")
"""Keys of files of loads."""


def with_task(document: Document, folder: Path) -> Document:
    """The document with `task: name` or `task: file` expanded into a mapping."""
    task = document.tree.get("task")
    if not isinstance(task, str):
        return document
    if is_task_file(task) or not (task.endswith((".yaml", ".yml")) or "/" in task):
        return replace(document, tree={**document.tree, "task": {"name": task}})
    file = find(task, folder, f"{document.where(('task',))}: task")
    inner = read(file.path, task)
    tree = dict(inner.tree)
    beside = os.path.relpath(file.path.parent, folder) if not Path(task).is_absolute() else file.path.parent
    for key in TRACES:
        if isinstance(tree.get(key), list):
            tree[key] = [str(Path(beside) / trace) if isinstance(trace, str) else trace for trace in tree[key]]
    origins = {**document.origins, **{f"task.{path}": origin for path, origin in inner.origins.items()}}
    return replace(document, tree={**document.tree, "task": tree}, origins=origins)


def task_of(settings: Settings, file: File | None, traces: Mapping[str, tuple[File, ...]], document: Document) -> Task:
    """The task. `file` is that of a task of one's own; `traces` are files of loads, by key. Raises ConfigError."""
    options = settings.task.options
    for key, files in traces.items():
        if files:
            options[key] = tuple(each.path for each in files)
    try:
        if file is not None:
            return open_task_file(file.path, options, name=file.name)
        return TASKS[settings.task.name](options)
    except EvaluatorError as error:
        raise ConfigError(f"{document.where(('task',))}: {error}") from error
