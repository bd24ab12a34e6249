"""The options of `plan` and `assess`, as the tasks whose plans can be deployed describe them.

Owns: how these options become parameters of a command, and which task they are for. Does not know: what they mean.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import Parameter
from typing import Annotated, Any

import typer

from evaluator import TASKS, Deployments, TaskKind, TaskOption
from harness.cli.console import UserError
from harness.cli.signatures import with_options
from harness.cli.task_options import Given, config_values, given, task_parameters

Options = Callable[[Deployments], tuple[TaskOption, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A task whose plans can be deployed, and the values of its options, which are read when they are asked for."""

    task: str
    deployments: Deployments
    given: Given
    kinds: Mapping[str, TaskKind]

    def values(self) -> dict[str, Any]:
        """Raises UserError for an option of another task, and WorkloadError for a text that the task cannot read."""
        return config_values(self.task, self.given, self.kinds)


def takes_plan_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of all tasks for a plan, in place of its parameter of type `Chosen`."""
    return _taking(command, lambda each: each.options, lambda each: each.examples)


def takes_score_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of all tasks for scoring a file, in place of that parameter."""
    return _taking(command, lambda each: each.score_options, lambda each: each.score_examples)


def _taking(
    command: Callable[..., None],
    options: Options,
    examples: Callable[[Deployments], tuple[str, ...]],
) -> Callable[..., None]:
    able = {name: each.deployments for name, each in TASKS.items() if each.deployments is not None}
    kinds = {name: TaskKind(build=TASKS[name].build, options=options(each)) for name, each in able.items()}
    first = next(iter(able), "")
    task = Parameter(
        "task",
        Parameter.KEYWORD_ONLY,
        default=first,
        annotation=Annotated[str, typer.Option("--task", metavar="TASK", help="The task that the plan is for.")],
    )

    def collect(values: Mapping[str, Any]) -> Chosen:
        name = values["task"]
        if name not in able:
            raise UserError(
                f"--task {name}: expected a task whose plans can be deployed: {', '.join(able) or 'no task'}"
            )
        return Chosen(task=name, deployments=able[name], given=given(values, kinds), kinds=kinds)

    shown = [example for each in able.values() for example in examples(each)]
    return with_options(command, Chosen, (*task_parameters(kinds), task), collect, shown)
