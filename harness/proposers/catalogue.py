"""The offline proposer: shipped patches, crossovers and changed constants. No model, no key, no network.

Owns: which of these is proposed next. Does not know: how proposals are judged, nor any task.

Shipped patches come first, then crossovers of members of the front, then constants, and last of all patches that made
nothing better on another parent; more often than not a crossover, where there is one, goes before a patch. The parent
of a patch is sometimes the champion, so that improvements pile up, and else what the rule picks, so that lines part and
can be crossed later; where no patch is left for it, the others of the front follow, fastest first. Nothing is proposed
that the archive already holds, by text.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from evaluator.types import Rejected
from harness import patch
from harness.identity import program_id
from harness.patch import PatchError
from harness.proposers.base import Proposer, ProposerOptions, View
from harness.proposers.constants import variants
from harness.proposers.crossover import merged
from harness.select import improves
from harness.types import Entry, Kind, Proposal, Request, Turn

NAME = "catalogue"
CROSSOVER_FIRST = 0.75
"""How often a crossover, where there is one, goes before a patch."""
EXPLORE = 0.75
"""How often the search's rule, and not the standing, says on which parent a patch is tried first."""
MOST_CROSSED = 12
"""Members of the front, fastest first, among which pairs are crossed."""


def _proposal(kind: Kind, parents: tuple[str, ...], reply: str) -> Proposal:
    return Proposal(kind=kind, parents=parents, reply=reply, proposer=NAME)


def _unique(entries: Iterator[Entry] | tuple[Entry, ...]) -> tuple[Entry, ...]:
    return tuple({entry.id: entry for entry in entries}.values())


def _name(text: str) -> str:
    """The name a patch gives its children; "" where it is not a patch, which then applies to nothing."""
    try:
        return patch.parse(text).name
    except PatchError:
        return ""


def _fruitless(view: View) -> frozenset[str]:
    """Names of changes that were tried and never made their parent better in anything."""
    by_id = {entry.id: entry for entry in view.entries}
    tried: dict[str, bool] = {}
    for entry in view.entries:
        parent = by_id.get(entry.parents[0])
        if parent is not None and parent.scored is not None:
            better = entry.scored is not None and improves(entry, parent)
            tried[entry.name] = tried.get(entry.name, False) or better
    return frozenset(name for name, better in tried.items() if not better)


class Catalogue:
    """Proposes from a list of patches and from the archive itself.

    What it remembers are results of pure functions (a patch on a program, a merge of two), so that each is worked out
    once; the proposals follow from the view and the random state alone.
    """

    def __init__(self, options: ProposerOptions) -> None:
        self._patches = options.patches
        self._names = tuple(_name(shipped.text) for shipped in options.patches)
        self._applied: dict[tuple[int, str], str | None] = {}
        self._merged: dict[tuple[str, str], str | None] = {}

    def propose(self, view: View, rng: random.Random) -> Proposal | None:
        """The next proposal: see the module's text for the order."""
        crossover_first, explore = rng.random() < CROSSOVER_FIRST, rng.random() < EXPLORE
        known = {entry.program_id for entry in view.entries}
        standing = view.standing
        champion = () if standing.champion is None else (standing.champion,)
        ranked = _unique((*champion, *standing.front))
        parents = _unique((*view.parents, *ranked)) if explore else ranked
        fruitless = _fruitless(view)
        worn = {index for index, name in enumerate(self._names) if name in fruitless}
        fresh = set(range(len(self._patches))) - worn
        patches = self._patch_proposals(view, parents, known, fresh)
        crossovers = self._crossover_proposals(view, ranked[:MOST_CROSSED], known)
        sources = (
            *((crossovers, patches) if crossover_first else (patches, crossovers)),
            self._constant_proposals(view, _unique((*view.parents, *ranked)), known, rng),
            self._patch_proposals(view, parents, known, worn),
        )
        return next((proposal for proposals in sources for proposal in proposals), None)

    def repair(self, request: Request, turns: tuple[Turn, ...], verdict: Rejected) -> Request | None:
        """None: there is nobody to ask."""
        return None

    def _patch_proposals(
        self, view: View, parents: tuple[Entry, ...], known: set[str], among: set[int]
    ) -> Iterator[Proposal]:
        for parent in parents:
            for index in sorted(among):
                child = self._child(index, parent, view)
                if child is not None and program_id(child) not in known:
                    yield _proposal("patch", (parent.id,), self._patches[index].text)

    def _child(self, index: int, parent: Entry, view: View) -> str | None:
        key = (index, parent.program_id)
        if key not in self._applied:
            try:
                self._applied[key] = patch.apply_reply(self._patches[index].text, view.source(parent.id)).source
            except PatchError:
                self._applied[key] = None
        return self._applied[key]

    def _crossover_proposals(self, view: View, members: tuple[Entry, ...], known: set[str]) -> Iterator[Proposal]:
        if len(members) < 2:
            return
        by_id = {entry.id: entry for entry in view.entries}
        for at, one in enumerate(members):
            for other in members[at + 1 :]:
                key = (one.id, other.id)
                if key not in self._merged:
                    self._merged[key] = merged(one, other, by_id, view.source)
                child = self._merged[key]
                if child is None or program_id(child) in known:
                    continue
                names = f"{one.name} (attempt {one.number}) and {other.name} (attempt {other.number})"
                reply = self._as_reply(
                    view.source(one.id),
                    child,
                    f"cross_{one.number}_with_{other.number}",
                    f"The changes of {names}, merged.",
                )
                if reply is not None:
                    yield _proposal("crossover", (one.id, other.id), reply)

    def _constant_proposals(
        self, view: View, parents: tuple[Entry, ...], known: set[str], rng: random.Random
    ) -> Iterator[Proposal]:
        for parent in parents:
            source = view.source(parent.id)
            found = list(variants(source))
            rng.shuffle(found)
            found.sort(key=lambda variant: not variant.named)
            for variant in found:
                if program_id(variant.source) in known:
                    continue
                reply = self._as_reply(source, variant.source, variant.name, variant.description)
                if reply is not None:
                    yield _proposal("patch", (parent.id,), reply)

    @staticmethod
    def _as_reply(old: str, new: str, name: str, description: str) -> str | None:
        """The reply that turns one program into the other; None where the change lies outside what may be edited."""
        try:
            reply = patch.render(patch.diff(old, new, name=name, description=description))
            return reply if patch.apply_reply(reply, old).source == new else None
        except PatchError:
            return None


def build(options: ProposerOptions) -> Proposer:
    """A catalogue over the options' patches."""
    return Catalogue(options)
