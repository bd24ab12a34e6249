"""The source of new proposals: a proposer and its view of the search.

Owns: the view and the random state of each proposal.
Does not know: models, judges, what becomes of a proposal.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from evaluator.types import Rejected
from harness.archive import Archive
from harness.proposers.base import LLM_PROPOSER, Explaining, Foreseeing, Proposer, Sharing, View
from harness.select import Selector, Standing
from harness.turns import nothing_came
from harness.types import Pending, Proposal, Request

Open = Mapping[int, Request | Proposal]
"""The requests and proposals under way, by ticket, oldest first."""
PARENTS = 4
"""How many parents the selector is asked for: one to change, the others to choose or learn from."""


def attempt_rng(seed: int, ticket: int) -> random.Random:
    """The random state of one proposal: the same on every machine, and independent of earlier proposals."""
    return random.Random(f"{seed}/{ticket}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A proposer, the selector of its parents, how many of its proposals may be under way, and whether those that
    repeat a program are refused.
    """

    proposer: Proposer
    selector: Selector
    seed: int
    in_flight: int
    waiting: int
    refuse_repeats: bool = False

    @property
    def spare(self) -> bool:
        """Whether there may be proposals where no model can be asked."""
        return isinstance(self.proposer, Sharing) and self.proposer.offline

    @property
    def apart(self) -> bool:
        """Whether model calls and proposals that need none have room of their own, so that neither waits for the other.
        With one in flight each proposal sees the outcome of the one before.
        """
        return self.spare and self.in_flight > 1

    def propose(
        self, archive: Archive, standing: Standing, ticket: int, open_: Open, *, full: bool = False, closed: str = ""
    ) -> Proposal | Request | None:
        """The proposal of a ticket, given the open ones; None for none. `full`: no further call has room; `closed`: why
        no model can be asked. Raises HarnessError.
        """
        rng = attempt_rng(self.seed, ticket)
        view = self._view(archive, standing, rng, open_)
        return self.proposer.propose(replace(view, full=full, closed=closed), rng)

    def left_out(self) -> Mapping[str, str]:
        """The proposers of a mix that had nothing for the last proposal, each with the reason."""
        return self.proposer.left_out() if isinstance(self.proposer, Sharing) else {}

    def why_idle(self) -> str:
        """Why there was no proposal, as a clause."""
        reason = self.proposer.why_idle() if isinstance(self.proposer, Explaining) else ""
        who = "no proposer has anything" if self.left_out() else "the proposer has nothing"
        return f"{who} left to propose" + (f": {reason}" if reason else "")

    def repair(self, pending: Pending, verdict: Rejected) -> Request | None:
        """The request to repair the rejected answer to a ticket; None for none."""
        request, turns = pending.request, pending.proposal.turns
        if request is None or not turns or nothing_came(turns[-1]) is not None:
            return None
        if pending.proposal.proposer != LLM_PROPOSER:  # it was answered from outside
            return None
        return self.proposer.repair(request, turns, verdict)

    def foresee(self, archive: Archive, standing: Standing, tickets: range, open_: Open) -> None:
        """Have read, in one pass, what the proposals of these tickets need as far as it is known by now."""
        if len(tickets) < 2 or not isinstance(self.proposer, Foreseeing):
            return
        needed = []
        for ticket in tickets:
            rng = attempt_rng(self.seed, ticket)
            needed.append(self.proposer.foresee(self._view(archive, standing, rng, open_), rng))
        archive.prepare(
            [entry for each in needed for entry in each.programs], [entry for each in needed for entry in each.scores]
        )

    def _view(self, archive: Archive, standing: Standing, rng: random.Random, open_: Open) -> View:
        return View(
            entries=archive.entries,
            standing=standing,
            parents=self.selector(standing, rng, PARENTS),
            source=archive.source,
            reply=archive.reply,
            prepare=archive.prepare,
            advice=archive.advice(),
            open=tuple(open_.values()),
            tickets=tuple(open_),
        )


class LeftOut:
    """Says of each proposer of a mix, once, that the others go on without it; of models once for each cause."""

    def __init__(self) -> None:
        self._said: set[tuple[str, str]] = set()

    def news(self, source: Source, cause: str) -> Iterator[str]:
        """What is new with the last proposal, as sentences. `cause`: why models cannot be asked, in a word."""
        for name, why in source.left_out().items():
            said = (name, cause if name == LLM_PROPOSER else "")
            if said not in self._said:
                self._said.add(said)
                yield f"{name} is left out for now, and the others go on: {why}"
