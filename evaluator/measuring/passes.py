"""Calls in order whose answers are validated: the hard cases, and the pass over the cases of a seed.

Owns: in which order and with which seeds these calls are made, so that a pass repeats to the last digit. Does not know:
times, scores, how a process starts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from evaluator.measuring.draws import derived_seed
from evaluator.task_protocol import Problem, Task
from evaluator.types import Answer, Case, HardCase, InvalidAnswer, Plan
from evaluator.worker_handle import Worker, stop

Plans = tuple[Plan, ...]


def read_answer(task: Problem, case: Case, answer: Answer, what: str) -> Plan:
    """The plan of an answer. Raises Stopped if the answer is invalid; `what` names the call in its text."""
    try:
        return task.read(case, answer)
    except InvalidAnswer as invalid:
        raise stop("validate", invalid.reason, f"{what}: {invalid.detail}") from None


def ask_hard_cases(task: Task, hard_cases: Sequence[HardCase], seed: int, worker: Worker) -> None:
    """Make the small calls on which solvers often fail; their answers must only be valid. Raises Stopped."""
    for index, hard in enumerate(hard_cases):
        what = f"hard case {hard.case.name} ({hard.why})"
        answer, _ = worker.call(hard.call, derived_seed(seed, "hard", index), what=what)
        read_answer(task, hard.case, answer, what)


def pass_over_cases(
    task: Problem, cases: Sequence[Case], seed: int, worker: Worker, report: Callable[[int], None]
) -> tuple[dict[str, Plans], tuple[float, ...]]:
    """The plans of every step of every case, by case name, on the original inputs in order, and the mean nanoseconds of
    each case's calls. `report` receives the index of each case. Raises Stopped.
    """
    passes: dict[str, Plans] = {}
    means_ns = []
    for at, case in enumerate(cases):
        report(at)
        plans: Plans = ()
        spent_ns = 0
        steps = task.steps(case)
        for step in range(steps):
            what = f"case {case.name}" + (f", step {step + 1} of {steps}" if steps > 1 else "")
            answer, elapsed = worker.call(task.call(case, step, plans), derived_seed(seed, case.name, step), what=what)
            spent_ns += elapsed
            plans = (*plans, read_answer(task, case, answer, what))
        passes[case.name] = plans
        means_ns.append(spent_ns / steps)
    return passes, tuple(means_ns)
