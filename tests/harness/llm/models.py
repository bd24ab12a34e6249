"""Models and proposers for tests of the loop: answers by script, at once or when the test says so."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import replace

from evaluator.types import Rejected
from harness import patch
from harness.llm.ledger import Bound, OverBudget
from harness.proposers import View
from harness.search.calls import Again, Done
from harness.types import HarnessError, Kind, Message, Request, Turn, Usage
from tests.harness.builders import PROGRAM

Answer = Callable[[int, Request], Turn | HarnessError | None]
BOUND = Bound(usd=0.25, tokens=500)


def turn(text: str, usd: float = 0.01) -> Turn:
    return Turn(text=text, model="m", usage=Usage(input_tokens=90, output_tokens=10), usd=usd, seconds=0.5)


def knobs(rounds: float, slack: float = 0.5, depth: int = 2, name: str = "") -> str:
    """The reply that sets these in the seed program."""
    child = PROGRAM.replace("ROUNDS = 4", f"ROUNDS = {rounds}").replace("SLACK = 0.5", f"SLACK = {slack}")
    child = child.replace("depth=2", f"depth={depth}")
    return patch.render(patch.diff(PROGRAM, child, name=name or f"rounds {rounds}", description="Knobs."))


class Models:
    """Answers by a script, each call in a thread of its own; one that is answered with None waits for `release`."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked: list[tuple[int, Request]] = []
        self.waiting: dict[int, tuple[Done, Again]] = {}
        self.most = 0
        self._out = 0
        self._lock = threading.Lock()

    def bound(self, request: Request) -> Bound:
        return BOUND

    def refusal(self, bound: Bound) -> OverBudget | None:
        return None

    def submit(self, ticket: int, request: Request, done: Done, again: Again) -> None:
        with self._lock:
            self.asked.append((ticket, request))
            self._out += 1
            self.most = max(self.most, self._out)
        threading.Thread(target=self._answer, args=(ticket, request, done, again)).start()

    def _answer(self, ticket: int, request: Request, done: Done, again: Again) -> None:
        outcome = self.answer(ticket, request)
        if outcome is None:
            self.waiting[ticket] = (done, again)
        else:
            self._give(ticket, done, outcome)

    def release(self, ticket: int, outcome: Turn | HarnessError) -> None:
        self._give(ticket, self.waiting.pop(ticket)[0], outcome)

    def _give(self, ticket: int, done: Done, outcome: Turn | HarnessError) -> None:
        with self._lock:
            self._out -= 1
        done(ticket, outcome)


class Asking:
    """Asks about the seed program, and again as often as `repairs` says. Notes what it was shown."""

    def __init__(self, repairs: int = 0, kind: Kind = "patch") -> None:
        self.repairs, self.kind = repairs, kind
        self.views: list[View] = []

    def propose(self, view: View, rng: random.Random) -> Request | None:
        self.views.append(view)
        text = f"{view.source(view.parents[0].id)} {rng.random()}"
        parent = view.entries[0].id
        return Request(kind=self.kind, parents=(parent,), model="m", messages=(Message(role="user", text=text),))

    def repair(self, request: Request, turns: tuple[Turn, ...], verdict: Rejected) -> Request | None:
        if len(turns) > self.repairs:
            return None
        words = Message(role="user", text=f"{verdict.reason}: try again")
        return replace(request, messages=(*request.messages, Message(role="assistant", text=turns[-1].text), words))
