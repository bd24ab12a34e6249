"""The task of a config: its section in the short forms, and the task that it makes.

Owns: the forms of the section, and what of it is relative to what. Does not know: any task, other sections.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from evaluator import Task, is_task_file, open_task_file
from evaluator.tasks import TASKS
from evaluator.types import EvaluatorError
from harness.config.document import ConfigError, Document, read
from harness.config.files import File, find
from harness.config.schema import Settings


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
    if isinstance(tree.get("traces"), list):
        beside = os.path.relpath(file.path.parent, folder) if not Path(task).is_absolute() else file.path.parent
        tree["traces"] = [str(Path(beside) / t) if isinstance(t, str) else t for t in tree["traces"]]
    origins = {**document.origins, **{f"task.{path}": origin for path, origin in inner.origins.items()}}
    return replace(document, tree={**document.tree, "task": tree}, origins=origins)


def task_of(settings: Settings, file: File | None, traces: tuple[File, ...], document: Document) -> Task:
    """The task. `file` is that of a task of one's own; `traces` are files of loads. Raises ConfigError."""
    options = settings.task.options
    if traces:
        options["traces"] = tuple(trace.path for trace in traces)
    try:
        if file is not None:
            return open_task_file(file.path, options, name=file.name)
        return TASKS[settings.task.name](options)
    except EvaluatorError as error:
        raise ConfigError(f"{document.where(('task',))}: {error}") from error
