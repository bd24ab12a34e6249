"""The options that a task file of the user's own declares, on the commands that judge.

Owns: which task file a command line names, and giving its commands the options of that file. Does not know: what the
options mean, how a command is made of its parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import get_type_hints

from evaluator import TASKS, TaskKind, file_kind, is_task_file
from harness.cli.console import UserError
from harness.cli.judge_options import JudgeOptions, judged, takes_judge_options

_TASK = "--task"


def named_file(arguments: Sequence[str]) -> str:
    """The task file that a command line names, "" if it names none; the last one counts."""
    named = [value for value in _tasks(arguments) if is_task_file(value)]
    return named[-1] if named else ""


def _tasks(arguments: Sequence[str]) -> Iterator[str]:
    for at, argument in enumerate(arguments):
        if argument == "--":
            return
        if argument == _TASK:
            yield from arguments[at + 1 : at + 2]
        elif argument.startswith(f"{_TASK}="):
            yield argument.removeprefix(f"{_TASK}=")


def with_own_options(
    verb: Callable[..., None], arguments: Sequence[str], kind_of: Callable[[str], TaskKind] = file_kind
) -> Callable[..., None]:
    """The verb with the options of the task file that its command line names; as it is where there are none.

    Raises EvaluatorError where the file is at fault, and UserError for an option that the verb has already.
    """
    command, file = judged(verb), named_file(arguments)
    if command is None or not file:
        return verb
    kind = kind_of(file)
    for option in kind.options:
        if option.flag in _flags(command):
            raise UserError(f"{file}: `OPTIONS`: {option.flag} is an option of packsmith itself: name it otherwise")
    kinds: Mapping[str, TaskKind] = {file: kind, **TASKS}
    return takes_judge_options(command, kinds)


def _flags(command: Callable[..., None]) -> set[str]:
    """The flags that a command has, whatever the task."""
    found = {"--help"}
    for described in (command, JudgeOptions):
        for name, hint in get_type_hints(described, include_extras=True).items():
            for option in getattr(hint, "__metadata__", ()):
                found |= set(getattr(option, "param_decls", None) or (f"--{name.replace('_', '-')}",))
    return found
