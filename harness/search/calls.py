"""The model calls that a search has under way.

Owns: which tickets wait for an answer, why no further call is begun, and when an endpoint has failed too often.
Does not know: how a model is called, what an answer is for, the archive.
"""

from __future__ import annotations

import queue
from collections.abc import Callable
from typing import Protocol

from harness.llm.ledger import Bound, OverBudget
from harness.search.events import Answered, Event, Retry
from harness.types import HarnessError, Request, Turn

_MOST_IN_A_ROW = 5

Done = Callable[[int, Turn | HarnessError], None]
"""Takes the ticket and the outcome of its call."""
Again = Callable[[int, Bound, Callable[[], None]], None]
"""Announces another try after one that may have been billed: takes the ticket, the most that all its tries may cost,
and a function to call once that bound is durable. May be called in any thread.
"""


class Models(Protocol):
    """The models as the loop uses them; `harness.llm.Models` is one."""

    def bound(self, request: Request) -> Bound:
        """The most that one try of a request may cost."""
        ...

    def refusal(self, bound: Bound) -> OverBudget | None:
        """Why the budget does not cover a try now; None where it does."""
        ...

    def submit(self, ticket: int, request: Request, done: Done, again: Again) -> None:
        """Send a request, and call `done` once, in any thread. Raises OverBudget, and sends nothing, where the budget
        does not cover the call.
        """
        ...


class Calls:
    """The calls under way. Their outcomes come as events."""

    def __init__(self, models: Models | None, events: queue.SimpleQueue[Event], most: int) -> None:
        self._models, self._events = models, events
        self._enough = max(_MOST_IN_A_ROW, most)
        self._lost_in_a_row = 0
        self.under_way: set[int] = set()
        self.refusal: OverBudget | None = None
        """Why no further call is begun until another one has ended, of this search or of another on the run."""
        self._refused: Bound | None = None
        """The most that the refused call may cost."""
        self.failure: HarnessError | None = None
        """Why no further call is begun at all."""

    def bound(self, request: Request) -> Bound:
        return self._asked().bound(request)

    def begin(self, ticket: int, request: Request) -> bool:
        """Send a request; False, with nothing sent, where the budget does not cover it or calls keep failing."""
        if self.failure is not None or self.refusal is not None:
            return False
        self.under_way.add(ticket)
        try:
            self._asked().submit(ticket, request, self._done, self._again)
        except OverBudget as error:
            self.refusal, self._refused = error, self.bound(request)
        except HarnessError as error:
            self.failure = error
        else:
            return True
        self.under_way.discard(ticket)
        return False

    @property
    def wait(self) -> bool:
        """Whether no call is begun because other searches have reserved what is left, which they may not spend."""
        return self.refusal is not None and not self.refusal.final and not self.under_way

    def ask_again(self) -> None:
        """Where other searches are waited for, see whether the call that was refused fits by now."""
        if self.wait:
            self.refusal = None if self._refused is None else self._asked().refusal(self._refused)

    def ended(self, answered: Answered) -> None:
        """Record the outcome of a call. A call of an earlier process says nothing about the endpoint now."""
        if answered.ticket not in self.under_way:
            return
        self.under_way.remove(answered.ticket)
        if isinstance(answered.outcome, OverBudget):
            self.refusal, self._refused = answered.outcome, None
            return
        self.refusal = None
        if isinstance(answered.outcome, HarnessError):
            self.failure = self.failure or answered.outcome
        elif answered.outcome.finish == "no_reply":
            self._lost_in_a_row += 1
            if self._lost_in_a_row >= self._enough:
                last = answered.outcome
                self.failure = self.failure or HarnessError(
                    f"{self._lost_in_a_row} calls in a row brought no reply; the last one, of model {last.model}: "
                    f"{last.note or 'no reason was given'}\nEverything so far is archived. Check the endpoint, then "
                    f"run the same command to continue"
                )
        else:
            self._lost_in_a_row = 0

    def _asked(self) -> Models:
        if self._models is None:
            raise HarnessError("this proposer needs a model, and none is configured: add `models` to the config")
        return self._models

    def _done(self, ticket: int, outcome: Turn | HarnessError) -> None:
        self._events.put(Answered(ticket=ticket, outcome=outcome))

    def _again(self, ticket: int, bound: Bound, go: Callable[[], None]) -> None:
        self._events.put(Retry(ticket=ticket, bound=bound, go=go))
