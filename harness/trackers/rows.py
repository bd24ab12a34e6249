"""Attempts as rows of figures, with the best so far and the sums so far. Pure.

Owns: which figures trackers get, and their names. Does not know: trackers, archives.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from evaluator import Scored
from harness.gate import GatedStanding
from harness.select import Objective, quality, speed
from harness.types import Entry, Unjudged


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The figures of one attempt, by number. `when_s` is the Unix time of its commit.

    `quality` and `speedup` are those of its score, None without one. `scored` is None for a program that no judge has
    seen. `best_*` are those of the champion after it, None before there is one. `usd`, `tokens` and `seconds` are its
    own; `total_*` those of all rows so far.
    """

    number: int
    when_s: int
    scored: bool | None
    quality: float | None
    speedup: float | None
    best_attempt: int | None
    best_quality: float | None
    best_speedup: float | None
    usd: float
    tokens: int
    seconds: float
    total_usd: float
    total_tokens: int
    total_seconds: float

    @property
    def metrics(self) -> dict[str, float]:
        """The figures that the attempt has, by name."""
        return dict(self._present())

    def _present(self) -> Iterator[tuple[str, float]]:
        for name in METRICS:
            value = getattr(self, name)
            if value is not None:
                yield name, float(value)


METRICS = (
    *("quality", "speedup", "scored", "best_quality", "best_speedup", "best_attempt"),
    *("usd", "tokens", "seconds", "total_usd", "total_tokens", "total_seconds"),
)
"""The names of the figures. `scored` is 1 for an attempt with a score, 0 for one that was rejected."""


class Rows:
    """The rows of entries that are added in the order of their numbers."""

    def __init__(self, objective: Objective) -> None:
        self._standing = GatedStanding(objective=objective)
        self._usd, self._tokens, self._seconds = 0.0, 0, 0.0

    def add(self, entry: Entry) -> Row:
        """The row of one more entry."""
        self._standing = self._standing.add(entry)
        self._usd, self._tokens = self._usd + entry.usd, self._tokens + entry.tokens
        self._seconds += entry.seconds
        own = entry.scored is not None
        best = self._standing.best
        return Row(
            number=entry.number,
            when_s=entry.when_s,
            scored=None if isinstance(entry.verdict, Unjudged) else isinstance(entry.verdict, Scored),
            quality=quality(entry) if own else None,
            speedup=speed(entry) if own else None,
            best_attempt=None if best is None else best.number,
            best_quality=None if best is None else quality(best),
            best_speedup=None if best is None else speed(best),
            usd=entry.usd,
            tokens=entry.tokens,
            seconds=entry.seconds,
            total_usd=self._usd,
            total_tokens=self._tokens,
            total_seconds=self._seconds,
        )
