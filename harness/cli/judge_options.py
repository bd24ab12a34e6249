"""The options of `evaluate` and `replay --evaluate`, and the judge they describe.

Owns: these options, their help and their defaults, and how they become parameters of a command. Does not know: the
options of tasks (see `task_options`), what happens to the verdicts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from inspect import Parameter, unwrap
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from evaluator import (
    DEFAULT_TASK,
    TASKS,
    Judge,
    JudgeSettings,
    NamedProgram,
    Split,
    Task,
    TaskKind,
    TimingSettings,
    is_task_file,
    kind_of,
    of_split,
    open_task_file,
)
from evaluator.settings import SandboxLevel
from harness.cli.completing import run_folders, task_names
from harness.cli.console import UserError
from harness.cli.signatures import with_options
from harness.cli.task_options import Given, config_values, given, task_parameters
from harness.cli.user_files import read_program

_LIMITS, _TIMING = JudgeSettings(), TimingSettings()


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeOptions:
    """How to judge. Each field is an option of the command line; `given` holds the options of all tasks."""

    task: Annotated[
        str,
        typer.Option(
            "--task",
            metavar="TASK",
            help="The task that the programs solve: a name, or your own task file (.py), whose options --help shows, "
            "too.",
            autocompletion=task_names,
        ),
    ] = DEFAULT_TASK
    reference: Annotated[
        str,
        typer.Option(
            "--reference",
            metavar="PROGRAM",
            help="Time against this program, a file or an engine's policy such as vllm:default, instead of the task's "
            "shipped one.",
        ),
    ] = ""
    engine_wheels: Annotated[
        list[Path] | None,
        typer.Option(
            "--engine-wheel",
            metavar="FILE",
            help="Read engines' policies from this wheel instead of the installed package; repeatable.",
        ),
    ] = None
    given: Given = field(default_factory=dict)
    kinds: Mapping[str, TaskKind] = field(default_factory=lambda: TASKS)
    """The tasks whose options may be given: the shipped ones, and that of a task file by the name it was given."""
    device: Annotated[str, typer.Option("--device", metavar="DEVICE", help="auto, cpu, cuda or cuda:N.")] = "auto"
    split: Annotated[
        Split,
        typer.Option("--split", help="Which loads: those that steer a search, or held-out ones (gate, final)."),
    ] = "search"
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the generated workload.")] = 0
    timeout_s: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=0.001, help="Time limit of one call.")
    ] = _LIMITS.timeout_s
    budget_s: Annotated[
        float, typer.Option("--budget", metavar="SECONDS", min=0.001, help="Time to measure each case.")
    ] = _TIMING.budget_s
    memory_gb: Annotated[float, typer.Option("--memory", metavar="GB", min=0.001, help="Memory a program may use.")] = (
        _LIMITS.memory_gb
    )
    threads: Annotated[int, typer.Option("--threads", min=1, help="Threads a program may use.")] = _LIMITS.threads
    require: Annotated[
        SandboxLevel, typer.Option("--require", help="Refuse to run under weaker confinement (see packsmith doctor).")
    ] = _LIMITS.require

    def build_task(self) -> Task:
        """The task these options describe, on the loads of the split. Raises UserError and EvaluatorError."""
        return on_split(self._task(), self.split)

    def _task(self) -> Task:
        if is_task_file(self.task):
            return open_task_file(self.task, config_values(self.task, self.given, self.kinds))
        if self.task not in TASKS:
            known = ", ".join(sorted(TASKS))
            raise UserError(f"--task {self.task}: no such task; known: {known}, or a file task.py of your own")
        return TASKS[self.task](config_values(self.task, self.given))

    def settings(self) -> JudgeSettings:
        return JudgeSettings(
            timeout_s=self.timeout_s,
            memory_gb=self.memory_gb,
            threads=self.threads,
            require=self.require,
            timing=TimingSettings(budget_s=self.budget_s),
        )

    def named(self, written: str, task: Task) -> NamedProgram:
        """The program that a text names: an engine's policy, or a file. Raises EvaluatorError and UserError."""
        policy = kind_of(task).policy(written, task, self.engine_wheels or ())
        return policy or NamedProgram(name=written, source=read_program(written))

    def check_wheels(self, programs: Sequence[str], task: Task) -> None:
        """Raises BadParameter if wheels are given, and no program nor the reference is a policy of an engine."""
        policies = kind_of(task).policies
        if self.engine_wheels and not any(written in policies for written in (*programs, self.reference)):
            raise typer.BadParameter(
                f"expected a program or a reference that is a policy of an engine "
                f"({', '.join(policies) or f'the task {task.name} has none'}), found none: leave this option out",
                param_hint="--engine-wheel",
            )

    def judge(self, task: Task) -> Judge:
        """A judge, not yet started."""
        reference = self.named(self.reference or task.reference, task)
        return Judge(
            task,
            reference=reference.source,
            reference_name=Path(reference.name).name,
            device=self.device,
            seed=self.seed,
            settings=self.settings(),
        )


def on_split(task: Task, split: Split) -> Task:
    """The task with the loads of a split. Raises UserError if it holds none out."""
    held = of_split(task, split)
    if held is None:
        raise UserError(f"--split {split}: the task {task.name} holds no loads out: leave this option out")
    return held


def judge_parameters(kinds: Mapping[str, TaskKind] = TASKS) -> tuple[Parameter, ...]:
    """The options, including those of the tasks `kinds`, as parameters of a command, in the order of the help."""
    hints = get_type_hints(JudgeOptions, include_extras=True)
    parameters: list[Parameter] = []
    for each in fields(JudgeOptions):
        if each.name == "given":
            parameters += task_parameters(kinds)
        elif each.name != "kinds":
            parameters.append(
                Parameter(each.name, Parameter.KEYWORD_ONLY, default=each.default, annotation=hints[each.name])
            )
    return tuple(parameters)


def takes_judge_options(command: Callable[..., None], kinds: Mapping[str, TaskKind] = TASKS) -> Callable[..., None]:
    """Give a command these options in place of its parameter of type `JudgeOptions`, which receives them all. The
    tasks' options are known only from `kinds`.
    """

    def collected(values: Mapping[str, Any]) -> JudgeOptions:
        own = {name: value for name, value in values.items() if name in JudgeOptions.__dataclass_fields__}
        return JudgeOptions(**own, given=given(values, kinds), kinds=kinds)

    return with_options(command, JudgeOptions, judge_parameters(kinds), collected)


def judged(verb: Callable[..., None]) -> Callable[..., None] | None:
    """The command below a verb that takes these options; None for another verb."""
    command = unwrap(verb)
    return command if JudgeOptions in get_type_hints(command).values() else None


FromRun = Annotated[
    Path | None,
    typer.Option(
        "--run",
        metavar="RUN",
        help="Judge with this run's workload, reference, seed, device and limits.",
        autocompletion=run_folders,
    ),
]


def check_run(context: typer.Context, run: Path | None, config: str | None) -> None:
    """Raises BadParameter if `--run` and an option that the run decides (any of `JudgeOptions` but the split, and
    wheels, which may hold the programs to judge) are both given.
    """
    if run is None:
        if config is not None:
            raise typer.BadParameter(
                "expected --run RUN as well: this is the config file of that run", param_hint="--config"
            )
        return
    decided = {parameter.name for parameter in judge_parameters()} - {"engine_wheels", "split"}
    for option in context.command.params:
        if option.name is None or option.name not in decided:
            continue
        source = context.get_parameter_source(option.name)
        if source is not None and source.name == "COMMANDLINE":
            raise typer.BadParameter("the run decides that: leave out this option, or --run", param_hint=option.opts[0])
