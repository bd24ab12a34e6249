"""Gather the material of one prompt: which programs, failures and scores it shows.

Owns: the choice of inspirations, what is told of ideas, and how entries become the values of templates.
Does not know: templates, budgets, models.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import TypedDict

from evaluator.types import Rejected, Score
from harness import knowledge, patch
from harness.patch import PatchError
from harness.patch.lines import cut
from harness.prompt import (
    Clash,
    Failure,
    IdeaGroup,
    Material,
    Merge,
    Results,
    Shown,
    Summary,
    error_text,
    identifier,
    scores,
    shortened,
)
from harness.proposers.base import EXTERNAL_PROPOSER, LLM_PROPOSER, Needed, ProposerOptions, View
from harness.proposers.history import History
from harness.proposers.memo import Memo
from harness.proposers.merges import Conflicting
from harness.select import improves
from harness.types import Entry, Kind, Request

LONGEST_REPLY = 20_000
"""The most bytes of a failed reply in a prompt."""
LONGEST_DETAIL = 1_500
"""The most bytes of the text of a rejection before the program has run; see `error_text` for later ones."""
LONGEST_CHANGE = 12_000
"""The most bytes of each of the two changes that conflict."""
LONGEST_ADVICE = 4_000
MOST_TRIED = 5
MOST_CHILDREN = 32
"""How many of the latest attempts made from the parent are looked through for ideas."""
MOST_LINES = 3_000
"""Patches are not computed for programs with more lines."""


class _Known(TypedDict, total=False):
    """The values of a prompt that tell what the search has taught."""

    ideas: tuple[IdeaGroup, ...]
    tally: str
    summary: Summary
    summary_asked: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a prompt is about: the program that the answer is applied to, for a crossover a second one, and how git's
    merge of the two conflicts if that is to be resolved; for a repair the failed attempt (which is the parent itself
    if its reply could be applied).
    """

    kind: Kind
    parent: Entry
    other: Entry | None = None
    conflicting: Conflicting | None = None
    failed: Entry | None = None

    @property
    def parents(self) -> tuple[str, ...]:
        return (self.parent.id,) if self.other is None else (self.parent.id, self.other.id)

    @property
    def also_shown(self) -> tuple[str, ...]:
        """Entries that the prompt shows beside the parents and the inspirations."""
        return () if self.failed is None or self.failed is self.parent else (self.failed.id,)


def label(entry: Entry) -> str:
    return "the seed program" if entry.kind == "seed" else f"attempt {entry.number}"


class Gatherer:
    """Gathers material. It caches sources and patches by program, and what is shown of an entry."""

    def __init__(self, options: ProposerOptions) -> None:
        self._options = options
        self._metrics = () if options.task is None else tuple(column.key for column in options.task.columns)
        self._sources: Memo[str] = Memo()
        self._patches: Memo[str] = Memo()
        self._programs: Memo[Shown] = Memo()
        self._ideas = knowledge.Ideas()
        every = options.summary_every
        theirs = (LLM_PROPOSER, EXTERNAL_PROPOSER)
        self._summaries = None if every is None else knowledge.Summaries(every, theirs)

    def inspirations(self, subject: Subject, view: View, rng: random.Random) -> tuple[Entry, ...]:
        """Other programs to learn from: half of them from the front, the champion first, the others from all valid
        programs, so that programs behind the front are shown too.
        """
        wanted = self._options.inspirations
        standing = view.standing
        front = list(standing.front)
        rng.shuffle(front)
        if standing.champion is not None:
            front.sort(key=lambda entry: entry.id != standing.champion.id if standing.champion else False)
        # Drawn with replacement instead of filtered: there may be many programs.
        drawn = [standing.valid[rng.randrange(len(standing.valid))] for _ in range(4 * wanted if standing.valid else 0)]
        known = {subject.parent.program_id, *([subject.other.program_id] if subject.other else [])}
        chosen: list[Entry] = []
        for pool, upto in ((front, (wanted + 1) // 2), (drawn, wanted), (front, wanted)):
            for entry in pool:
                if len(chosen) < upto and entry.program_id not in known:
                    known.add(entry.program_id)
                    chosen.append(entry)
        return tuple(chosen)

    def material(self, subject: Subject, inspirations: tuple[Entry, ...], view: View, history: History) -> Material:
        """Everything that a prompt on this subject may use."""
        standing, parent = view.standing, subject.parent
        needed = self.needed(subject, inspirations)
        view.prepare(needed.programs, needed.scores)
        seed, champion = standing.seed, standing.champion
        lineage = parent if subject.failed is not parent else history.by_id.get(parent.parents[0], parent)
        rejections = [
            entry
            for entry in history.rejections(lineage, self._options.rejections + 1)
            if subject.failed is None or entry.id != subject.failed.id
        ]
        return Material(
            kind=subject.kind,
            goal=scores.goal(standing),
            parent=self._shown(parent, view),
            other=None if subject.other is None else self._shown(subject.other, view, parent),
            merge=None if subject.conflicting is None else self._merge(subject.conflicting, view),
            failed=None if subject.failed is None else self._failed(subject, view, history),
            best="" if champion is None or champion is seed else _standing_line(champion, parent),
            seed="" if seed is None else _standing_line(seed, parent),
            machine="" if seed is None or seed.scored is None else scores.machine(seed.scored.environment),
            tried=() if self._options.ideas else tuple(_tried(parent, history)),
            **self._known(parent, view, history),
            inspirations=tuple(self._inspiration(entry, view, parent) for entry in inspirations),
            rejections=tuple(self._failure(entry) for entry in rejections[: self._options.rejections]),
            advice=tuple(shortened(text, LONGEST_ADVICE) for text in view.advice),
        )

    def _known(self, parent: Entry, view: View, history: History) -> _Known:
        """What the search has taught: its ideas by what they bought, and a model's summary of it."""
        if not self._options.ideas:
            return {}
        self._ideas.follow(view.entries)
        told = knowledge.told(
            self._ideas,
            above=history.lineage(parent),
            children=history.children(parent, MOST_CHILDREN),
            most=self._options.ideas,
            quality="quality" if self._options.task is None else self._options.task.quality_name,
        )
        groups = tuple(IdeaGroup(title=title, lines=lines) for title, lines in told.groups)
        known = _Known(ideas=groups, tally=told.tally)
        if self._summaries is not None:
            latest = self._summaries.latest(view.entries, view.reply)
            if latest is not None:
                known["summary"] = Summary(label=label(latest.by), text=latest.text)
            if groups and self._summaries.due(view.entries, sum(isinstance(made, Request) for made in view.open)):
                known["summary_asked"] = knowledge.MOST_CHARACTERS
        return known

    def needed(self, subject: Subject, inspirations: tuple[Entry, ...]) -> Needed:
        """What has not been shown yet: the programs, and of the parents the scores case by case."""
        others = (*([subject.other] if subject.other else []), *inspirations)
        new = [entry for entry in others if _key(entry, subject.parent) not in self._programs]
        if _key(subject.parent) not in self._programs:
            new.append(subject.parent)
        parents = (entry for entry in new if entry is subject.parent or entry is subject.other)
        return Needed(programs=tuple(new), scores=tuple(parents))

    def source(self, entry: Entry, view: View) -> str:
        """An entry's program."""
        return self._sources.get(entry.program_id, lambda: view.source(entry.id))

    def _patch(self, old: Entry, new: Entry, view: View) -> str:
        """The patch from one program to another; "" where none exists or it would take long."""
        before, after = self.source(old, view), self.source(new, view)

        def make() -> str:
            if max(before.count("\n"), after.count("\n")) > MOST_LINES:
                return ""
            try:
                return patch.render(patch.diff(before, after))
            except PatchError:
                return ""

        return self._patches.get((old.program_id, new.program_id), make)

    def _shown(self, entry: Entry, view: View, against: Entry | None = None) -> Shown:
        return self._programs.get(_key(entry, against), lambda: self._show(entry, view, against))

    def _show(self, entry: Entry, view: View, against: Entry | None) -> Shown:
        source = self.source(entry, view)
        score = None if entry.scored is None else entry.scored.score
        return Shown(
            label=label(entry),
            name="" if entry.kind == "seed" else entry.name,
            description=entry.description,
            text=source,
            patch="" if against is None else self._patch(against, entry, view),
            summary="" if score is None else scores.summary(score),
            results=Results if score is None else cache(lambda: self._results(score)),
            marked=cut(source).has_markers,
        )

    def _results(self, score: Score) -> Results:
        return Results(table=scores.table(score, self._metrics), losses=scores.losses(score))

    def _inspiration(self, entry: Entry, view: View, parent: Entry) -> Shown:
        """A program to learn from: as a patch, if that is at most half as long as its source."""
        shown = self._shown(entry, view, parent)
        if shown.patch and 2 * len(shown.patch) <= len(shown.text):
            return Shown(
                label=shown.label,
                name=shown.name,
                description=shown.description,
                text=shown.patch,
                is_patch=True,
                summary=shown.summary,
            )
        return shown

    def _merge(self, found: Conflicting, view: View) -> Merge:
        first, second = (
            shortened(self._patch(found.base, entry, view), LONGEST_CHANGE) for entry in (found.first, found.second)
        )
        conflicts = tuple(Clash(first=one.ours, base=one.base, second=one.theirs) for one in found.conflicts)
        return Merge(base=label(found.base), first=first, second=second, conflicts=conflicts, rest=found.rest)

    def _failed(self, subject: Subject, view: View, history: History) -> Failure:
        failed = subject.failed
        assert failed is not None
        if failed is not subject.parent:
            return self._failure(failed, reply=shortened(patch.without_thoughts(view.reply(failed.id)), LONGEST_REPLY))
        before = history.by_id.get(failed.parents[0])
        return self._failure(failed, change="" if before is None else self._patch(before, failed, view))

    def _failure(self, entry: Entry, *, reply: str = "", change: str = "") -> Failure:
        verdict = entry.verdict
        assert isinstance(verdict, Rejected)
        return Failure(
            label=label(entry),
            name=entry.name,
            stage=verdict.stage,
            reason=verdict.reason,
            detail=shortened(error_text(verdict, in_full=self._options.error_texts), LONGEST_DETAIL),
            reply=reply,
            change=change,
        )


def _key(entry: Entry, against: Entry | None = None) -> tuple[str, str]:
    """What a program is kept under as it is shown: a patch depends on the program that it applies to."""
    return entry.id, "" if against is None else against.program_id


def _standing_line(entry: Entry, parent: Entry) -> str:
    if entry.id == parent.id:
        return "the program above"
    figures = "" if entry.scored is None else scores.summary(entry.scored.score)
    return figures if entry.kind == "seed" else f"{label(entry)}, {figures}"


def _tried(parent: Entry, history: History) -> Iterator[str]:
    """A line for each of the latest valid children of a program that were not better than it."""
    children = (
        f'"{identifier(child.name)}": {scores.summary(child.scored.score)}'
        for child in history.scored_children(parent)
        if child.scored is not None and (parent.scored is None or not improves(child, parent))
    )
    return islice(children, MOST_TRIED)
