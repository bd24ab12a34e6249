"""What is known of a program while it is measured, and who decides when that is enough.

Owns: the values that a search is shown after each round, and the types of its answers. Does not know: how anything is
measured, why a search decides as it does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from evaluator.types import FARTHEST, Duel, Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A program's speedup over the reference and its quality so far, with intervals that hold at all times of the
    measurement at once. `half_width` (a log ratio) and `resolution` are the half-widths at which a full measurement of
    the two ends: what is not that far above another will not be told from it.
    """

    speedup: Interval
    quality: Interval
    half_width: float
    resolution: float
    processes_differ: bool
    """Whether there are enough rounds to show what a program does in some of its processes only."""


Fate = Callable[[Estimate], str]
"""What is decided about a program whose figures lie in the intervals of an estimate, as a clause ("not better than
attempt 7"); "" if it must be measured on. May be asked after every round: the intervals hold at all times at once.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenDuel:
    """A duel as it would stand if it ended now. `half_width` (a log ratio) and `resolution`: differences below them do
    not matter. `enough_rounds`: whether its 95 % intervals can be believed; fewer rounds may agree by chance.
    `decided`: whether it is decided in speed and in quality.
    """

    duel: Duel
    half_width: float
    resolution: float
    enough_rounds: bool
    decided: bool

    @property
    def is_bounded(self) -> bool:
        """Whether the interval of its gain has ends at its level: a few rounds of equal answers have none."""
        gain = self.duel.certain_gain
        return gain is not None and gain.high - gain.low < 2 * FARTHEST


Settled = Callable[[OpenDuel], bool]
"""Whether a duel has told what it was for. May be asked after every round: its decisions hold at all times at once."""
