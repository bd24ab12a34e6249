"""Whether the clock of a candidate's process agrees with the judge's.

Owns: comparing two times of one call. Does not know: where the times come from, verdicts.

The judge's clock gives the time of a call. The worker's own time comes from a process that runs untrusted code, so we
never use it as a run time; but if the two disagree, the call was not made as it should be. They agree when the worker's
time is at most the judge's, which encloses it, and shorter by no more than an exchange costs. A busy machine may delay
the judge or a worker too. So a dispute needs nearly all calls of a case to disagree, and the other program's calls,
which alternate with the candidate's, show how much the machine delayed both. A lie smaller than `ALLOWANCE_NS`, or an
occasional one, stays undetected and gains nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

ALLOWANCE_NS = 5_000_000
"""Nanoseconds by which the judge's time may exceed the worker's, beyond the excess of the other program's calls."""
EXCESS_NS = 100_000
"""Nanoseconds by which the worker's time may exceed the judge's, because clocks count differently."""
DRIFT = 0.01
"""Share of a call's time by which two honest clocks may differ."""
CONVINCING = 20
"""With this many pairs, chance does not explain a dispute: see `Clocks.doubtful`."""
_FEW = 0.1
"""A dispute needs all but this share of the calls to disagree."""


class Clocks:
    """The times of pairs of calls on two clocks, and whether the clocks agree."""

    def __init__(self) -> None:
        self._gaps_ns: list[int] = []
        self._elapsed_ns: list[int] = []
        self._other_gaps_ns: list[int] = []

    def add(self, *, elapsed_ns: int, own_ns: int, other_elapsed_ns: int, other_own_ns: int) -> None:
        """Add one pair's times in nanoseconds: on the judge's clock, and on each worker's own."""
        self._gaps_ns.append(elapsed_ns - own_ns)
        self._elapsed_ns.append(elapsed_ns)
        self._other_gaps_ns.append(other_elapsed_ns - other_own_ns)

    @property
    def doubtful(self) -> bool:
        """Whether the clocks disagree on too few pairs to exclude chance, so that more pairs are needed."""
        return len(self._gaps_ns) < CONVINCING and self.dispute() != ""

    def dispute(self) -> str:
        """How the clocks disagree, as a sentence; "" if they agree or no pair was added."""
        if not self._gaps_ns:
            return ""
        drift_ns = DRIFT * _at(self._elapsed_ns, 0.5)
        gap_ns = _at(self._gaps_ns, _FEW)
        allowed_ns = max(0, _at(self._other_gaps_ns, 1 - _FEW)) + ALLOWANCE_NS + drift_ns
        if gap_ns > allowed_ns:
            return (
                f"in nine of ten timed calls the judge's clock measured at least {gap_ns / 1e6:.1f} ms more than the "
                f"program's own process says that the call took; the exchange between them explains at most "
                f"{allowed_ns / 1e6:.1f} ms: do not touch the process's clock, its events or its channel to the judge"
            )
        excess_ns, allowed_ns = -_at(self._gaps_ns, 0.5), EXCESS_NS + drift_ns
        if excess_ns > allowed_ns:
            return (
                f"the program's own process says that its timed calls took {excess_ns / 1e6:.1f} ms longer than the "
                f"judge's clock measured, and {allowed_ns / 1e6:.1f} ms are allowed: do not touch the process's clock, "
                f"its events or its channel to the judge"
            )
        return ""


def _at(values: Sequence[int], share: float) -> int:
    """The `share` quantile of the values: the order statistic at index floor(share * n)."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]
