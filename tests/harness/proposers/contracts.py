"""Contract suites of proposers and selectors; a test class inherits a suite and makes the object under test.

To test a new proposer, subclass `ProposerContract`, or `OfflineContract` if it asks no model, and implement `make`
(a fresh proposer) and `view` (a search that it has a proposal for). A new selector: subclass `SelectorContract`
and set `selector`.
"""

from __future__ import annotations

import random

from evaluator.types import Rejected
from harness import patch
from harness.proposers import Proposer, View
from harness.select import Pareto, Selector, Standing, standing
from harness.types import Message, Proposal, Request, Turn
from tests.harness.builders import REJECTED, confirmed, entry, scored

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


class SelectorContract:
    """Inherit, and set `selector = staticmethod(...)`."""

    selector: Selector

    def standing(self) -> Standing:
        entries = [
            entry(0, scored(0.80, 1.0)),
            entry(1, scored(0.85, 2.0)),
            entry(2, scored(0.90, 1.5)),
            entry(3, REJECTED),
            entry(4, scored(0.70, 9.0)),
            entry(5, scored(0.95, 0.5)),
            entry(6, scored(0.82, 1.2)),
        ]
        return standing(confirmed(entries, Pareto()), Pareto())

    def test_picks_different_programs_above_the_floor(self) -> None:
        where = self.standing()
        allowed = {entry.id for entry in where.valid}
        for seed in range(20):
            for n in (1, 2, 5, 50):
                picked = self.selector(where, random.Random(seed), n)
                ids = [entry.id for entry in picked]
                assert 1 <= len(ids) <= n
                assert len(set(ids)) == len(ids)
                assert set(ids) <= allowed

    def test_same_random_state_picks_the_same(self) -> None:
        where = self.standing()
        for seed in range(20):
            assert self.selector(where, random.Random(seed), 3) == self.selector(where, random.Random(seed), 3)

    def test_picks_the_seed_if_nothing_else_is_valid(self) -> None:
        seed = entry(0, scored(0.8, 1.0))
        assert self.selector(standing([seed], Pareto()), random.Random(0), 4) == (seed,)

    def test_picks_nothing_if_nothing_is_scored(self) -> None:
        assert self.selector(standing([], Pareto()), random.Random(0), 4) == ()
