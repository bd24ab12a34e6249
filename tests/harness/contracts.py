"""What every proposer and every selector must hold to; a test of one inherits its suite and says how to make it.

How to test a new proposer: subclass `ProposerContract`, implement `make` (a fresh proposer) and `view` (a search it has
something to propose for). A new selector: subclass `SelectorContract` and set `selector`.
"""

from __future__ import annotations

import random

from harness import patch
from harness.proposers import Proposer, View
from harness.select import Pareto, Selector, Standing, standing
from tests.harness.builders import REJECTED, confirmed, entry, scored


class ProposerContract:
    """Inherit, and implement `make` and `view`."""

    def make(self) -> Proposer:
        raise NotImplementedError

    def view(self) -> View:
        raise NotImplementedError

    def test_proposes_what_applies_and_is_new(self) -> None:
        view = self.view()
        held = {view.source(entry.id) for entry in view.entries}
        for seed in range(10):
            proposal = self.make().propose(view, random.Random(seed))
            assert proposal is not None
            parent = view.source(proposal.parents[0])
            rewrite = proposal.kind == "rewrite"
            assert patch.apply_reply(proposal.reply, parent, allow_rewrite=rewrite).source not in held

    def test_parents_are_entries_of_the_search_and_a_crossover_has_two(self) -> None:
        view = self.view()
        ids = {entry.id for entry in view.entries}
        for seed in range(10):
            proposal = self.make().propose(view, random.Random(seed))
            assert proposal is not None
            assert set(proposal.parents) <= ids
            assert len(proposal.parents) == (2 if proposal.kind == "crossover" else 1)

    def test_same_view_and_random_state_give_the_same_proposal(self) -> None:
        view = self.view()
        used = self.make()
        for seed in range(10):
            assert used.propose(view, random.Random(seed)) == self.make().propose(view, random.Random(seed))

    def test_names_itself(self) -> None:
        proposal = self.make().propose(self.view(), random.Random(0))
        assert proposal is not None and proposal.proposer


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

    def test_picks_the_seed_where_there_is_nothing_else(self) -> None:
        seed = entry(0, scored(0.8, 1.0))
        assert self.selector(standing([seed], Pareto()), random.Random(0), 4) == (seed,)

    def test_picks_nothing_where_nothing_is_scored(self) -> None:
        assert self.selector(standing([], Pareto()), random.Random(0), 4) == ()
