"""A measurement that ends as soon as it is decided what becomes of the program.

Owns: when the samples so far are shown to whoever decides, and as which estimate. Does not know: who decides and why,
how samples are taken.
"""

from __future__ import annotations

from collections.abc import Sequence

from evaluator.measuring import stats
from evaluator.types import Estimate, Fate, Interval, Samples

FIRST_PAIRS = (4, 4)
"""Pairs a case in the first rounds of a race: most programs are decided by then. Later rounds are as long as usual."""
LEVEL = 0.99
"""The chance that one of an estimate's two intervals is wrong at some time of a measurement is about 1 - LEVEL."""


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
        speedup, gain = stats.at_all_times(samples, LEVEL)
        base = self._reference_quality
        quality = Interval(median=base + gain.median, low=base + gain.low, high=base + gain.high)
        estimate = Estimate(
            speedup=speedup,
            quality=quality,
            half_width=self._half_width,
            resolution=self._resolution,
            enough_rounds=len(samples[0].rounds) >= stats.ENOUGH_ROUNDS,
        )
        if decided := self._fate(estimate):
            self.decided = f"decided after {pairs} pairs a case: {decided}"
        return bool(self.decided)
