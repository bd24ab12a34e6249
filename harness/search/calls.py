"""The calls of models that a search has under way.

Owns: which tickets wait for an answer, why no call is begun at the moment, and when an endpoint has failed too often.
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
"""Takes the ticket and what came of the call."""
Again = Callable[[int, Bound, Callable[[], None]], None]
"""Takes a ticket whose next try follows one that may have been billed, the most that all its tries may then cost, and
what to call once that is on record; may be called in any thread.
"""


class Models(Protocol):
    """What the loop needs of the models: `harness.llm.Models`."""

    def bound(self, request: Request) -> Bound:
        """The most that one try of a request may cost."""
        ...

    def submit(self, ticket: int, request: Request, done: Done, again: Again) -> None:
        """Ask, and call `done` with the ticket once, in any thread. Raises OverBudget, and asks nobody, where the
        budget does not cover the call.
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
        """Why no further call is begun, until another one has ended."""
        self.failure: HarnessError | None = None
        """Why no further call is begun at all."""

    def bound(self, request: Request) -> Bound:
        return self._asked().bound(request)

    def begin(self, ticket: int, request: Request) -> bool:
        """Ask; False where the budget does not cover it, or no model can be asked any more: then nobody was."""
        if self.failure is not None or self.refusal is not None:
            return False
        self.under_way.add(ticket)
        try:
            self._asked().submit(ticket, request, self._done, self._again)
        except OverBudget as error:
            self.refusal = error
        except HarnessError as error:
            self.failure = error
        else:
            return True
        self.under_way.discard(ticket)
        return False

    def ended(self, answered: Answered) -> None:
        """Take note of an outcome; that of a call an earlier process made says nothing about the endpoint now."""
        if answered.ticket not in self.under_way:
            return
        self.under_way.remove(answered.ticket)
        if isinstance(answered.outcome, OverBudget):
            self.refusal = answered.outcome
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
                    f"{last.note or 'no reason was given'}\nEverything so far is archived: see to the endpoint, and "
                    f"the same command goes on"
                )
        else:
            self._lost_in_a_row = 0

    def _asked(self) -> Models:
        if self._models is None:
            raise HarnessError("this proposer asks models, and none are configured: add `models` to the config")
        return self._models

    def _done(self, ticket: int, outcome: Turn | HarnessError) -> None:
        self._events.put(Answered(ticket=ticket, outcome=outcome))

    def _again(self, ticket: int, bound: Bound, go: Callable[[], None]) -> None:
        self._events.put(Retry(ticket=ticket, bound=bound, go=go))
