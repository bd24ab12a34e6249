"""Everything a search is run with, beside its archive.

Owns: these collaborators and limits, their defaults, and how many answers may wait for a judge. Does not know: how any
of them works, or the loop that uses them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.proposers.base import Proposer
from harness.search.budget import Budget
from harness.search.calls import Models
from harness.search.judge import Checker, Judge
from harness.search.progress import Progress, Report
from harness.search.source import Source
from harness.select import Objective, Selector


def quiet(step: Progress) -> None:
    """A report that shows nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSetup:
    """The collaborators and limits of one call of `search`. Raises ValueError for no judge, or `in_flight` below 1."""

    judges: Sequence[Judge]
    """At least one; each works in a thread of its own."""
    proposer: Proposer
    """What makes the proposals; called in the thread that runs the search."""
    selector: Selector
    """The rule that picks the parents a proposal may be made from."""
    objective: Objective
    """What makes one program better than another."""
    budget: Budget
    """When to stop. Attempts count the whole archive without the seed program, minutes count this call alone."""
    seed: int
    """Together with a ticket's number, the random state of its proposal."""
    checkers: Sequence[Checker] = ()
    """Judges on other hardware, which find invalid programs before a judge takes time for them."""
    models: Models | None = None
    """What answers the proposer's requests; None for a proposer that makes none."""
    in_flight: int = 1
    """How many proposals may be under way at once."""
    refuse_repeats: bool = False
    """Whether a program that repeats another is rejected, and goes back to the model, before a judge has it."""
    waiting: int | None = None
    """How many answers of models may wait for a judge, or be judged, before no further call is begun.

    None is 0 with one proposal in flight, so that each proposal sees the outcome of the one before; with several, 4 for
    each of them.
    """
    clock: Callable[[], float] = time.monotonic
    """Seconds from any start; measures the budget's minutes and how long judges work."""
    wall: Callable[[], float] = time.time
    """Unix time in seconds; compared with the budget's deadline."""
    progress: Report = quiet
    """Called with each step of the search, in the thread that runs it."""

    def __post_init__(self) -> None:
        if not self.judges:
            raise ValueError("expected at least one judge, found none")
        if self.in_flight < 1:
            raise ValueError(f"expected at least one proposal in flight, found {self.in_flight}")

    @property
    def source(self) -> Source:
        """Where this search gets its proposals from."""
        waiting = self.waiting if self.waiting is not None else 0 if self.in_flight == 1 else 4 * self.in_flight
        return Source(
            proposer=self.proposer,
            selector=self.selector,
            seed=self.seed,
            in_flight=self.in_flight,
            waiting=waiting,
            refuse_repeats=self.refuse_repeats,
        )
