"""Contract suites of proposers; a test class inherits a suite and makes the object under test.

To test a new proposer, subclass `ProposerContract`, or `OfflineContract` if it asks no model, and implement `make`
(a fresh proposer) and `view` (a search that it has a proposal for).
"""

from __future__ import annotations

import random

from evaluator.types import Rejected
from harness import patch
from harness.proposers import Proposer, View
from harness.select import standing
from harness.types import Message, Proposal, Request, Turn

REFUSED = Rejected(stage="patch", reason="no_match", detail="Block 1: its SEARCH is nowhere")


class ProposerContract:
    """Inherit, and implement `make` and `view`."""

    def make(self) -> Proposer:
        raise NotImplementedError

    def view(self) -> View:
        raise NotImplementedError

    def proposed(self, seed: int = 0) -> Proposal | Request:
        proposal = self.make().propose(self.view(), random.Random(seed))
        assert proposal is not None
        return proposal

    def test_parents_are_entries_of_the_search_and_a_crossover_has_two(self) -> None:
        proposer, view = self.make(), self.view()
        ids = {entry.id for entry in view.entries}
        for seed in range(10):
            proposal = proposer.propose(view, random.Random(seed))
            assert proposal is not None
            assert set(proposal.parents) | set(proposal.inspirations) <= ids
            assert len(set(proposal.parents)) == (2 if proposal.kind == "crossover" else 1)

    def test_same_view_and_random_state_give_the_same_proposal(self) -> None:
        view = self.view()
        used = self.make()
        for seed in range(3):
            assert used.propose(view, random.Random(seed)) == self.make().propose(view, random.Random(seed))

    def test_an_earlier_view_does_not_matter(self) -> None:
        """State from one search must not affect another."""
        view = self.view()
        used = self.make()
        empty = View(entries=(), standing=standing([], view.standing.objective), parents=(), source=view.source)
        used.propose(view, random.Random(0))
        assert used.propose(empty, random.Random(0)) is None
        assert used.propose(view, random.Random(1)) == self.make().propose(view, random.Random(1))

    def test_proposal_names_its_proposer_and_request_ends_with_the_user(self) -> None:
        proposal = self.proposed()
        if isinstance(proposal, Proposal):
            assert proposal.proposer
        else:
            assert proposal.messages[-1].role == "user"

    def test_repair_continues_the_conversation_and_ends(self) -> None:
        proposal = self.proposed()
        asked = (
            proposal
            if isinstance(proposal, Request)
            else Request(kind="patch", parents=proposal.parents, model="", messages=(Message(role="user", text="Do."),))
        )
        proposer = self.make()
        turns: tuple[Turn, ...] = ()
        for _ in range(50):
            turns = (*turns, Turn(text="Something that is no patch.", model="m"))
            following = proposer.repair(asked, turns, REFUSED)
            assert following == proposer.repair(asked, turns, REFUSED)
            if following is None:
                return
            assert (following.kind, following.parents, following.model) == (asked.kind, asked.parents, asked.model)
            assert following.messages[: len(asked.messages)] == asked.messages
            assert [one.role for one in following.messages[len(asked.messages) :]] == ["assistant", "user"]
            assert REFUSED.detail in following.messages[-1].text
            asked = following
        raise AssertionError("expected the turns to end")


class OfflineContract(ProposerContract):
    """For proposers that ask no model: their proposals are replies already."""

    def test_proposes_what_applies_and_is_new(self) -> None:
        view = self.view()
        held = {view.source(entry.id) for entry in view.entries}
        for seed in range(10):
            proposal = self.proposed(seed)
            assert isinstance(proposal, Proposal)
            parent = view.source(proposal.parents[0])
            rewrite = proposal.kind == "rewrite"
            assert patch.apply_reply(proposal.reply, parent, allow_rewrite=rewrite).source not in held

    def test_costs_nothing_and_repairs_nothing(self) -> None:
        proposal = self.proposed()
        assert isinstance(proposal, Proposal)
        assert (proposal.usd, proposal.tokens, proposal.turns) == (0.0, 0, ())
        asked = Request(kind="patch", parents=proposal.parents, model="", messages=(Message(role="user", text="Do."),))
        assert self.make().repair(asked, (Turn(text="no", model="m"),), REFUSED) is None
