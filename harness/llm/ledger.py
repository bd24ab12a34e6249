"""The ledger of model calls: limits, costs booked, and reservations for calls under way.

Owns: the limits on dollars, tokens and calls, and the invariant that bookings plus reservations never exceed one.
Does not know: models, prices, how often a call is tried, where the figures are stored.

Before a try is sent, the most it may cost is reserved; afterwards its actual cost is booked. Sums of dollars are exact
(fractions), so rounding never exceeds a limit. Several searches may share the limits: then each change happens under a
lock of all of them (`Book`), which shows what the others have spent and reserved. Thread-safe.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Protocol

from harness.accounts import Account, Booked, Sums
from harness.types import HarnessError


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """The most that one try of a call may cost."""

    usd: float = 0.0
    tokens: int = 0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.usd) and self.usd >= 0 and self.tokens >= 0):
            raise ValueError(f"expected finite dollars and tokens of at least 0, found {self}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What may still be reserved; None is no limit."""

    usd: float | None
    tokens: int | None
    calls: int | None


class OverBudget(HarnessError):
    """A try may cost more than is left. Nothing was reserved.

    `final`: it would not fit even if all tries under way cost nothing; else it may fit once they are settled.
    """

    def __init__(self, message: str, *, final: bool) -> None:
        super().__init__(message)
        self.final = final


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Hold:
    """A reservation, to be settled or released once."""

    bound: Bound = field(default_factory=Bound)


class Page(Protocol):
    """A shared book while its lock is held: what the accounts of all others come to, and this search's own account."""

    others: Account
    mine: Account


class Book(Protocol):
    """The accounts of all searches that share the limits."""

    def locked(self) -> AbstractContextManager[Page]:
        """The page, under the lock of all searches; `mine` is stored when the block ends, unless it raises."""
        ...


class Ledger:
    """The ledger of a search. None is no limit; `spent` is what earlier invocations have booked, which a `book` knows
    by itself.
    """

    def __init__(
        self,
        usd: float | None = None,
        tokens: int | None = None,
        calls: int | None = None,
        spent: Booked | None = None,
        book: Book | None = None,
    ) -> None:
        for name, limit in (("usd", usd), ("tokens", tokens), ("calls", calls)):
            if limit is not None and not (math.isfinite(limit) and limit > 0):
                raise ValueError(f"expected a limit of {name} above 0, found {limit}")
        begun = spent or Booked()
        self._usd, self._tokens, self._calls = usd, tokens, calls
        self._spent_usd, self._spent_tokens, self._spent_calls = Fraction(begun.usd), begun.tokens, begun.calls
        self._held_usd, self._held_tokens = Fraction(0), 0
        self._holds: set[Hold] = set()
        self._lock = threading.Lock()
        self._book, self._others = book, Account()
        with self._changing():
            pass

    @property
    def limits(self) -> Left:
        """The limits themselves."""
        return Left(usd=self._usd, tokens=self._tokens, calls=self._calls)

    @property
    def spent(self) -> Booked:
        """What is booked, without the tries under way; of other searches, as of this one's last try."""
        with self._lock:
            spent = self._mine().spent + self._others.spent
            return Booked(usd=float(spent.usd), tokens=spent.tokens, calls=spent.calls)

    @property
    def held(self) -> Booked:
        """What is reserved for the tries under way."""
        with self._lock:
            return Booked(usd=float(self._held_usd), tokens=self._held_tokens, calls=len(self._holds))

    def left(self) -> Left:
        """What may still be reserved; 0 where earlier invocations have exceeded a limit."""
        with self._lock:
            usd = None if self._usd is None else float(max(Fraction(0), self._free_usd()))
            tokens = None if self._tokens is None else max(0, self._free_tokens())
            return Left(usd=usd, tokens=tokens, calls=None if self._calls is None else max(0, self._free_calls()))

    def reserve(self, bound: Bound) -> Hold:
        """Reserve the most that one try may cost. Raises OverBudget where it does not fit."""
        with self._changing():
            refusal = self._refusal(bound)
            if refusal is not None:
                raise refusal
            hold = Hold(bound=bound)
            self._holds.add(hold)
            self._held_usd += Fraction(bound.usd)
            self._held_tokens += bound.tokens
            return hold

    def refusal(self, bound: Bound) -> OverBudget | None:
        """Why a try does not fit now; None where it does. Nothing is reserved."""
        with self._changing():
            return self._refusal(bound)

    def settle(self, hold: Hold, usd: float, tokens: int) -> None:
        """Book the cost of a try in place of its reservation. Raises ValueError for a cost above a reservation that has
        a limit, and for a hold that is already settled.
        """
        booked = Booked(usd=usd, tokens=tokens, calls=1)
        with self._changing():
            if hold not in self._holds:
                raise ValueError("expected a hold of this ledger that is not settled yet")
            over = (self._usd is not None and usd > hold.bound.usd) or (
                self._tokens is not None and tokens > hold.bound.tokens
            )
            if over:
                raise ValueError(f"expected to book at most what was held, {hold.bound}, found {booked}")
            self._holds.remove(hold)
            self._held_usd -= Fraction(hold.bound.usd)
            self._held_tokens -= hold.bound.tokens
            self._spent_usd += Fraction(usd)
            self._spent_tokens += tokens
            self._spent_calls += 1

    def release(self, hold: Hold) -> None:
        """Cancel the reservation of a try that was never sent; nothing is booked, not even a call."""
        with self._changing():
            if hold not in self._holds:
                raise ValueError("expected a hold of this ledger that is not settled yet")
            self._holds.remove(hold)
            self._held_usd -= Fraction(hold.bound.usd)
            self._held_tokens -= hold.bound.tokens

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """The lock of this ledger and of the book, in which the account is stored when the block ends."""
        with self._lock:
            if self._book is None:
                yield
                return
            with self._book.locked() as page:
                self._others = page.others
                yield
                page.mine = self._mine()

    def _mine(self) -> Account:
        return Account(
            spent=Sums(usd=self._spent_usd, tokens=self._spent_tokens, calls=self._spent_calls),
            held=Sums(usd=self._held_usd, tokens=self._held_tokens, calls=len(self._holds)),
        )

    def _taken(self) -> Sums:
        """What is spent or reserved, by all."""
        mine, others = self._mine(), self._others
        return mine.spent + mine.held + others.spent + others.held

    def _spent(self) -> Sums:
        """What is spent, by all."""
        return self._mine().spent + self._others.spent

    def _free_usd(self) -> Fraction:
        return Fraction(self._usd or 0) - self._taken().usd

    def _free_tokens(self) -> int:
        return (self._tokens or 0) - self._taken().tokens

    def _free_calls(self) -> int:
        return (self._calls or 0) - self._taken().calls

    def _refusal(self, bound: Bound) -> OverBudget | None:
        """Which limit a bound exceeds, with what is left and what the call may cost; None where it fits."""
        if self._calls is not None and self._free_calls() < 1:
            return OverBudget(
                f"all {self._calls} calls of the budget are made or under way (budget.calls)",
                final=self._spent().calls >= self._calls,
            )
        if self._usd is not None and Fraction(bound.usd) > self._free_usd():
            return OverBudget(
                f"the next call may cost up to ${bound.usd:.4g}, and ${_floor(self._free_usd())} of "
                f"${self._usd:g} are left (budget.usd)",
                final=self._spent().usd + Fraction(bound.usd) > self._usd,
            )
        if self._tokens is not None and bound.tokens > self._free_tokens():
            return OverBudget(
                f"the next call may take up to {bound.tokens:,} tokens, and {max(0, self._free_tokens()):,} of "
                f"{self._tokens:,} are left (budget.tokens)",
                final=self._spent().tokens + bound.tokens > self._tokens,
            )
        return None


def _floor(usd: Fraction) -> str:
    """Dollars for people, rounded down, so that a remainder that is too small does not look sufficient."""
    return f"{math.floor(max(Fraction(0), usd) * 1_000_000) / 1_000_000:g}"
