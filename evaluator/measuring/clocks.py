"""Whether the clock of a candidate's process agrees with the judge's.

Owns: what is made of two times of one call. Does not know: where they come from, verdicts.

The time of a call is what the judge saw; the worker's own time comes from a process that runs a stranger's code and is
believed in nothing. But a call whose two times do not fit was not made as it should have been. They fit when the
worker's is no longer than the judge's, which is taken round it, and shorter by no more than an exchange costs. An
honest machine too may hold the judge or a worker up: so it takes nearly all calls of a case, and the other program's
calls, made in turn with these, show what the machine did to both. A lie of less than `ALLOWANCE_NS`, or now and then,
is not seen, and gains nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

ALLOWANCE_NS = 5_000_000
"""So much more than the other program's calls may cost beyond the worker's own time."""
EXCESS_NS = 100_000
"""So much longer than the judge's may the worker's time be, for clocks that count differently."""
DRIFT = 0.01
"""By which share of a call two honest clocks may differ."""
CONVINCING = 20
"""Of so many pairs, a dispute is not chance: see `Clocks.doubtful`."""
_FEW = 0.1


class Clocks:
    """The times of pairs of calls by two clocks, and whether they fit."""

    def __init__(self) -> None:
        self._gaps_ns: list[int] = []
        self._elapsed_ns: list[int] = []
        self._other_gaps_ns: list[int] = []

    def add(self, *, elapsed_ns: int, own_ns: int, other_elapsed_ns: int, other_own_ns: int) -> None:
        """The times of one pair: by the judge's clock, and by each worker's own."""
        self._gaps_ns.append(elapsed_ns - own_ns)
        self._elapsed_ns.append(elapsed_ns)
        self._other_gaps_ns.append(other_elapsed_ns - other_own_ns)

    @property
    def doubtful(self) -> bool:
        """Whether more pairs should be taken before a dispute is believed."""
        return len(self._gaps_ns) < CONVINCING and self.dispute() != ""

    def dispute(self) -> str:
        """What does not fit, as a sentence; "" where it does, or there is nothing yet."""
        if not self._gaps_ns:
            return ""
        drift_ns = DRIFT * _at(self._elapsed_ns, 0.5)
        gap_ns = _at(self._gaps_ns, _FEW)
        allowed_ns = max(0, _at(self._other_gaps_ns, 1 - _FEW)) + ALLOWANCE_NS + drift_ns
        if gap_ns > allowed_ns:
            return (
                f"in nine of ten timed calls the judge's clock saw at least {gap_ns / 1e6:.1f} ms more than the "
                f"program's own process says that the call took; {allowed_ns / 1e6:.1f} ms are explained by what "
                f"passes between them: leave the process's clock, its events and its answers to the judge"
            )
        excess_ns, allowed_ns = -_at(self._gaps_ns, 0.5), EXCESS_NS + drift_ns
        if excess_ns > allowed_ns:
            return (
                f"the program's own process says that its timed calls took {excess_ns / 1e6:.1f} ms longer than the "
                f"judge's clock saw in all, {allowed_ns / 1e6:.1f} ms are allowed: leave the process's clock, its "
                f"events and its answers to the judge"
            )
        return ""


def _at(values: Sequence[int], share: float) -> int:
    """The value that this share of the others lies below."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]
