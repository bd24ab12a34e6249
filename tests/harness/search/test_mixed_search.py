"""A search with a mix of proposers: shares, slow models, a spent budget, models that fail, and an interruption."""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evaluator.types import Rejected
from harness.archive import Archive
from harness.llm.ledger import Bound, OverBudget
from harness.proposers import ProposerOptions, View
from harness.proposers.catalogue import Catalogue
from harness.proposers.mix import Mix
from harness.readings.verify import verify
from harness.search import Progress, SearchSetup, pipeline, search
from harness.search.budget import Budget
from harness.search.calls import Again, Done
from harness.select import Pareto, pick_front
from harness.types import Entry, HarnessError, Proposal, Request, Turn
from tests.harness.builders import KnobJudge
from tests.harness.llm.models import Answer, Asking, Models, knobs, turn
from tests.harness.search.test_search import archive_at

DEAD = replace(turn(""), finish="no_reply", note="503 overloaded", usd=0.0)


def answer(ticket: int, request: Request) -> Turn:
    return turn(knobs(2 * ticket + 6))


class Few:
    """A catalogue of this many proposals."""

    def __init__(self, count: int) -> None:
        self.count = count

    def propose(self, view: View, rng: random.Random) -> Proposal | None:
        made = sum(entry.proposer == "catalogue" for entry in view.entries)
        made += sum(isinstance(one, Proposal) and one.proposer == "catalogue" for one in view.open)
        if made >= self.count:
            return None
        reply = knobs(8, slack=made + 1)
        return Proposal(kind="patch", parents=(view.entries[0].id,), reply=reply, proposer="catalogue")

    def repair(self, request: Request, turns: tuple[Turn, ...], verdict: Rejected) -> Request | None:
        return None


class Limited(Models):
    """Models whose budget covers `calls` calls in all, or with `at_once` that number under way."""

    def __init__(self, answer: Answer, calls: int, *, at_once: bool = False) -> None:
        super().__init__(answer)
        self._calls, self._at_once = calls, at_once

    def submit(self, ticket: int, request: Request, done: Done, again: Again) -> None:
        if (self._out if self._at_once else len(self.asked)) >= self._calls:
            raise OverBudget("all dollars are reserved (budget.usd)", final=not self._at_once)
        super().submit(ticket, request, done, again)


def run(archive: Archive, models: Models, attempts: int, catalogue: Any = None, **more: Any) -> Iterator[Entry]:
    members = {"llm": Asking(), "catalogue": catalogue or Catalogue(ProposerOptions())}
    setup = SearchSetup(
        judges=[KnobJudge()],
        proposer=Mix(members, {"llm": 6.0, "catalogue": 2.0}),
        selector=pick_front,
        objective=Pareto(),
        budget=Budget(attempts=attempts),
        seed=5,
        models=models,
        **more,
    )
    return search(archive, setup)


def makers(archive: Archive) -> str:
    """Who made the attempts, in the order in which they were proposed."""
    ordered = sorted(archive.entries[1:], key=lambda entry: entry.ticket_number)
    return "".join(entry.proposer[0] for entry in ordered)


def left_out(steps: list[Progress]) -> list[str]:
    return [step.reason for step in steps if step.phase == "left_out"]


@pytest.mark.parametrize("in_flight", [1, 3])
def test_attempts_come_by_their_shares_however_soon_models_answer(tmp_path: Path, in_flight: int) -> None:
    archive, slow = archive_at(tmp_path / "run"), threading.Event()

    def later(ticket: int, request: Request) -> Turn:
        slow.wait(0.01 * (ticket % 3))
        return answer(ticket, request)

    entries = list(run(archive, Models(later), 16, in_flight=in_flight))
    assert len(entries) == 17 and makers(archive) == "llclllcl" * 2
    assert all(entry.usd == 0 and not entry.turns for entry in entries if entry.proposer == "catalogue")
    assert verify(archive).ok and not archive.pending()


def test_what_needs_no_model_is_judged_while_as_many_calls_as_may_be_are_under_way(tmp_path: Path) -> None:
    archive, models, steps = archive_at(tmp_path / "run"), Models(lambda *_: None), list[Progress]()
    entries = run(archive, models, 8, in_flight=3, progress=steps.append)
    assert [next(entries).proposer for _ in range(2)] == ["packsmith", "catalogue"]
    assert len(models.asked) == 3, "the turn after theirs is waited for: shares hold"
    judging = [(step.asked, step.waiting) for step in steps if step.phase == "judging" and step.number == 3]
    assert (3, 1) in judging and all(asked <= 3 for asked, _ in judging), "what is judged is no call"

    def release() -> None:
        while len(archive.entries) < 9:
            for ticket in list(models.waiting):
                models.release(ticket, turn(knobs(2 * ticket + 6)))

    thread = threading.Thread(target=release)
    thread.start()
    assert len(list(entries)) == 7
    thread.join()
    assert makers(archive) == "llclllcl" and models.most == 3


@pytest.mark.parametrize("cut", [2, 6])
def test_a_continued_run_goes_on_with_the_same_one(tmp_path: Path, cut: int) -> None:
    straight, broken = archive_at(tmp_path / "straight"), archive_at(tmp_path / "broken")
    list(run(straight, Models(answer), 12))
    steps = run(broken, Models(answer), 12)
    assert len(list(itertools.islice(steps, cut))) == cut
    steps.close()  # type: ignore[attr-defined]
    broken.close()
    again = Archive.open(tmp_path / "broken")
    list(run(again, Models(answer), 12))
    facts: list[Callable[[Entry], object]] = [lambda e: e.proposer, lambda e: e.program_id, lambda e: e.ticket_number]
    for fact in facts:
        assert list(map(fact, again.entries)) == list(map(fact, straight.entries))


def test_a_continued_run_has_the_same_makers_whatever_was_under_way(tmp_path: Path) -> None:
    archive = archive_at(tmp_path / "run")
    steps = run(
        archive, Models(lambda ticket, request: None if ticket % 5 == 0 else answer(ticket, request)), 16, in_flight=3
    )
    list(itertools.islice(steps, 4))
    steps.close()  # type: ignore[attr-defined]
    archive.close()
    again = Archive.open(tmp_path / "run")
    list(run(again, Models(answer), 16, in_flight=3))
    assert makers(again) == "llclllcl" * 2


def test_a_spent_budget_of_calls_leaves_the_rest_to_the_catalogue_and_is_said_once(tmp_path: Path) -> None:
    archive, steps = archive_at(tmp_path / "run"), list[Progress]()
    list(run(archive, Limited(answer, 4), 12, in_flight=3, progress=steps.append))
    assert makers(archive).count("l") == 4 and len(archive.entries) == 13 and not archive.pending()
    assert left_out(steps) == ["llm is left out for now, and the others go on: all dollars are reserved (budget.usd)"]
    assert steps[-1].reason == "all 12 attempts are made"


def test_a_budget_that_other_calls_still_hold_is_waited_for(tmp_path: Path) -> None:
    archive, steps = archive_at(tmp_path / "run"), list[Progress]()
    models = Limited(answer, 1, at_once=True)
    list(run(archive, models, 24, in_flight=3, progress=steps.append))
    assert models.most == 1 and left_out(steps) == []
    assert 4 <= makers(archive).count("c") <= 8


class Held(Models):
    """Models whose budget another search on the run holds, until it was asked this often whether it does."""

    def __init__(self, asks: int) -> None:
        super().__init__(answer)
        self.asks = asks

    def refusal(self, bound: Bound) -> OverBudget | None:
        self.asks -= 1
        return self._held()

    def submit(self, ticket: int, request: Request, done: Done, again: Again) -> None:
        if (refused := self._held()) is not None:
            raise refused
        super().submit(ticket, request, done, again)

    def _held(self) -> OverBudget | None:
        return OverBudget("another search holds it (budget.usd)", final=False) if self.asks > 0 else None


def test_a_budget_that_other_searches_hold_is_tried_again(tmp_path: Path) -> None:
    archive, steps = archive_at(tmp_path / "run"), list[Progress]()
    list(run(archive, Held(4), 12, progress=steps.append))
    assert makers(archive).startswith("cc") and makers(archive).count("l") > 5, makers(archive)
    assert ["another search holds it" in reason for reason in left_out(steps)] == [True]


def test_where_nothing_else_is_left_a_mix_waits_for_what_others_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "AGAIN_S", 0.01)
    archive, steps = archive_at(tmp_path / "run"), list[Progress]()
    list(run(archive, Held(30), 8, Few(2), progress=steps.append))
    assert makers(archive) == "cc" + "l" * 6
    assert [step.reason for step in steps if step.phase == "waits"] == [
        "waits for other searches: another search holds it (budget.usd)"
    ]


def test_it_ends_when_none_has_anything_left_and_says_why(tmp_path: Path) -> None:
    archive, steps = archive_at(tmp_path / "run"), list[Progress]()
    list(run(archive, Limited(answer, 4), 50, Few(3), in_flight=2, progress=steps.append))
    assert sorted(makers(archive)) == list("cccllll")
    assert len(left_out(steps)) == 1
    assert steps[-1].reason == (
        "no proposer has anything left to propose: llm: all dollars are reserved (budget.usd); catalogue: it has "
        "nothing to propose for this run"
    )


def test_a_catalogue_that_has_nothing_left_is_said_once(tmp_path: Path) -> None:
    archive, steps = archive_at(tmp_path / "run"), list[Progress]()
    list(run(archive, Models(answer), 20, Few(2), progress=steps.append))
    assert makers(archive) == "llclllc" + "l" * 13
    assert [reason.partition(":")[0] for reason in left_out(steps)] == [
        "catalogue is left out for now, and the others go on"
    ]


class TestModelsThatFail:
    def test_for_good_leave_the_rest_to_the_catalogue(self, tmp_path: Path) -> None:
        archive, steps = archive_at(tmp_path / "run"), list[Progress]()
        models = Models(lambda *_: HarnessError("no such key"))
        list(run(archive, models, 5, in_flight=2, progress=steps.append))
        assert makers(archive) == "ccccc" and len(models.asked) <= 2
        assert [reason.endswith(": no such key") for reason in left_out(steps)] == [True]

    def test_end_the_search_once_nothing_else_is_left(self, tmp_path: Path) -> None:
        archive = archive_at(tmp_path / "run")
        with pytest.raises(HarnessError, match="no such key"):
            list(run(archive, Models(lambda *_: HarnessError("no such key")), 9, Few(3)))
        assert makers(archive) == "ccc"
        with pytest.raises(HarnessError, match=r"503 overloaded\nEverything so far is archived"):
            list(run(archive, Models(lambda *_: DEAD), 30, Few(5)))
        assert not archive.pending()

    def test_for_a_while_are_asked_again_later(self, tmp_path: Path) -> None:
        archive, steps, calls = archive_at(tmp_path / "run"), list[Progress](), itertools.count()
        models = Models(lambda ticket, request: DEAD if next(calls) < 6 else answer(ticket, request))
        list(run(archive, models, 40, progress=steps.append))
        made = makers(archive)
        assert made.startswith("llclll" + "c" * 7 + "l" + "c" * 15 + "l"), made
        assert made[30:].count("l") > made[30:].count("c"), "it replies again, and has its share"
        assert [reason.partition("asked")[0].count("503 overloaded") for reason in left_out(steps)] == [1]

    def test_for_a_while_are_asked_one_call_at_a_time(self, tmp_path: Path) -> None:
        archive, models = archive_at(tmp_path / "run"), Models(lambda *_: DEAD)
        list(run(archive, models, 60, in_flight=4))
        assert makers(archive)[20:].count("l") <= 4, makers(archive)
        assert len(archive.entries) == 61
