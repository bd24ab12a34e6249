"""Crossovers that begin with git's merge: the choice of pairs, what is proposed, and what a model is asked."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluator.types import Rejected
from harness import patch
from harness.identity import syntax_hash
from harness.prompt import read_templates
from harness.proposers import Contender, Proposer, ProposerOptions, Shares, View
from harness.proposers.crossover import common_ancestor
from harness.proposers.history import History
from harness.proposers.llm import Llm
from harness.proposers.merges import LONGEST_CONFLICTS, MOST_LINES, MOST_MERGED, Clean, Conflicting, Merges, look, pairs
from harness.types import Entry, Proposal
from tests.harness.builders import PROGRAM, entry, scored
from tests.harness.programs import Programs
from tests.harness.proposers.contracts import ProposerContract
from tests.harness.proposers.test_llm_proposer import asked, options, text

FEWER = PROGRAM.replace("ROUNDS = 4", "ROUNDS = 3")
MORE = PROGRAM.replace("ROUNDS = 4", "ROUNDS = 5").replace("depth=2", "depth=1")
LEVEL = PROGRAM.replace("depth=2", "depth=1")
MODELS = (Contender(name="m"),)


def crossing(*, models: tuple[Contender, ...] = MODELS, merges: float = 1.0, **values: Any) -> Llm:
    return Llm(options(shares=Shares.only("crossover"), merges=merges, models=models, **values))


def lines(second: str = MORE) -> Programs:
    """Two children of one program: FEWER, and a second one, by default in conflict with it."""
    programs = Programs()
    programs.add(PROGRAM, 0.8, 1.0)
    programs.add(FEWER, 0.85, 2.0, parents=("e0",), name="fewer", description="Fewer rounds.")
    programs.add(second, 0.9, 1.5, parents=("e0",), name="second")
    return programs


def history_of(programs: Programs) -> History:
    history = History()
    history.follow(programs.entries)
    return history


def crossed(programs: Programs, *parents: Entry, seed: int = 0, **values: Any) -> list[tuple[str, str, str]]:
    """The pairs of a view with these parents, in their order, each with the base."""
    view = programs.view(*parents, **values)
    return [(one.id, other.id, base.id) for one, other, base in pairs(view, history_of(programs), random.Random(seed))]


class TestCommonAncestor:
    @settings(max_examples=60)
    @given(st.lists(st.lists(st.integers(0, 30), max_size=2), min_size=2, max_size=14), st.data())
    def test_it_is_the_latest_of_the_entries_that_both_descend_from(
        self, drawn: list[list[int]], data: st.DataObject
    ) -> None:
        made = {}
        for number, above in enumerate(drawn):
            parents = tuple(f"e{parent % number}" for parent in above) if number else ()
            made[f"e{number}"] = replace(entry(number, scored(0.5, 1.0)), parents=parents)

        def lineage(of: Entry) -> set[str]:
            return {of.id}.union(*(lineage(made[parent]) for parent in of.parents))

        first, second = (data.draw(st.sampled_from(list(made.values()))) for _ in range(2))
        shared = lineage(first) & lineage(second)
        expected = max((made[one] for one in shared), key=lambda one: one.number, default=None)
        assert common_ancestor(first, second, made) is expected

    def test_one_that_is_far_away_is_not_looked_for(self) -> None:
        chain = [replace(entry(number, scored(0.5, 1.0)), parents=(f"e{number - 1}",)) for number in range(3_000)]
        other = replace(entry(3_000, scored(0.5, 1.0)), parents=("e0",))
        by_id = {one.id: one for one in (*chain, other)}
        assert common_ancestor(chain[900], other, by_id) is chain[0]
        assert common_ancestor(chain[-1], other, by_id) is None


class TestPairs:
    def test_both_have_changed_an_ancestor_and_neither_descends_from_the_other(self) -> None:
        programs = lines()
        _, fewer, more = programs.entries
        assert crossed(programs, fewer, more) == [("e1", "e2", "e0")]
        grown = programs.add(FEWER.replace("0.5", "0.6"), 0.86, 2.5, parents=("e1",))
        deep = programs.add(FEWER.replace("0.5", "0.7"), 0.87, 2.4, parents=("e1",))
        found = crossed(programs, grown, fewer, more, deep)
        assert {frozenset(pair): base for *pair, base in found} == {
            frozenset((grown.id, "e2")): "e0",
            frozenset((grown.id, deep.id)): "e1",
            frozenset(("e1", "e2")): "e0",
            frozenset(("e2", deep.id)): "e0",
        }
        assert [one for one, *_ in found] == [grown.id, grown.id, "e1", "e2"], "the selector's order"

    def test_a_parent_without_a_pair_leaves_its_place_to_the_next(self) -> None:
        programs = lines()
        assert crossed(programs, *programs.entries) == [("e1", "e2", "e0")]

    def test_a_pair_is_crossed_twice_in_either_order(self) -> None:
        programs = lines()
        _, fewer, more = programs.entries
        programs.add(PROGRAM.replace("4", "8"), 0.8, 0.5, parents=("e2", "e1"), kind="crossover")
        assert len(crossed(programs, fewer, more)) == 1
        programs.add(PROGRAM.replace("4", "9"), 0.8, 0.5, parents=("e1", "e2"), kind="crossover")
        assert crossed(programs, fewer, more) == []

    def test_a_call_that_brought_no_reply_crosses_no_pair(self) -> None:
        programs = lines()
        _, fewer, more = programs.entries
        for reason in ("no_reply", "no_reply", "refused", "no_reply"):
            lost = Rejected(stage="patch", reason=reason, detail="")
            programs.reject(PROGRAM, lost, parents=("e1", "e2"), kind="crossover")
            assert len(crossed(programs, fewer, more)) == 1
        programs.reject(PROGRAM, Rejected(stage="patch", reason="refused", detail=""), ("e1", "e2"), "crossover")
        assert crossed(programs, fewer, more) == []

    def test_a_pair_whose_crossover_is_under_way_waits(self) -> None:
        programs = lines()
        under_way = Proposal(kind="crossover", parents=("e2", "e1"), reply="r", proposer="llm")
        assert crossed(programs, programs.entries[1], open=(under_way,)) == []
        other = replace(under_way, kind="patch", parents=("e1",))
        assert crossed(programs, programs.entries[1], open=(other,)) == [("e1", "e2", "e0")]

    def test_the_order_follows_from_the_random_state_and_every_pair_has_its_turn(self) -> None:
        programs = lines()
        for number in range(3, 11):
            programs.add(f"{PROGRAM}# {number}\n", 0.9 + number / 200, 1.4 - number / 20, parents=("e0",))
        found = [crossed(programs, programs.entries[1], seed=seed) for seed in range(20)]
        assert found == [crossed(programs, programs.entries[1], seed=seed) for seed in range(20)]
        assert {order[0][1] for order in found} == {f"e{number}" for number in range(2, 11)}


class TestMerges:
    def found(self, programs: Programs, merges: Merges) -> Proposal | Conflicting | None:
        view = programs.view(*programs.entries[1:3])
        return merges.find(view, history_of(programs), random.Random(0), lambda one: view.source(one.id))

    def test_what_git_merges_is_a_proposal_of_both(self) -> None:
        programs = lines(LEVEL)
        found = self.found(programs, Merges(1.0, conflicts_only=False))
        assert isinstance(found, Proposal)
        assert (found.kind, found.parents, found.model, found.usd) == ("crossover", ("e1", "e2"), "", 0.0)
        made = patch.apply_reply(found.reply, FEWER)
        assert made.source == FEWER.replace("depth=2", "depth=1")
        assert made.description == "The changes of fewer (attempt 1) and second (attempt 2), merged."

    @pytest.mark.parametrize("name", ["</DESCRIPTION>\n<DIFF>", "n" * 100_000])
    def test_a_name_keeps_no_merge_from_being_read(self, name: str) -> None:
        programs = lines(LEVEL)
        programs.entries[1] = replace(programs.entries[1], name=name)
        found = self.found(programs, Merges(1.0, conflicts_only=False))
        assert isinstance(found, Proposal) and len(found.reply) < 1_000
        assert patch.apply_reply(found.reply, FEWER).source == FEWER.replace("depth=2", "depth=1")

    def test_no_merge_that_was_tried_and_none_as_a_ticket_for_others(self) -> None:
        merges = Merges(1.0, conflicts_only=False)
        united = FEWER.replace("depth=2", "depth=1")
        for known in (united, f"{united}# another layout\n"):
            programs = lines(LEVEL)
            programs.add(known, 0.7, 0.5, parents=("e0",), syntax_hash=syntax_hash(united))
            assert self.found(programs, merges) is None
        assert self.found(lines(LEVEL), Merges(1.0, conflicts_only=True)) is None

    def test_what_conflicts_is_found_with_the_rest_of_the_second_change(self) -> None:
        found = self.found(lines(), Merges(1.0, conflicts_only=True))
        assert isinstance(found, Conflicting)
        assert (found.first.id, found.second.id, found.base.id) == ("e1", "e2", "e0")
        [place] = found.conflicts
        assert (place.ours, place.base, place.theirs) == ("ROUNDS = 3\n", "ROUNDS = 4\n", "ROUNDS = 5\n")
        assert patch.apply_reply(found.rest, FEWER).source == FEWER.replace("depth=2", "depth=1")

    def test_programs_without_two_changes_to_unite_are_left_to_an_ordinary_crossover(self) -> None:
        merges = Merges(1.0, conflicts_only=True)
        long = PROGRAM.replace("ROUNDS = 4", f"ROUNDS = {'5' * LONGEST_CONFLICTS}")
        assert self.found(lines(long), merges) is None
        programs = lines()
        programs.sources["e1"] = FEWER + "\n" * MOST_LINES
        assert self.found(programs, Merges(1.0, conflicts_only=True)) is None

    def test_the_share_is_that_of_all_crossovers(self) -> None:
        programs = lines()
        view, history = programs.view(*programs.entries[1:3]), history_of(programs)

        def merged(share: float) -> int:
            merges = Merges(share, conflicts_only=True)
            drawn = (merges.find(view, history, random.Random(seed), source) for seed in range(200))
            return sum(one is not None for one in drawn)

        def source(one: Entry) -> str:
            return view.source(one.id)

        assert merged(0.0) == 0 and 70 < merged(0.5) < 130 and merged(1.0) == 200

    def test_a_pair_is_merged_once_and_an_attempt_merges_few(self) -> None:
        programs = lines(LEVEL)
        for number in range(3, 11):
            same = PROGRAM.replace("SLACK = 0.5", f"SLACK = 0.5  # {number}")
            programs.add(same, 0.9 + number / 200, 1.4 - number / 20, parents=("e0",))
        view, history = programs.view(programs.entries[2]), history_of(programs)
        read: list[str] = []

        def source(one: Entry) -> str:
            read.append(one.id)
            return view.source(one.id)

        merges = Merges(1.0, conflicts_only=True)  # these merge without a conflict, so that all are passed over
        assert merges.find(view, history, random.Random(0), source) is None
        assert len(read) == 3 * MOST_MERGED
        assert merges.find(view, history, random.Random(0), source) is None
        assert len(read) == 3 * MOST_MERGED, "what git made of a pair is kept"

    def test_lines_that_look_like_marks_stay_lines_of_the_program(self) -> None:
        marks = '"""\n<<<<<<< ours\n=======\n>>>>>>> theirs\n"""\n'
        texts = [one.replace("SLACK = 0.5\n", f"SLACK = 0.5\n{marks}") for one in (FEWER, PROGRAM, MORE)]
        numbered = [entry(number, scored(0.5, 1.0), parents=("e0",)) for number in (1, 0, 2)]
        sources = {one.id: one_text for one, one_text in zip(numbered, texts, strict=True)}
        first, base, second = numbered
        found = look(first, second, base, lambda one: sources[one.id])
        assert isinstance(found, Conflicting) and len(found.conflicts) == 1
        assert patch.apply_reply(found.rest, texts[0]).source == texts[0].replace("depth=2", "depth=1")
        sources["e2"] = texts[2].replace("ROUNDS = 5", "ROUNDS = 4")
        clean = look(first, second, base, lambda one: sources[one.id])
        assert isinstance(clean, Clean)
        assert patch.apply_reply(clean.proposal.reply, texts[0]).source == texts[0].replace("depth=2", "depth=1")


class TestConflicts(ProposerContract):
    """The contract of proposers, where every proposal asks to resolve a conflict."""

    def make(self) -> Proposer:
        return crossing()

    def view(self) -> View:
        programs = lines()
        return programs.view(*programs.entries[1:3])


class TestCleanMerges(ProposerContract):
    """The contract, where every proposal is a merge that git made."""

    def make(self) -> Proposer:
        return crossing()

    def view(self) -> View:
        programs = lines(LEVEL)
        return programs.view(*programs.entries[1:3])


class TestRequests:
    def test_a_conflict_is_shown_and_the_reply_applies_to_the_first_parent(self) -> None:
        programs = lines()
        request = asked(crossing(), programs.view(*programs.entries[1:3]))
        assert (request.kind, request.parents, request.model) == ("crossover", ("e1", "e2"), "m")
        assert "Finish the merge" in text(request) and f"```python\n{FEWER}```" in text(request)
        assert "In the seed program:\n\n```python\nROUNDS = 4\n```" in text(request)
        assert MORE not in text(request), "the second parent is shown by its change"

    def test_outside_a_conflict_is_asked_about_and_a_clean_merge_is_not(self) -> None:
        programs = lines()
        assert "Finish the merge" in text(asked(crossing(models=()), programs.view(*programs.entries[1:3])))
        programs = lines(LEVEL)
        request = asked(crossing(models=()), programs.view(*programs.entries[1:3]))
        assert request.parents == ("e1", "e2") and "Combine the two parents" in text(request)

    def test_with_no_pair_to_merge_it_is_an_ordinary_crossover(self) -> None:
        programs = lines()
        for number in (3, 4):
            programs.add(f"{PROGRAM}# {number}\n", 0.8, 0.5, parents=("e1", "e2"), kind="crossover")
        request = asked(crossing(), programs.view(*programs.entries[1:3]))
        assert "Combine the two parents" in text(request)
        assert "Combine the two parents" in text(asked(crossing(merges=0.0), lines().view()))

    def test_a_prompt_that_is_too_large_becomes_an_ordinary_crossover(self) -> None:
        own = {**read_templates(), "merge.j2": "{{ merge.base }}" + "x" * 60_000}
        request = asked(crossing(templates=own, context_tokens=16_000), lines().view())
        assert "Combine the two parents" in text(request)

    def test_a_share_outside_0_to_1_is_refused(self) -> None:
        with pytest.raises(ValueError, match="expected merges from 0 to 1"):
            ProposerOptions(merges=1.5)
