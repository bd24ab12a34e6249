"""The time of a call beside a busy interpreter, and how long it holds the interpreter's other threads up.

Owns: how these figures are taken. Does not know: scores, engines, how a worker runs its loop.

An engine that plans in a thread of a serving process shares one interpreter lock with it. A solver of many small calls
waits for the lock each time it has given it up; one that computes for long without giving it up stops the engine. The
judge's clock takes the time of the call. For how long the loop beside it was held up is what the candidate's own
process reports: it is not trusted, and no score rests on it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from evaluator.executors import LocalExecutor
from evaluator.measuring import lanes
from evaluator.measuring.draws import derived_seed
from evaluator.measuring.passes import read_answer
from evaluator.screen import screen
from evaluator.settings import JudgeSettings, Lane
from evaluator.task_protocol import Task, driver_of
from evaluator.types import Case, Progress, Rejected
from evaluator.worker_handle import Stopped, Worker

Report = Callable[[Progress], None]

SWITCH_S = 0.005
"""The interpreter's own switch interval: a thread that waits for its lock asks for it after this time."""
CALLS, ENOUGH_S = 7, 2.0
"""Pairs of calls a case, alone and beside the loop, and the time after which no further pair is begun."""
PATIENCE = 10
"""A call beside the loop may take this many times the limit of a call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BusyTime:
    """One case, in milliseconds: the call alone and beside a loop of Python, both medians over the calls, and for how
    long that loop was held up at most in a call: in the call in which it was held up least, because a machine that is
    busy with other work can only add to it. `held_ms` is what the candidate's process reports.
    """

    case: str
    alone_ms: float
    busy_ms: float
    held_ms: float

    @property
    def times(self) -> float:
        """How many times as long the call takes beside the loop."""
        return self.busy_ms / self.alone_ms


def busy_times(
    source: str,
    task: Task,
    *,
    seed: int = 0,
    settings: JudgeSettings | None = None,
    switch_s: float = SWITCH_S,
    progress: Report | None = None,
) -> tuple[BusyTime, ...] | Rejected:
    """The first call of each case of a seed, on the CPU. `switch_s`: the interpreter's switch interval meanwhile.

    Rejected if the program fails or takes too long. Raises EvaluatorError.
    """
    settings = settings or JudgeSettings()
    if (refused := screen(source, task.entry_point, max_bytes=settings.source_bytes)) is not None:
        return refused
    cases = task.cases(seed)
    figures = []
    # Without cores of its own the worker may use all: an engine's threads have a core each, and so have these two.
    with LocalExecutor(settings) as executor, lanes.hold((Lane(device="cpu"),)):
        try:
            worker = executor.open(
                request_bytes=max(map(task.call_bytes, cases)) + 6 * settings.source_bytes,
                answer_bytes=max(map(task.answer_bytes, cases)),
                device="cpu",
            )
            offered = tuple(sorted(task.call(cases[0], 0, ()).offered))
            worker.load(source, task.entry_point, offered, driver_of(task))
            for at, case in enumerate(cases):
                if progress is not None:
                    progress(Progress(stage="beside a busy interpreter", case=case.name, done=at, total=len(cases)))
                figures.append(_of_case(task, case, worker, derived_seed(seed, "busy", at), settings, switch_s))
        except Stopped as stopped:
            return stopped.verdict
        finally:
            executor.end()
    return tuple(figures)


def _of_case(task: Task, case: Case, worker: Worker, seed: int, settings: JudgeSettings, switch_s: float) -> BusyTime:
    """Calls alone and beside the loop in turn, after one that warms up. Raises Stopped."""
    call, what, limit_s = task.call(case, 0, ()), f"case {case.name}", settings.timeout_s
    worker.call(call, seed, what=what)
    alone: list[int] = []
    busy: list[int] = []
    held: list[int] = []
    while len(alone) < CALLS and sum(alone + busy) < ENOUGH_S * 1e9:
        alone.append(worker.call(call, seed, what=what)[1])
        answer, elapsed, stretch = worker.beside_a_loop(
            call, seed, what=what, switch_s=switch_s, timeout_s=PATIENCE * limit_s
        )
        read_answer(task, case, answer, f"{what}, beside a loop of Python")
        busy.append(elapsed)
        held.append(stretch)
    return BusyTime(case=case.name, alone_ms=median(alone) / 1e6, busy_ms=median(busy) / 1e6, held_ms=min(held) / 1e6)
