"""The material of a prompt, before it is rendered.

Owns: the values that templates use. Does not know: how they are chosen, rendered or made to fit. Pure.

Every text here is untrusted: names, descriptions, replies, advice and scores come from models, people and runs of
strangers. They are cleaned when they are stored here (`harness.prompt.text`), whatever a template does with them;
programs and patches keep their characters. Templates fence texts of several lines and put the others on one line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from evaluator import Task
from evaluator.screen import available_imports
from evaluator.settings import JudgeSettings
from harness.prompt.merge import Merge
from harness.prompt.text import data_line, identifier, seen
from harness.types import Kind

_LONGEST_CLAUSE = 400
"""The most characters of a score in one clause."""


def _store(value: object, **cleaned: object) -> None:
    """Replace fields of a frozen value while it is made."""
    for name, text in cleaned.items():
        object.__setattr__(value, name, text)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFacts:
    """Facts that the description of a task may state. `identity` is the task's own, with keys of its own."""

    name: str
    entry_point: str
    quality: str
    identity: Mapping[str, Any]
    hard: tuple[str, ...]
    """What is hard about each small call that is checked for validity only."""
    imports: str

    @classmethod
    def of(cls, task: Task) -> TaskFacts:
        return cls(
            name=task.name,
            entry_point=task.entry_point,
            quality=task.quality_name,
            identity=dict(task.identity()),
            hard=tuple(case.why for case in task.hard_cases(0)),
            imports=", ".join(sorted(available_imports())),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """The results of a program case by case: as a table, and in sentences on where it loses most."""

    table: str = ""
    losses: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _store(self, table=seen(self.table), losses=tuple(seen(loss) for loss in self.losses))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A program in a prompt. `summary` and `table` are "" and `losses` () where it has no score.

    `text` is its source, or, where `is_patch`, a patch against the parent. `patch` is that patch, "" for none.
    `results()` is asked only by a template that shows a table: those of an old attempt have to be read from the disk.
    """

    label: str
    name: str
    description: str
    text: str
    patch: str = ""
    is_patch: bool = False
    summary: str = ""
    results: Callable[[], Results] = Results
    marked: bool = False
    """Whether it has EVOLVE-BLOCK markers, so that only lines between them may be changed."""

    def __post_init__(self) -> None:
        _store(
            self,
            name=identifier(self.name),
            description=seen(self.description),
            summary=data_line(self.summary, _LONGEST_CLAUSE),
        )

    @property
    def table(self) -> str:
        return self.results().table

    @property
    def losses(self) -> tuple[str, ...]:
        return self.results().losses


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A rejected attempt. `reply` is the model's text, `change` the patch that was applied; "" to leave it out."""

    label: str
    name: str
    stage: str
    reason: str
    detail: str
    reply: str = ""
    change: str = ""

    def __post_init__(self) -> None:
        _store(
            self,
            name=identifier(self.name),
            reason=identifier(self.reason),
            detail=seen(self.detail),
            reply=seen(self.reply),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class IdeaGroup:
    """Ideas of the search that bought the same: a title, and a line for each."""

    title: str
    lines: tuple[str, ...]

    def __post_init__(self) -> None:
        _store(self, lines=tuple(data_line(line, _LONGEST_CLAUSE) for line in self.lines))


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A model's summary of the search; `label` is the attempt whose reply began with it."""

    label: str
    text: str

    def __post_init__(self) -> None:
        _store(self, text=seen(self.text))


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """The values of one prompt. `parent` is required, for a crossover also `other`, for a repair also `failed`; the
    others may be left out to make the prompt fit.

    For a repair, `parent` is the failed program if the reply could be applied, else the program it was written for.
    """

    kind: Kind
    goal: str
    parent: Shown
    other: Shown | None = None
    merge: Merge | None = None
    """How git's merge of a crossover's parents conflicts; None to ask for an ordinary crossover."""
    failed: Failure | None = None
    best: str = ""
    seed: str = ""
    machine: str = ""
    tried: tuple[str, ...] = ()
    """Valid children of the parent that were not better, one line each, latest first."""
    ideas: tuple[IdeaGroup, ...] = ()
    """What was tried in the search, idea by idea, in groups by what it bought."""
    tally: str = ""
    """How many ideas there are, and how many bought what, in one clause; "" where none are shown."""
    summary: Summary | None = None
    summary_asked: int = 0
    """The most characters of a summary with which the answer is to begin; 0 asks for none."""
    inspirations: tuple[Shown, ...] = ()
    rejections: tuple[Failure, ...] = ()
    """Latest first."""
    advice: tuple[str, ...] = ()
    """Oldest first."""

    def __post_init__(self) -> None:
        _store(
            self,
            best=data_line(self.best, _LONGEST_CLAUSE),
            seed=data_line(self.seed, _LONGEST_CLAUSE),
            machine=seen(self.machine),
            advice=tuple(seen(text) for text in self.advice),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """The values that all prompts of a run share."""

    task: TaskFacts
    limits: JudgeSettings
