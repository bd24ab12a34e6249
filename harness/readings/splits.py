"""What the loads that steer a search and those that are held out from it say of a program, side by side.

Owns: the qualities behind a duel, the gap between splits, and when it is called overfitting. Does not know: archives,
how anything is measured or shown. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from evaluator import SPLITS, Duel, Interval
from harness.gate import GatedStanding
from harness.readings.lineage import larger_half
from harness.types import Entry, OnSplit

SIZES_DIFFER = 0.25
"""What a program gains differs with sizes and loads, also where it is made for none: less than this share of the gain
is no overfitting.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Splits:
    """The best program against the seed program on each split that was measured, in the order of `SPLITS`.
    `search_only` are the programs that beat the best of their time on the loads of the search and are worse on the
    gate, `untold` those of which the gate could not tell in its time.
    """

    measured: tuple[OnSplit, ...]
    search_only: tuple[Entry, ...]
    untold: tuple[Entry, ...] = ()

    def on(self, split: str) -> Duel | None:
        return next((each.duel for each in self.measured if each.split == split), None)

    @property
    def held_out(self) -> bool:
        """Whether it was measured on loads that do not steer the search."""
        return any(each.split != "search" for each in self.measured)

    @property
    def gaps(self) -> Mapping[str, Interval]:
        """By held-out split: the gain in quality on the loads of the search less that on the split, with its 95 %
        interval (of a difference of independent values).
        """
        search, found = self.on("search"), {}
        for each in self.measured:
            if each.split != "search" and search is not None and search.gain and each.duel.gain:
                found[each.split] = _difference(search.gain, each.duel.gain)
        return found

    @property
    def overfits(self) -> tuple[str, ...]:
        """The held-out splits on which the program surely gains less than on the loads of the search, by more than
        `SIZES_DIFFER` of that gain.
        """
        search = self.on("search")
        due = SIZES_DIFFER * abs(search.gain.median) if search is not None and search.gain is not None else 0.0
        return tuple(split for split, gap in self.gaps.items() if gap.low > due)


def splits(measured: Sequence[OnSplit], standing: GatedStanding) -> Splits:
    """`measured` are those of the best program."""
    order: dict[str, int] = {split: at for at, split in enumerate(SPLITS)}
    known = sorted((each for each in measured if each.split in order), key=lambda each: order[each.split])
    return Splits(measured=tuple(known), search_only=standing.search_only, untold=standing.untold)


def qualities(duel: Duel) -> tuple[float, float] | None:
    """The mean quality of the program and of the other over all calls and cases; None in records without."""
    if not all(case.candidate_quality for case in duel.samples):
        return None
    return (
        fmean(fmean(case.candidate_quality) for case in duel.samples),
        fmean(fmean(case.reference_quality) for case in duel.samples),
    )


def _difference(first: Interval, second: Interval) -> Interval:
    middle, half = first.median - second.median, math.hypot(larger_half(first), larger_half(second))
    return Interval(median=middle, low=middle - half, high=middle + half)
