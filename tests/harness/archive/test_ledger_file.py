"""The book that several searches on one run share: together they never exceed a limit, whatever becomes of one."""

from __future__ import annotations

import contextlib
import json
import random
import threading
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.accounts import Booked, Sums
from harness.archive.ledger_file import FILE, LedgerFile, ledger_of
from harness.archive.owners import Owner
from harness.llm.ledger import Bound, Hold, Ledger, OverBudget
from tests.harness.archive.archives import new


class Searcher:
    """A search with a ledger: a process as far as locks are concerned."""

    def __init__(self, run: Path, *, usd: float, spent: float = 0.0) -> None:
        self.owner = Owner(run)
        self.book = LedgerFile(run, self.owner.token, lambda: Booked(usd=spent))
        self.ledger = Ledger(usd=usd, book=self.book)
        self.holds: list[Hold] = []

    def end(self) -> None:
        self.book.close()
        self.owner.close()

    def die(self) -> None:
        """As after `kill -9`: the lock is released and nothing else happens."""
        self.owner.close()


def stored_usd(run: Path) -> Fraction:
    tree = json.loads((run / FILE).read_text())
    parts = [tree["base"], *tree["accounts"].values()]
    return sum((Fraction(part[name]["usd"]) for part in parts for name in ("spent", "held")), Fraction(0))


def test_what_one_reserves_another_cannot(tmp_path: Path) -> None:
    first, second = Searcher(tmp_path, usd=1.0), Searcher(tmp_path, usd=1.0)
    hold = first.ledger.reserve(Bound(usd=0.75))
    with pytest.raises(OverBudget, match=r"\$0\.25 of \$1 are left") as refused:
        second.ledger.reserve(Bound(usd=0.5))
    assert not refused.value.final, "the first may cost less"
    first.ledger.settle(hold, 0.25, 0)
    second.ledger.reserve(Bound(usd=0.75))
    with pytest.raises(OverBudget):
        first.ledger.reserve(Bound(usd=0.001))


def test_the_sum_begins_with_the_archive_only_while_nobody_is_at_work(tmp_path: Path) -> None:
    first = Searcher(tmp_path, usd=1.0, spent=0.5)
    first.ledger.settle(first.ledger.reserve(Bound(usd=0.25)), 0.25, 0)
    second = Searcher(tmp_path, usd=1.0, spent=0.75)  # by then the archive has it too: it must not count twice
    assert second.ledger.left().usd == 0.25
    first.end()
    assert second.ledger.reserve(Bound(usd=0.25))
    second.end()
    third = Searcher(tmp_path, usd=1.0, spent=0.8)
    assert third.ledger.left().usd == pytest.approx(0.2)


def test_a_killed_search_leaves_the_most_that_its_calls_may_cost(tmp_path: Path) -> None:
    first, second = Searcher(tmp_path, usd=1.0), Searcher(tmp_path, usd=1.0)
    first.ledger.reserve(Bound(usd=0.5))
    first.ledger.settle(first.ledger.reserve(Bound(usd=0.25)), 0.125, 0)
    first.die()
    with pytest.raises(OverBudget) as refused:
        second.ledger.reserve(Bound(usd=0.5))
    assert refused.value.final, "nobody will ever settle it"
    second.ledger.reserve(Bound(usd=0.375))


@pytest.mark.parametrize("content", ["", "{", '{"base": 3}', '{"base": {}, "accounts": []}', "[1]", "\x00"])
def test_a_damaged_file_loses_nothing_that_a_living_search_has_seen(tmp_path: Path, content: str) -> None:
    first, second = Searcher(tmp_path, usd=1.0, spent=0.25), Searcher(tmp_path, usd=1.0)
    first.ledger.reserve(Bound(usd=0.5))
    second.ledger.reserve(Bound(usd=0.125))
    (tmp_path / FILE).write_text(content)
    with pytest.raises(OverBudget):
        second.ledger.reserve(Bound(usd=0.25))


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_together_they_never_exceed_the_limit(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    """Searches come, reserve, settle, end and die in any order; costs are at most what was reserved."""
    run, rng, limit = tmp_path_factory.mktemp("run"), random.Random(seed), 0.05
    at_work: list[Searcher] = []
    paid = Fraction(0)
    at_most = Fraction(0)  # what calls of dead searches may have cost
    for _ in range(60):
        if len(at_work) < 4 and rng.random() < 0.2:
            at_work.append(Searcher(run, usd=limit, spent=float(paid + at_most)))
        if not at_work:
            continue
        one = rng.choice(at_work)
        act = rng.random()
        if act < 0.55:
            bound = Bound(usd=rng.choice([0.001, 0.01, 0.02, 1 / 300]))
            with contextlib.suppress(OverBudget):
                one.holds.append(one.ledger.reserve(bound))
        elif act < 0.9 and one.holds:
            hold = one.holds.pop()
            cost = hold.bound.usd * rng.choice([0.0, 0.3, 1.0])
            one.ledger.settle(hold, cost, 0)
            paid += Fraction(cost)
        elif act >= 0.93:
            at_work.remove(one)
            at_most += sum((Fraction(hold.bound.usd) for hold in one.holds), Fraction(0))
            one.end() if act < 0.97 else one.die()
        reserved = sum((Fraction(hold.bound.usd) for each in at_work for hold in each.holds), Fraction(0))
        assert paid + at_most + reserved <= Fraction(limit) + Fraction(1, 10**15)
    for each in at_work:
        each.end()


def test_four_in_threads_at_once(tmp_path: Path) -> None:
    """Locks of files exclude each other between threads too, if each opens the file itself."""
    searchers = [Searcher(tmp_path, usd=1.0) for _ in range(4)]

    def spend(one: Searcher) -> None:
        for _ in range(100):
            try:
                one.ledger.settle(one.ledger.reserve(Bound(usd=0.01, tokens=3)), 0.0078125, 2)
            except OverBudget as refused:
                if refused.final:
                    return

    threads = [threading.Thread(target=spend, args=(one,)) for one in searchers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spent = [one.ledger._mine().spent for one in searchers]
    total = sum(spent, Sums())
    assert Fraction(0.98) < total.usd <= 1
    assert stored_usd(tmp_path) == total.usd


def test_the_book_of_a_run_begins_with_what_its_archive_has(tmp_path: Path) -> None:
    archive = new(tmp_path / "run")
    book = ledger_of(archive)
    with book.locked() as page:
        assert page.others.spent == archive.booked.sums
    book.close()
