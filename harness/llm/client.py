"""The models of a search: one thread in which any number of calls are under way.

Owns: that thread, retries, and that every try is reserved in the ledger before it is sent and settled after.
Does not know: HTTP, prompts, the archive, what the answers are for.

A call ends as a `Turn`, even without a reply (`no_reply`), or as a `ModelFailure` if further calls cannot succeed
either. What failed tries may have cost is booked with the turn.
"""

from __future__ import annotations

import asyncio
import math
import random
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType

from harness.accounts import Booked
from harness.llm.answers import Answer, quoted
from harness.llm.endpoint import FOLDED, Endpoint, Fault
from harness.llm.ledger import Bound, Hold, Ledger, OverBudget
from harness.llm.model import Charge, Model, bound, charge, check_bounded, masked, most_charge
from harness.types import HarnessError, Request, Turn, TurnRecord, Usage

MOST_NOTE = 1000
APART_S = 0.001
"""The least time between the starts of two tries. Calls that start together end together, and then wait for each other
to be handled.
"""


class ModelFailure(HarnessError):
    """No further call to a model can succeed; the message says what to do. The call itself is not billed."""


Done = Callable[[int, Turn | ModelFailure], None]
Again = Callable[[int, Bound, Callable[[], None]], None]
"""Announces another try after one that may have been billed: called with the ticket, the most that all its tries may
cost, and a function to call (in any thread) once that bound is durable. The next try waits for it.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """Exponential backoff with jitter: `first_s`, doubled each time up to `most_s`, minus up to half of it at random.

    If an endpoint asks for a wait, all calls to it wait that long; if it asks for more than `most_asked_s`, the call
    is not tried again.
    """

    first_s: float = 1.0
    most_s: float = 60.0
    most_asked_s: float = 120.0

    def wait_s(self, failed: int, rng: random.Random) -> float:
        """Seconds to wait after `failed` failed tries."""
        return min(self.most_s, self.first_s * 2.0 ** min(failed - 1, 30)) * rng.uniform(0.5, 1.0)


@dataclass(slots=True)
class _Call:
    """A call under way. `hold` is the reservation of the current try, None between two tries."""

    ticket: int
    request: Request
    endpoint: Endpoint
    hold: Hold | None
    again: Again | None = None
    charges: list[Charge] = field(default_factory=list)
    tries: int = 0

    @property
    def model(self) -> Model:
        return self.endpoint.model

    @property
    def usd(self) -> float:
        return math.fsum(each.usd for each in self.charges)

    @property
    def usage(self) -> Usage:
        return Usage(
            input_tokens=sum(each.usage.input_tokens for each in self.charges),
            cached_tokens=sum(each.usage.cached_tokens for each in self.charges),
            output_tokens=sum(each.usage.output_tokens for each in self.charges),
        )

    @property
    def tokens(self) -> int:
        return sum(each.tokens for each in self.charges)


class Models:
    """The models of a search, to be entered as a context. Leaving it cancels the calls under way; their `done` is not
    called.
    """

    def __init__(
        self,
        models: Sequence[Model],
        ledger: Ledger,
        *,
        retries: Retries | None = None,
        rng: random.Random | None = None,
        notice: Callable[[str], None] | None = None,
    ) -> None:
        """`notice` is called, in the models' thread, with what the user should know of a model; once for each."""
        names = [model.name for model in models]
        if len(set(names)) < len(names):
            raise HarnessError(f"expected models with different names, found {', '.join(names)}")
        limits = ledger.limits
        check_bounded(models, usd=limits.usd is not None, tokens=limits.tokens is not None)
        self._endpoints = {model.name: Endpoint(model) for model in models}
        self._secrets = tuple(model.key for model in models)
        self._ledger = ledger
        self._retries, self._rng = retries or Retries(), rng or random.Random()
        self._notice = notice
        self._folding: set[str] = set()
        self._not_before = dict.fromkeys(names, 0.0)
        self._next_begin = 0.0
        self._tasks: set[asyncio.Task[Turn | ModelFailure]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Models:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, args=(self._loop,), name="models", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._loop is not None and self._thread is not None
        loop, self._loop = self._loop, None
        loop.call_soon_threadsafe(loop.stop)
        self._thread.join()

    @property
    def in_flight(self) -> int:
        """How many calls are under way, including those that wait for their next try."""
        return len(self._tasks)

    def bound(self, request: Request) -> Bound:
        """The most that one try of a request may cost."""
        return bound(self._endpoint(request).model, request)

    def refusal(self, bound: Bound) -> OverBudget | None:
        """Why the budget does not cover a try now; None where it does."""
        return self._ledger.refusal(bound)

    def submit(self, ticket: int, request: Request, done: Done, again: Again | None = None) -> None:
        """Send a request, and call `done` once, in the models' thread; `again` is called there too. Raises OverBudget,
        and sends nothing, where the first try does not fit into the budget. A later try that does not fit ends the
        call as `no_reply`.
        """
        endpoint = self._endpoint(request)
        if self._loop is None:
            raise RuntimeError("expected a call inside `with models:`")
        hold = self._ledger.reserve(bound(endpoint.model, request))
        call = _Call(ticket=ticket, request=request, endpoint=endpoint, hold=hold, again=again)
        self._loop.call_soon_threadsafe(self._begin, call, done)

    def _endpoint(self, request: Request) -> Endpoint:
        endpoint = self._endpoints.get(request.model)
        if endpoint is None:
            raise HarnessError(
                f"expected a model of {', '.join(self._endpoints)}, found {request.model!r} in a request"
            )
        return endpoint

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        """The models' thread."""
        asyncio.set_event_loop(loop)
        for endpoint in self._endpoints.values():
            endpoint.prepare()
        loop.run_forever()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            loop.run_until_complete(asyncio.wait(tasks))
        for endpoint in self._endpoints.values():
            loop.run_until_complete(endpoint.close())
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()

    def _begin(self, call: _Call, done: Done) -> None:
        task = asyncio.get_running_loop().create_task(self._outcome(call))
        self._tasks.add(task)

        def ended(task: asyncio.Task[Turn | ModelFailure]) -> None:
            self._tasks.discard(task)
            if not task.cancelled():
                done(call.ticket, task.result() if task.exception() is None else self._bug(task))

        task.add_done_callback(ended)

    def _bug(self, task: asyncio.Task[Turn | ModelFailure]) -> ModelFailure:
        """A bug of ours as a failure, so that the search, which waits for an outcome, ends."""
        error = task.exception()
        failure = ModelFailure(self._masked(f"this is a bug in packsmith, in calling a model: {error!r}"))
        failure.__cause__ = error
        return failure

    async def _outcome(self, call: _Call) -> Turn | ModelFailure:
        begun = asyncio.get_running_loop().time()
        try:
            outcome = await self._tried(call)
        finally:
            if call.hold is not None:  # cancelled, or a bug: it may have been sent
                self._settle(call, most_charge(call.model, call.request, ""))
        if isinstance(outcome, ModelFailure):
            return outcome
        return replace(outcome, seconds=asyncio.get_running_loop().time() - begun)

    async def _tried(self, call: _Call) -> Turn | ModelFailure:
        while True:
            await self._pause(call)
            call.tries += 1
            outcome = await call.endpoint.ask(call.request)
            self._say_folding(call.endpoint)
            if isinstance(outcome, Answer):
                cost = charge(call.model, call.request, outcome.text, outcome.usage)
                self._settle(call, cost)
                failed = f"failed tries before it: {call.tries - 1}" if call.tries > 1 else ""
                return self._turn(call, replace(outcome, note=_joined(outcome.note, cost.note, failed)))
            lost = most_charge(call.model, call.request, outcome.text) if outcome.billed else Charge()
            self._settle(call, lost)
            if outcome.refused:
                return self._turn(call, Answer(text="", finish="refusal", note=outcome.text))
            if outcome.fatal and not call.tokens:
                return ModelFailure(self._masked(outcome.text))
            given_up = await self._given_up(call, outcome)
            if given_up:
                return self._no_reply(call, outcome, given_up)

    def _say_folding(self, endpoint: Endpoint) -> None:
        name = endpoint.model.name
        if endpoint.folds and name not in self._folding and self._notice is not None:
            self._folding.add(name)
            self._notice(f"{name} {FOLDED}")

    async def _given_up(self, call: _Call, fault: Fault) -> str:
        """Wait for the next try and reserve it, and return ""; or return why there is no next try."""
        if not fault.passing:
            return "it was not tried again"
        if call.tries >= call.model.tries:
            return f"all {call.tries} tries failed" if call.tries > 1 else "only one try is allowed"
        if fault.wait_s is not None and fault.wait_s > self._retries.most_asked_s:
            return f"it asks to wait {fault.wait_s:,.0f} s; the most we wait is {self._retries.most_asked_s:g} s"
        wait_s = self._retries.wait_s(call.tries, self._rng)
        if fault.wait_s is not None:
            until = asyncio.get_running_loop().time() + fault.wait_s
            self._not_before[call.model.name] = max(self._not_before[call.model.name], until)
            wait_s = fault.wait_s + wait_s / 10
        await asyncio.sleep(wait_s)
        try:
            call.hold = self._ledger.reserve(bound(call.model, call.request))
        except OverBudget as error:
            return f"the budget does not allow another try: {error}"
        if call.again is not None and call.tokens:
            await self._announce(call, call.again)
        return ""

    async def _announce(self, call: _Call, again: Again) -> None:
        """Announce what all tries of a call may cost together, and wait until that is durable."""
        loop, noted = asyncio.get_running_loop(), asyncio.Event()
        each = bound(call.model, call.request)

        def go() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(noted.set)

        again(call.ticket, Bound(usd=each.usd + call.usd, tokens=each.tokens + call.tokens), go)
        await noted.wait()

    async def _pause(self, call: _Call) -> None:
        """Wait as long as the endpoint has asked for, and until the last try is `APART_S` ago."""
        while (wait_s := self._not_before[call.model.name] - asyncio.get_running_loop().time()) > 0:
            await asyncio.sleep(wait_s)
        now = asyncio.get_running_loop().time()
        self._next_begin = max(now, self._next_begin + APART_S)
        if self._next_begin > now:
            await asyncio.sleep(self._next_begin - now)

    def _settle(self, call: _Call, cost: Charge) -> None:
        assert call.hold is not None
        call.charges.append(cost)
        hold, call.hold = call.hold, None
        self._ledger.settle(hold, cost.usd, cost.tokens)

    def _no_reply(self, call: _Call, fault: Fault, why: str) -> Turn:
        return self._turn(call, Answer(text="", finish="no_reply", note=_joined(fault.text, why)))

    def _turn(self, call: _Call, answer: Answer) -> Turn:
        return Turn(
            text=self._masked(answer.text),
            model=call.model.name,
            finish=answer.finish,
            usage=call.usage,
            usd=call.usd,
            tries=call.tries,
            note=quoted(self._masked(answer.note), MOST_NOTE),
        )

    def _masked(self, text: str) -> str:
        return masked(text, self._secrets)


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)


def booked(turns: Iterable[Turn | TurnRecord]) -> Booked:
    """The total cost of turns, as a ledger starts from it."""
    held = list(turns)
    tokens = sum(turn.usage.input_tokens + turn.usage.output_tokens for turn in held)
    return Booked(usd=math.fsum(turn.usd for turn in held), tokens=tokens, calls=sum(turn.tries for turn in held))
