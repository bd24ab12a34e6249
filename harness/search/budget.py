"""The budget of a search.

Owns: the limits, and the sentence that says which one ended a search. Does not know: clocks, the archive, models, and
the ledger that enforces the limits on dollars, tokens and calls (`harness.llm.ledger`).
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.accounts import Booked
from harness.llm.ledger import Book, Ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What a search has used so far. `attempts`, `judge_s` and `since_best` count the whole archive, `minutes` only
    this invocation.
    """

    attempts: int
    minutes: float
    judge_s: float
    since_best: int
    now_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The limits of a search; None is no limit. An attempt that was begun within the budget is finished."""

    attempts: int | None = None
    minutes: float | None = None
    deadline_s: float | None = None
    """Unix time in seconds after which no attempt is begun."""
    judge_s: float | None = None
    patience: int | None = None
    """How many attempts in a row may pass without a new champion."""
    usd: float | None = None
    """This limit and the next two are for calls of models: a ledger enforces them, `exhausted` ignores them."""
    tokens: int | None = None
    calls: int | None = None

    def __post_init__(self) -> None:
        ours = (self.attempts, self.minutes, self.deadline_s, self.judge_s, self.patience)
        limits = (*ours, self.usd, self.tokens, self.calls)
        if all(limit is None for limit in limits) or any(limit is not None and limit <= 0 for limit in limits):
            raise ValueError(f"expected at least one limit, and every limit above 0, found {self}")

    def ledger(self, spent: Booked | None = None, book: Book | None = None) -> Ledger:
        """A ledger with the limits on calls that starts from what is already spent, or shares the `book` of a run."""
        return Ledger(usd=self.usd, tokens=self.tokens, calls=self.calls, spent=spent, book=book)

    def exhausted(self, spent: Spent) -> str | None:
        """Which limit is reached, as a sentence for people; None while none is."""
        if self.attempts is not None and spent.attempts >= self.attempts:
            return f"all {self.attempts} attempts are made"
        if self.minutes is not None and spent.minutes >= self.minutes:
            return f"the {self.minutes:g} minutes are over"
        if self.deadline_s is not None and spent.now_s >= self.deadline_s:
            return "the deadline has passed"
        if self.judge_s is not None and spent.judge_s >= self.judge_s:
            return f"the {self.judge_s:g} seconds of judging are used up"
        if self.patience is not None and spent.since_best >= self.patience:
            return f"{spent.since_best} attempts in a row brought no better program"
        return None
