"""The splits of a task's cases: `search`, and the loads that are held out from it, `gate` and `final`.

Owns: their names, what a task offers to hold loads out, and what a judge has to know of the cases of a split before a
program starts. Does not know: any task, what a search decides by a split.

`search` steers a search: its scores are shown, and parents are chosen by them. A new best program has to be surely no
worse on `gate`. `final` is measured once, at the end, and decides nothing. Which loads a held-out split has (other
seeds, skews, drifts, shapes, files) is the task's own affair.
"""

from __future__ import annotations

from functools import cached_property
from typing import Literal, Protocol, get_args, runtime_checkable

from evaluator.settings import JudgeSettings
from evaluator.task_protocol import Task
from evaluator.types import Case, EvaluatorError, HardCase

HeldOut = Literal["gate", "final"]
Split = Literal["search", "gate", "final"]
HELD_OUT: tuple[HeldOut, ...] = get_args(HeldOut)
SPLITS: tuple[Split, ...] = get_args(Split)


@runtime_checkable
class HoldsOut(Protocol):
    """What a task offers beside `Task` if it has held-out loads."""

    def held_out(self, split: HeldOut) -> Task | None:
        """The same problem with the cases of a held-out split: other loads than those of the task and of the other
        split. Same name, version, entry point, quality, reference and form of answers. A call of it costs no more than
        one of the task. None if there are none under these options. Raises WorkloadError.
        """
        ...


def of_split(task: Task, split: Split) -> Task | None:
    """The task of a split; None if the task holds no loads out. Raises WorkloadError."""
    if split == "search":
        return task
    return task.held_out(split) if isinstance(task, HoldsOut) else None


class SplitCases:
    """A task with its cases under a seed. What follows from them is worked out when it is first needed."""

    def __init__(self, task: Task, seed: int, settings: JudgeSettings) -> None:
        """Raises WorkloadError."""
        self.task, self._seed, self._settings = task, seed, settings
        self.cases: tuple[Case, ...] = task.cases(seed)

    @classmethod
    def of(cls, task: Task, split: Split, seed: int, settings: JudgeSettings) -> SplitCases:
        """The cases of a split. Raises EvaluatorError if the task holds no loads out."""
        held = of_split(task, split)
        if held is None:
            raise EvaluatorError(f"the task {task.name} holds no loads out, so it has no split {split}: use search")
        return cls(held, seed, settings)

    @cached_property
    def hard_cases(self) -> tuple[HardCase, ...]:
        return self.task.hard_cases(self._seed)

    @cached_property
    def bytes(self) -> tuple[int, int]:
        """Of the largest request and of the largest valid answer."""
        cases = (*self.cases, *(hard.case for hard in self.hard_cases))
        answer = max(self.task.answer_bytes(case) for case in cases)
        call = max(self.task.call_bytes(case) for case in cases)
        # JSON may encode one byte of source as six.
        return max(call + (1 << 16), 6 * self._settings.source_bytes + (1 << 16)), answer

    @cached_property
    def offered(self) -> tuple[str, ...]:
        """Keyword parameters that a solver may declare."""
        return tuple(sorted({name for case in self.cases for name in self.task.call(case, 0, ()).offered}))
