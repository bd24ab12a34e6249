"""Searches that share a budget: what another has reserved is waited for, what is spent is not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.accounts import Booked
from harness.archive import Archive
from harness.archive.ledger_file import LedgerFile
from harness.archive.owners import Owner
from harness.llm.ledger import Bound, Hold, Ledger, OverBudget
from harness.search import Progress, SearchSetup, pipeline, search
from harness.search.budget import Budget
from harness.select import Pareto, pick_front
from harness.types import HarnessError, Request, Turn
from tests.harness.builders import PROGRAM, KnobJudge
from tests.harness.llm.models import BOUND, Asking, Models, knobs, turn

DEADLINE_S = 20.0
LIMIT_USD = 0.625


class Paying(Models):
    """Answers at once, from a real ledger."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(lambda ticket, request: turn(knobs(2 * ticket + 6)))
        self.ledger = ledger
        self.holds: dict[int, Hold] = {}

    def refusal(self, bound: Bound) -> OverBudget | None:
        return self.ledger.refusal(bound)

    def submit(self, ticket: int, request: Request, *rest: Any) -> None:
        self.holds[ticket] = self.ledger.reserve(BOUND)
        super().submit(ticket, request, *rest)

    def _give(self, ticket: int, done: Any, outcome: Turn | HarnessError) -> None:
        assert isinstance(outcome, Turn)
        self.ledger.settle(self.holds.pop(ticket), outcome.usd, 100)
        super()._give(ticket, done, outcome)


class Searching:
    """A search of three attempts, in a thread, beside another one that has reserved all but $.125 of its budget."""

    def __init__(self, archive: Archive) -> None:
        self.archive = archive
        owner = Owner(archive.path)
        self.other = Ledger(usd=LIMIT_USD, book=LedgerFile(archive.path, owner.token, Booked))
        self.hold = self.other.reserve(Bound(usd=0.5))
        self.models = Paying(Ledger(usd=LIMIT_USD, book=LedgerFile(archive.path, archive.owner, Booked)))
        self.steps: list[Progress] = []
        self.thread = threading.Thread(target=self._search)
        self.thread.start()

    def _search(self) -> None:
        setup = SearchSetup(
            judges=[KnobJudge()],
            proposer=Asking(),
            selector=pick_front,
            objective=Pareto(),
            budget=Budget(attempts=3),
            seed=5,
            models=self.models,
            progress=self.steps.append,
        )
        self.ended = list(search(self.archive, setup))

    def reasons(self, phase: str) -> list[str]:
        return [step.reason for step in self.steps if step.phase == phase]

    def until(self, condition: Callable[[], object]) -> None:
        deadline_s = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < deadline_s, "timed out"
            time.sleep(0.005)

    def join(self) -> str:
        """Wait for the end; why it ended."""
        self.thread.join(DEADLINE_S)
        assert not self.thread.is_alive()
        [reason] = self.reasons("ended")
        return reason


@contextmanager
def waiting(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Searching]:
    """A search that waits for the other one."""
    monkeypatch.setattr(pipeline, "AGAIN_S", 0.02)
    with closing(Archive.create(path, seed_source=PROGRAM, config={"task": "toy"})) as archive:
        searching = Searching(archive)
        searching.until(lambda: searching.reasons("waits"))
        yield searching
        searching.thread.join(DEADLINE_S)


def test_what_another_search_has_reserved_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with waiting(tmp_path / "run", monkeypatch) as one:
        [said] = one.reasons("waits")
        assert "other searches" in said and "$0.25" in said and "$0.125 of $0.625 are left" in said
        assert not one.models.asked and one.thread.is_alive()
        one.other.settle(one.hold, 0.05, 10)
        assert one.join() == "all 3 attempts are made"
        assert len(one.models.asked) == 3 and len(one.archive.entries) == 4 and one.archive.pending() == ()
        assert one.models.ledger.spent.usd == pytest.approx(0.05 + 3 * 0.01)


def test_what_another_search_has_spent_ends_this_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with waiting(tmp_path / "run", monkeypatch) as one:
        one.other.settle(one.hold, 0.5, 10)
        assert "$0.125 of $0.625 are left (budget.usd)" in one.join()
        assert not one.models.asked and len(one.reasons("waits")) == 1


def test_a_search_that_waits_can_be_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with waiting(tmp_path / "run", monkeypatch) as one:
        with closing(Archive.open(tmp_path / "run")) as asking:
            asking.ask_to_stop()
        assert one.join() == "it was asked to stop"
        assert not one.models.asked
