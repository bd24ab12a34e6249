"""A task under examination: its file loaded twice, its cases, and the answers of its reference to them.

Owns: what the clauses share, made once and when it is first needed. Does not know: any clause.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from evaluator.contract.answering import Program, Programs
from evaluator.contract.findings import Broken, NotTried
from evaluator.screen import screen
from evaluator.shipped import shipped
from evaluator.task_file.process import TaskProcess, Text
from evaluator.task_file.starting import Started
from evaluator.task_file.task import FileTask, task_of_source
from evaluator.types import Answer, Array, Call, Case, HardCase, InvalidAnswer, Plan
from evaluator.worker_handle import Stopped

SEED = 3
DRAWS = 3
"""Draws of each case that the reference answers."""
ROOM = 1 << 24
"""Bytes that answers may take beyond what the task says, so that too large ones can be shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A call of a pass over a case, drawn or not, with the reference's answer and the plan read from it."""

    case: Case
    drawn: bool
    step: int
    call: Call
    answer: Answer
    plan: Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """A pass over a case."""

    case: Case
    drawn: bool
    asked: tuple[Asked, ...]

    @property
    def plans(self) -> tuple[Plan, ...]:
        return tuple(each.plan for each in self.asked)


class Subject:
    """The task of a file. `limit_s` is how long a member may take."""

    def __init__(
        self, path: Path, source: str, programs: Programs, *, start: Callable[[], Started], limit_s: float
    ) -> None:
        self._path, self._source, self._programs = path, source, programs
        self._start, self._limit_s = start, limit_s
        self._process = self._new(watch=True)

    def _new(self, *, watch: bool = False) -> TaskProcess:
        text = Text(file=str(self._path), source=self._source, options={})
        return TaskProcess(text, watch=watch, start=self._start, limit_s=self._limit_s)

    def close(self) -> None:
        self._process.close()

    @cached_property
    def loaded(self) -> dict[str, Any]:
        """What the host says of the import, which is watched. Raises TaskFileError."""
        return dict(self._process.load())

    @cached_property
    def task(self) -> FileTask:
        """Raises TaskFileError and WorkloadError."""
        return self._task(self._process)

    def fresh(self) -> FileTask:
        """The task once more, in another process."""
        return self._task(self._new())

    def _task(self, process: TaskProcess) -> FileTask:
        folder = self._path.parent
        return task_of_source(self._source, file=str(self._path), folder=folder, options={}, process=process)

    def imported_torch(self) -> bool:
        """Whether torch is imported in the task's process by now."""
        return bool(self._process.ask("torch"))

    @cached_property
    def cases(self) -> tuple[Case, ...]:
        return self.task.cases(SEED)

    @cached_property
    def small(self) -> tuple[HardCase, ...]:
        """The hard cases and the calls for agreement."""
        return (*self.task.hard_cases(SEED), *self.task.agreement_calls(SEED))

    def draws(self, count: int, seed: int = 1) -> list[tuple[Case, list[Case]]]:
        """Each case with draws of it."""
        rng = np.random.default_rng(seed)
        return [(case, [self.task.draw(case, rng) for _ in range(count)]) for case in self.cases]

    @cached_property
    def passes(self) -> tuple[Passed, ...]:
        """The reference's passes over the cases and over some draws of each. Raises Broken."""
        answer = self.program(self.task.reference, "`reference`")
        made = [(case, False) for case in self.cases]
        made += [(drawn, True) for _, several in self.draws(DRAWS) for drawn in several]
        return tuple(self.pass_of(answer, case, drawn=drawn) for case, drawn in made)

    @property
    def answered(self) -> tuple[Passed, ...]:
        """The same for a clause that is about something else. Raises NotTried."""
        try:
            return self.passes
        except Broken:
            raise NotTried("the reference has to answer validly first") from None

    def pass_of(self, answer: Program, case: Case, *, drawn: bool = False) -> Passed:
        """A program's pass over a case. Raises Broken if it fails."""
        asked: list[Asked] = []
        for step in range(self.task.steps(case)):
            call = self.task.call(case, step, tuple(each.plan for each in asked))
            what = f"{'a draw of ' if drawn else ''}case {case.name}, step {step + 1}"
            given, plan = self.valid(answer, case, call, step, what)
            asked.append(Asked(case=case, drawn=drawn, step=step, call=call, answer=given, plan=plan))
        return Passed(case=case, drawn=drawn, asked=tuple(asked))

    def valid(self, answer: Program, case: Case, call: Call, seed: int, what: str) -> tuple[Answer, Plan]:
        """A program's answer to a call, and its plan. Raises Broken if it fails or is refused."""
        try:
            given = answer(call, seed, what)
            return given, self.task.read(case, given)
        except Stopped as stopped:
            raise Broken(f"the program fails: {stopped.verdict.detail}", "correct the program, or `call`") from None
        except InvalidAnswer as invalid:
            raise Broken(
                f"{what}: a program's answer is refused: {invalid.reason}: {invalid.detail}",
                "correct the program, or `read`, whichever is wrong",
            ) from None

    def program(self, path: str, what: str) -> Program:
        """A program that the task names, loaded. Raises Broken."""
        source = _source(path, what)
        task = self.task
        if (refused := screen(source, task.entry_point)) is not None:
            raise Broken(f"{what}: {Path(path).name}: {refused.detail}", f"see `entry_point` ({task.entry_point})")
        cases = (*self.cases, *(hard.case for hard in self.small))
        offered = sorted({name for case in self.cases for name in task.call(case, 0, ()).offered})
        calls = [*(hard.call for hard in self.small), *(task.call(case, 0, ()) for case in self.cases)]
        needed = max(sum(array.nbytes for array in arrays(call)) for call in calls)
        try:
            return self._programs(
                source,
                task.entry_point,
                tuple(offered),
                call_bytes=2 * max(needed, *(task.call_bytes(case) for case in cases)) + ROOM,
                answer_bytes=2 * max(task.answer_bytes(case) for case in cases) + ROOM,
            )
        except Stopped as stopped:
            raise Broken(f"{what}: {Path(path).name} does not load: {stopped.verdict.detail}", "correct it") from None


def arrays(call: Call) -> list[Array]:
    """The arrays of a call."""
    return [value for value in (*call.args, *call.offered.values()) if isinstance(value, np.ndarray)]


def digest(values: Sequence[object]) -> str:
    """One text for arrays, calls and cases of the same content."""
    found = hashlib.sha256()
    for value in values:
        if isinstance(value, np.ndarray):
            found.update(f"{value.dtype} {value.shape}".encode() + value.tobytes())
        elif isinstance(value, Case):
            found.update(digest([value.name, dict(value.sizes), value.data]).encode())
        elif isinstance(value, HardCase):
            found.update(digest([value.case, *value.call.args, *value.call.offered.values(), value.why]).encode())
        else:
            found.update(repr(value).encode())
    return found.hexdigest()


def _source(path: str, what: str) -> str:
    try:
        found = Path(path) if Path(path).is_file() else shipped(path)
        return found.read_bytes().decode()
    except (OSError, UnicodeDecodeError):
        raise Broken(f"{what}: no program {path} beside the task file, and none is shipped", "name a file") from None
