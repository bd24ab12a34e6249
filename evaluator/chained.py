"""Tasks whose plans are worth more or less by what was planned before them, as where a change of plan costs something.

Owns: what such a task has beside, and which quality a plan is scored with. Does not know: any particular task, how
plans are made.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from evaluator.task_protocol import Task
from evaluator.types import Case, Plan


@runtime_checkable
class Chained(Protocol):
    """`Task.pass_quality` of such a task is the quality of a plan whose forerunners are not known."""

    def chain_quality(self, case: Case, step: int, plans: tuple[Plan, ...]) -> float:
        """The quality that the plan of `step` is scored with; `plans` are those of the pass so far, it is the last."""
        ...


def quality_in_pass(task: Task, case: Case, step: int, plans: tuple[Plan, ...]) -> float:
    """The quality that the plan of a step is scored with: the last of `plans`, those of the pass so far."""
    if isinstance(task, Chained):
        return task.chain_quality(case, step, plans)
    return task.pass_quality(case, step, plans[-1])
