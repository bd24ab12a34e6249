"""Several proposers in one search, each with a share of the attempts.

Owns: whose turn it is, and what happens where that one has nothing to propose. Does not know: how any of them works,
why no model can be asked.

Turns are counted by tickets, archived ones and those under way, so whose turn it is depends on what was proposed
before, not on how soon a model answers, and a continued run goes on with the same one. A proposer that has nothing for
its turn, or fails, lets it pass to the next, without making up for it later. While as many model calls are under way
as may be, a turn of the models waits for one of them to end, so that shares hold. What a proposer outside of the mix
made (an import, an answer to `packsmith ask`) does not count.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Mapping
from types import MappingProxyType

from evaluator.types import Rejected
from harness.proposers import catalogue, llm, replay
from harness.proposers.base import (
    LLM_PROPOSER,
    Explaining,
    Foreseeing,
    Needed,
    Proposer,
    ProposerOptions,
    View,
)
from harness.proposers.stride import Stride, Turns
from harness.series import Follower
from harness.text import one_line
from harness.types import Entry, HarnessError, Proposal, Request, Turn

MEMBERS: Mapping[str, Callable[[ProposerOptions], Proposer]] = MappingProxyType(
    {LLM_PROPOSER: llm.build, catalogue.NAME: catalogue.build, replay.NAME: replay.build}
)
"""The proposers that may take part, by the name that their attempts are archived with. Of two whose turn it is, the
first one here goes first."""
_LONGEST_REASON = 400
NOTHING = "it has nothing to propose for this run"


class Mix:
    """Proposes what the proposer whose turn it is proposes. Its state follows from the view's entries, but for
    `left_out`, which tells of the last proposal.
    """

    def __init__(self, members: Mapping[str, Proposer], weights: Mapping[str, float]) -> None:
        """`members` by the name that their attempts are archived with, each with its weight."""
        self._members = {name: members[name] for name in weights}
        self._stride = Stride(weights)
        self._forget()
        self._follow = Follower(self._forget, self._add).follow
        self._left_out: dict[str, str] = {}

    @property
    def offline(self) -> bool:
        """Whether it goes on where no model can be asked."""
        return any(name != LLM_PROPOSER for name in self._members)

    def propose(self, view: View, rng: random.Random) -> Proposal | Request | None:
        """The proposal of the one whose turn it is, or of the next that has one; None where the turn is that of models
        and no further call has room, and where none has anything. Raises the HarnessError of one only where no other
        has anything.
        """
        self._left_out = {}
        failed: HarnessError | None = None
        for name in self._order(view):
            if name == LLM_PROPOSER and view.closed:
                self._left_out[name] = view.closed
                continue
            if name == LLM_PROPOSER and view.full:
                return None
            try:
                made = self._members[name].propose(view, rng)
            except HarnessError as error:  # as for a prompt that is larger than its model's context
                failed = failed or error
                self._left_out[name] = one_line(str(error), _LONGEST_REASON)
                continue
            if made is not None:
                return made
            self._left_out[name] = self._why_idle(name) or NOTHING
        if failed is not None:
            raise failed
        return None

    def left_out(self) -> Mapping[str, str]:
        """Who let the turn pass when the last proposal was made, each with the reason."""
        return dict(self._left_out)

    def why_idle(self) -> str:
        """Why each of them has nothing left to propose."""
        return "; ".join(f"{name}: {why}" for name, why in self._left_out.items())

    def foresee(self, view: View, rng: random.Random) -> Needed:
        """What the next request of models needs; whether it will be their turn is not known yet."""
        asking = self._members.get(LLM_PROPOSER)
        with contextlib.suppress(HarnessError):  # `propose` says what is wrong
            return asking.foresee(view, rng) if isinstance(asking, Foreseeing) else Needed()
        return Needed()

    def repair(self, request: Request, turns: tuple[Turn, ...], verdict: Rejected) -> Request | None:
        """What the proposer that asks models makes of it; None without one."""
        asking = self._members.get(LLM_PROPOSER)
        return None if asking is None else asking.repair(request, turns, verdict)

    def _order(self, view: View) -> tuple[str, ...]:
        self._follow(view.entries)
        last = max((entry.ticket_number for entry in view.entries[-1:]), default=0)
        numbers = view.tickets or range(last + 1, last + 1 + len(view.open))
        makers = (LLM_PROPOSER if isinstance(made, Request) else made.proposer for made in view.open)
        return self._turns.order(zip(numbers, makers, strict=True))

    def _why_idle(self, name: str) -> str:
        member = self._members[name]
        return member.why_idle() if isinstance(member, Explaining) else ""

    def _forget(self) -> None:
        self._turns = Turns(self._stride)

    def _add(self, entry: Entry) -> None:
        self._turns.add(entry.ticket_number or entry.number, entry.proposer)


def build(options: ProposerOptions) -> Proposer:
    """A mix of the options' shares. Raises HarnessError for a proposer that takes no share, and what its members do."""
    weights = {name: options.mix[name] for name in MEMBERS if options.mix.get(name)}
    strangers = [name for name in options.mix if name not in MEMBERS]
    if strangers or not weights:
        found = ", ".join(strangers) or "no share above 0"
        raise HarnessError(f"expected shares of {', '.join(MEMBERS)} in a mix of proposers, found {found}")
    return Mix({name: MEMBERS[name](options) for name in weights}, weights)
