"""The model calls that a search has under way.

Owns: which tickets wait for an answer, why no further call is begun, and when an endpoint has failed too often.
Does not know: how a model is called, what an answer is for, the archive.

Where the search has other proposals as well (`spare`), nothing here ends it. Calls that cannot be paid for, or that a
model refuses for good, are no longer made; an endpoint that does not reply is asked again after some further attempts,
one call at a time and after twice as many each time, until it replies (a circuit breaker).
"""

from __future__ import annotations

import queue
from collections.abc import Callable
from typing import Protocol

from harness.llm.ledger import Bound, OverBudget
from harness.search.events import Answered, Event, Retry
from harness.types import HarnessError, Request, Turn

_MOST_IN_A_ROW = 5
_ASIDE = 8
"""After how many further attempts a model that does not reply is asked again, the first time."""

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

    def __init__(
        self, models: Models | None, events: queue.SimpleQueue[Event], most: int, *, spare: bool = False
    ) -> None:
        self._models, self._events, self._spare = models, events, spare
        self._most, self._enough = most, max(_MOST_IN_A_ROW, most)
        self._lost_in_a_row = 0
        self._outage: HarnessError | None = None
        self._again_at, self._aside = 0, _ASIDE
        self.under_way: set[int] = set()
        self._refusal: OverBudget | None = None
        self._refused: Bound | None = None  # the most that the refused call may cost
        self._failure: HarnessError | None = None

    @property
    def refusal(self) -> OverBudget | None:
        """Why nothing more is begun until another call has ended, of this search or of another on the run; None where
        there are other proposals.
        """
        return None if self._spare else self._refusal

    @property
    def failure(self) -> HarnessError | None:
        """Why nothing more is begun at all; None where there are other proposals."""
        return None if self._spare else self._failure

    @property
    def trouble(self) -> HarnessError | None:
        """What is wrong with the models, for a search that has no other proposals left."""
        return self._failure or self._outage

    @property
    def cause(self) -> str:
        """What keeps calls from being begun, in a word; "" for nothing."""
        return "failure" if self._failure else "outage" if self._outage else "budget" if self._refusal else ""

    @property
    def waits_for(self) -> OverBudget | None:
        """Why no call is begun, where other searches have reserved what is left, which they may not spend."""
        refusal = self._refusal
        return refusal if refusal is not None and not refusal.final and not self.under_way else None

    def ask_again(self) -> bool:
        """Where other searches are waited for, see whether the call that was refused fits by now."""
        if self.waits_for is None:
            return False
        self._refusal = None if self._refused is None else self._asked().refusal(self._refused)
        return self._refusal is None

    def full(self, asked: int) -> bool:
        """Whether no further call has room beside those of `asked` tickets."""
        return asked >= (1 if self._outage else self._most) or (self._refusal is not None and bool(self.under_way))

    def closed(self, made: int) -> str:
        """Why no call can be begun after `made` attempts, as a clause; "" where one can, or once another has ended."""
        if self._failure is not None:
            return " ".join(str(self._failure).split())
        if self._outage is not None and made < self._again_at:
            cause = str(self._outage).partition("\n")[0]
            return f"{cause}; it is asked again after {self._again_at - made} more attempts"
        if self._refusal is not None and (self._refusal.final or not self.under_way):
            return str(self._refusal)
        return ""

    def bound(self, request: Request) -> Bound:
        return self._asked().bound(request)

    def begin(self, ticket: int, request: Request) -> bool:
        """Send a request; False, with nothing sent, where the budget does not cover it or calls keep failing."""
        if self._failure is not None or self._refusal is not None:
            return False
        self.under_way.add(ticket)
        try:
            self._asked().submit(ticket, request, self._done, self._again)
        except OverBudget as error:
            self._refusal, self._refused = error, self.bound(request)
        except HarnessError as error:
            self._failure = error
        else:
            return True
        self.under_way.discard(ticket)
        return False

    def ended(self, answered: Answered, made: int) -> None:
        """Record the outcome of a call, after `made` attempts. A call of an earlier process says nothing about the
        endpoint now.
        """
        if answered.ticket not in self.under_way:
            return
        self.under_way.remove(answered.ticket)
        if isinstance(answered.outcome, OverBudget):
            self._refusal, self._refused = answered.outcome, None
            return
        if not (self._spare and self._refusal is not None and self._refusal.final):
            self._refusal = None
        if isinstance(answered.outcome, HarnessError):
            self._failure = self._failure or answered.outcome
        elif answered.outcome.finish == "no_reply":
            self._lost_in_a_row += 1
            if self._lost_in_a_row >= self._enough:
                self._set_aside(answered.outcome, made)
        else:
            self._lost_in_a_row, self._outage, self._aside = 0, None, _ASIDE

    def _set_aside(self, last: Turn, made: int) -> None:
        error = HarnessError(
            f"{self._lost_in_a_row} calls in a row brought no reply; the last one, of model {last.model}: "
            f"{last.note or 'no reason was given'}\nEverything so far is archived. Check the endpoint, then "
            f"run the same command to continue"
        )
        if not self._spare:
            self._failure = self._failure or error
        elif made >= self._again_at:
            self._outage, self._again_at, self._aside = error, made + self._aside, 2 * self._aside

    def _asked(self) -> Models:
        if self._models is None:
            raise HarnessError("this proposer needs a model, and none is configured: add `models` to the config")
        return self._models

    def _done(self, ticket: int, outcome: Turn | HarnessError) -> None:
        self._events.put(Answered(ticket=ticket, outcome=outcome))

    def _again(self, ticket: int, bound: Bound, go: Callable[[], None]) -> None:
        self._events.put(Retry(ticket=ticket, bound=bound, go=go))
