import threading
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.accounts import Booked
from harness.llm.ledger import Bound, Hold, Ledger, Left, OverBudget


def refused(ledger: Ledger, bound: Bound) -> OverBudget:
    with pytest.raises(OverBudget) as error:
        ledger.reserve(bound)
    return error.value


class TestReserving:
    def test_a_hold_counts_until_it_is_settled(self) -> None:
        ledger = Ledger(usd=1.0, tokens=100, calls=3)
        hold = ledger.reserve(Bound(usd=0.75, tokens=60))
        assert ledger.left() == Left(usd=0.25, tokens=40, calls=2)
        assert ledger.held == Booked(usd=0.75, tokens=60, calls=1)
        ledger.settle(hold, 0.5, 10)
        assert ledger.spent == Booked(usd=0.5, tokens=10, calls=1)
        assert ledger.held == Booked()
        assert ledger.left() == Left(usd=0.5, tokens=90, calls=2)

    def test_without_limits_everything_fits(self) -> None:
        ledger = Ledger()
        ledger.settle(ledger.reserve(Bound(usd=1e9, tokens=10**12)), 1e9, 10**12)
        assert ledger.left() == Left(usd=None, tokens=None, calls=None)

    def test_what_was_spent_before_counts(self) -> None:
        ledger = Ledger(usd=1.0, calls=2, spent=Booked(usd=0.75, tokens=7, calls=1))
        assert refused(ledger, Bound(usd=0.5)).final
        ledger.reserve(Bound(usd=0.25))

    def test_a_limit_lowered_below_the_spending_leaves_nothing(self) -> None:
        ledger = Ledger(usd=1.0, tokens=5, calls=1, spent=Booked(usd=3.0, tokens=9, calls=4))
        assert ledger.left() == Left(usd=0.0, tokens=0, calls=0)
        assert refused(ledger, Bound()).final

    def test_exactly_the_remainder_fits(self) -> None:
        ledger = Ledger(usd=0.5, tokens=10, calls=1)
        ledger.reserve(Bound(usd=0.5, tokens=10))

    def test_a_try_that_was_never_sent_costs_nothing(self) -> None:
        ledger = Ledger(calls=1)
        ledger.release(ledger.reserve(Bound(usd=1.0)))
        assert ledger.spent == Booked()
        ledger.reserve(Bound())


class TestRefusing:
    @pytest.mark.parametrize(
        ("ledger", "words"),
        [
            (Ledger(usd=1.0), "may cost up to $2, and $1 of $1 are left (budget.usd)"),
            (Ledger(tokens=10), "may take up to 2,000 tokens, and 10 of 10 are left (budget.tokens)"),
            (Ledger(calls=2, spent=Booked(calls=2)), "all 2 calls of the budget are made or under way (budget.calls)"),
        ],
    )
    def test_says_which_limit_and_how_much(self, ledger: Ledger, words: str) -> None:
        assert words in str(refused(ledger, Bound(usd=2.0, tokens=2000)))

    def test_nothing_is_held_after_a_refusal(self) -> None:
        ledger = Ledger(usd=1.0, tokens=10)
        refused(ledger, Bound(usd=0.5, tokens=11))
        assert ledger.held == Booked()

    @pytest.mark.parametrize(
        ("limits", "first", "second"),
        [
            ({"usd": 1.0}, Bound(usd=0.75), Bound(usd=0.5)),
            ({"tokens": 10}, Bound(tokens=8), Bound(tokens=5)),
            ({"calls": 1}, Bound(), Bound()),
        ],
    )
    def test_final_only_if_tries_under_way_cannot_free_enough(
        self, limits: dict[str, float], first: Bound, second: Bound
    ) -> None:
        ledger = Ledger(**limits)  # type: ignore[arg-type]
        hold = ledger.reserve(first)
        assert not refused(ledger, second).final
        ledger.settle(hold, first.usd, first.tokens)
        assert refused(ledger, second).final

    def test_a_remainder_is_never_rounded_up(self) -> None:
        ledger = Ledger(usd=1.0, spent=Booked(usd=0.0000001))
        assert "$0.999999 of $1 are left" in str(refused(ledger, Bound(usd=1.0)))


class TestSettling:
    def test_a_hold_is_settled_only_once(self) -> None:
        ledger = Ledger()
        hold = ledger.reserve(Bound(usd=1.0))
        ledger.settle(hold, 1.0, 0)
        with pytest.raises(ValueError, match="not settled yet"):
            ledger.settle(hold, 1.0, 0)
        with pytest.raises(ValueError, match="not settled yet"):
            ledger.release(hold)

    def test_a_hold_of_another_ledger_is_refused(self) -> None:
        with pytest.raises(ValueError, match="a hold of this ledger"):
            Ledger().settle(Hold(), 0.0, 0)

    @pytest.mark.parametrize(("usd", "tokens"), [(0.6, 1), (0.1, 11)])
    def test_never_more_than_was_held_under_a_limit(self, usd: float, tokens: int) -> None:
        ledger = Ledger(usd=1.0, tokens=100)
        hold = ledger.reserve(Bound(usd=0.5, tokens=10))
        with pytest.raises(ValueError, match="at most what was held"):
            ledger.settle(hold, usd, tokens)
        assert ledger.held.calls == 1

    def test_more_than_was_held_where_there_is_no_limit(self) -> None:
        ledger = Ledger(calls=5)
        ledger.settle(ledger.reserve(Bound()), 0.5, 10)
        assert ledger.spent == Booked(usd=0.5, tokens=10, calls=1)


@pytest.mark.parametrize(
    "limits", [{"usd": 0.0}, {"usd": float("nan")}, {"usd": float("inf")}, {"tokens": 0}, {"calls": -1}]
)
def test_limits_must_be_above_0(limits: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="above 0"):
        Ledger(**limits)  # type: ignore[arg-type]


@pytest.mark.parametrize("usd", [-1.0, float("nan"), float("inf")])
def test_amounts_are_finite_and_not_negative(usd: float) -> None:
    with pytest.raises(ValueError, match="at least 0"):
        Bound(usd=usd)
    with pytest.raises(ValueError, match="at least 0"):
        Booked(usd=usd)


STEPS = st.lists(
    st.tuples(st.floats(0, 0.3), st.integers(0, 50), st.floats(0, 1), st.booleans()), min_size=1, max_size=40
)


@given(STEPS, st.floats(0.01, 1.0), st.integers(1, 200), st.integers(1, 20))
def test_booked_and_held_never_pass_a_limit(
    steps: list[tuple[float, int, float, bool]], usd: float, tokens: int, calls: int
) -> None:
    ledger = Ledger(usd=usd, tokens=tokens, calls=calls)
    held: list[Hold] = []
    booked: list[float] = []
    for most, size, share, settle in steps:
        try:
            held.append(ledger.reserve(Bound(usd=most, tokens=size)))
        except OverBudget:
            assert (
                sum(Fraction(one) for one in booked) + sum(Fraction(hold.bound.usd) for hold in held) + Fraction(most)
                > usd
                or ledger.spent.tokens + ledger.held.tokens + size > tokens
                or ledger.spent.calls + ledger.held.calls == calls
            )
        if settle and held:
            hold = held.pop(0)
            booked.append(hold.bound.usd * share)
            ledger.settle(hold, booked[-1], int(hold.bound.tokens * share))
        assert ledger.spent.usd + ledger.held.usd <= usd * (1 + 1e-12)
        assert sum(Fraction(one) for one in booked) + sum(Fraction(hold.bound.usd) for hold in held) <= usd
        assert ledger.spent.tokens + ledger.held.tokens <= tokens
        assert ledger.spent.calls + ledger.held.calls <= calls


def test_from_many_threads_at_once() -> None:
    ledger = Ledger(calls=1000, usd=10.0)
    most: list[float] = []

    def spend() -> None:
        while True:
            try:
                hold = ledger.reserve(Bound(usd=0.01))
            except OverBudget as error:
                if error.final:
                    return
                continue
            most.append(ledger.spent.usd)
            ledger.settle(hold, 0.01, 1)

    threads = [threading.Thread(target=spend) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # A hundredth of a dollar is a hair more than that in binary: the last call of a thousand would pass the limit.
    assert ledger.spent.calls == 999 and ledger.held == Booked()
    assert max(most) <= 10.0
