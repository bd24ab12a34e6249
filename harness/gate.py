"""Which program is the best of a run: the champion of the search, if it also holds on loads that are held out.

Owns: when a program owes a measurement on the split `gate`, when such a measurement is over and passed, and the fold of
entries to the best program. Does not know: how anything is measured, archives, the clock. Pure.

The *champion* of a standing leads on the loads of the search. It steers the search: parents, prompts, races and duels
follow from it alone. The *best* program is what a run reports. A new champion becomes the best if, measured in pairs
with the best of the time on the gate, it is surely no worse. So nothing that a proposer is shown, and no parent that is
chosen, depends on the gate; a program that is better on the loads of the search only may lead the search, and is never
the best. If the two differ, a later program may become the best without leading: it then has to win a duel with the
best on the loads of the search first.

No worse means: what a program gives up on the loads of the search, as its score says (a little quality for much speed),
it may give up on the gate, and a quarter more, because costs differ with sizes; beyond that nothing but a leeway.
What a chain of best programs gives up within the leeway is added up, and limited by `MOST_LOST`.
*Surely* means with the ends of intervals that hold after every round at once, at `GATE_LEVEL`. A measurement that
cannot tell in its time is not passed. Entries without `gates` are of a run without held-out loads: there the champion
is the best.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Literal

from evaluator.fate import OpenDuel
from evaluator.types import Duel, Score, Scored
from harness.select import QUALITY_LEEWAY, Objective, Standing, confirms, needs_confirmation, speed
from harness.types import Confirmation, Entry, Gate

GATE_LEVEL = 0.95
"""The level of the intervals by which a gate is passed."""
TRADE = 1.25
"""A program may give up this many times as much on the gate, of quality and of the logarithm of speed, as it does on
the loads of the search.
"""
EQUAL_ROUNDS = 3
"""Rounds in which two programs are equally good in every call, after which they count as equally good."""
SPEED_MARGIN = 1.1
"""A program may be this many times slower on the gate and count as no slower: a duel cannot show less in little time,
and sizes differ.
"""


MOST_LOST = (0.004, 0.262)
"""The most quality, and logarithm of speed (ln 1.3), that successive best programs may lose on the gate, beyond trades:
each may use the leeway, and small losses would add up.
"""
Lost = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """The least gain in quality and the least speed, relative to the best program, with which a gate is passed."""

    gain: float
    speed: float

    @classmethod
    def by(cls, score: Score, best: Score) -> Allowed:
        """What a program with this score on the loads of the search may give up to the best program."""
        lost = min(0.0, score.quality.value - best.quality.value)
        slower = min(0.0, math.log(score.speedup.median / best.speedup.median))
        return cls(gain=TRADE * lost - QUALITY_LEEWAY, speed=math.exp(TRADE * slower) / SPEED_MARGIN)

    def passed(self, duel: Duel) -> bool:
        """Whether a duel on the gate shows that a program is surely no worse."""
        gain = duel.certain_gain
        no_worse = (gain is not None and gain.low >= self.gain) or _always_equal(duel)
        return no_worse and duel.certain.low >= self.speed

    def missed(self, duel: Duel) -> bool:
        """Whether it shows, or most likely shows (by intervals for reading), that a program is worse."""
        return (duel.gain is not None and duel.gain.high < self.gain) or duel.speedup.high < self.speed

    def lost(self, duel: Duel) -> Lost:
        """What a program lost on the gate beyond a trade, in quality and in the logarithm of speed; below 0, a gain."""
        gain = 0.0 if duel.gain is None else duel.gain.median
        speed = math.log(duel.speedup.median / (self.speed * SPEED_MARGIN))
        return self.gain + QUALITY_LEEWAY - gain, -speed

    def told(self, open_duel: OpenDuel) -> bool:
        """Whether a duel on the gate may end: it is passed, or enough rounds say that it will not be."""
        return self.passed(open_duel.duel) or (open_duel.enough_rounds and self.missed(open_duel.duel))


def _always_equal(duel: Duel) -> bool:
    """Whether both programs had the same quality in all calls of some rounds, as programs with equal plans have:
    intervals need many more rounds to show that two values are equal.
    """
    pairs = ((case.candidate_quality, case.reference_quality) for case in duel.samples)
    return all(mine == theirs != () for mine, theirs in pairs) and len(duel.samples[0].rounds) >= EQUAL_ROUNDS


def passes(gate: Gate, entry: Entry, best: Entry) -> bool:
    """Whether an entry passed this gate against the best program. A best program that failed when it was run again has
    lost.
    """
    if gate.rejection:
        return False
    if gate.duel is None:
        return bool(gate.failure)
    assert entry.scored is not None and best.scored is not None
    return Allowed.by(entry.scored.score, best.scored.score).passed(gate.duel)


def is_worse(gate: Gate, entry: Entry, best: Entry) -> bool:
    """Whether an entry that did not pass this gate is worse there; otherwise the time did not suffice to tell."""
    if gate.duel is None:
        return bool(gate.rejection)
    assert entry.scored is not None and best.scored is not None
    return Allowed.by(entry.scored.score, best.scored.score).missed(gate.duel)


@dataclass(frozen=True, slots=True, kw_only=True)
class GatedStanding(Standing):
    """A standing with the best program, and the entries that would have become it if they had passed the gate, oldest
    first: those that are better on the loads of the search only, and those of which the gate could not tell in its
    time. `best` is None until the seed program is scored.
    """

    best: Entry | None = None
    search_only: tuple[Entry, ...] = ()
    untold: tuple[Entry, ...] = ()
    lost: Lost = (0.0, 0.0)
    """What the best program and those before it have lost on the gate; what is gained back counts."""

    def add(self, entry: Entry) -> GatedStanding:
        """The standing after one more entry, whose number must be higher than all before."""
        after = Standing.add(self, entry)
        assert isinstance(after, GatedStanding)
        if self.best is None or entry.gates is None:
            return replace(after, best=self.best if after.champion is self.champion else after.champion)
        best = self.best
        gate = next((gate for gate in entry.gates if gate.against == best.id), None)
        if gate is None or not self._replaces_best(after, entry, gate):
            return after
        lost = self._lost_with(gate, entry, best)
        within = all(mine <= most for mine, most in zip(lost, MOST_LOST, strict=True))
        if passes(gate, entry, best) and within:
            return replace(after, best=entry, lost=lost)
        if is_worse(gate, entry, best) or not within:
            return replace(after, search_only=(*self.search_only, entry))
        return replace(after, untold=(*self.untold, entry))

    def _lost_with(self, gate: Gate, entry: Entry, best: Entry) -> Lost:
        if gate.duel is None or entry.scored is None or best.scored is None:
            return self.lost
        quality, speed = Allowed.by(entry.scored.score, best.scored.score).lost(gate.duel)
        return max(0.0, self.lost[0] + quality), max(0.0, self.lost[1] + speed)

    def _replaces_best(self, after: Standing, entry: Entry, gate: Gate) -> bool:
        """Whether an entry beats the best program on the loads of the search."""
        if self.champion is self.best:
            return after.champion is entry
        duels = entry.confirmations if gate.search is None else (*entry.confirmations, gate.search)
        seen = Standing.add(self.seen_from_best, replace(entry, confirmations=duels)).champion
        return seen is not None and seen.id == entry.id

    @property
    def shown(self) -> tuple[Entry, ...]:
        """The front, fastest first, and the best program where it is not on it."""
        if self.best is None or any(member.id == self.best.id for member in self.front):
            return self.front
        return tuple(sorted((*self.front, self.best), key=lambda entry: (-speed(entry), entry.number)))

    @property
    def of_search(self) -> Standing:
        """What the search follows from: nothing in it depends on held-out loads."""
        return Standing(**{each.name: getattr(self, each.name) for each in fields(Standing)})

    @property
    def without_gates(self) -> GatedStanding:
        """The standing for whoever makes proposals: the champion is the best, whatever held-out loads say."""
        return replace(self, best=self.champion, search_only=(), untold=())

    @property
    def seen_from_best(self) -> GatedStanding:
        """The standing if the best program led the search."""
        return replace(self, champion=self.best)


Step = Literal["none", "duel", "gate"]
"""What is to be measured next before it is known whether a program becomes the best."""


def next_step(
    standing: GatedStanding,
    program_id: str,
    syntax_hash: str,
    scored: Scored,
    confirmations: Sequence[Confirmation],
    gates: Sequence[Gate],
) -> Step:
    """What a program with this score owes: a duel with the best program on the loads of the search (where it has not
    had one, because another program leads), then the gate; nothing where it does not beat the best, or has done both.
    """
    best, seed = standing.best, standing.seed
    if best is None or seed is None or best.scored is None or seed.scored is None:
        return "none"
    if any(gate.against == best.id for gate in gates):
        return "none"
    made = standing.seen_from_best.claim(program_id, scored, syntax_hash)
    if made == "none":
        return "none"
    if not needs_confirmation(made, scored.score):
        return "gate"
    held = [each for each in confirmations if each.against == best.id]
    if not held:
        return "none" if standing.champion is best else "duel"
    scores = scored.score, best.scored.score, seed.scored.score
    return "gate" if any(confirms(standing.objective, made, *scores, each) for each in held) else "none"


def gated_standing(entries: Iterable[Entry], objective: Objective) -> GatedStanding:
    """The standing of a run with these entries, in any order."""
    result = GatedStanding(objective=objective)
    for entry in sorted(entries, key=lambda entry: entry.number):
        result = result.add(entry)
    return result
