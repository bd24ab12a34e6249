"""What a prompt is made of, before it is words.

Owns: the values that templates see. Does not know: how they are chosen, rendered or made to fit.

Every text here may come from a stranger: templates fence what has several lines and put the rest on one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evaluator import Task
from evaluator.screen import ALLOWED_IMPORTS
from evaluator.settings import JudgeSettings
from harness.types import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFacts:
    """What a task's brief may state. `identity` is what the task says of itself, keys of its own included."""

    name: str
    entry_point: str
    quality: str
    identity: Mapping[str, Any]
    hard: tuple[str, ...]
    """What is hard about each of the small calls that are judged for validity only."""
    imports: str

    @classmethod
    def of(cls, task: Task) -> TaskFacts:
        return cls(
            name=task.name,
            entry_point=task.entry_point,
            quality=task.quality_name,
            identity=dict(task.identity()),
            hard=tuple(case.why for case in task.hard_cases(0)),
            imports=", ".join(sorted(ALLOWED_IMPORTS)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A program in a prompt. `summary` and `table` are "" and `losses` () where it has no score.

    `text` is its source, or, where `is_patch`, the patch that makes it of the parent. `patch` is that patch, "" where
    there is none.
    """

    label: str
    name: str
    description: str
    text: str
    patch: str = ""
    is_patch: bool = False
    summary: str = ""
    table: str = ""
    losses: tuple[str, ...] = ()
    marked: bool = False
    """Whether it has EVOLVE-BLOCK markers: only what stands between them may be changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A rejected attempt. `reply` is what it was made from, `change` the patch that was applied; "" to leave it out."""

    label: str
    name: str
    stage: str
    reason: str
    detail: str
    reply: str = ""
    change: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """Everything one prompt may say. What it is about is `parent`, for a crossover also `other`, for a repair also
    `failed`; the rest may be left out to make it fit.

    For a repair `parent` is the failed program where the attempt came to have one, else what its reply was for.
    """

    kind: Kind
    goal: str
    parent: Shown
    other: Shown | None = None
    failed: Failure | None = None
    best: str = ""
    seed: str = ""
    machine: str = ""
    tried: tuple[str, ...] = ()
    """Valid children of the parent that were not better, a line each, the latest first."""
    inspirations: tuple[Shown, ...] = ()
    rejections: tuple[Failure, ...] = ()
    """The latest first."""
    advice: tuple[str, ...] = ()
    """Oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What all prompts of a run share."""

    task: TaskFacts
    limits: JudgeSettings
