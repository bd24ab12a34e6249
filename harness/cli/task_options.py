"""The options that tasks add to the commands that judge, as the tasks themselves describe them.

Owns: how all tasks' options become parameters of one command, and how the given values become the options of the
chosen task. Does not know: any particular task or command, what the options mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from inspect import Parameter
from keyword import iskeyword
from typing import Annotated, Any, Literal

import typer

from evaluator import TASKS, TaskKind, TaskOption
from harness.cli.console import UserError

Given = Mapping[str, Any]
"""What was given on the command line, by flag: a text, or a list of texts if the option may be repeated."""


def _of_flags(kinds: Mapping[str, TaskKind]) -> dict[str, dict[str, TaskOption]]:
    """The options by flag, and within a flag by the task that has them."""
    by_flag: dict[str, dict[str, TaskOption]] = {}
    for name, kind in kinds.items():
        for option in kind.options:
            by_flag.setdefault(option.flag, {})[name] = option
    return by_flag


def parameter_name(flag: str) -> str:
    name = flag.lstrip("-").replace("-", "_")
    return f"{name}_" if iskeyword(name) else name


def task_parameters(kinds: Mapping[str, TaskKind] = TASKS) -> tuple[Parameter, ...]:
    """A parameter for every option of every task; tasks that share a flag share the parameter."""
    return tuple(_parameter(flag, options, kinds) for flag, options in _of_flags(kinds).items())


def _parameter(flag: str, options: Mapping[str, TaskOption], kinds: Mapping[str, TaskKind]) -> Parameter:
    first = next(iter(options.values()))
    by_text: dict[str, list[str]] = {}
    for task, option in options.items():
        by_text.setdefault(option.help, []).append(task)
    everyones = len(by_text) == 1 and options.keys() == kinds.keys()
    words = " ".join(text if everyones else f"{text} (task {', '.join(tasks)})" for text, tasks in by_text.items())
    chosen = all(option.choices for option in options.values())
    choices = tuple(dict.fromkeys(choice for option in options.values() if chosen for choice in option.choices))
    kind: Any = Literal.__getitem__(choices) if choices else str
    if first.repeated:
        kind = list.__class_getitem__(kind)
    option = typer.Option(flag, metavar=first.metavar or None, help=words)
    annotation: Any = Annotated[kind | None, option]
    return Parameter(parameter_name(flag), Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def given(values: Mapping[str, Any], kinds: Mapping[str, TaskKind] = TASKS) -> Given:
    """What was given, from the values of a command's parameters."""
    return {flag: values[parameter_name(flag)] for flag in _of_flags(kinds) if values[parameter_name(flag)]}


def config_values(task: str, given: Given, kinds: Mapping[str, TaskKind] = TASKS) -> dict[str, Any]:
    """The options of a task, in the form of its `task:` section in a config. Raises UserError for an option of another
    task, and WorkloadError for a text that the task cannot read.
    """
    values: dict[str, Any] = {}
    for flag, texts in given.items():
        options = _of_flags(kinds)[flag]
        if task not in options:
            raise UserError(f"{flag}: is an option of the task {', '.join(options)}, and not of {task}: leave it out")
        option = options[task]
        values[option.key] = [option.parse(text) for text in texts] if option.repeated else option.parse(texts)
    return values
