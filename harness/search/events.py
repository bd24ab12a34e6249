"""What calls of models and judges put in the queue of the search's thread.

Owns: these messages, and the union of them all. Does not know: who sends them, and what the search does with them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from evaluator.types import Progress as Judging
from evaluator.types import Verdict
from harness.llm.ledger import Bound
from harness.types import Confirmation, Gate, HarnessError, Turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A call of a model has ended: with an answer, or with the error that no answer will come of."""

    ticket: int
    outcome: Turn | HarnessError


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """A call is to be tried again, and waits until this bound is durable; then `go` starts the next try."""

    ticket: int
    bound: Bound
    go: Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class NotAsked:
    """The request of a ticket could not be sent, so no model was asked and nothing is billed."""

    ticket: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A program has its verdict. `seconds` is how long the judge worked on it."""

    ticket: int
    verdict: Verdict
    confirmations: tuple[Confirmation, ...] = ()
    gates: tuple[Gate, ...] | None = None
    seconds: float = 0.0
    lost: tuple[str, ...] = ()
    """Why it was judged again, once for each judge that was lost with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeProgress:
    """How far a judge is with a program; or, as a sentence for people, that it was `lost` and the program is judged
    again.
    """

    ticket: int
    name: str
    step: Judging | None = None
    lost: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeFailed:
    """A judge failed for a reason that is not the program's."""

    error: BaseException


Outcome = Answered | Retry | NotAsked | Judged | JudgeFailed
"""What changes a ticket or ends the search."""
Event = Outcome | JudgeProgress
"""Everything that may be in the queue."""
