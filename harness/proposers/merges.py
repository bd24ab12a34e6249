"""Crossovers that begin with git's merge: which pair is crossed, and what is asked of a model where git cannot decide.

Owns: the choice of the pair, how often one is crossed, and which merges are proposed or asked about.
Does not know: prompts, models, how programs are merged.

The first program is one of the selector's parents, in their order, the second another of them or a member of the front.
Neither descends from the other, and both from a common ancestor. What git merges is a proposal, which costs no call,
unless the program was tried before. What conflicts is asked about. The choice follows from the view and the random
state alone.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from harness.git import Conflict
from harness.identity import program_id, syntax_hash
from harness.proposers.base import LLM_PROPOSER, View
from harness.proposers.crossover import Crossing, as_reply, common_ancestor, crossing, merge_reply
from harness.proposers.history import History
from harness.proposers.memo import Memo
from harness.types import Entry, Proposal

MOST_CROSSED = 2
"""How many attempts may cross a pair, in either order: a conflict can be resolved in more than one way."""
MOST_MERGED = 4
"""How many pairs an attempt looks at; a new one takes a git process, 2.4 ms of processor in all."""
MOST_SEARCHED = 12
"""For how many pairs an attempt looks for a common ancestor: 0.05 ms each at 10,000 attempts."""
MOST_CONFLICTS = 16
LONGEST_CONFLICTS = 12_000
"""Characters of all conflicts, and also of the rest of the second program's change. Programs that differ more have no
two changes to unite; an ordinary crossover shows both as they are."""
MOST_LINES = 3_000
"""Longer programs are not merged: the blocks that make the merge would take long to find."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflicting:
    """Two programs whose changes conflict. `rest` are the blocks that make the part of the second program's change that
    does not conflict, to be applied to the first; "" for none.
    """

    first: Entry
    second: Entry
    base: Entry
    conflicts: tuple[Conflict, ...]
    rest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Clean:
    """A merge that git makes, as a proposal, and what identifies its program."""

    proposal: Proposal
    program_id: str
    syntax_hash: str


def pairs(view: View, history: History, rng: random.Random) -> Iterator[tuple[Entry, Entry, Entry]]:
    """Two programs to cross and their latest common ancestor: for each of the view's parents in turn, others in random
    order. A pair whose crossover is under way is left out: its outcome may settle the matter.
    """
    left, seen = MOST_SEARCHED, {frozenset(made.parents) for made in view.open if made.kind == "crossover"}
    others = {entry.id: entry for entry in (*view.parents, *view.standing.front)}.values()
    for first in view.parents:
        free = [mate for mate in others if mate.program_id != first.program_id and not _spent(first, mate, history)]
        for mate in rng.sample(free, min(left, len(free))):
            pair = frozenset((first.id, mate.id))
            if pair not in seen:
                left -= 1
                base = common_ancestor(first, mate, history.by_id)
                if base is not None and base.id not in (first.id, mate.id):
                    yield first, mate, base
            seen.add(pair)


def _spent(first: Entry, second: Entry, history: History) -> bool:
    return history.crossed(frozenset((first.id, second.id))) >= MOST_CROSSED


class Merges:
    """Finds merges. It keeps the results of a pure function: what git makes of two programs."""

    def __init__(self, share: float, *, conflicts_only: bool) -> None:
        """`share` is how many crossovers begin with a merge; with `conflicts_only`, clean merges are passed over."""
        self._share, self._conflicts_only = share, conflicts_only
        self._found: Memo[Conflicting | Clean | None] = Memo()

    def find(
        self, view: View, history: History, rng: random.Random, source: Callable[[Entry], str]
    ) -> Proposal | Conflicting | None:
        """A merge to judge, or a conflict to ask about; None for an ordinary crossover. Raises GitError."""
        if rng.random() >= self._share:
            return None
        for first, second, base in islice(pairs(view, history, rng), MOST_MERGED):
            found = self._look(first, second, base, source)
            if isinstance(found, Conflicting):
                return found
            if found is None or self._conflicts_only or history.knows(found.program_id, found.syntax_hash):
                continue
            return found.proposal
        return None

    def _look(
        self, first: Entry, second: Entry, base: Entry, source: Callable[[Entry], str]
    ) -> Conflicting | Clean | None:
        return self._found.get((first.id, second.id), lambda: look(first, second, base, source))


def look(first: Entry, second: Entry, base: Entry, source: Callable[[Entry], str]) -> Conflicting | Clean | None:
    """What git makes of a pair; None for what is neither proposed nor asked about. Raises GitError."""
    texts = source(first), source(base), source(second)
    made = crossing(*texts) if all(text.count("\n") <= MOST_LINES for text in texts) else None
    ours = texts[0]
    if made is None:
        return None
    if made.conflicts:
        return _conflicting(first, second, base, ours, made)
    reply = merge_reply(first, second, ours, made.text)
    if reply is None:
        return None
    proposal = Proposal(kind="crossover", parents=(first.id, second.id), reply=reply, proposer=LLM_PROPOSER)
    return Clean(proposal=proposal, program_id=program_id(made.text), syntax_hash=syntax_hash(made.text))


def _conflicting(first: Entry, second: Entry, base: Entry, ours: str, made: Crossing) -> Conflicting | None:
    rest = "" if made.text == ours else as_reply(ours, made.text)
    length = sum(len(one.ours) + len(one.base) + len(one.theirs) for one in made.conflicts)
    if rest is None or max(length, len(rest)) > LONGEST_CONFLICTS or len(made.conflicts) > MOST_CONFLICTS:
        return None
    return Conflicting(first=first, second=second, base=base, conflicts=made.conflicts, rest=rest)
