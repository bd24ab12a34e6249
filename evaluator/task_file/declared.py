"""The kind of a task of one's own: what builds it, and the options that its file declares for the command line.

Owns: asking a file for its `OPTIONS`, and for the values of texts. Does not know: what the options mean, commands.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from evaluator.task_file import checking
from evaluator.task_file.checking import Unfit
from evaluator.task_file.opening import open_task_file
from evaluator.task_file.process import TaskFileError, TaskProcess, Text
from evaluator.task_file.starting import Started, start
from evaluator.task_file.task import read_source
from evaluator.task_protocol import TaskKind, TaskOption

DECLARES = "OPTIONS"


def file_kind(path: str, start: Callable[[], Started] = start) -> TaskKind:
    """The kind of the task of a file. A process is started only for a file that names OPTIONS, and lives until nothing
    refers to the options. Raises EvaluatorError where the file or its options are at fault.
    """
    build = partial(open_task_file, path)
    source = read_source(Path(path), path)
    if DECLARES not in source:
        return TaskKind(build=build)
    process = TaskProcess(Text(file=path, source=source, options={}), make=False, start=start)
    try:
        declared = checking.options(process.load()["options"])
    except Unfit as unfit:
        process.close()
        raise TaskFileError(f"{path}: {unfit}") from None
    return TaskKind(build=build, options=tuple(_option(process, path, fields) for fields in declared))


def _option(process: TaskProcess, path: str, fields: dict[str, Any]) -> TaskOption:
    def parse(text: str) -> Any:
        """Raises TaskFileError and WorkloadError."""
        try:
            return checking.plain(process.ask("parse", fields["flag"], text))
        except Unfit as unfit:
            raise TaskFileError(f"{path}: `parse` of {fields['flag']}: {unfit}") from None

    return TaskOption(**fields, parse=parse)
