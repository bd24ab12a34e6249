"""Rank agreement: whether every process gives the same plan for the same inputs.

Owns: the conditions under which a program is asked again, and how a disagreement is worded. Does not know: any task's
calls (see `Task.agreement_calls`), scores, engines.

An engine in which each rank plans by itself needs that. A program is asked in one process, and then again: in a fresh
one; with the random generators seeded otherwise; with other numbers of threads; and under the lower levels of processor
that this machine can imitate. These run in interpreters of their own, with other addresses and another seed of hashes,
so a disagreement there is looked into once more, in a fresh interpreter at the machine's own level. All of it runs
confined, and plans are compared as the judge reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Self

import numpy as np

from evaluator.cpu_levels import cpu_levels
from evaluator.executors import LocalExecutor
from evaluator.measuring.draws import derived_seed
from evaluator.measuring.passes import read_answer
from evaluator.screen import screen
from evaluator.settings import JudgeSettings
from evaluator.task_protocol import Task, driver_of
from evaluator.types import Plan, Progress, Rejected
from evaluator.worker_handle import Stopped

Report = Callable[[Progress], None]

THREADS = (2, 3)
"""The numbers of threads that a program is asked again with, after one."""
FRESH, SEED, INTERPRETER = "a fresh process", "another random seed", "a fresh interpreter"
_CAUSES = MappingProxyType(
    {
        FRESH: "something that is no argument decides: an unseeded generator, or the time",
        INTERPRETER: "something that is no argument decides: addresses, hashes of texts, the order of a set",
        SEED: "it draws random numbers: draw none, or seed a generator of its own with a constant",
        "threads": "it asks for the number of threads, or adds in an order that depends on it",
        "level": "equal loads are ordered otherwise there, or sums are rounded otherwise: sort with a stable kind",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """Where two processes planned differently: under which condition, on which inputs, and at which entry of the plan.

    `cause` is what usually does it, a sentence for people and models.
    """

    condition: str
    inputs: str
    entry: str
    cause: str

    def __str__(self) -> str:
        return f"with {self.condition} the plan differs at {self.entry}, on {self.inputs}: {self.cause}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Under which conditions a program was asked again, on how many inputs, and the first disagreement if any."""

    conditions: tuple[str, ...]
    inputs: int
    disagreement: Disagreement | None = None

    @property
    def agrees(self) -> bool:
        return self.disagreement is None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Condition:
    """`kind` is a key of `_CAUSES`. Processes of one `interpreter` are forks of it, started with `environment`."""

    name: str
    kind: str
    threads: int = 1
    other_seed: bool = False
    interpreter: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)


_FIRST = _Condition(name="the first process", kind="")
_INTERPRETER = _Condition(name=INTERPRETER, kind=INTERPRETER, interpreter="fresh")


class AgreementCheck:
    """Checks programs of one task on the CPU. A context manager: its interpreters are started when they are first
    needed, and serve all programs. Not thread-safe.
    """

    def __init__(self, task: Task, *, seed: int = 0, settings: JudgeSettings | None = None) -> None:
        self.task = task
        self._settings = settings or JudgeSettings()
        self._seed, self._calls = seed, task.agreement_calls(seed)
        self._open: dict[str, LocalExecutor] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()
        self._open.clear()

    def check(self, source: str, *, progress: Report | None = None) -> Agreement | Rejected:
        """Ask a program for the same plans under all conditions; the first disagreement ends it.

        Rejected if it cannot be loaded, fails or answers invalidly under any of them. Raises EvaluatorError.
        """
        if (refused := screen(source, self.task.entry_point, max_bytes=self._settings.source_bytes)) is not None:
            return refused
        tried: list[str] = []
        disagreement: Disagreement | None = None
        try:
            first = self._plans(source, _FIRST, progress, tried)
            for condition in _conditions():
                again = self._plans(source, condition, progress, tried)
                tried.append(condition.name)
                disagreement = self._difference(first, again, condition)
                if disagreement is not None and condition.kind == "level":
                    # A level needs an interpreter of its own: is it the level, or is it any other interpreter?
                    again = self._plans(source, _INTERPRETER, progress, tried)
                    if (elsewhere := self._difference(first, again, _INTERPRETER)) is not None:
                        tried[-1], disagreement = _INTERPRETER.name, elsewhere
                if disagreement is not None:
                    break
        except Stopped as stopped:
            return stopped.verdict
        return Agreement(conditions=tuple(tried), inputs=len(self._calls), disagreement=disagreement)

    def _interpreter(self, condition: _Condition) -> LocalExecutor:
        """The interpreter in which a program is asked under a condition, started if it is not yet."""
        if condition.interpreter not in self._open:
            executor = LocalExecutor(self._settings, environment=condition.environment)
            self._open[condition.interpreter] = self._stack.enter_context(executor)
        return self._open[condition.interpreter]

    def _plans(
        self, source: str, condition: _Condition, progress: Report | None, tried: Sequence[str]
    ) -> tuple[Plan, ...]:
        """The plans of a fresh process. Raises Stopped, which says under which condition."""
        if progress is not None:
            total = len(_conditions())
            progress(
                Progress(stage="rank agreement", case=condition.name, done=min(len(tried), total - 1), total=total)
            )
        executor = self._interpreter(condition)
        try:
            return self._asked(executor, source, condition)
        except Stopped as stopped:
            where = f"{condition.name}, asked for rank agreement: {stopped.verdict.detail}"
            raise Stopped(replace(stopped.verdict, detail=where)) from None
        finally:
            executor.end()

    def _asked(self, executor: LocalExecutor, source: str, condition: _Condition) -> tuple[Plan, ...]:
        task, calls = self.task, self._calls
        worker = executor.open(
            request_bytes=max(task.call_bytes(each.case) for each in calls) + 6 * self._settings.source_bytes,
            answer_bytes=max(task.answer_bytes(each.case) for each in calls),
            device="cpu",
            threads=condition.threads,
        )
        offered = tuple(sorted({name for each in calls for name in each.call.offered}))
        worker.load(source, task.entry_point, offered, driver_of(task))
        plans = []
        for at, each in enumerate(calls):
            seed = derived_seed(self._seed, "other" if condition.other_seed else "agreement", at)
            answer, _ = worker.call(each.call, seed, what=each.why)
            plans.append(read_answer(task, each.case, answer, each.why))
        return tuple(plans)

    def _difference(self, first: Sequence[Plan], again: Sequence[Plan], condition: _Condition) -> Disagreement | None:
        for each, one, other in zip(self._calls, first, again, strict=True):
            differs = np.argwhere(one != other)
            if len(differs):
                entry = tuple(int(index) for index in differs[0])
                names = ", ".join(f"{axis} {index}" for axis, index in zip(self.task.plan_axes, entry, strict=True))
                return Disagreement(
                    condition=condition.name,
                    inputs=each.why,
                    entry=f"{names} ({one[entry]} before, {other[entry]} now)",
                    cause=_CAUSES[condition.kind],
                )
        return None


def agreement(
    source: str,
    task: Task,
    *,
    seed: int = 0,
    settings: JudgeSettings | None = None,
    progress: Report | None = None,
) -> Agreement | Rejected:
    """Check one program: opens an `AgreementCheck` and closes it. Raises EvaluatorError."""
    with AgreementCheck(task, seed=seed, settings=settings) as check:
        return check.check(source, progress=progress)


def _conditions() -> tuple[_Condition, ...]:
    """What a program is asked again under, in this order."""
    threads = (_Condition(name=f"{number} threads", kind="threads", threads=number) for number in THREADS)
    levels = tuple(
        _Condition(name=f"CPU level {level.name}", kind="level", interpreter=level.name, environment=level.environment)
        for level in cpu_levels()
    )
    fresh = _Condition(name=FRESH, kind=FRESH)
    return (fresh, _Condition(name=SEED, kind=SEED, other_seed=True), *threads, *(levels or (_INTERPRETER,)))
