"""The champion, the floor and the Pareto front of a search, folded from its entries.

Owns: the population state of a search.
Does not know: how a program was made or judged, the archive, files, the clock, how parents are picked.

A confirmed claim of speed leaves the program above the floor, a confirmed claim of quality no slower, as far as the
confirmation can tell. An entry whose duel does not show what it claimed joins the front only by the other of the two.
A standing is a fold over the archived entries in the order of their numbers, and depends on nothing else. Of two equal
programs the earlier stays; an entry whose verdict was copied from an equal program (`same_as`) is ignored.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import reduce

from evaluator.types import Score, Scored
from harness.select.comparing import (
    EQUAL_QUALITY,
    QUALITY_LEEWAY,
    Claim,
    at_best,
    claim,
    clearly_better,
    confirms,
    improves,
    meets_limit,
    needs_confirmation,
    quality,
    score_faster,
    score_of,
    speed,
)
from harness.select.objectives import Objective, RuntimeLimit
from harness.series import Names, Series
from harness.types import Confirmation, Entry


def _dominates(entry: Entry, other: Entry) -> bool:
    return quality(entry) >= quality(other) and speed(entry) >= speed(other)


def _fastest_first(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    return tuple(sorted(entries, key=lambda entry: (-speed(entry), entry.number)))


def _join(front: tuple[Entry, ...], entry: Entry) -> tuple[Entry, ...]:
    if not all(improves(entry, member) for member in front):
        return front
    return _fastest_first([*(member for member in front if not _dominates(entry, member)), entry])


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The population state of a search: its entries, folded in order, under one objective.

    `valid` holds the scored programs above the floor, each once, in order; `pareto` those that no other beats in both
    quality and speed, fastest first. `champion` is None until the seed program is scored.
    """

    objective: Objective
    seed: Entry | None = None
    champion: Entry | None = None
    pareto: tuple[Entry, ...] = ()
    valid: Series[Entry] = field(default_factory=Series)
    programs: Names = field(default_factory=Names)
    """The program ids of `valid`, and their syntax hashes."""
    attempts: Series[Entry] = field(default_factory=Series)
    """All entries in order, rejected ones too."""

    @property
    def front(self) -> tuple[Entry, ...]:
        """The Pareto front, fastest first. It includes the champion even if noise alone keeps it off `pareto`."""
        if self.champion is None or any(member.id == self.champion.id for member in self.pareto):
            return self.pareto
        return _fastest_first([*self.pareto, self.champion])

    @property
    def floor(self) -> float:
        """The quality below which programs do not count, if they are clearly below it."""
        return -math.inf if self.seed is None else quality(self.seed) - self.objective.epsilon

    def _is_below_floor(self, score: Score) -> bool:
        """Whether the whole interval of a score's quality, within the leeway, lies below that of the seed program, less
        epsilon.
        """
        assert self.seed is not None
        seed = score_of(self.seed).quality_interval
        lowest = max(seed.low, seed.median - QUALITY_LEEWAY) - self.objective.epsilon
        return at_best(score.quality_interval) < lowest - EQUAL_QUALITY

    def claim(self, program_id: str, scored: Scored, syntax_hash: str = "") -> Claim:
        """What a program with this score would claim if it were archived now; "none" for a known program."""
        if self.seed is None or self.champion is None or self._knows(program_id, syntax_hash):
            return "none"
        if self._is_below_floor(scored.score):
            return "none"
        return claim(self.objective, scored.score, score_of(self.champion), score_of(self.seed))

    @property
    def champion_meets_limit(self) -> bool:
        """Whether the objective limits the run time, and the champion is fast enough."""
        if not isinstance(self.objective, RuntimeLimit) or self.champion is None or self.seed is None:
            return False
        return meets_limit(score_of(self.champion), score_of(self.seed), self.objective)

    def _knows(self, program_id: str, syntax_hash: str) -> bool:
        return program_id in self.programs or syntax_hash in self.programs

    def _is_confirmed(self, entry: Entry, made: Claim) -> bool:
        assert self.champion is not None and self.seed is not None
        mine, theirs, seed = score_of(entry), score_of(self.champion), score_of(self.seed)
        return any(confirms(self.objective, made, mine, theirs, seed, duel) for duel in self._duels(entry))

    def _duels(self, entry: Entry) -> list[Confirmation]:
        return [each for each in entry.confirmations if self.champion and each.against == self.champion.id]

    def _shows(self, entry: Entry, made: Claim) -> bool:
        """Whether a duel with the champion shows the one thing claimed, whatever else it shows."""
        duels = [each.duel for each in self._duels(entry) if each.duel is not None]
        return any((duel.quality_comparison if made == "quality" else duel.comparison) == "better" for duel in duels)

    def add(self, entry: Entry) -> Standing:
        """The standing after one more entry, whose number must be higher than all before."""
        return replace(self, attempts=self.attempts.plus(entry))._ranked(entry)

    def _ranked(self, entry: Entry) -> Standing:
        if entry.scored is None or entry.same_as:
            return self
        if entry.kind == "seed" and self.seed is None:
            known, valid = Names(_programs(entry)), Series([entry])
            return replace(self, seed=entry, champion=entry, pareto=(entry,), valid=valid, programs=known)
        if self.seed is None or self.champion is None or self._is_below_floor(score_of(entry)):
            return self
        if self._knows(entry.program_id, entry.syntax_hash):
            return self
        mine, theirs = score_of(entry), score_of(self.champion)
        claimed = self.claim(entry.program_id, entry.scored, entry.syntax_hash)
        wins = claimed != "none" and (not needs_confirmation(claimed, mine) or self._is_confirmed(entry, claimed))
        other = score_faster if claimed == "quality" else clearly_better
        joins = wins or claimed == "none" or self._shows(entry, claimed) or other(mine, theirs)
        return replace(
            self,
            champion=entry if wins else self.champion,
            pareto=_join(self.pareto, entry) if joins else self.pareto,
            valid=self.valid.plus(entry),
            programs=reduce(Names.plus, _programs(entry), self.programs),
        )


def _programs(entry: Entry) -> tuple[str, ...]:
    return (entry.program_id, entry.syntax_hash) if entry.syntax_hash else (entry.program_id,)


def standing(entries: Iterable[Entry], objective: Objective) -> Standing:
    """The standing of a search with these entries, in any order."""
    result = Standing(objective=objective)
    for entry in sorted(entries, key=lambda entry: entry.number):
        result = result.add(entry)
    return result
