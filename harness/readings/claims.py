"""What another framework claimed of its programs, beside what was measured here. Pure.

Owns: which claim of a program counts, which pairs of parent and child bear a claim out, and the rank correlation.
Does not know: archives, how claims were read, how any of it is shown.

A claim is a score that another framework recorded. A child that scored higher than its parent there is a claimed gain.
Measured, a program has two numbers, so a gain *holds* if the child is certainly better in quality or speed, and
certainly worse in neither; it is *refuted* if it is certainly worse in one and certainly better in neither, or if the
judge rejected the child alone; it is a *trade* if it is certainly better in one and worse in the other; it is
*undecided* if no difference is certain, and *not comparable* if the parent has no score. Certain is what `lineage.gain`
takes for certain: the 95 % intervals do not overlap, or a duel between the two decided.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from evaluator.types import Rejected
from harness.readings.lineage import Find, Gain, gain
from harness.text import one_line
from harness.types import Claimed, Entry

USUAL = "combined_score"
"""The score that OpenEvolve, ShinkaEvolve and SkyDiscover rank programs by."""
_NAME = 60

Result = Literal["holds", "refuted", "trade", "undecided", "not comparable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A claimed gain: `claimed` is the child's claim less its parent's. `gain` is the measured one, None where either
    has no score.
    """

    child: Entry
    parent: Entry
    claimed: float
    gain: Gain | None
    result: Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Correlation:
    """Spearman's rank correlation over `programs` programs, with an approximate 95 % interval; `rho` is None where it
    is not defined: fewer than three programs, or all equal in one of the two.
    """

    programs: int
    rho: float | None = None
    low: float = -1.0
    high: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """The claims of a run under the score `name`: entries that have one, pairs of a claimed gain, and how the claim
    ranks the scored programs against their quality and their speed. `equal` counts the pairs with equal claims.
    """

    name: str
    entries: tuple[Entry, ...]
    pairs: tuple[Pair, ...]
    equal: int
    quality: Correlation
    speed: Correlation

    def count(self, result: Result) -> int:
        return sum(pair.result == result for pair in self.pairs)


def claim_words(claimed: Claimed) -> str:
    """The scores that another framework recorded: `combined_score 0.6555, speed_score 1`; "no score" for none."""
    scores = sorted(claimed.scores.items(), key=lambda item: (item[0] != USUAL, item[0]))
    return ", ".join(f"{one_line(name, _NAME)} {score:.6g}" for name, score in scores) or "no score"


def usual_score(entries: Sequence[Entry]) -> str:
    """The score that counts unless another is named: `combined_score` if it is claimed, else the most frequent one."""
    names = Counter(name for entry in entries if entry.claimed is not None for name in entry.claimed.scores)
    return min(names, key=lambda name: (name != USUAL, -names[name], name), default=USUAL)


def claim(entry: Entry, name: str = USUAL) -> float | None:
    """The claimed score of an entry under this name; None if it has none."""
    return None if entry.claimed is None else entry.claimed.scores.get(name)


def claims(entries: Sequence[Entry], find: Find, name: str = USUAL) -> Claims:
    """The claims of a run's entries. Programs that are equal to an earlier one are in no correlation."""
    claimed = {entry.id: score for entry in entries if (score := claim(entry, name)) is not None}
    known = tuple(entry for entry in entries if entry.id in claimed)
    pairs, equal = [], 0
    for child in known:
        parent = find(child.parents[0]) if child.parents else None
        if parent is None or parent.id not in claimed or child.program_id == parent.program_id:
            continue
        difference = claimed[child.id] - claimed[parent.id]
        equal += difference == 0
        if difference > 0:
            bought = gain(child, parent)
            result = _result(child, parent, bought)
            pairs.append(Pair(child=child, parent=parent, claimed=difference, gain=bought, result=result))
    scores = [(claimed[entry.id], entry.scored.score) for entry in known if entry.scored and not entry.same_as]
    said = [score for score, _ in scores]
    return Claims(
        name=name,
        entries=known,
        pairs=tuple(pairs),
        equal=equal,
        quality=correlation(said, [score.quality.value for _, score in scores]),
        speed=correlation(said, [score.speedup.median for _, score in scores]),
    )


def _result(child: Entry, parent: Entry, bought: Gain | None) -> Result:
    if bought is None:
        refused = isinstance(child.verdict, Rejected) and parent.scored is not None
        return "refuted" if refused else "not comparable"
    gains = [0.0 if bought.points is None else bought.points]
    gains.append(0.0 if bought.times is None else math.log(bought.times))
    better, worse = max(gains) > 0, min(gains) < 0
    if better and worse:
        return "trade"
    return "holds" if better else "refuted" if worse else "undecided"


def correlation(first: Sequence[float], second: Sequence[float]) -> Correlation:
    """Spearman's rank correlation: Pearson's of the ranks, ties at their mean rank. The interval is Fisher's z with the
    variance 1.06 / (n - 3) of Fieller, Hartley and Pearson (Biometrika 44, 1957); for n < 4 it is [-1, 1].
    """
    count = len(first)
    ranks = [_ranks(values) for values in (first, second)]
    spread = [sum((rank - (count - 1) / 2) ** 2 for rank in row) for row in ranks]
    if count < 3 or min(spread) == 0:
        return Correlation(programs=count)
    shared = sum((one - (count - 1) / 2) * (other - (count - 1) / 2) for one, other in zip(*ranks, strict=True))
    rho = max(-1.0, min(1.0, shared / math.sqrt(spread[0] * spread[1])))
    if count < 4:
        return Correlation(programs=count, rho=rho)
    half = 1.959964 * math.sqrt(1.06 / (count - 3))
    centre = math.atanh(max(-1 + 1e-12, min(1 - 1e-12, rho)))
    low, high = (math.tanh(centre + end) for end in (-half, half))
    return Correlation(programs=count, rho=rho, low=min(low, rho), high=max(high, rho))


def _ranks(values: Sequence[float]) -> list[float]:
    """The rank of each value, from 0; equal values share their mean rank."""
    places: dict[float, list[int]] = {}
    for place, value in enumerate(sorted(values)):
        places.setdefault(value, []).append(place)
    means: Mapping[float, float] = {value: sum(held) / len(held) for value, held in places.items()}
    return [means[value] for value in values]
