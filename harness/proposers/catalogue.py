"""The offline proposer: shipped patches, crossovers and changed constants. No model, no key, no network.

Owns: which of these is proposed next. Does not know: how proposals are judged, or any task.

Shipped patches and crossovers of members of the front come first, then changed constants, and last patches that brought
no improvement on another parent. A crossover, if one is possible, usually goes before a patch. The parent of a patch is
sometimes the champion, so that improvements accumulate, and otherwise what the selector picks, so that lineages diverge
and can be crossed later; if no patch is left for it, other members of the front follow, fastest first. A program whose
text is already in the archive, or is being judged, is never proposed.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from evaluator.types import Rejected
from harness import patch
from harness.identity import program_id
from harness.patch import PatchError
from harness.proposers.base import Proposer, ProposerOptions, View
from harness.proposers.constants import variants
from harness.proposers.crossover import as_reply, merge_reply, merged
from harness.proposers.memo import Memo
from harness.select import improves
from harness.series import Follower
from harness.text import one_line
from harness.types import Entry, Kind, Proposal, Request, Turn

NAME = "catalogue"
CROSSOVER_FIRST = 0.75
"""How often a crossover, if one is possible, goes before a patch."""
EXPLORE = 0.75
"""How often the selector's parents, instead of the champion, come first for a patch."""
MOST_CROSSED = 12
"""How many members of the front, fastest first, are crossed in pairs."""
_MOST_APPLIED = 20_000
"""For how many patches on a program it is kept what they make: 65 patches on 300 programs."""


def _proposal(kind: Kind, parents: tuple[str, ...], reply: str) -> Proposal:
    return Proposal(kind=kind, parents=parents, reply=reply, proposer=NAME)


def _unique(entries: Iterator[Entry] | tuple[Entry, ...]) -> tuple[Entry, ...]:
    return tuple({entry.id: entry for entry in entries}.values())


def _name(text: str) -> str:
    """The name in a patch; "" where the text is not a patch, and applies to nothing."""
    try:
        return patch.parse(text).name
    except PatchError:
        return ""


def _made(proposal: Proposal, view: View) -> str:
    """The id of the program of a proposal that is being judged."""
    try:
        rewrite = proposal.kind == "rewrite"
        source = view.source(proposal.parents[0])
        return program_id(patch.apply_reply(proposal.reply, source, allow_rewrite=rewrite).source)
    except PatchError:
        return program_id("")


@dataclass(frozen=True, slots=True)
class _Known:
    """The programs that are archived or being judged."""

    archived: set[str]
    under_way: set[str]

    def __contains__(self, program: str) -> bool:
        return program in self.archived or program in self.under_way


class Catalogue:
    """Proposes patches from a list, crossovers and changed constants.

    It caches results of pure functions only (a patch applied to a program, a merge of two programs), and what follows
    from the view's entries; proposals follow from the view and the random state alone. Beside other proposers it may
    be asked in every one of 100,000 attempts: a proposal reads no entry again, and no cache grows without end.
    """

    def __init__(self, options: ProposerOptions) -> None:
        self._patches = options.patches
        self._names = tuple(_name(shipped.text) for shipped in options.patches)
        self._applied: Memo[str] = Memo(_MOST_APPLIED)
        self._useful: set[int] = set()
        self._refused: dict[int, str] = {}
        self._merged: Memo[str | None] = Memo()
        self._under_way: Memo[str] = Memo()
        self._forget()
        self._follow = Follower(self._forget, self._add).follow

    def _forget(self) -> None:
        self._by_id: dict[str, Entry] = {}
        self._known: set[str] = set()
        self._better: dict[str, bool] = {}

    def _add(self, entry: Entry) -> None:
        self._by_id[entry.id] = entry
        self._known.add(entry.program_id)
        parent = self._by_id.get(entry.parents[0])
        if parent is not None and parent.scored is not None:
            better = entry.scored is not None and improves(entry, parent)
            self._better[entry.name] = self._better.get(entry.name, False) or better

    def propose(self, view: View, rng: random.Random) -> Proposal | None:
        """The next proposal, in the order of the module docstring."""
        crossover_first, explore = rng.random() < CROSSOVER_FIRST, rng.random() < EXPLORE
        self._follow(view.entries)
        known = _Known(self._known, self._open(view))
        standing = view.standing
        champion = () if standing.champion is None else (standing.champion,)
        ranked = _unique((*champion, *standing.front))
        parents = _unique((*view.parents, *ranked)) if explore else ranked
        spent = {index for index, name in enumerate(self._names) if not self._better.get(name, True)}
        fresh = set(range(len(self._patches))) - spent
        patches = self._patch_proposals(view, parents, known, fresh)
        crossovers = self._crossover_proposals(view, ranked[:MOST_CROSSED], known)
        sources = (
            *((crossovers, patches) if crossover_first else (patches, crossovers)),
            self._constant_proposals(view, _unique((*view.parents, *ranked)), known, rng),
            self._patch_proposals(view, parents, known, spent),
        )
        return next((proposal for proposals in sources for proposal in proposals), None)

    def why_idle(self) -> str:
        """Which patches apply to no program of the run, and why the first does not."""
        useless = [index for index in self._refused if index not in self._useful]
        if not useless:
            return ""
        total, name = len(self._patches), one_line(self._names[useless[0]] or self._patches[useless[0]].name, 40)
        count = "none" if len(useless) == total else f"{total - len(useless)} alone"
        why = one_line(self._refused[useless[0]], 160)
        return f"of its {total} patches, {count} could be applied in this run ({name}: {why})"

    def repair(self, request: Request, turns: tuple[Turn, ...], verdict: Rejected) -> Request | None:
        """None: this proposer makes no requests."""
        return None

    def _open(self, view: View) -> set[str]:
        """The programs of proposals that are being judged."""
        programs: set[str] = set()
        for made in view.open:
            if isinstance(made, Proposal):
                programs.add(self._under_way.get((made.reply, made.parents[0]), partial(_made, made, view)))
        return programs

    def _patch_proposals(
        self, view: View, parents: tuple[Entry, ...], known: _Known, among: set[int]
    ) -> Iterator[Proposal]:
        for parent in parents:
            for index in sorted(among):
                child = self._child(index, parent, view)
                if child and child not in known:
                    yield _proposal("patch", (parent.id,), self._patches[index].text)

    def _child(self, index: int, parent: Entry, view: View) -> str:
        """The id of the program that a patch makes of a parent; "" where it does not apply."""

        def apply() -> str:
            try:
                child = patch.apply_reply(self._patches[index].text, view.source(parent.id)).source
            except PatchError as error:
                self._refused.setdefault(index, str(error))
                return ""
            self._useful.add(index)
            return program_id(child)

        return self._applied.get((index, parent.program_id), apply)

    def _crossover_proposals(self, view: View, members: tuple[Entry, ...], known: _Known) -> Iterator[Proposal]:
        if len(members) < 2:
            return
        for at, first in enumerate(members):
            for second in members[at + 1 :]:
                merge = partial(merged, first, second, self._by_id, view.source)
                child = self._merged.get((first.id, second.id), merge)
                if child is None or program_id(child) in known:
                    continue
                reply = merge_reply(first, second, view.source(first.id), child)
                if reply is not None:
                    yield _proposal("crossover", (first.id, second.id), reply)

    def _constant_proposals(
        self, view: View, parents: tuple[Entry, ...], known: _Known, rng: random.Random
    ) -> Iterator[Proposal]:
        for parent in parents:
            source = view.source(parent.id)
            candidates = list(variants(source))
            rng.shuffle(candidates)
            candidates.sort(key=lambda variant: not variant.named)
            for variant in candidates:
                if program_id(variant.source) in known:
                    continue
                reply = as_reply(source, variant.source, variant.name, variant.description)
                if reply is not None:
                    yield _proposal("patch", (parent.id,), reply)


def build(options: ProposerOptions) -> Proposer:
    """A catalogue over the options' patches."""
    return Catalogue(options)
