"""A measurement that ends as soon as it is decided what becomes of the program.

Owns: when the samples so far are shown to whoever decides, and as which estimate. Does not know: who decides and why,
how samples are taken.
"""

from __future__ import annotations

from collections.abc import Sequence

from evaluator.fate import Estimate, Fate
from evaluator.measuring import stats
from evaluator.types import Interval, Samples

ROUND_PAIRS = 4
"""The largest number of pairs a case in a round of a race or of its duels: one block. Rounds of equal programs vary by
.7 to .8 % with four pairs and by .5 % with twelve, which take over twice the time, and a race may end after each.
"""
LEAST_ROUNDS = 2
"""A decision in a program's favour needs this many: one process may be lucky."""


class Race:
    """Shows the samples of a measurement to `fate` after every round, until it decides."""

    def __init__(self, fate: Fate, reference_quality: float, half_width: float, resolution: float) -> None:
        """`reference_quality`: the reference's quality in the pass, the mean over the cases. `half_width` and
        `resolution`: see `Estimate`.
        """
        self._fate, self._reference_quality = fate, reference_quality
        self._half_width, self._resolution = half_width, resolution
        self.decided = ""
        """What was decided and after how many pairs, as a clause; "" if nothing was."""

    def is_over(self, samples: Sequence[Samples]) -> bool:
        """Whether these samples decide."""
        pairs = min(len(case.calls) for case in samples)
        speedup, gain = stats.at_all_times(samples)
        base = self._reference_quality
        quality = Interval(median=base + gain.median, low=base + gain.low, high=base + gain.high)
        estimate = Estimate(
            speedup=speedup,
            quality=quality,
            half_width=self._half_width,
            resolution=self._resolution,
            processes_differ=len(samples[0].rounds) >= LEAST_ROUNDS,
        )
        if decided := self._fate(estimate):
            self.decided = f"decided after {pairs} pairs a case: {decided}"
        return bool(self.decided)
