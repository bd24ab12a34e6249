"""What model calls cost, and the most that those under way may cost.

Owns: these sums, exact and as floating-point numbers. Does not know: budgets, prices, where they are kept.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """Dollars, exactly, tokens and calls. Raises ValueError for negative values."""

    usd: Fraction = Fraction(0)
    tokens: int = 0
    calls: int = 0

    def __post_init__(self) -> None:
        if self.usd < 0 or self.tokens < 0 or self.calls < 0:
            raise ValueError(f"expected dollars, tokens and calls of at least 0, found {self}")

    def __add__(self, other: Sums) -> Sums:
        return Sums(usd=self.usd + other.usd, tokens=self.tokens + other.tokens, calls=self.calls + other.calls)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What the model calls of one search, or of several, have cost, and the most that those under way may cost."""

    spent: Sums = Sums()
    held: Sums = Sums()

    def __add__(self, other: Account) -> Account:
        return Account(spent=self.spent + other.spent, held=self.held + other.held)


@dataclass(frozen=True, slots=True, kw_only=True)
class Booked:
    """The cost of model calls. Raises ValueError for negative values or infinite dollars."""

    usd: float = 0.0
    tokens: int = 0
    calls: int = 0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.usd) and self.usd >= 0 and self.tokens >= 0 and self.calls >= 0):
            raise ValueError(f"expected finite dollars, tokens and calls of at least 0, found {self}")

    @property
    def sums(self) -> Sums:
        return Sums(usd=Fraction(self.usd), tokens=self.tokens, calls=self.calls)
