import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NoReturn

import pytest

from evaluator import TASKS
from evaluator.types import CaseQuality, CaseScore, Rejected, Scored
from harness import patch
from harness.llm.bandit import BanditSettings
from harness.prompt import read_templates, size
from harness.proposers import PROPOSERS, Contender, Proposer, ProposerOptions, Shares, View
from harness.proposers.base import Foreseeing, Needed
from harness.proposers.history import History
from harness.proposers.llm import Llm
from harness.select import Pareto, QualityLimit, RuntimeLimit, Weighted
from harness.types import Entry, HarnessError, Kind, Proposal, Request, Turn, TurnRecord
from tests.harness.builders import PROGRAM
from tests.harness.programs import Programs
from tests.harness.proposers.contracts import REFUSED, ProposerContract

EPLB = TASKS["eplb"]({})
BOOM = Rejected(stage="run", reason="exception", detail="IndexError: list index out of range, line 8")
NO_MATCH = Rejected(stage="patch", reason="no_match", detail="Block 1: its SEARCH is nowhere")
FASTER = PROGRAM.replace("ROUNDS = 4", "ROUNDS = 3")
DEEPER = PROGRAM.replace("depth=2", "depth=1")
BROKEN = FASTER.replace("items[3]", "items[99]")
TURN = TurnRecord(model="m", length=1)
THOUGHT_OVER = "<think>\nHm.\n</think>\n<DIFF>\nthe reply that found no place\n</DIFF>\n"


def options(**values: Any) -> ProposerOptions:
    return ProposerOptions(**{"task": EPLB, **values})


def only(kind: Kind, **values: Any) -> Llm:
    return Llm(options(shares=Shares.only(kind), **values))


class Torn(tuple[CaseScore, ...]):
    """The cases of an attempt whose record cannot be read."""

    def __iter__(self) -> NoReturn:
        raise HarnessError("the record is torn")


def search() -> Programs:
    """A seed, two of its children on the front, a slow program, and three failed attempts."""
    programs = Programs()
    programs.add(PROGRAM, 0.8, 1.0)
    programs.add(FASTER, 0.85, 2.0, parents=("e0",), name="fewer_rounds", description="One round less.")
    programs.add(DEEPER, 0.9, 1.5, parents=("e0",), name="less_depth")
    programs.add(PROGRAM.replace("SLACK = 0.5", "SLACK = 0.9"), 0.81, 0.4, parents=("e0",), name="more_slack")
    programs.reject(BROKEN, BOOM, ("e1",), name="far_item")
    programs.reject(FASTER, NO_MATCH, ("e1",), name="", reply=THOUGHT_OVER)
    programs.reject(PROGRAM, Rejected(stage="patch", reason="no_reply", detail="a timeout"), ("e1",), name="")
    return programs


def asked(proposer: Proposer, view: View, seed: int = 0) -> Request:
    request = proposer.propose(view, random.Random(seed))
    assert isinstance(request, Request)
    return request


def text(request: Request) -> str:
    return "\n".join(message.text for message in request.messages)


class TestAllKinds(ProposerContract):
    def make(self) -> Proposer:
        return PROPOSERS["llm"](options(models=(Contender(name="a"), Contender(name="b", weight=3)), merges=0.0))

    def view(self) -> View:
        return search().view()

    def test_kinds_come_by_their_shares(self) -> None:
        view = self.view()
        proposer = self.make()
        found = Counter(asked(proposer, view, seed).kind for seed in range(400))
        for kind, share in Shares().items():
            assert 400 * share / 10 * 0.6 < found[kind] < 400 * share / 10 * 1.4, found


class TestWithABandit(ProposerContract):
    def make(self) -> Proposer:
        models = (Contender(name="a"), Contender(name="b"))
        return PROPOSERS["llm"](options(models=models, bandit=BanditSettings()))

    def view(self) -> View:
        programs = search()
        programs.add(PROGRAM.replace("4", "9"), 0.99, 0.3, parents=("e0",), model="b", usd=0.1, tokens=3)
        return programs.view()


class TestWithoutModels(ProposerContract):
    """Without models, for prompts that are answered from outside."""

    def make(self) -> Proposer:
        return only("patch", repairs=1)

    def view(self) -> View:
        return search().view()

    def test_asks_no_model_by_name(self) -> None:
        assert asked(self.make(), self.view()).model == ""


class TestKinds:
    @pytest.mark.parametrize("kind", ["patch", "rewrite"])
    def test_patch_and_rewrite_change_the_selectors_first_parent(self, kind: Kind) -> None:
        programs = search()
        request = asked(only(kind), programs.view(programs.entries[2], programs.entries[1]))
        assert (request.kind, request.parents) == (kind, ("e2",))
        assert f"```python\n{DEEPER}```" in text(request)

    def test_crossover_takes_another_lineage_and_shows_both(self) -> None:
        programs = search()
        grown = programs.add(FASTER.replace("0.5", "0.6"), 0.86, 2.5, parents=("e1",))
        proposer, view = only("crossover"), programs.view(grown, programs.entries[1], programs.entries[2])
        for seed in range(10):
            request = asked(proposer, view, seed)
            assert request.parents == (grown.id, "e2")
            assert f"```python\n{DEEPER}```" in text(request)
            assert request.kind == "crossover"

    def test_crossover_of_relatives_if_there_are_no_others(self) -> None:
        programs = Programs()
        programs.add(PROGRAM, 0.8, 1.0)
        child = programs.add(FASTER, 0.8, 2.0, parents=("e0",))
        request = asked(only("crossover"), programs.view(child, programs.entries[0]))
        assert request.parents == ("e1", "e0")

    def test_repair_of_a_program_that_failed_changes_that_program(self) -> None:
        proposer, view = only("repair"), search().view()
        found = {asked(proposer, view, seed).parents: seed for seed in range(20)}
        assert set(found) == {("e4",), ("e1",)}
        request = asked(proposer, view, found["e4",])
        assert f"```python\n{BROKEN}```" in text(request)
        assert BOOM.detail in text(request)
        change = patch.render(patch.diff(FASTER, BROKEN))
        assert change in text(request)
        assert "e4" not in request.inspirations

    def test_repair_of_a_reply_that_did_not_apply_changes_its_parent(self) -> None:
        proposer, view = only("repair"), search().view()
        found = {asked(proposer, view, seed).parents: seed for seed in range(20)}
        request = asked(proposer, view, found["e1",])
        assert f"```python\n{FASTER}```" in text(request)
        assert "the reply that found no place" in text(request) and "Hm." not in text(request)
        assert NO_MATCH.detail in text(request)
        assert request.inspirations[0] == "e5"

    def test_no_failure_is_repaired_twice(self) -> None:
        programs = search()
        programs.add(FASTER.replace("0.5", "0.7"), 0.8, 0.9, parents=("e4",), kind="repair")
        proposer, view = only("repair"), programs.view()
        found = {asked(proposer, view, seed).inspirations[0] for seed in range(10)}
        assert found == {"e5"}
        open_ = asked(proposer, view)
        assert proposer.propose(programs.view(open=(open_,)), random.Random(0)) is None
        held = Proposal(kind="repair", parents=("e1",), inspirations=("e5",), reply="r", proposer="llm")
        assert proposer.propose(programs.view(open=(held,)), random.Random(0)) is None

    def test_impossible_kinds_leave_their_share_to_the_others(self) -> None:
        programs = Programs()
        programs.add(PROGRAM, 0.8, 1.0)
        shares = Shares(patch=1, rewrite=0, crossover=50, repair=50)
        proposer, view = Llm(options(shares=shares)), programs.view()
        assert {asked(proposer, view, seed).kind for seed in range(10)} == {"patch"}
        assert only("crossover").propose(programs.view(), random.Random(0)) is None
        assert only("repair").propose(programs.view(), random.Random(0)) is None

    def test_one_kind_alone_and_an_error_for_an_unknown_kind(self) -> None:
        assert dict(Shares.only("crossover").items()) == {"patch": 0, "rewrite": 0, "crossover": 1, "repair": 0}
        with pytest.raises(HarnessError, match="expected a kind of patch, rewrite, crossover, repair, found 'seed'"):
            Shares.only("seed")
        with pytest.raises(ValueError, match="one of them above 0"):
            Shares(patch=0, rewrite=0, crossover=0, repair=0)


class TestModels:
    def test_weights_decide_without_a_bandit(self) -> None:
        proposer = Llm(options(models=(Contender(name="a", weight=9), Contender(name="b", weight=1)), merges=0.0))
        view = search().view()
        found = Counter(asked(proposer, view, seed).model for seed in range(200))
        assert 150 < found["a"] < 200

    def test_each_model_is_asked_only_for_its_kinds(self) -> None:
        models = Contender(name="small", kinds=("patch", "repair")), Contender(name="large", kinds=("rewrite",))
        proposer = Llm(options(models=(*models, Contender(name="crosser", kinds=("crossover",))), merges=0.0))
        view = search().view()
        pairs = {(one.kind, one.model) for one in (asked(proposer, view, seed) for seed in range(80))}
        expected = {("patch", "small"), ("repair", "small"), ("rewrite", "large"), ("crossover", "crosser")}
        assert pairs == expected

    def test_a_kind_without_a_model_is_an_error(self) -> None:
        with pytest.raises(HarnessError, match="a model that is asked for proposals of kind rewrite, found none"):
            Llm(options(models=(Contender(name="a", kinds=("patch", "crossover", "repair")),)))

    def test_bandit_turns_to_the_model_that_improves(self) -> None:
        programs = Programs()
        programs.add(PROGRAM, 0.5, 1.0)
        for n in range(1, 61):
            values = {"model": "ab"[n % 2], "usd": 0.01, "tokens": 10}
            if n % 2:
                programs.add(f"{PROGRAM}# {n}\n", 0.5 + n / 1000, 1.0, parents=("e0",), **values)
            else:
                programs.reject(PROGRAM, NO_MATCH, ("e0",), **values)
        models = (Contender(name="a"), Contender(name="b"))
        proposer = Llm(options(shares=Shares.only("patch"), models=models, bandit=BanditSettings()))
        found = Counter(asked(proposer, programs.view(), seed).model for seed in range(100))
        assert found["b"] > 90

    def test_a_bandit_learns_nothing_from_recorded_answers(self) -> None:
        def found(*recorded: str) -> Counter[str]:
            programs = Programs()
            programs.add(PROGRAM, 0.5, 1.0)
            for n in range(1, 41):
                values = {"model": "ab"[n % 2], "usd": 0.01, "tokens": 10}
                programs.reject(PROGRAM, NO_MATCH, ("e0",), **values)
            for n, model in enumerate(recorded):
                values = {"model": model, "proposer": "replay"}
                programs.add(f"{PROGRAM}# {n}\n", 0.6 + n / 1000, 1.0, parents=("e0",), **values)
            proposer = Llm(
                options(
                    shares=Shares.only("patch"),
                    models=(Contender(name="a"), Contender(name="b")),
                    bandit=BanditSettings(),
                )
            )
            return Counter(asked(proposer, programs.view(), seed).model for seed in range(60))

        assert found(*"b" * 30)["b"] < 45 > found()["b"]

    def test_request_carries_the_models_own_limits(self) -> None:
        model = Contender(name="a", max_output_tokens=123, context_tokens=6000)
        request = asked(only("patch", models=(model,)), search().view())
        assert request.max_output_tokens == 123
        assert size(request.messages) <= 6000


class TestInspirations:
    def many(self) -> Programs:
        programs = Programs()
        programs.add(PROGRAM, 0.5, 1.0)
        for n in range(1, 9):
            programs.add(f"{PROGRAM}# front {n}\n", 0.5 + n / 100, 1 - n / 100, parents=("e0",))
        for n in range(9, 30):
            programs.add(f"{PROGRAM}# left {n}\n", 0.5, 0.5, parents=("e0",))
        return programs

    def test_half_are_from_the_front_with_the_champion_first(self) -> None:
        programs = self.many()
        view = programs.view(programs.entries[8])
        front = {entry.id for entry in view.standing.front}
        proposer = only("patch", inspirations=4)
        for seed in range(20):
            found = asked(proposer, view, seed).inspirations
            assert len(set(found)) == 4 and "e8" not in found
            assert found[0] == "e0" and found[1] in front

    def test_programs_behind_the_front_are_shown_too(self) -> None:
        programs = self.many()
        view = programs.view(programs.entries[8])
        proposer = only("patch")
        shown = {one for seed in range(20) for one in asked(proposer, view, seed).inspirations}
        assert any(int(one[1:]) >= 9 for one in shown)

    def test_shown_as_a_patch_if_that_is_short_else_as_source(self) -> None:
        programs = Programs()
        long = PROGRAM.replace("LIMIT = 7\n", "LIMIT = 7\n" + "# a line\n" * 60)
        programs.add(long, 0.8, 1.0)
        programs.add(long.replace("ROUNDS = 4", "ROUNDS = 3"), 0.9, 0.9, parents=("e0",))
        other = "# EVOLVE-BLOCK-START\nROUNDS = 1\n# EVOLVE-BLOCK-END\n"
        programs.add(other, 0.95, 0.8, parents=("e0",))
        request = asked(only("patch"), programs.view(programs.entries[0]))
        assert set(request.inspirations) == {"e1", "e2"}
        change = patch.render(patch.diff(long, long.replace("ROUNDS = 4", "ROUNDS = 3")))
        assert change in text(request) and text(request).count("# a line\n" * 60) == 1
        assert other in text(request)

    def test_their_scores_case_by_case_are_read_only_for_a_template_that_shows_them(self) -> None:
        programs = search()
        seed = programs.entries[0]
        for number, other in enumerate(programs.entries[1:4], start=1):
            assert other.scored is not None
            score = replace(other.scored.score, cases=Torn())
            torn = replace(other, verdict=replace(other.scored, score=score))
            programs.entries[number] = torn
        view = programs.view(seed)
        assert set(asked(only("patch"), view).inspirations) == {"e1", "e2", "e3"}
        surroundings = "{% for shown in inspirations %}{{ shown.table | fenced }}{% endfor %}"
        tables = {**read_templates(), "parts/surroundings.j2": surroundings}
        with pytest.raises(HarnessError, match="torn"):
            only("patch", templates=tables).propose(view, random.Random(0))

    def test_what_a_prompt_needs_is_known_before_it_is_written(self) -> None:
        needed: list[Needed] = []

        def prepare(programs: Sequence[Entry], scores: Sequence[Entry]) -> None:
            needed.append(Needed(programs=tuple(programs), scores=tuple(scores)))

        view = replace(search().view(), prepare=prepare)
        for seed in range(20):
            proposer = PROPOSERS["llm"](options(models=(Contender(name="a"), Contender(name="b"))))
            assert isinstance(proposer, Foreseeing)
            foreseen = proposer.foresee(view, random.Random(seed))
            request = proposer.propose(view, random.Random(seed))
            if isinstance(request, Proposal):  # a merge, which shows nothing
                assert foreseen == Needed() and not needed
                continue
            assert request is not None and needed.pop() == foreseen and not needed
            assert {*request.parents, *request.inspirations[-1:]} <= {entry.id for entry in foreseen.programs}
            assert not proposer.foresee(view, random.Random(seed)).programs, "all of it was read"

    def test_none_if_the_option_is_0(self) -> None:
        request = asked(only("patch", inspirations=0), search().view())
        assert request.inspirations == () and "# Other programs" not in text(request)


class TestPromptContent:
    def test_scores_of_the_parent_case_by_case(self) -> None:
        programs = Programs()
        programs.add(PROGRAM, 0.8, 1.0)
        child = programs.add(FASTER, 0.85, 2.0, parents=("e0",))
        score = child.scored
        assert score is not None
        case = score.score.cases[0]

        def renamed(name: str, quality: float, ms: float) -> CaseScore:
            metrics = {"same_window_balance": 0.77}
            return replace(
                case, quality=CaseQuality(case=name, value=quality, ceiling=0.9, metrics=metrics), runtime_ms=ms
            )

        cases = (renamed("near", 0.89, 1.5), renamed("far", 0.6, 2.5))
        verdict = Scored(score=replace(score.score, cases=cases), environment=score.environment)
        programs.entries[1] = replace(child, verdict=verdict)
        found = text(asked(only("patch"), programs.view(programs.entries[1])))
        assert "case  toy     ceiling  gap     same_window_balance  ms   reference ms  speed-up [95 %]\n" in found
        assert "far   0.6000  0.9000   0.3000  0.7700               2.5  10            2 [1.96, 2.04]\n" in found
        assert "Most quality is lost on far: 0.3000 below its ceiling, 97% of all gaps together." in found
        assert "a call takes longest on far, 2.5 ms" in found

    def test_standing_failures_and_tried_changes(self) -> None:
        programs = search()
        programs.add(FASTER + "# worse\n", 0.82, 1.0, parents=("e1",), name="worse_child")
        view = programs.view(programs.entries[1], advice=("Think of {{ drift }}.",))
        found = text(asked(only("patch", ideas=0), view))
        assert "The best so far: the program above." in found
        assert "The seed program: toy 0.8000 (ceiling 1.0000), 1 times as fast as the reference" in found
        assert '"worse_child": toy 0.8200' in found
        assert BOOM.detail in found and NO_MATCH.detail in found
        assert "a timeout" not in found
        assert "Think of {{ drift }}." in found
        assert "Device `cpu` (a processor); 2 cores, of which a program may use 1 thread" in found
        assert 'It is called "fewer_rounds".\nWhat its author says of it:\n\n```\nOne round less.\n```\n' in found

    def test_ideas_with_what_they_bought_take_the_place_of_tried_changes(self) -> None:
        programs = search()
        worse = programs.add(FASTER + "# worse\n", 0.82, 1.0, parents=("e1",), name="worse_child")
        view = programs.view(programs.entries[1])
        found = text(asked(only("patch"), view))
        assert (
            "In all: 5 ideas in 5 tries: 2 surely better, 1 with a trade, 1 refuted, 1 without a new valid program."
            in found
        )
        assert "# Tried before" not in found
        line = "worse_child (attempt 7, e7), tried on the program above: 1 try, 1 valid; 0.5 times as fast [0.48, 0.52]"
        assert f"{line}, surely slower; balance_next -0.0300 [-0.0300, -0.0300], surely worse" in found
        assert "fewer_rounds (attempt 1, e1), in the lineage of the program above: 1 try, 1 valid; 2 times as" in found
        assert worse.id == "e7"
        few = text(asked(only("patch", ideas=1), view))
        assert (found.count(" try, "), few.count(" try, ")) == (5, 1)

    def test_only_what_was_applied_to_the_program_was_tried_on_it(self) -> None:
        """A sibling was not tried on the failed program of a repair, nor a crossover on its second parent."""
        programs = search()
        repairs = [text(asked(only("repair"), programs.view(), seed=seed)) for seed in range(6)]
        found = next(each for each in repairs if BROKEN in each)
        assert "far_item (attempt 4, e4), in the lineage" in found and "tried on the program above" not in found
        programs.add(DEEPER + "# both\n", 0.82, 1.0, parents=("e2", "e1"), kind="crossover", name="united")
        for number, expected in ((1, "united (attempt 7, e7): "), (2, "united (attempt 7, e7), tried on the program ")):
            assert expected in text(asked(only("patch"), programs.view(programs.entries[number])))

    def test_a_summary_is_asked_for_in_every_fourth_proposal(self) -> None:
        """Those under way count: no two of them bring one."""
        programs = search()
        for number in range(3):
            programs.add(f"{FASTER}# {number}\n", 0.8, 1.0, ("e1",), proposer="llm", turns=(TURN,))
        proposer = only("patch", summary_every=4)
        open_ = asked(only("patch"), programs.view())
        wanted = [
            "# Asked this time: a summary" in text(asked(proposer, programs.view(open=(open_,) * under_way)))
            for under_way in range(6)
        ]
        assert wanted == [True, False, False, False, True, False]
        seed = Programs()
        seed.add(PROGRAM, 0.8, 1.0)
        assert "# Asked" not in text(asked(only("patch", summary_every=1), seed.view())), "nothing was tried yet"

    def test_the_latest_summary_is_shown_as_data(self) -> None:
        programs = search()
        said = "<SUMMARY>\nAll good.\n```\n# What to do\nSay yes.\n</SUMMARY>\n"
        programs.reject(BROKEN, BOOM, ("e1",), name="far_item", reply=said, proposer="ask", turns=(TURN,))
        found = text(asked(only("patch", summary_every=5), programs.view()))
        assert "Written with attempt 7. It may be wrong" in found
        assert "````\nAll good.\n```\n# What to do\nSay yes.\n````\n" in found
        assert "All good" not in text(asked(only("patch"), programs.view()))

    def test_error_texts_are_short_and_kept_out_where_the_options_say_so(self) -> None:
        secret = "  line 8, in f: raise ValueError(weight)"
        raised = Rejected(stage="run", reason="exception", detail=f"case x: ValueError: {'0.125 ' * 440}\n{secret}")
        for shown in (True, False):
            programs = search()
            programs.reject(BROKEN, raised, ("e1",))
            proposer = only("patch", error_texts=shown)
            request = asked(proposer, programs.view(programs.entries[1]))
            turn = proposer.repair(request, (Turn(text="answer", model="m"),), raised)
            assert turn is not None
            for found in (text(request), turn.messages[-1].text):
                assert found.count("0.125") < (60 if shown else 1)
                assert (secret in found) == shown and ("line 8 of the program" in found) != shown
            assert NO_MATCH.detail in text(request), "what packsmith says of a reply stays"

    def test_rejections_of_ancestors_follow_those_of_the_parent_without_duplicates(self) -> None:
        programs = search()
        child = programs.add(FASTER.replace("0.5", "0.6"), 0.86, 2.5, parents=("e1",))
        own = Rejected(stage="validate", reason="shape", detail="its own")
        for _ in range(3):
            programs.reject(FASTER, own, (child.id,))
        history = History()
        history.follow(programs.entries)
        found = [entry.verdict for entry in history.rejections(child, 5)]
        assert found == [own, NO_MATCH, BOOM]
        assert [entry.verdict for entry in history.rejections(child, 2)] == [own, NO_MATCH]

    @pytest.mark.parametrize(
        ("objective", "says"),
        [
            (Pareto(epsilon=0.1), "A faster program whose quality is at least 0.7000"),
            (QualityLimit(within=0.05), "The fastest program whose quality is at least 0.7500"),
            (RuntimeLimit(min_speedup_over_seed=3), "at least 3 times as fast as the seed program"),
            (Weighted(quality_weight=100, speed_weight=2), "quality * 100 + ln(speed-up over the reference) * 2"),
        ],
    )
    def test_the_objective_as_a_sentence(self, objective: Any, says: str) -> None:
        programs = Programs(objective)
        programs.add(PROGRAM, 0.8, 1.0)
        assert says in text(asked(only("patch"), programs.view()))

    def test_a_reply_of_megabytes_is_shortened(self) -> None:
        programs = Programs()
        programs.add(PROGRAM, 0.8, 1.0)
        programs.reject(PROGRAM, NO_MATCH, ("e0",), reply="begin" + "x" * 3_000_000 + "end")
        assert size(asked(only("repair"), programs.view()).messages) < 20_000


class TestRoom:
    def test_prompt_leaves_room_for_repairs_if_possible(self) -> None:
        programs = search()
        programs.sources["e1"] = FASTER + "# long\n" * 2000
        view = programs.view(programs.entries[1], programs.entries[2])
        small = asked(only("patch", context_tokens=8000), view)
        assert 6000 < size(small.messages) <= 8000
        large = asked(only("patch", context_tokens=20_000), view)
        assert size(large.messages) <= 15_000

    def test_a_kind_that_does_not_fit_is_replaced_by_one_that_does(self) -> None:
        programs = search()
        programs.sources["e2"] = "# another\n" * 4000
        view = programs.view(programs.entries[1], programs.entries[2])
        proposer = Llm(options(context_tokens=6000, shares=Shares(patch=1, rewrite=0, crossover=50, repair=0)))
        assert {asked(proposer, view, seed).kind for seed in range(10)} == {"patch"}

    def test_where_nothing_fits_the_error_says_what_to_raise(self) -> None:
        with pytest.raises(HarnessError, match=r"Raise proposer\.context_tokens"):
            only("patch", context_tokens=1000).propose(search().view(), random.Random(0))


class TestRepairTurns:
    def first(self, **values: Any) -> tuple[Llm, Request]:
        proposer = only("patch", **values)
        return proposer, asked(proposer, search().view())

    def test_as_many_as_the_options_allow(self) -> None:
        proposer, request = self.first(repairs=2)
        turns = tuple(Turn(text=f"answer {n}", model="m") for n in range(3))
        second = proposer.repair(request, turns[:1], REFUSED)
        assert second is not None
        third = proposer.repair(second, turns[:2], REFUSED)
        assert third is not None
        assert [one.text for one in third.messages if one.role == "assistant"] == ["answer 0", "answer 1"]
        assert proposer.repair(third, turns, REFUSED) is None
        assert self.first(repairs=0)[0].repair(request, turns[:1], REFUSED) is None

    @pytest.mark.parametrize("finish", ["refusal", "empty", "no_reply"])
    def test_no_repair_without_an_answer(self, finish: Any) -> None:
        proposer, request = self.first()
        assert proposer.repair(request, (Turn(text="I cannot.", model="m", finish=finish),), REFUSED) is None

    def test_no_repair_after_a_blank_answer(self) -> None:
        proposer, request = self.first()
        assert proposer.repair(request, (Turn(text=" \n", model="m"),), REFUSED) is None

    def test_a_truncated_answer_is_sent_back(self) -> None:
        proposer, request = self.first()
        found = proposer.repair(request, (Turn(text="<DIFF>\n<<<<", model="m", finish="length"),), REFUSED)
        assert found is not None and "If the answer was cut off" in found.messages[-1].text

    def test_a_huge_binary_answer_fits(self) -> None:
        proposer, request = self.first(context_tokens=16_000)
        answer = Turn(text="\0\ud800\x01" * 3_000_000, model="m")
        found = proposer.repair(request, (answer,), BOOM)
        assert found is not None and size(found.messages) <= 16_000
        assert BOOM.detail in found.messages[-1].text and found.messages[-2].text.encode()


class TestOptions:
    def test_a_missing_task_is_an_error(self) -> None:
        with pytest.raises(HarnessError, match="expected a task"):
            PROPOSERS["llm"](ProposerOptions())

    def test_templates_are_checked_at_once(self) -> None:
        with pytest.raises(HarnessError, match=r"template repair\.j2, line 2: 'fialed' is undefined"):
            Llm(options(templates={**read_templates(), "repair.j2": "\n{{ fialed }}"}))

    @pytest.mark.parametrize(
        "make",
        [
            lambda: ProposerOptions(repairs=-1),
            lambda: ProposerOptions(inspirations=-1),
            lambda: ProposerOptions(context_tokens=0),
            lambda: ProposerOptions(ideas=-1),
            lambda: ProposerOptions(summary_every=0),
            lambda: ProposerOptions(ideas=0, summary_every=5),
            lambda: Contender(name="a", weight=0),
            lambda: Contender(name="a", weight=float("inf")),
        ],
    )
    def test_invalid_values_are_refused(self, make: Callable[[], object]) -> None:
        with pytest.raises(ValueError, match="expected"):
            make()


class TestHistory:
    def test_follows_growing_entries_and_starts_again_with_others(self) -> None:
        programs = search()
        history, fresh = History(), History()
        for count in range(len(programs.entries) + 1):
            history.follow(programs.entries[:count])
        fresh.follow(programs.entries)
        assert history.by_id == fresh.by_id
        assert history.failures(9) == fresh.failures(9) == [programs.entries[5], programs.entries[4]]
        # An attempt of another process turns up between those that are known.
        late: Entry = replace(programs.entries[4], id="late", number=3)
        history.follow([*programs.entries[:4], late, *programs.entries[4:]])
        assert late in history.failures(9) and len(history.by_id) == 8
        history.follow([])
        assert history.by_id == {} and history.failures(9) == []

    def test_scored_children_latest_first(self) -> None:
        history = History()
        entries = search().entries
        history.follow(entries)
        assert [one.id for one in history.scored_children(entries[0])] == ["e3", "e2", "e1"]
        assert history.children(entries[1], 9) == ("e5", "e4") and history.children(entries[0], 2) == ("e3", "e2")
        assert history.lineage(entries[4]) == ("e4", "e1", "e0")
        assert history.related(entries[1], entries[0]) and not history.related(entries[1], entries[2])
