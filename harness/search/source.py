"""The source of new proposals: a proposer and its view of the search.

Owns: the view and the random state of each proposal.
Does not know: models, judges, what becomes of a proposal.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from harness.archive import Archive
from harness.proposers.base import Proposer, View
from harness.select import Selector, Standing
from harness.types import Proposal, Request

PARENTS = 4
"""How many parents the selector is asked for: one to change, the others to choose or learn from."""


def attempt_rng(seed: int, ticket: int) -> random.Random:
    """The random state of one proposal: the same on every machine, and independent of earlier proposals."""
    return random.Random(f"{seed}/{ticket}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A proposer, the selector of its parents, and how many of its proposals may be under way."""

    proposer: Proposer
    selector: Selector
    seed: int
    in_flight: int
    waiting: int

    def propose(
        self, archive: Archive, standing: Standing, ticket: int, open_: tuple[Request | Proposal, ...]
    ) -> Proposal | Request | None:
        """The proposal of a ticket, given the open ones; None for none. Raises HarnessError."""
        rng = attempt_rng(self.seed, ticket)
        view = View(
            entries=archive.entries,
            standing=standing,
            parents=self.selector(standing, rng, PARENTS),
            source=archive.source,
            reply=archive.reply,
            prepare=archive.prepare,
            advice=archive.advice(),
            open=open_,
        )
        return self.proposer.propose(view, rng)
