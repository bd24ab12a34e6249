"""What a judge elsewhere is told, and what it says.

Owns: these messages, what such a judge is made from, and their form as bytes. Does not know: how bytes travel, how
anything is judged.

Both ends are ours and of one version, and no candidate runs in either: so the bytes are a pickle. What comes from a
candidate's process never is one (`evaluator.confined.wire`).
"""

from __future__ import annotations

import copyreg
import io
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from evaluator.evaluate import Judge
from evaluator.fate import Estimate, OpenDuel
from evaluator.settings import JudgeSettings
from evaluator.splits import Split
from evaluator.task_file.task import FileTask, task_of_source
from evaluator.task_protocol import Task
from evaluator.types import Duel, Environment, Progress, Rejected, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskText:
    """A task of a file, which cannot travel itself: its process stays where it is, and another one is started there."""

    file: str
    source: str
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeSpec:
    """What a judge is made from: the arguments of `Judge`."""

    task: Task | TaskText
    reference: str
    reference_name: str = "reference"
    device: str = "auto"
    seed: int = 0
    settings: JudgeSettings = field(default_factory=JudgeSettings)

    @classmethod
    def of(
        cls, task: Task, *, reference: str, reference_name: str, device: str, seed: int, settings: JudgeSettings
    ) -> JudgeSpec:
        """The specification of a judge of any task."""
        sent: Task | TaskText = task
        if isinstance(task, FileTask):
            text = task.process.text
            sent = TaskText(file=text.file, source=text.source, options=dict(text.options))
        return cls(
            task=sent, reference=reference, reference_name=reference_name, device=device, seed=seed, settings=settings
        )

    def judge(self) -> Judge:
        """The judge, not yet started. Raises EvaluatorError."""
        task = self.task
        if isinstance(task, TaskText):
            task = task_of_source(task.source, file=task.file, folder=Path(), options=task.options)
        return Judge(
            task,
            reference=self.reference,
            reference_name=self.reference_name,
            device=self.device,
            seed=self.seed,
            settings=self.settings,
        )


# Orders, to the judge


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluate:
    """Judge a program; with `races`, no longer than its fate is open, which `Asked` events ask about."""

    source: str
    races: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Compare:
    """Measure a program against another; with `settles`, until an answer to an `Asked` event says that it is enough."""

    source: str
    other: str
    level: float
    other_name: str
    settles: bool = False
    split: Split = "search"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Whether a program answers every call validly: nothing is timed."""

    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Say in which environment the judge measures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The answer to an `Asked` event."""

    value: str | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Abort what is under way."""


Order = Evaluate | Compare | Check | Where | Answer | Stop


# Events, from the judge


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """The judge is made, for this device."""

    device: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stepped:
    """How far it is."""

    step: Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Whether what is known by now is enough. The judge waits for an `Answer`."""

    state: Estimate | OpenDuel


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What an order led to; None of a `Check` that found no fault."""

    outcome: Verdict | Duel | Environment | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """An order failed for a reason that is not the program's. `other`: the program compared with failed; `bug`: an
    error of ours, `text` is then its traceback.
    """

    text: str
    other: bool = False
    bug: bool = False


Event = Opened | Stepped | Asked | Done | Failed
Checked = Rejected | None


def _view(held: dict[str, Any]) -> Mapping[str, Any]:
    return MappingProxyType(held)


class _Pickler(pickle.Pickler):
    """Knows the one type in our values that pickle does not."""

    dispatch_table = copyreg.dispatch_table | {MappingProxyType: lambda view: (_view, (dict(view),))}


def dumps(message: JudgeSpec | Order | Event) -> bytes:
    """A message as bytes."""
    buffer = io.BytesIO()
    _Pickler(buffer, pickle.HIGHEST_PROTOCOL).dump(message)
    return buffer.getvalue()


def loads(data: bytes) -> Any:
    """The message of bytes that `dumps` made, here or in another process of ours."""
    return pickle.loads(data)
