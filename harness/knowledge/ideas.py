"""The ideas of a search: its attempts, taken together by what they tried, as they grow.

Owns: which attempts are tries of one idea, what is counted of them, and the order of ideas. Pure.
Does not know: prompts, models, how an idea is shown, held-out loads.

Tries of one idea are: attempts whose words are near (`naming`), a repair and the attempt that it repairs, and an
attempt that made the program of another one again, unless its words name an idea of their own. Not counted are the seed
program, programs from elsewhere, and attempts whose model gave no text. All of it follows from the entries alone, in
the order of their numbers; one more entry costs the same however many there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, get_args

from evaluator.types import Rejected
from harness.knowledge.gains import Change, Mean, change, sign
from harness.knowledge.naming import Words, keys, near, words
from harness.series import Follower
from harness.types import Entry, Kind

Bought = Literal["better", "traded", "worse", "unsure", "invalid"]
"""What an idea bought: surely better in quality or speed and not surely worse in the other; better in one and worse in
the other; worse in one and not better in the other; no sure change of either; or no try was valid.
"""
BOUGHT: tuple[Bought, ...] = get_args(Bought)
NO_REPLY = frozenset({"no_reply", "refused", "empty_reply"})
"""Rejection reasons of attempts whose model gave no text to judge."""
TRIES: tuple[Kind, ...] = ("patch", "rewrite", "crossover", "repair")
_MOST_ANCESTORS = 64
"""How far above an attempt a scored program is looked for."""
_MOST_ALIKE = 16
"""How many ideas with a key are compared, latest first."""
_MOST_REFUSALS = 8
"""How many kinds of refusal of an idea are told apart."""
OTHER = ("", "others")


@dataclass(slots=True, kw_only=True)
class Idea:
    """An idea, as its tries come. `first` is the try that named it, `best` the one that bought most, else the last."""

    first: Entry
    best: Entry
    tries: int = 0
    valid: int = 0
    repeats: int = 0
    """Tries that made a program which had been judged before: they are neither valid nor refused again."""
    quality: Mean = field(default_factory=Mean)
    speed: Mean = field(default_factory=Mean)
    refusals: dict[tuple[str, str], int] = field(default_factory=dict)
    """How often it was refused, by stage and reason."""
    rank: tuple[int, float] | None = None

    @property
    def bought(self) -> Bought:
        if not self.valid:
            return "invalid"
        signs = {sign(self.quality.interval), sign(self.speed.interval)}
        if {1, -1} <= signs:
            return "traded"
        return "better" if 1 in signs else "worse" if -1 in signs else "unsure"

    def add(self, entry: Entry, made: Change | None) -> None:
        """One more try. `made` is what it changed, None where it was not scored."""
        self.tries += 1
        if entry.same_as:
            self.repeats += 1
        elif isinstance(entry.verdict, Rejected):
            refusal: tuple[str, str] = (entry.verdict.stage, entry.verdict.reason)
            if refusal not in self.refusals and len(self.refusals) >= _MOST_REFUSALS:
                refusal = OTHER
            self.refusals[refusal] = self.refusals.get(refusal, 0) + 1
        elif made is not None:
            self.valid += 1
            self.quality.add(made.quality)
            self.speed.add(made.speed)
        if made is not None and not entry.same_as and (self.rank is None or made.rank > self.rank):
            self.best, self.rank = entry, made.rank
        elif self.rank is None:
            self.best = entry


class Ideas:
    """The ideas of a search; `follow` updates them to its entries, which only grow from one call to the next."""

    def __init__(self) -> None:
        self._forget()
        self.follow = Follower(self._forget, self._add).follow

    def _forget(self) -> None:
        self.tries = 0
        self._entries: dict[str, Entry] = {}
        self._of: dict[str, Idea] = {}
        self._named: dict[Words, Idea] = {}
        self._alike: dict[str, list[Words]] = {}
        # A dict is an ordered set: an idea that is tried again moves to its end.
        self._by: dict[Bought, dict[str, Idea]] = {bought: {} for bought in BOUGHT}

    def counts(self) -> dict[Bought, int]:
        """How many ideas bought what."""
        return {bought: len(ideas) for bought, ideas in self._by.items()}

    def latest(self, bought: Bought) -> Iterator[Idea]:
        """The ideas that bought this, those that were tried last first."""
        return reversed(self._by[bought].values())

    def of(self, entry_id: str) -> Idea | None:
        """The idea that an attempt tried."""
        return self._of.get(entry_id)

    def _add(self, entry: Entry) -> None:
        self._entries[entry.id] = entry
        if entry.kind not in TRIES or not entry.parents:
            return
        if isinstance(entry.verdict, Rejected) and entry.verdict.reason in NO_REPLY:
            return
        idea = self._idea(entry)
        if idea is None:
            return
        self._by[idea.bought].pop(idea.first.id, None)
        idea.add(entry, self._change(entry))
        self._by[idea.bought][idea.first.id] = idea
        self._of[entry.id] = idea
        self.tries += 1

    def _idea(self, entry: Entry) -> Idea | None:
        """The idea that an entry tries, a new one where it has words that are near no other's."""
        if entry.kind == "repair":
            for repaired in (entry.parents[0], *entry.inspirations[:1]):
                if repaired in self._of and isinstance(self._entries[repaired].verdict, Rejected):
                    return self._of[repaired]
        said = words(entry.name, entry.description)
        if (idea := self._near(said)) is not None:
            return idea
        if entry.same_as in self._of and entry.same_as not in entry.parents:
            return self._of[entry.same_as]
        if not said:
            return None
        idea = self._named[said] = Idea(first=entry, best=entry)
        for key in keys(said):
            alike = self._alike.setdefault(key, [])
            alike.append(said)
            del alike[:-_MOST_ALIKE]
        return idea

    def _near(self, said: Words) -> Idea | None:
        """The idea with these words, else the latest one whose words are near."""
        if said in self._named:
            return self._named[said]
        for key in keys(said):
            for other in reversed(self._alike.get(key, ())):
                if near(said, other):
                    return self._named[other]
        return None

    def _change(self, entry: Entry) -> Change | None:
        """What a scored entry changed against its nearest scored ancestor, which the parent of a repair is not."""
        if entry.scored is None:
            return None
        above = self._entries.get(entry.parents[0])
        for _ in range(_MOST_ANCESTORS):
            if above is None or above.scored is not None or not above.parents:
                break
            above = self._entries.get(above.parents[0])
        return Change() if above is None else change(entry, above)
