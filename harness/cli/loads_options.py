"""The options of `packsmith loads`: those of the verb, and those that tasks add.

Owns: these options, their help, and what makes them contradict each other. Does not know: any particular task, what is
done with recorded loads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from evaluator import TASKS, LoadsKind, TaskKind
from harness.cli.console import UserError
from harness.cli.new_files import check_free
from harness.cli.signatures import with_options
from harness.cli.task_options import Given, config_values, given, task_parameters

Ranges = tuple[tuple[int, int], ...]
_MOST = 10**9


def kinds() -> dict[str, LoadsKind]:
    """The tasks that have recorded loads, by name."""
    return {name: kind.loads for name, kind in TASKS.items() if kind.loads is not None}


def _as_tasks() -> dict[str, TaskKind]:
    """The same tasks, with the options that they have for recorded loads."""
    return {name: TaskKind(build=TASKS[name], options=kind.options) for name, kind in kinds().items()}


def takes_loads_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the tasks' options in place of its parameter of type `Given`, which receives them, and put what
    the tasks say of their files in place of FORMATS in its help.
    """
    examples = [f"packsmith loads {example}" for kind in kinds().values() for example in kind.examples]
    parameters = task_parameters(_as_tasks())
    taking = with_options(command, Given, parameters, lambda values: given(values, _as_tasks()), examples)
    formats = " ".join(f"{kind.reads} Writes {_written(kind)}." for kind in kinds().values())
    taking.__doc__ = (taking.__doc__ or "").replace("FORMATS", formats)
    return taking


def _written(kind: LoadsKind) -> str:
    """The formats that can be written, with their extensions."""
    return ", ".join(f"{name} ({' or '.join(ends)})" for name, ends in kind.formats.items())


def reader(task: str) -> tuple[str, LoadsKind]:
    """The name of the task, by default the first with recorded loads, and what it offers. Raises UserError."""
    known = kinds()
    name = task or next(iter(known), "")
    if name not in known:
        raise UserError(f"--task {task}: expected a task with recorded loads: {', '.join(known) or 'there are none'}")
    return name, known[name]


def read_options(task: str, values: Given) -> Mapping[str, Any]:
    """The tasks' options as the chosen task reads them. Raises UserError and WorkloadError."""
    return config_values(task, values, _as_tasks())


def read_ranges(text: str, flag: str) -> Ranges:
    """Numbers and ranges such as `0,3-60`; () for "". Raises UserError."""
    ranges = []
    for part in text.split(",") if text else ():
        first, dash, last = part.strip().partition("-")
        if not _whole(first) or (dash and not _whole(last)):
            raise UserError(f"{flag} {text}: expected numbers and ranges such as 0,3-60, found {part.strip()!r}")
        ranges.append((int(first), int(last if dash else first)))
        if ranges[-1][0] > ranges[-1][1]:
            raise UserError(f"{flag} {text}: expected a range from the smaller to the larger, found {part.strip()!r}")
    return tuple(ranges)


def _whole(text: str) -> bool:
    return text.isascii() and text.isdigit() and int(text) <= _MOST if len(text) < 20 else False


def check_output(kind: LoadsKind, form: str, file: Path | None) -> Path | None:
    """The file to write, None to show. Raises UserError unless format and file are both given or neither, they fit, and
    the file is new.
    """
    if not form and file is None:
        return None
    known = _written(kind)
    if not form:
        raise UserError(f"-o {file}: expected --to FORMAT as well: {known}")
    if form not in kind.formats:
        raise UserError(f"--to {form}: expected one of {known}")
    if file is None:
        raise UserError(f"--to {form}: expected -o FILE as well, the file to write")
    if file.suffix not in kind.formats[form]:
        ends = " or ".join(kind.formats[form])
        raise UserError(f"-o {file}: expected a name that ends in {ends} for --to {form}")
    check_free(file)
    return file
