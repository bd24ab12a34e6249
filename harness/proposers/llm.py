"""The proposer that asks models: it chooses the kind of proposal, the model, the programs, and writes the prompt.

Owns: these choices, and how often a rejected answer is sent back. Does not know: how models are called, what they cost,
how answers are judged.

- patch and rewrite change the selector's first parent.
- crossover changes the first parent; the second is another program of the front or of the selector, preferably neither
  an ancestor nor a descendant of the first. A share of the crossovers begins with git's merge of the two: what git can
  merge is proposed without a model, and a model is asked to resolve what conflicts (`merges`).
- repair takes one of the latest rejected attempts that no repair was made for or is under way for. If its reply could
  be applied, the resulting program is the parent; if not, the parent is the program it was written for, and the failed
  attempt is the first inspiration.
"""

from __future__ import annotations

import contextlib
import random
from dataclasses import replace

from evaluator.types import Rejected
from harness.llm.bandit import Bandit
from harness.patch import without_thoughts
from harness.prompt import (
    Frame,
    Material,
    TaskFacts,
    Templates,
    TooLarge,
    check,
    error_text,
    further_turn,
    read_templates,
)
from harness.prompt import build as build_prompt
from harness.proposers.base import Contender, Needed, Proposer, ProposerOptions, View
from harness.proposers.gather import Gatherer, Subject
from harness.proposers.history import History
from harness.proposers.merges import Merges
from harness.proposers.replay import NAME as REPLAY
from harness.select import Standing
from harness.series import Follower
from harness.types import Entry, HarnessError, Kind, Message, Proposal, Request, Turn

LATEST_FAILURES = 24
"""How many of the latest rejected attempts a repair is chosen from."""
ROOM_FOR_REPAIRS = 0.25
"""The share of the context that a prompt leaves for further turns, if the rest is enough for it."""
ONLY_THOUGHTS = "(The reply held thoughts and no answer.)"
"""Sent back in place of such an answer: thoughts are not, since chat templates refuse their marks or drop them."""


class Llm:
    """Makes requests. Its state follows from the view's entries."""

    def __init__(self, options: ProposerOptions) -> None:
        """Raises HarnessError: no task, a kind that no model is asked for, or a faulty template."""
        if options.task is None:
            raise HarnessError("expected a task to write prompts about, found none")
        self._options = options
        self._models = options.models or (Contender(name=""),)
        self._shares = [(kind, share) for kind, share in options.shares.items() if share > 0]
        for kind, _ in self._shares:
            if not any(model.takes(kind) for model in self._models):
                raise HarnessError(
                    f"expected a model that is asked for proposals of kind {kind}, found none: add the kind to a "
                    f"model's kinds, or set its share to 0"
                )
        self._frame = Frame(task=TaskFacts.of(options.task), limits=options.judge)
        self._templates = Templates(options.templates or read_templates())
        check(self._frame, self._templates)
        self._gatherer = Gatherer(options)
        self._history = History()
        # Outside, where no model is configured, every ticket is a prompt: what git can merge is no work for anybody.
        self._merges = Merges(options.merges, conflicts_only=not options.models)
        self._standing: Standing | None = None
        self._bandit: Bandit | None = None
        self._follow = Follower(self._forget, self._add).follow

    def propose(self, view: View, rng: random.Random) -> Proposal | Request | None:
        """The next request, or a merge to judge; None where this view allows none of the kinds that have a share.

        Raises HarnessError where no prompt of these kinds fits its model's context.
        """
        if not view.parents:
            return None
        subjects = self._subjects(view, rng)
        refused: TooLarge | None = None
        while kind := self._kind(subjects, rng):
            subject = subjects.pop(kind)
            assert subject is not None
            try:
                return self._made(subject, view, rng)
            except TooLarge as error:
                refused = error
        if refused is not None:
            raise refused
        return None

    def foresee(self, view: View, rng: random.Random) -> Needed:
        """What the next prompt needs, if it fits its model's context."""
        if not view.parents:
            return Needed()
        subjects = self._subjects(view, rng)
        kind = self._kind(subjects, rng)
        found = None if kind is None else subjects[kind]
        subject = None if found is None else self._merge(found, view, rng)
        if not isinstance(subject, Subject):
            return Needed()
        _, inspirations = self._shown(subject, view, rng)
        return self._gatherer.needed(subject, inspirations)

    def repair(self, request: Request, turns: tuple[Turn, ...], verdict: Rejected) -> Request | None:
        """The request with the rejected answer and the error's text added; None where the turns are used up, where the
        answer is empty, and where the context is full.
        """
        if not turns or len(turns) > self._options.repairs:
            return None
        answer = turns[-1]
        if answer.finish not in ("stop", "length") or not answer.text.strip():
            return None
        model = next((model for model in self._models if model.name == request.model), self._models[0])
        messages = further_turn(
            request.messages,
            without_thoughts(answer.text) or ONLY_THOUGHTS,
            kind=request.kind,
            stage=verdict.stage,
            reason=verdict.reason,
            detail=error_text(verdict, in_full=self._options.error_texts),
            templates=self._templates,
            context_tokens=self._context(model),
        )
        return None if messages is None else replace(request, messages=messages)

    def _subjects(self, view: View, rng: random.Random) -> dict[Kind, Subject | None]:
        """What a proposal of each kind would be about."""
        self._history.follow(view.entries)
        if self._options.bandit is not None:
            self._standing = Standing(objective=view.standing.objective)
            self._follow(view.entries)
        return {kind: self._subject(kind, view, rng) for kind, _ in self._shares}

    def _forget(self) -> None:
        self._bandit = None

    def _add(self, entry: Entry) -> None:
        assert self._standing is not None and self._options.bandit is not None
        if self._bandit is None:
            self._bandit = Bandit(settings=self._options.bandit, standing=self._standing)
        # A recorded answer costs nothing, and so says nothing of what its model would earn now.
        self._bandit = self._bandit.add(replace(entry, model="") if entry.proposer == REPLAY else entry)

    def _kind(self, subjects: dict[Kind, Subject | None], rng: random.Random) -> Kind | None:
        possible = [(kind, share) for kind, share in self._shares if subjects.get(kind) is not None]
        return rng.choices(*zip(*possible, strict=True))[0] if possible else None

    def _subject(self, kind: Kind, view: View, rng: random.Random) -> Subject | None:
        """The subject of a proposal of this kind; None where the view allows none."""
        parent = view.parents[0]
        if kind == "crossover":
            mate = self._mate(parent, view, rng)
            return None if mate is None else Subject(kind=kind, parent=parent, other=mate)
        if kind == "repair":
            return self._repairable(view, rng)
        return Subject(kind=kind, parent=parent)

    def _mate(self, parent: Entry, view: View, rng: random.Random) -> Entry | None:
        candidates = {entry.id: entry for entry in (*view.parents[1:], *view.standing.front)}
        others = [entry for entry in candidates.values() if entry.program_id != parent.program_id]
        rng.shuffle(others)
        apart = (entry for entry in others if not self._history.related(entry, parent))
        return next(apart, others[0] if others else None)

    def _repairable(self, view: View, rng: random.Random) -> Subject | None:
        busy = {
            entry_id
            for out in view.open
            if out.kind == "repair"
            for entry_id in (out.parents[0], *out.inspirations[:1])
        }
        failed = [entry for entry in self._history.failures(LATEST_FAILURES + len(busy)) if entry.id not in busy]
        if not failed:
            return None
        chosen = rng.choice(failed[:LATEST_FAILURES])
        made_a_program = isinstance(chosen.verdict, Rejected) and chosen.verdict.stage != "patch"
        parent = chosen if made_a_program else self._history.by_id.get(chosen.parents[0], view.standing.seed)
        return None if parent is None else Subject(kind="repair", parent=parent, failed=chosen)

    def _made(self, subject: Subject, view: View, rng: random.Random) -> Proposal | Request:
        merge = self._merge(subject, view, rng)
        if isinstance(merge, Proposal):
            return merge
        if merge.conflicting is not None:
            with contextlib.suppress(TooLarge):
                return self._request(merge, view, rng)
        return self._request(subject, view, rng)

    def _merge(self, subject: Subject, view: View, rng: random.Random) -> Subject | Proposal:
        """A merge in place of a crossover, or what is left of one for a model; else the subject as it is."""
        if subject.kind != "crossover":
            return subject
        found = self._merges.find(view, self._history, rng, lambda entry: self._gatherer.source(entry, view))
        if found is None or isinstance(found, Proposal):
            return found or subject
        return replace(subject, parent=found.first, other=found.second, conflicting=found)

    def _request(self, subject: Subject, view: View, rng: random.Random) -> Request:
        model, inspirations = self._shown(subject, view, rng)
        material = self._gatherer.material(subject, inspirations, view, self._history)
        return Request(
            kind=subject.kind,
            parents=subject.parents,
            model=model.name,
            messages=self._messages(material, model),
            max_output_tokens=model.max_output_tokens,
            inspirations=(*subject.also_shown, *(entry.id for entry in inspirations)),
        )

    def _shown(self, subject: Subject, view: View, rng: random.Random) -> tuple[Contender, tuple[Entry, ...]]:
        """The model that is asked, and the other programs that it is shown."""
        return self._model(subject.kind, rng), self._gatherer.inspirations(subject, view, rng)

    def _model(self, kind: Kind, rng: random.Random) -> Contender:
        able = [model for model in self._models if model.takes(kind)]
        weights = [model.weight for model in able]
        if self._bandit is None or len(able) == 1:
            return rng.choices(able, weights)[0]
        chosen = self._bandit.choose(kind, [(model.name, model.weight) for model in able], rng)
        return next(model for model in able if model.name == chosen)

    def _context(self, model: Contender) -> int:
        return model.context_tokens or self._options.context_tokens

    def _messages(self, material: Material, model: Contender) -> tuple[Message, ...]:
        whole = self._context(model)
        if self._options.repairs:
            with contextlib.suppress(TooLarge):
                return build_prompt(material, self._frame, self._templates, int(whole * (1 - ROOM_FOR_REPAIRS)))
        return build_prompt(material, self._frame, self._templates, whole)


def build(options: ProposerOptions) -> Proposer:
    """A proposer that asks the options' models. Raises HarnessError for options that do not fit together."""
    return Llm(options)
