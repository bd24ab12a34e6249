"""Where new tickets come from: a proposer, and what it is shown.

Owns: the view that a proposal is made from, and the random state of each.
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
"""How many parents the rule is asked for: one to change, the others to choose from or to learn from."""
LLM_PROPOSER = "llm"
"""The name under which attempts that a model answered are archived."""


def attempt_rng(seed: int, ticket: int) -> random.Random:
    """The random state of one proposal: the same on every machine, and independent of those before it."""
    return random.Random(f"{seed}/{ticket}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A proposer, the rule that picks parents for it, and how many of its proposals may be on their way."""

    proposer: Proposer
    selector: Selector
    seed: int
    in_flight: int
    waiting: int

    def propose(
        self, archive: Archive, standing: Standing, ticket: int, open_: tuple[Request | Proposal, ...]
    ) -> Proposal | Request | None:
        """The proposal of a ticket, beside those that are open. Raises HarnessError."""
        rng = attempt_rng(self.seed, ticket)
        view = View(
            entries=archive.entries,
            standing=standing,
            parents=self.selector(standing, rng, PARENTS),
            source=archive.source,
            reply=archive.reply,
            advice=archive.advice(),
            open=open_,
        )
        return self.proposer.propose(view, rng)
