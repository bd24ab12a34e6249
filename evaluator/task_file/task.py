"""A task of one's own: the members of `Task`, answered by the process of its file.

Owns: the members by proxy, each checked, and where the paths in a task file are. Does not know: how the process is run
(`process`), what fits (`checking`), searching.
"""

from __future__ import annotations

import hashlib
import weakref
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from evaluator.splits import HeldOut
from evaluator.task_file import checking
from evaluator.task_file.checking import Unfit
from evaluator.task_file.process import TaskFileError, TaskProcess, Text
from evaluator.task_protocol import Column, Ladder
from evaluator.types import Answer, Call, Case, CaseQuality, EvaluatorError, HardCase, Plan

Fit = TypeVar("Fit")
DIGEST = "task_file_sha256"
"""The key of the file's digest in the identity of its task."""
SUFFIX = ".py"
MOST_BYTES = 4_000_000
SAME = ("name", "version", "entry_point", "quality_name", "quality_key", "columns", "resolution", "plan_axes")
"""What a task has in common with those of its held-out splits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFacts:
    """The members of a task that are values. `reference` and the programs of the `ladder` are paths."""

    name: str
    version: int
    entry_point: str
    quality_name: str
    quality_key: str
    columns: tuple[Column, ...]
    reference: str
    ladder: Ladder | None
    resolution: float
    notes: tuple[str, ...]
    plan_axes: tuple[str, ...]

    @classmethod
    def checked(cls, found: Mapping[str, Any]) -> TaskFacts:
        """Raises Unfit, naming the member."""
        values: dict[str, Any] = {}
        for name, check in checking.FACTS.items():
            try:
                values[name] = check(found[name])
            except Unfit as unfit:
                raise Unfit(f"`{name}`: {unfit}") from None
        if any(column.key == values["quality_key"] for column in values["columns"]):
            raise Unfit(f"`columns`: expected keys other than the quality's own, found {values['quality_key']}")
        return cls(**values)

    def stored(self) -> dict[str, Any]:
        """As JSON values, without what only a judge needs: what tables show of the task."""
        return {
            "version": self.version,
            "entry_point": self.entry_point,
            "quality_name": self.quality_name,
            "quality_key": self.quality_key,
            "columns": [asdict(column) for column in self.columns],
            "resolution": self.resolution,
            "plan_axes": list(self.plan_axes),
        }

    @classmethod
    def from_stored(cls, name: str, stored: Mapping[str, Any]) -> TaskFacts:
        """The facts of a stored run, without paths and notes. Raises KeyError and TypeError for another form, and
        Unfit.
        """
        shown = {key: tuple(held) if isinstance(held, list) else held for key, held in stored.items()}
        shown |= {"columns": tuple(Column(**column) for column in stored["columns"])}
        return cls.checked({**shown, "name": name, "reference": "none", "ladder": None, "notes": ()})


class FileTask:
    """The task of a file. Its process is started when it is first needed, and ends with this object."""

    def __init__(self, facts: TaskFacts, *, digest: str, process: TaskProcess, holds_out: bool = False) -> None:
        self.facts, self.digest, self._holds_out = facts, digest, holds_out
        self.name, self.version = facts.name, facts.version
        self.entry_point = facts.entry_point
        self.quality_name, self.quality_key = facts.quality_name, facts.quality_key
        self.columns, self.notes, self.plan_axes = facts.columns, facts.notes, facts.plan_axes
        self.reference, self.ladder, self.resolution = facts.reference, facts.ladder, facts.resolution
        self.process = process
        weakref.finalize(self, process.close)

    def _ask(self, check: Callable[[Any], Fit], member: str, *given: object) -> Fit:
        """What a member gives, checked. Raises TaskFileError, WorkloadError, and InvalidAnswer for `read`."""
        value = self.process.ask(member, *given)
        try:
            return check(value)
        except Unfit as unfit:
            raise TaskFileError(f"{self.process.text.file}: `{member}`: {unfit}") from None

    def identity(self) -> Mapping[str, Any]:
        """The task's own, and the digest of its file: scores of another text of the task are not compared."""
        return {**self._ask(checking.identity, "identity"), DIGEST: self.digest}

    def held_out(self, split: HeldOut) -> FileTask | None:
        """The task of a held-out split, in a process of its own; None if the file has none. Raises TaskFileError."""
        if not self._holds_out:
            return None
        process = self.process.of_split(split)
        try:
            loaded = process.load()
            if not loaded["holds_out"]:
                process.close()
                return None
            facts = TaskFacts.checked(loaded["facts"])
            for name in SAME:
                if getattr(facts, name) != getattr(self.facts, name):
                    here, there = getattr(self.facts, name), getattr(facts, name)
                    raise Unfit(f"`held_out`: expected the `{name}` of the task, {here!r}, found {there!r}")
        except Unfit as unfit:
            process.close()
            raise TaskFileError(f"{self.process.text.file}: {unfit}") from None
        return FileTask(self.facts, digest=self.digest, process=process)

    def cases(self, seed: int) -> tuple[Case, ...]:
        return self._ask(checking.cases, "cases", seed)

    def draw(self, case: Case, rng: np.random.Generator) -> Case:
        """The generator of the file's `draw` is a new one, seeded with 256 bits of this one."""
        seed = tuple(map(int, rng.integers(0, 2**63, size=4)))
        return self._ask(checking.drawn(case), "draw", case, seed)

    def steps(self, case: Case) -> int:
        return self._ask(checking.whole(1), "steps", case)

    def call(self, case: Case, step: int, plans: tuple[Plan, ...]) -> Call:
        return self._ask(checking.call, "call", case, step, plans)

    def call_bytes(self, case: Case) -> int:
        return self._ask(checking.whole(0), "call_bytes", case)

    def answer_bytes(self, case: Case) -> int:
        return self._ask(checking.whole(0), "answer_bytes", case)

    def read(self, case: Case, answer: Answer) -> Plan:
        return self._ask(checking.plan, "read", case, answer)

    def step_quality(self, case: Case, step: int, plan: Plan) -> float:
        return self._ask(checking.number, "step_quality", case, step, plan)

    def pass_quality(self, case: Case, step: int, plan: Plan) -> float:
        return self._ask(checking.number, "pass_quality", case, step, plan)

    def score(self, case: Case, plans: tuple[Plan, ...]) -> CaseQuality:
        return self._ask(checking.quality(case), "score", case, plans)

    def hard_cases(self, seed: int) -> tuple[HardCase, ...]:
        return self._ask(checking.hard_cases, "hard_cases", seed)

    def agreement_calls(self, seed: int) -> tuple[HardCase, ...]:
        return self._ask(checking.hard_cases, "agreement_calls", seed)


def is_task_file(name: str) -> bool:
    """Whether the name of a task is that of a file."""
    return name.endswith(SUFFIX)


def read_source(path: Path, name: str) -> str:
    """The text of a task file that errors call `name`. Raises EvaluatorError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise EvaluatorError(f"{name}: cannot read the task file: {error.strerror or error}") from None
    if len(data) > MOST_BYTES:
        raise EvaluatorError(f"{name}: expected a task file of at most {MOST_BYTES:,} bytes, found {len(data):,}")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise EvaluatorError(f"{name}: byte {error.start} is not UTF-8; expected a task as Python source") from None


def task_of_source(
    source: str, *, file: str, folder: Path, options: Mapping[str, Any], process: TaskProcess | None = None
) -> FileTask:
    """The task of a source, loaded in a process of its own. `file` is its name in errors; paths that it names are below
    `folder`, or else shipped. Raises TaskFileError and WorkloadError.
    """
    process = process or TaskProcess(Text(file=file, source=source, options=_plain(options)))
    try:
        loaded = process.load()
        if loaded["lacks"]:
            lacks = ", ".join(loaded["lacks"])
            raise Unfit(f"the task lacks {lacks}: CONTRACT.md of `packsmith init` says what each is for")
        facts = TaskFacts.checked(loaded["facts"])
        checking.options(loaded["options"])
    except Unfit as unfit:
        process.close()
        raise TaskFileError(f"{file}: {unfit}") from None
    ladder = facts.ladder
    if ladder is not None:
        programs = tuple(_beside(program, folder) for program in ladder.programs)
        ladder = Ladder(programs=programs, metric=ladder.metric, step=ladder.step, note=ladder.note)
    members = {name: getattr(facts, name) for name in checking.FACTS}
    placed = TaskFacts(**{**members, "reference": _beside(facts.reference, folder), "ladder": ladder})
    digest = hashlib.sha256(source.encode()).hexdigest()
    return FileTask(placed, digest=digest, process=process, holds_out=loaded["holds_out"])


def stored_task(name: str, stored: Mapping[str, Any], *, file: str, digest: str) -> FileTask:
    """The task of a stored run, for its name, quality and columns: nothing is executed, and no case is made.

    `stored` is what `TaskFacts.stored` gave. Raises KeyError, TypeError and Unfit for another form.
    """

    def refuse() -> Any:
        raise EvaluatorError(f"{file}: a stored run's task has names only; open the run to judge by it")

    process = TaskProcess(Text(file=file, source="", options={}), start=refuse)
    return FileTask(TaskFacts.from_stored(name, stored), digest=digest, process=process)


def _beside(written: str, folder: Path) -> str:
    path = folder.resolve() / written
    return str(path) if path.is_file() else written


def _plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as values that a frame holds: paths as texts."""

    def plain(value: Any) -> Any:
        if isinstance(value, Path):
            return str(value.resolve())
        return type(value)(map(plain, value)) if isinstance(value, list | tuple) else value

    return {key: plain(value) for key, value in options.items()}
