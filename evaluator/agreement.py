"""Rank agreement: whether every process gives the same plan for the same inputs.

Owns: the conditions under which a program is asked again, and how a disagreement is worded. Does not know: any task's
calls (see `Task.agreement_calls`), scores, engines.

An engine in which each rank plans by itself needs that. A program is asked in one process, and then again: in a process
of a new interpreter, which has other addresses and another seed of its hashes; with the random generators seeded
otherwise; with other numbers of threads; and under the lower levels of processor that this machine can imitate. All of
it runs confined, and plans are compared as the judge reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Self

import numpy as np

from evaluator.cpu_levels import cpu_levels
from evaluator.executors import LocalExecutor
from evaluator.measuring.draws import derived_seed
from evaluator.measuring.passes import read_answer
from evaluator.screen import screen
from evaluator.settings import JudgeSettings
from evaluator.task_protocol import Task
from evaluator.types import Plan, Progress, Rejected
from evaluator.worker_handle import Stopped

Report = Callable[[Progress], None]

THREADS = (2, 3)
"""The numbers of threads that a program is asked again with, after one."""
FRESH, SEED = "a fresh process", "another random seed"
_CAUSES = MappingProxyType(
    {
        FRESH: "something that is no argument decides: an unseeded generator, the time, addresses, the order of a set",
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
    name: str
    kind: str
    threads: int = 1
    other_seed: bool = False


class AgreementCheck:
    """Checks programs of one task on the CPU. A context manager: its interpreters are started when they are first
    needed, and serve all programs. Not thread-safe.
    """

    def __init__(self, task: Task, *, seed: int = 0, settings: JudgeSettings | None = None) -> None:
        self.task = task
        self._settings = settings or JudgeSettings()
        self._seed, self._calls = seed, task.agreement_calls(seed)
        self._open: list[LocalExecutor] = []
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
        first: tuple[Plan, ...] | None = None
        tried: list[str] = []
        for at, (environment, conditions) in enumerate(_interpreters()):
            executor = self._interpreter(at, environment)
            for condition in conditions:
                _say(progress, condition.name, len(tried))
                try:
                    plans = self._plans(executor, source, condition)
                except Stopped as stopped:
                    where = f"{condition.name}, asked for rank agreement: {stopped.verdict.detail}"
                    return replace(stopped.verdict, detail=where)
                finally:
                    executor.end()
                if first is None:
                    first = plans
                    continue
                tried.append(condition.name)
                if (found := self._difference(first, plans, condition)) is not None:
                    return Agreement(conditions=tuple(tried), inputs=len(self._calls), disagreement=found)
        return Agreement(conditions=tuple(tried), inputs=len(self._calls))

    def _interpreter(self, at: int, environment: Mapping[str, str]) -> LocalExecutor:
        """Interpreter number `at`, started if it is not yet."""
        if at == len(self._open):
            executor = LocalExecutor(self._settings, environment=environment)
            self._open.append(self._stack.enter_context(executor))
        return self._open[at]

    def _plans(self, executor: LocalExecutor, source: str, condition: _Condition) -> tuple[Plan, ...]:
        """The plans of a fresh process. Raises Stopped."""
        task, calls = self.task, self._calls
        worker = executor.open(
            request_bytes=max(task.call_bytes(each.case) for each in calls) + 6 * self._settings.source_bytes,
            answer_bytes=max(task.answer_bytes(each.case) for each in calls),
            device="cpu",
            threads=condition.threads,
        )
        offered = tuple(sorted({name for each in calls for name in each.call.offered}))
        worker.load(source, task.entry_point, offered)
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


def _interpreters() -> Iterator[tuple[Mapping[str, str], tuple[_Condition, ...]]]:
    """The environment of each interpreter that is started, and what a program is asked under in it."""
    yield {}, (_Condition(name="the first process", kind=FRESH),)
    threads = (_Condition(name=f"{number} threads", kind="threads", threads=number) for number in THREADS)
    yield {}, (_Condition(name=FRESH, kind=FRESH), _Condition(name=SEED, kind=SEED, other_seed=True), *threads)
    for level in cpu_levels():
        yield level.environment, (_Condition(name=f"CPU level {level.name}", kind="level"),)


def _say(progress: Report | None, condition: str, done: int) -> None:
    if progress is not None:
        total = 2 + len(THREADS) + len(cpu_levels())
        progress(Progress(stage="rank agreement", case=condition, done=done, total=total))
