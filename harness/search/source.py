"""The source of new proposals: a proposer and its view of the search.

Owns: the view and the random state of each proposal.
Does not know: models, judges, what becomes of a proposal.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from evaluator.types import Rejected
from harness.archive import Archive
from harness.proposers.base import LLM_PROPOSER, Explaining, Foreseeing, Proposer, View
from harness.select import Selector, Standing
from harness.turns import nothing_came
from harness.types import Pending, Proposal, Request

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

    def propose(
        self, archive: Archive, standing: Standing, ticket: int, open_: tuple[Request | Proposal, ...]
    ) -> Proposal | Request | None:
        """The proposal of a ticket, given the open ones; None for none. Raises HarnessError."""
        rng = attempt_rng(self.seed, ticket)
        return self.proposer.propose(self._view(archive, standing, rng, open_), rng)

    def why_idle(self) -> str:
        """Why there was no proposal, as a clause."""
        reason = self.proposer.why_idle() if isinstance(self.proposer, Explaining) else ""
        return "the proposer has nothing left to propose" + (f": {reason}" if reason else "")

    def repair(self, pending: Pending, verdict: Rejected) -> Request | None:
        """The request to repair the rejected answer to a ticket; None for none."""
        request, turns = pending.request, pending.proposal.turns
        if request is None or not turns or nothing_came(turns[-1]) is not None:
            return None
        if pending.proposal.proposer != LLM_PROPOSER:  # it was answered from outside
            return None
        return self.proposer.repair(request, turns, verdict)

    def foresee(
        self, archive: Archive, standing: Standing, tickets: range, open_: tuple[Request | Proposal, ...]
    ) -> None:
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

    def _view(
        self, archive: Archive, standing: Standing, rng: random.Random, open_: tuple[Request | Proposal, ...]
    ) -> View:
        return View(
            entries=archive.entries,
            standing=standing,
            parents=self.selector(standing, rng, PARENTS),
            source=archive.source,
            reply=archive.reply,
            prepare=archive.prepare,
            advice=archive.advice(),
            open=open_,
        )
