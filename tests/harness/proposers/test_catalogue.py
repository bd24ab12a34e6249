import ast
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import patch
from harness.proposers import PROPOSERS, PatchText, Proposer, ProposerOptions, View
from harness.proposers.catalogue import Catalogue
from harness.proposers.constants import constants, replacements, variants
from harness.proposers.crossover import common_ancestor, merged
from harness.select import Pareto, standing
from harness.types import Entry, Proposal
from tests.harness.builders import PROGRAM, entry, scored
from tests.harness.programs import Programs
from tests.harness.proposers.contracts import OfflineContract

FASTER = PROGRAM.replace("ROUNDS = 4", "ROUNDS = 3")
DEEPER = PROGRAM.replace("depth=2", "depth=1")


def shipped(name: str, old: str, new: str) -> PatchText:
    return PatchText(name=name, text=patch.render(patch.diff(old, new, name=name, description="a change")))


def two_lines() -> Programs:
    """A seed and two children on the front that changed different places of it."""
    programs = Programs()
    programs.add(PROGRAM, 0.8, 1.0)
    programs.add(FASTER, 0.85, 2.0, parents=("e0",))
    programs.add(DEEPER, 0.9, 1.5, parents=("e0",))
    return programs


class TestPatches(OfflineContract):
    def make(self) -> Proposer:
        return PROPOSERS["catalogue"](ProposerOptions(patches=(shipped("faster", PROGRAM, FASTER),)))

    def view(self) -> View:
        programs = Programs()
        programs.add(PROGRAM, 0.8, 1.0)
        return programs.view()


class TestCrossoversAndConstants(OfflineContract):
    def make(self) -> Proposer:
        return Catalogue(ProposerOptions())

    def view(self) -> View:
        return two_lines().view()


def proposed(proposer: Proposer, view: View) -> set[tuple[str, tuple[str, ...]]]:
    """Everything a proposer may propose for a view under many random states, by kind and parents."""
    found = (proposer.propose(view, random.Random(seed)) for seed in range(40))
    return {(proposal.kind, proposal.parents) for proposal in found if proposal is not None}


class TestOrder:
    def test_first_patch_that_applies_is_the_reply_unchanged(self) -> None:
        unrelated = shipped("unrelated", "a = 1\nb = 2\n", "a = 1\nb = 3\n")
        first, second = shipped("faster", PROGRAM, FASTER), shipped("deeper", PROGRAM, DEEPER)
        programs = Programs()
        programs.add(PROGRAM, 0.8, 1.0)
        proposer = Catalogue(ProposerOptions(patches=(unrelated, first, second)))
        replies = {p.reply for s in range(20) if (p := proposer.propose(programs.view(), random.Random(s)))}
        assert replies == {first.text}

    def test_it_names_the_patches_that_could_not_be_applied(self) -> None:
        unrelated = shipped("unrelated", "a = 1\nb = 2\n", "a = 1\nb = 3\n")
        programs = Programs()
        programs.add(PROGRAM, 0.8, 1.0)
        lonely, helped = (
            Catalogue(ProposerOptions(patches=patches))
            for patches in ((unrelated,), (unrelated, shipped("faster", PROGRAM, FASTER)))
        )
        for proposer in (lonely, helped):
            assert proposer.why_idle() == ""
            for seed in range(20):
                proposer.propose(programs.view(), random.Random(seed))
        assert lonely.why_idle().startswith("of its 1 patches, none could be applied in this run (unrelated: ")
        assert helped.why_idle().startswith("of its 2 patches, 1 alone could be applied in this run (unrelated: ")

    def test_patch_whose_child_is_archived_is_not_proposed_again(self) -> None:
        first, second = shipped("faster", PROGRAM, FASTER), shipped("deeper", PROGRAM, DEEPER)
        programs = Programs()
        seed = programs.add(PROGRAM, 0.8, 1.0)
        programs.add(FASTER, 0.7, 1.0, parents=(seed.id,))  # below the floor: no parent for anything
        proposer = Catalogue(ProposerOptions(patches=(first, second)))
        assert proposed(proposer, programs.view()) == {("patch", (seed.id,))}
        proposal = proposer.propose(programs.view(), random.Random(0))
        assert proposal is not None and proposal.reply == second.text

    def test_what_is_being_judged_is_not_proposed_again(self) -> None:
        programs = Programs()
        programs.add(PROGRAM, 0.8, 1.0)
        view, proposer = programs.view(), Catalogue(ProposerOptions(patches=(shipped("faster", PROGRAM, FASTER),)))
        made: list[Proposal] = []
        for ticket in range(6):
            proposal = proposer.propose(replace(view, open=tuple(made)), random.Random(ticket))
            assert proposal is not None
            made.append(proposal)
        children = {patch.apply_reply(each.reply, PROGRAM).source for each in made}
        assert len(children) == len(made)

    def test_improvements_accumulate_on_the_champion(self) -> None:
        proposer = Catalogue(ProposerOptions(patches=(shipped("deeper", PROGRAM, DEEPER),)))
        programs = Programs()
        seed = programs.add(PROGRAM, 0.8, 1.0)
        champion = programs.add(FASTER, 0.8, 3.0, parents=(seed.id,))
        assert proposed(proposer, programs.view()) == {("patch", (champion.id,))}

    def test_crossover_of_two_lineages_is_their_merge(self) -> None:
        programs = two_lines()
        proposal = Catalogue(ProposerOptions()).propose(programs.view(), random.Random(0))
        assert proposal is not None
        assert (proposal.kind, proposal.parents) == ("crossover", ("e1", "e2"))
        child = patch.apply_reply(proposal.reply, FASTER).source
        assert child == FASTER.replace("depth=2", "depth=1")

    def test_crossover_sometimes_precedes_a_patch(self) -> None:
        changed = PROGRAM.replace("SLACK = 0.5", "SLACK = 0.75")
        proposer = Catalogue(ProposerOptions(patches=(shipped("slack", PROGRAM, changed),)))
        kinds = {kind for kind, _ in proposed(proposer, two_lines().view())}
        assert kinds == {"patch", "crossover"}

    def test_merge_that_is_archived_is_not_proposed_again(self) -> None:
        programs = two_lines()
        programs.add(FASTER.replace("depth=2", "depth=1"), 0.7, 0.5, parents=("e1", "e2"), kind="crossover")
        assert {kind for kind, _ in proposed(Catalogue(ProposerOptions()), programs.view())} == {"patch"}

    def test_named_constants_come_before_bare_numbers_and_those_outside_the_region_never(self) -> None:
        programs = Programs()
        programs.add(PROGRAM, 0.8, 1.0)
        names = list(names_until_the_end(Catalogue(ProposerOptions()), programs))
        assert len(names) == len(set(names))
        assert not any("LIMIT" in name for name in names)
        subjects = [name.split("_")[1] for name in names]
        assert set(subjects) == {"ROUNDS", "SLACK", "depth"}

    def test_none_when_nothing_is_left(self) -> None:
        programs = Programs()
        programs.add("def solve(items):\n    return items[0]\n", 0.8, 1.0)
        assert Catalogue(ProposerOptions()).propose(programs.view(), random.Random(0)) is None

    def test_none_before_the_seed_is_scored(self) -> None:
        view = View(entries=(), standing=standing([], Pareto()), parents=(), source={}.__getitem__)
        assert Catalogue(ProposerOptions()).propose(view, random.Random(0)) is None


def names_until_the_end(proposer: Proposer, programs: Programs) -> Iterator[str]:
    """The names of all proposals for the seed, each of whose children is archived below the floor."""
    for number in range(100):
        proposal = proposer.propose(programs.view(), random.Random(number))
        if proposal is None:
            return
        candidate = patch.apply_reply(proposal.reply, PROGRAM)
        programs.add(candidate.source, 0.1, 1.0, parents=proposal.parents)
        yield candidate.name
    pytest.fail("expected the catalogue to run out of proposals")


class TestConstants:
    def found(self, source: str) -> dict[str, int | float]:
        return {constant.label: constant.value for constant in constants(source)}

    @pytest.mark.parametrize(
        ("source", "expected"),
        [
            ("ROUNDS = 4", {"ROUNDS": 4}),
            ("ROUNDS: int = 4", {"ROUNDS": 4}),
            ("ROUNDS = 0", {"ROUNDS": 0}),
            ("def f(x, depth=2, *, tail=0.5): pass", {"depth": 2, "tail": 0.5}),
            ("f(steps=8)", {"steps": 8}),
            ("def f(x):\n    return x * 3", {"f": 3}),
            ("def f(x):\n    for _ in range(20): pass", {"f": 20}),
            ("def f(x):\n    rounds = 8\n    best = 0\n    groups = nodes = 1", {"rounds": 8}),
            ("x = y[3]", {}),
            ("x = y[3:4]", {}),
            ("x = y.sum(dim=2)", {}),
            ("x = y + 1", {}),
            ("x = y.unsqueeze(2)", {}),
            ("x = y * 0.5", {"module": 0.5}),
            ("x = True", {}),
            ("x = 'a 4'", {}),
            ("x = f'{y:>8}'", {}),
            ("def broken(:", {}),
        ],
    )
    def test_finds_choices_and_leaves_structure(self, source: str, expected: dict[str, int | float]) -> None:
        assert self.found(source) == expected

    @pytest.mark.parametrize(
        ("value", "expected"),
        [(4, (8, 2, 5, 3)), (1, (2, 0)), (0, (1,)), (2, (4, 1, 3)), (0.5, (1.0, 0.25)), (1e300, (5e299,))],
    )
    def test_replacements(self, value: int | float, expected: tuple[int | float, ...]) -> None:
        assert replacements(value) == expected

    def test_changes_the_number_and_nothing_else(self) -> None:
        source = "é = 'ä'; ROUNDS = 0x10  # sixteen\r\nother = 3\n"
        by_name = {variant.name: variant.source for variant in variants(source)}
        assert by_name["set_ROUNDS_16_to_32"] == "é = 'ä'; ROUNDS = 32  # sixteen\r\nother = 3\n"
        assert by_name["set_other_3_to_4"] == "é = 'ä'; ROUNDS = 0x10  # sixteen\r\nother = 4\n"

    @given(
        st.lists(
            st.one_of(st.integers(0, 10**6), st.floats(0, 1e6, allow_nan=False, allow_subnormal=False)),
            min_size=1,
            max_size=5,
        )
    )
    def test_every_variant_is_python_with_one_other_number(self, values: list[int | float]) -> None:
        source = "".join(f"n{at} = {value!r}\n" for at, value in enumerate(values))
        for variant in variants(source):
            assignments = ast.parse(variant.source).body
            now = [ast.literal_eval(node.value) for node in assignments if isinstance(node, ast.Assign)]
            assert sum(a != b for a, b in zip(values, now, strict=True)) == 1


class TestCrossover:
    def test_ancestor_is_the_latest_common_one(self) -> None:
        chain = [
            entry(0, scored(0.8, 1.0)),
            entry(1, scored(0.8, 1.0)),
            entry(2, scored(0.8, 1.0), parents=("e1",)),
            entry(3, scored(0.8, 1.0), parents=("e1",)),
            entry(4, scored(0.8, 1.0), parents=("e2", "e3"), kind="crossover"),
            entry(5, scored(0.8, 1.0), parents=("e3",)),
        ]
        by_id = {e.id: e for e in chain}
        for one, other, ancestor in [(2, 3, "e1"), (4, 5, "e3"), (0, 5, "e0"), (4, 2, "e2")]:
            found = common_ancestor(chain[one], chain[other], by_id)
            assert found is not None and found.id == ancestor

    def test_parent_and_child_have_no_crossover(self) -> None:
        programs = two_lines()
        by_id = {e.id: e for e in programs.entries}
        seed, child = programs.entries[:2]
        assert merged(seed, child, by_id, programs.sources.__getitem__) is None

    def test_conflicting_changes_have_no_crossover(self) -> None:
        programs = Programs()
        programs.add(PROGRAM, 0.8, 1.0)
        programs.add(FASTER, 0.9, 1.0, parents=("e0",))
        programs.add(PROGRAM.replace("ROUNDS = 4", "ROUNDS = 9"), 0.8, 2.0, parents=("e0",))
        by_id = {e.id: e for e in programs.entries}
        assert merged(programs.entries[1], programs.entries[2], by_id, programs.sources.__getitem__) is None


def test_every_proposal_names_its_proposer() -> None:
    proposal = Catalogue(ProposerOptions()).propose(two_lines().view(), random.Random(1))
    assert isinstance(proposal, Proposal) and proposal.proposer == "catalogue" and proposal.usd == 0


def test_a_proposal_reads_no_entry_again() -> None:
    """In a mix of proposers a catalogue may be asked as long as models have ideas."""

    class Counted(Sequence[Entry]):
        def __init__(self, entries: list[Entry]) -> None:
            self.entries, self.read = entries, 0

        def __len__(self) -> int:
            return len(self.entries)

        def __getitem__(self, at: Any) -> Any:
            self.read += 1
            return self.entries[at]

    programs = two_lines()
    for number in range(100):
        programs.add(f"{PROGRAM}# {number}\n", 0.5, 0.5, parents=("e0",))
    proposer, entries = Catalogue(ProposerOptions()), Counted(programs.entries)
    view = replace(programs.view(), entries=entries)
    first = proposer.propose(view, random.Random(0))
    entries.read = 0
    assert first == proposer.propose(view, random.Random(0)) and entries.read < 5
