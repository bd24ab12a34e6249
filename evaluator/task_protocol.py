"""The interface between a task and everything outside its folder.

Owns: the protocol that a task implements, and how it describes itself to reports and to the command line.
Does not know: any particular task, how programs are run, how reports are laid out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from evaluator.types import Answer, Call, Case, CaseQuality, HardCase, Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A metric that tables show beside the quality. A score holds its mean over the cases.

    `key` is its name in a case's metrics. `heading` stands over the column in tables; it may have several lines.
    """

    key: str
    heading: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """Programs of known order, which show whether a case tells good programs from bad ones.

    `programs` are paths of shipped files, worst first. A case tells two neighbours apart if `metric` (higher is
    better) differs by at least `step`. `note` explains to people what a tie means.
    """

    programs: tuple[str, ...]
    metric: str
    step: float
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOption:
    """An option of a task on the command line.

    `flag` is the option as typed (`--size`), `key` its key in the `task:` section of a config (`sizes`). `parse` turns
    the text into the value in the config, or raises WorkloadError. `repeated`: it may be given several times, and the
    value is a list. The help shows `metavar` for the text, or the `choices` if there are any.
    """

    key: str
    flag: str
    help: str
    metavar: str = ""
    repeated: bool = False
    choices: tuple[str, ...] = ()
    parse: Callable[[str], Any] = str


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """Software that calls a solver of a task in production, and what a package for it is made of.

    `files` are shipped files by their name in the package, beside the solver. `entry_points` are names in the package
    by the group that the engine looks in ("module:function"). `threaded`: it plans in a thread beside other Python.
    `how` tells people how to switch the package on; `$name` and `$module` in it stand for the package's. `protects`
    says, as a list, what happens where the solver fails; `$min_gain` in it stands for the least gain in quality for
    which a plan replaces another. `switch_s` is the interpreter's switch interval while the package plans.
    """

    name: str
    files: Mapping[str, str]
    how: str
    protects: str
    entry_points: Mapping[str, str] = field(default_factory=dict)
    threaded: bool = False
    switch_s: float = 0.0005


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskKind:
    """Makes a task from its options: `TASKS["name"](options)`. Raises WorkloadError for an invalid option.

    `build` takes the `task:` section of a config without its name. `options` are those that can also be given on the
    command line. `engines` are those that a solver can be packaged for.
    """

    build: Callable[[Mapping[str, Any]], Task]
    options: tuple[TaskOption, ...] = ()
    engines: tuple[Engine, ...] = ()

    def __call__(self, options: Mapping[str, Any]) -> Task:
        return self.build(options)


class Task(Protocol):
    """A packing problem as the judge sees it: pure functions from values to values, numpy only.

    A pass over a case is `steps(case)` calls in order, each made from the plans before it. The pass over the cases of
    a seed repeats to the last digit. Scored calls are passes over cases drawn afresh, which a program cannot know.
    """

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def entry_point(self) -> str: ...
    @property
    def quality_name(self) -> str: ...
    @property
    def quality_key(self) -> str:
        """The key under which reports show the quality: a short word such as `balance`."""
        ...

    @property
    def columns(self) -> tuple[Column, ...]:
        """What tables show beside the quality; () for nothing. Every key is a metric of every case."""
        ...

    @property
    def reference(self) -> str:
        """The shipped program that run times are measured against unless another is named."""
        ...

    @property
    def ladder(self) -> Ladder | None:
        """Programs of known order; None if none are shipped for these options."""
        ...

    @property
    def resolution(self) -> float:
        """The smallest difference in quality that matters: measuring goes on until the interval of a program's gain is
        within this of its middle.
        """
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What the task changed in the workload unasked (such as layers dropped), in sentences for people."""
        ...

    def cases(self, seed: int) -> tuple[Case, ...]:
        """The run's cases under a seed. Raises WorkloadError."""
        ...

    def hard_cases(self, seed: int) -> tuple[HardCase, ...]:
        """Small calls that trip solvers up, judged for validity only. Together they take milliseconds. Those with the
        dtypes and dimensions of scored calls also warm processes up, in place of full calls.
        """
        ...

    def agreement_calls(self, seed: int) -> tuple[HardCase, ...]:
        """Small calls on which every process must give the same plan, with ties between equal inputs among them."""
        ...

    @property
    def plan_axes(self) -> tuple[str, ...]:
        """What an index of a plan means, axis by axis, for people (such as layer and slot)."""
        ...

    def identity(self) -> Mapping[str, Any]:
        """Everything about the task that affects scores, as JSON values (part of the config hash)."""
        ...

    def steps(self, case: Case) -> int: ...

    def call(self, case: Case, step: int, plans: tuple[Plan, ...]) -> Call:
        """The call of step `step`, given the plans of the steps before it."""
        ...

    def draw(self, case: Case, rng: np.random.Generator) -> Case:
        """The same case with fresh data of the same kind, of the same name and sizes: a program that knows `case` and
        the task, but not `rng`, must know nothing of the data of a step before its call. Takes a few milliseconds.
        """
        ...

    def call_bytes(self, case: Case) -> int:
        """The most bytes that the arrays of one call take."""
        ...

    def answer_bytes(self, case: Case) -> int:
        """The most bytes that the arrays of a valid answer take."""
        ...

    def read(self, case: Case, answer: Answer) -> Plan:
        """Validate an answer. Raises InvalidAnswer."""
        ...

    def step_quality(self, case: Case, step: int, plan: Plan) -> float:
        """The quality of a plan on what it was made for."""
        ...

    def pass_quality(self, case: Case, step: int, plan: Plan) -> float:
        """The quality that the plan of a step is scored with (such as that on the next window)."""
        ...

    def score(self, case: Case, plans: tuple[Plan, ...]) -> CaseQuality:
        """The quality of a whole pass over a case."""
        ...
