"""The interface between a task and everything outside its folder.

Owns: the protocol that a task implements, how it describes itself to reports and to the command line, and what it may
offer beside: recorded loads, and how its plans get into use.
Does not know: any particular task, how programs are run, how reports are laid out.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from evaluator.loads import LoadsReport, Ranges, Written
from evaluator.types import Answer, Call, Case, CaseQuality, EvaluatorError, HardCase, Plan


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


class RecordedLoads(Protocol):
    """Loads that were recorded, or those layers and windows of them that were chosen."""

    def describe(self) -> LoadsReport:
        """What is in them. Raises WorkloadError if there is no load."""
        ...

    def write(self, form: str, file: Path) -> Written:
        """Write them into a new file, in a format of `LoadsKind.formats`. Raises WorkloadError, OSError."""
        ...


class ReadLoads(Protocol):
    def __call__(
        self,
        paths: Sequence[Path],
        options: Mapping[str, Any],
        layers: Ranges,
        windows: Ranges,
        say: Callable[[str], None],
    ) -> RecordedLoads:
        """The loads of files and folders, one sequence in the order given. `layers` and `windows` choose, () is all.
        `say` is told what goes on. Raises WorkloadError.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadsKind:
    """What a task offers for loads that engines recorded: `packsmith loads` is made of it.

    `formats`: the extensions of each format that can be written. `reads`: what is read, in a sentence for the help.
    `examples`: what follows `packsmith loads` in an example of the help. `options`: how loads are read.
    """

    read: ReadLoads
    formats: Mapping[str, tuple[str, ...]]
    reads: str
    examples: tuple[str, ...] = ()
    options: tuple[TaskOption, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A table for people: rows of cells under `headings` (which may have several lines); the first column names the
    row. `note` stands below it.
    """

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Appraisal:
    """What a plan is worth where it is to be used. `record`: all of it as JSON values; `grids` and `facts` (a word, and
    what there is to say about it) for people.
    """

    record: Mapping[str, Any]
    grids: tuple[Grid, ...]
    facts: tuple[tuple[str, str], ...]


class Deployment(Protocol):
    """One place where a plan is to be used: its sizes, what was recorded there, and the plan in force."""

    @property
    def problem(self) -> Problem:
        """What a program is asked. Its last plan is the one to deploy."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What is assumed, and what the plan is made on, in sentences for people."""
        ...

    @property
    def identity(self) -> Mapping[str, Any]:
        """The sizes, and the digests of what was read, as JSON values."""
        ...

    def appraise(self, plans: tuple[Plan, ...]) -> Appraisal: ...

    def check_name(self, path: Path) -> None:
        """Raises EvaluatorError if the software that the options name reads no file of that name."""
        ...

    def encode(self, path: Path, plan: Plan, provenance: Mapping[str, Any]) -> bytes:
        """The content of a file of that name, for the software that the options name. Raises EvaluatorError."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployments:
    """How plans of a task get into use, and files with plans are scored.

    `open` takes the values of `options`, `score` a file with a plan and those of `score_options`. `examples` and
    `score_examples` are arguments of `packsmith plan` and `packsmith assess`, for their help. All may raise
    WorkloadError.
    """

    options: tuple[TaskOption, ...]
    score_options: tuple[TaskOption, ...]
    examples: tuple[str, ...]
    score_examples: tuple[str, ...]
    open: Callable[[Mapping[str, Any]], Deployment]
    score: Callable[[Path, Mapping[str, Any]], tuple[Appraisal, tuple[str, ...]]]


class SoftwareMissing(EvaluatorError):
    """Other software, whose solver was named, is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedProgram:
    """A program that is named instead of being a file of its own. `name` says which it is, with the version that was
    found (`engine:policy 1.2.3`); `source` is its text, to be judged as any other.
    """

    name: str
    source: str


PolicyReader = Callable[[str, "Task", Sequence[Path]], NamedProgram]
"""Reads a solver of other software by its name, in the form that a task asks for: from one of the wheels, or else as it
is installed. Raises SoftwareMissing if there is neither, and EvaluatorError if it is not what the reader knows.
"""


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
    command line. `loads` is None for a task without recorded loads, `deployments` for one whose plans no software
    takes. `policies` are the solvers of other software that `read_policy` knows, named `software:solver`.
    `engines` are those that a solver can be packaged for.
    """

    build: Callable[[Mapping[str, Any]], Task]
    options: tuple[TaskOption, ...] = ()
    loads: LoadsKind | None = None
    deployments: Deployments | None = None
    policies: tuple[str, ...] = ()
    read_policy: PolicyReader | None = None
    engines: tuple[Engine, ...] = ()

    def __call__(self, options: Mapping[str, Any]) -> Task:
        return self.build(options)

    def policy(self, written: str, task: Task, wheels: Sequence[Path]) -> NamedProgram | None:
        """The solver that a text names; None for a text that is no name of this form, such as a path.

        Raises EvaluatorError for an unknown name, and if the solver cannot be read.
        """
        software, colon, _ = written.partition(":")
        if self.read_policy is None or not colon or software not in {name.partition(":")[0] for name in self.policies}:
            return None
        if written not in self.policies:
            near = difflib.get_close_matches(written, self.policies, n=1)
            hint = f": did you mean {near[0]}?" if near else ""
            raise EvaluatorError(f"expected one of the policies {', '.join(self.policies)}, found {written}{hint}")
        return self.read_policy(written, task, wheels)


class Problem(Protocol):
    """Calls for a program, and the reading of its answers: pure functions from values to values, numpy only.

    A pass over a case is `steps(case)` calls in order, each made from the plans before it.
    """

    @property
    def entry_point(self) -> str: ...

    def cases(self, seed: int) -> tuple[Case, ...]:
        """The run's cases under a seed. Raises WorkloadError."""
        ...

    def steps(self, case: Case) -> int: ...

    def call(self, case: Case, step: int, plans: tuple[Plan, ...]) -> Call:
        """The call of step `step`, given the plans of the steps before it."""
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


@runtime_checkable
class Driven(Protocol):
    """What a problem has beside if the function that a program defines is not called by the judge, but by a driver of
    the problem, in the program's process: for functions that are asked many small questions in one measured call.

    `driver` is the source of a Python module that defines `drive(function)`. It is executed in the confined process
    before the program, and may import numpy, torch and the standard library only. `drive` gets the program's entry
    point, once, when the program has loaded; what it returns is called with the arguments of `Problem.call` in its
    place, and returns the answer. Its time is part of a call's. An error that it raises rejects the program, so it says
    in the error what the program did wrong.

    A driver shares its process with the program and is as little to be trusted: all that it returns is validated by
    `read` as any answer is, and a program that inspects its process can see what the driver has not shown it yet.
    """

    @property
    def driver(self) -> str: ...


def driver_of(problem: Problem) -> str:
    """The source of a problem's driver; "" for a problem without one."""
    return problem.driver if isinstance(problem, Driven) else ""


class Task(Problem, Protocol):
    """A packing problem as the judge sees it: pure functions from values to values, numpy only.

    The pass over the cases of a seed repeats to the last digit. Scored calls are passes over cases drawn afresh, which
    a program cannot know.
    """

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> int: ...
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

    def draw(self, case: Case, rng: np.random.Generator) -> Case:
        """The same case with fresh data of the same kind, of the same name and sizes: a program that knows `case` and
        the task, but not `rng`, must know nothing of the data of a step before its call. Takes a few milliseconds.
        """
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
