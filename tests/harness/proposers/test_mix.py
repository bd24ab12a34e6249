"""A mix of proposers: the contract of proposers, whose turn it is, and what happens where one has nothing."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace

import pytest

from evaluator.types import Rejected
from harness.islands import IslandProposer
from harness.proposers import PROPOSERS, Contender, Proposer, ProposerOptions, View, recorded_replies
from harness.proposers.base import Needed, Sharing
from harness.proposers.mix import Mix
from harness.types import HarnessError, Message, Proposal, Request, Turn
from tests.harness.builders import PROGRAM
from tests.harness.programs import Programs
from tests.harness.proposers.contracts import OfflineContract, ProposerContract
from tests.harness.proposers.test_catalogue import DEEPER, FASTER, shipped, two_lines
from tests.harness.proposers.test_llm_proposer import options, search

PATCHES = (shipped("faster", PROGRAM, FASTER), shipped("deeper", PROGRAM, DEEPER))
SIX_AND_TWO = {"llm": 6.0, "catalogue": 2.0}


class TestModelsAndCatalogue(ProposerContract):
    def make(self) -> Proposer:
        return PROPOSERS["mix"](options(models=(Contender(name="a"),), patches=PATCHES, mix=SIX_AND_TWO))

    def view(self) -> View:
        return search().view()


class TestTheTurnOfTheCatalogue(TestModelsAndCatalogue):
    def view(self) -> View:
        request = Request(kind="patch", parents=("e0",), model="a", messages=(Message(role="user", text="Do."),))
        return search().view(open=(request, request), tickets=(7, 8))

    def test_it_is_a_proposal_that_needs_no_model(self) -> None:
        assert isinstance(self.proposed(), Proposal)


class TestCatalogueAndRecording(OfflineContract):
    def make(self) -> Proposer:
        return PROPOSERS["mix"](
            ProposerOptions(
                patches=PATCHES, recorded=recorded_replies(PATCHES), mix={"catalogue": 1.0, "replay": 1.0, "llm": 0.0}
            )
        )

    def view(self) -> View:
        programs = Programs()
        programs.add(PROGRAM, 0.8, 1.0)
        return programs.view()


class Fixed:
    """Proposes the same as often as it is `able`, as a proposal under its name or as a request."""

    def __init__(self, name: str, *, able: bool = True, why: str = "") -> None:
        self.name, self.able, self.why = name, able, why

    def propose(self, view: View, rng: random.Random) -> Proposal | Request | None:
        if not self.able:
            return None
        if self.name == "llm":
            return Request(kind="patch", parents=("e0",), model="m", messages=(Message(role="user", text="Do."),))
        return Proposal(kind="patch", parents=("e0",), reply="a reply", proposer=self.name)

    def repair(self, request: Request, turns: tuple[Turn, ...], verdict: Rejected) -> Request | None:
        return None

    def why_idle(self) -> str:
        return self.why


def mixed(*members: Fixed, shares: Mapping[str, float] = SIX_AND_TWO) -> Mix:
    return Mix({member.name: member for member in members}, {name: shares[name] for name in shares})


def maker(made: Proposal | Request | None) -> str:
    return "" if made is None else "llm" if isinstance(made, Request) else made.proposer


def made_in_turn(mix: Mix, count: int, **more: object) -> str:
    """The first letters of who proposes, each proposal being archived at once; `-` is nothing."""
    programs, found = two_lines(), ""
    for number in range(count):
        name = maker(mix.propose(replace(programs.view(), **more), random.Random(number)))  # type: ignore[arg-type]
        found += name[:1] or "-"
        if name:
            programs.add(f"program {number}", 0.5, 0.5, ("e0",), proposer=name, ticket_number=number + 1)
    return found


class TestTurns:
    def test_attempts_come_by_their_shares(self) -> None:
        assert made_in_turn(mixed(Fixed("llm"), Fixed("catalogue")), 16) == "llclllcl" * 2

    def test_what_is_under_way_counts_and_what_others_made_does_not(self) -> None:
        mix = mixed(Fixed("llm"), Fixed("catalogue"))
        request = Fixed("llm").propose(two_lines().view(), random.Random(0))
        told = Proposal(kind="patch", parents=("e0",), reply="", proposer="ask")
        assert isinstance(request, Request)
        for open_, tickets, expected in [
            ((request, told), (3, 4), "llm"),
            ((request, told, request), (3, 4, 5), "catalogue"),
            ((request, request), (), "catalogue"),
        ]:
            view = two_lines().view(open=open_, tickets=tickets)
            assert maker(mix.propose(view, random.Random(0))) == expected

    def test_the_order_of_answers_does_not_matter(self) -> None:
        """Ticket 1 is still asked while 2 to 4 are archived, the catalogue's first."""
        programs = two_lines()
        for ticket, name in ((3, "catalogue"), (4, "llm"), (2, "llm")):
            programs.add(f"program {ticket}", 0.5, 0.5, ("e0",), proposer=name, ticket_number=ticket)
        asked = Fixed("llm").propose(programs.view(), random.Random(0))
        late = mixed(Fixed("llm"), Fixed("catalogue"))
        assert maker(late.propose(programs.view(open=(asked,), tickets=(1,)), random.Random(0))) == "llm"
        further = (asked, asked, asked)
        assert maker(late.propose(programs.view(open=further, tickets=(1, 5, 6)), random.Random(0))) == "catalogue"
        programs.add("program 1", 0.5, 0.5, ("e0",), proposer="llm", ticket_number=1)
        assert maker(late.propose(programs.view(open=further[1:], tickets=(5, 6)), random.Random(0))) == "catalogue"

    def test_a_turn_of_models_waits_for_room_and_one_of_the_catalogue_does_not(self) -> None:
        mix = mixed(Fixed("llm"), Fixed("catalogue"))
        assert made_in_turn(mix, 3, full=True) == "---"
        assert mix.left_out() == {}
        request = Fixed("llm").propose(two_lines().view(), random.Random(0))
        view = two_lines().view(open=(request, request), tickets=(1, 2), full=True)
        assert maker(mix.propose(view, random.Random(0))) == "catalogue"


class TestNothingLeft:
    def test_the_others_go_on_and_nothing_is_made_up_for(self) -> None:
        catalogue = Fixed("catalogue", able=False, why="of its 2 patches, none could be applied")
        mix = mixed(Fixed("llm"), catalogue)
        assert made_in_turn(mix, 8) == "l" * 8
        assert mix.left_out() == {"catalogue": "of its 2 patches, none could be applied"}
        programs = two_lines()
        for number in range(100):
            programs.add(f"program {number}", 0.5, 0.5, ("e0",), proposer="llm", ticket_number=number + 1)
        catalogue.able = True
        found = ""
        for number in range(100, 116):
            name = maker(mix.propose(programs.view(), random.Random(0)))
            found += name[0]
            programs.add(f"program {number}", 0.5, 0.5, ("e0",), proposer=name, ticket_number=number + 1)
        assert found[0] == "c" and found.count("c") in (4, 5), found

    def test_closed_models_leave_their_turns_to_the_catalogue(self) -> None:
        mix = mixed(Fixed("llm"), Fixed("catalogue"))
        assert made_in_turn(mix, 4, closed="the dollars are spent") == "cccc"
        assert mix.left_out() == {"llm": "the dollars are spent"}

    def test_one_that_fails_leaves_its_turns_to_the_others(self) -> None:
        class Failing(Fixed):
            def propose(self, view: View, rng: random.Random) -> Proposal | Request | None:
                raise HarnessError("the prompt is too large\nRaise\x1b context_tokens")

            def foresee(self, view: View, rng: random.Random) -> Needed:
                raise HarnessError("a program cannot be read")

        mix = mixed(Failing("llm"), Fixed("catalogue"))
        assert made_in_turn(mix, 4) == "cccc"
        assert mix.left_out() == {"llm": "the prompt is too large Raise context_tokens"}
        assert mix.foresee(two_lines().view(), random.Random(0)) == Needed()
        alone = mixed(Failing("llm"), Fixed("catalogue", able=False))
        with pytest.raises(HarnessError, match="the prompt is too large\n"):
            alone.propose(two_lines().view(), random.Random(0))

    def test_where_none_has_anything_each_says_why(self) -> None:
        mix = mixed(Fixed("llm"), Fixed("catalogue", able=False))
        assert mix.propose(replace(two_lines().view(), closed="no dollars"), random.Random(0)) is None
        assert mix.why_idle() == "llm: no dollars; catalogue: it has nothing to propose for this run"


def test_a_mix_says_whether_it_goes_on_without_models_also_behind_islands() -> None:
    both, alone = mixed(Fixed("llm"), Fixed("catalogue")), mixed(Fixed("llm"), shares={"llm": 1.0})
    for mix, expected in ((both, True), (alone, False), (Fixed("llm"), False)):
        behind = IslandProposer(mix, None, "root", 0.001)  # type: ignore[arg-type]  # nothing is exchanged here
        assert behind.offline is expected
        assert (isinstance(mix, Sharing) and mix.offline) is expected


@pytest.mark.parametrize(("shares", "words"), [({}, "no share above 0"), ({"ask": 1.0, "llm": 1.0}, "found ask")])
def test_shares_of_no_proposer_are_refused(shares: dict[str, float], words: str) -> None:
    with pytest.raises(HarnessError, match=words):
        PROPOSERS["mix"](options(mix=shares))
