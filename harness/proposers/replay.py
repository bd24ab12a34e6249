"""Replay recorded answers in their order, to repeat a whole run without a model.

Owns: which recorded answer is next, and its parents in this run. Does not know: where recordings are stored, models.

From a run: the attempts that have a recorded reply, by number. Their parents and inspirations are found in the new run
by program, kind and name, since numbers may differ where several programs are judged at once; of several matches, the
one with the nearest number is used. An answer waits until its parents are judged.

From a folder: the files by name. Each is applied to the current champion; if it does not apply, to the seed program; if
it applies to neither, to the champion, so that the refusal is archived.

A replayed answer costs nothing. The replay ends with the recording.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

from evaluator.types import Rejected
from harness import patch
from harness.knowledge import NO_REPLY
from harness.patch import PatchError
from harness.proposers.base import PatchText, Proposer, ProposerOptions, Recorded, View
from harness.series import Follower
from harness.types import Entry, HarnessError, Kind, Proposal, Request, Turn

NAME = "replay"


def recorded_run(entries: Iterable[Entry], reply: Callable[[str], str]) -> tuple[Recorded, ...]:
    """The recording of an archive's entries, the seed first (its answer is not replayed)."""
    ordered = sorted(entries, key=lambda entry: entry.number)
    numbers = {entry.id: entry.number for entry in ordered}

    def read(entry_id: str) -> Callable[[], str]:
        return lambda: reply(entry_id)

    return tuple(
        Recorded(
            number=entry.number,
            name=f"attempt {entry.number}",
            kind=entry.kind,
            title=entry.name,
            reply=read(entry.id),
            program_id=entry.program_id,
            model=entry.model,
            # A parent that is not an entry is the root commit: the seed program, which is attempt 0.
            parents=tuple(numbers.get(parent, 0) for parent in entry.parents),
            inspirations=tuple(numbers.get(inspiration, 0) for inspiration in entry.inspirations),
        )
        for entry in ordered
        if not (isinstance(entry.verdict, Rejected) and entry.verdict.reason in NO_REPLY)
    )


def recorded_replies(files: Iterable[PatchText]) -> tuple[Recorded, ...]:
    """The recording of a folder's files, by name."""

    def read(text: str) -> Callable[[], str]:
        return lambda: text

    return tuple(
        Recorded(number=number, name=file.name, kind=_kind(file.text), reply=read(file.text))
        for number, file in enumerate(sorted(files, key=lambda file: file.name), start=1)
    )


def _kind(text: str) -> Kind:
    """Whether a reply is a patch or a whole program; one that is neither counts as a patch, and will be refused."""
    try:
        return "patch" if patch.parse(text, allow_rewrite=True).rewrite is None else "rewrite"
    except PatchError:
        return "patch"


class Replay:
    """Proposes recorded answers. Its state follows from the view's entries."""

    def __init__(self, options: ProposerOptions) -> None:
        self._recorded = {answer.number: answer for answer in options.recorded}
        self._answers = tuple(answer for answer in options.recorded if answer.kind != "seed")
        self._given_as = {answer.number: at for at, answer in enumerate(self._answers, start=1)}
        self._next = 0
        self._forget()
        self._follow = Follower(self._forget, self._add).follow

    def _forget(self) -> None:
        self._given = 0
        self._by_program: dict[str, list[Entry]] = {}
        self._alike: dict[tuple[str, str, str], list[Entry]] = {}

    def _add(self, entry: Entry) -> None:
        self._given += entry.proposer == NAME
        self._by_program.setdefault(entry.program_id, []).append(entry)
        self._alike.setdefault((entry.program_id, entry.kind, entry.name), []).append(entry)

    def propose(self, view: View, rng: random.Random) -> Proposal | None:
        """The next answer; None where all are replayed, or the parents of the next are not judged yet.

        Raises HarnessError where a parent is not in this run.
        """
        self._follow(view.entries)
        under_way = sum(made.proposer == NAME for made in view.open if isinstance(made, Proposal))
        at = self._next = self._given + under_way
        champion = view.standing.champion
        if at >= len(self._answers) or champion is None:
            return None
        answer = self._answers[at]
        if not answer.parents:
            return self._for_champion(answer, view, champion)
        # While answers are replayed, the exact attempt may still come, so an equal program alone is not enough. What
        # others have under way (see `mix`) brings none.
        exact = under_way > 0
        parents = [self._entry(number, exact) for number in answer.parents]
        inspirations = [self._entry(number, exact) for number in answer.inspirations]
        if exact and None in (*parents, *inspirations):
            return None
        if None in parents:
            raise self._missing(answer, answer.parents[parents.index(None)])
        return Proposal(
            kind=answer.kind,
            parents=tuple(entry.id for entry in parents if entry is not None),
            reply=answer.reply(),
            proposer=NAME,
            inspirations=tuple(entry.id for entry in inspirations if entry is not None),
            model=answer.model,
        )

    def why_idle(self) -> str:
        """Whether the recording is at its end, or its next answer waits."""
        if self._next < len(self._answers):
            return "its next answer waits for the attempts that it was made from"
        return f"all of its answers are replayed ({len(self._answers)})"

    def repair(self, request: Request, turns: tuple[Turn, ...], verdict: Rejected) -> Request | None:
        """None: only recorded answers are proposed."""
        return None

    def _entry(self, number: int, exact: bool) -> Entry | None:
        """The entry of this run that matches a recorded attempt: same program, kind and name or, unless `exact`, the
        same program.
        """
        recorded = self._recorded.get(number)
        if recorded is None:
            return None
        expected = self._given_as.get(number, 0)
        same = self._alike.get((recorded.program_id, recorded.kind, recorded.title), [])
        if not same and not exact:
            same = self._by_program.get(recorded.program_id, [])
        return min(same, key=lambda entry: (abs(entry.number - expected), entry.number), default=None)

    def _missing(self, answer: Recorded, number: int) -> HarnessError:
        parent = self._recorded.get(number)
        if parent is None:
            return HarnessError(
                f"{answer.name} of the recording was made from attempt {number}, whose reply is not in the recording: "
                f"replay a whole run (`packsmith verify RUN` says what is damaged)"
            )
        return HarnessError(
            f"{answer.name} of the recording was made from attempt {number} (program {parent.program_id[:12]}), and no "
            f"attempt of this run has that program: replay into a new run that starts from the same seed program, "
            f"with a version of packsmith that reads patches in the same way"
        )

    def _for_champion(self, answer: Recorded, view: View, champion: Entry) -> Proposal:
        reply = answer.reply()
        parent = champion
        seed = view.standing.seed
        if seed is not None and not _applies(answer, reply, view.source(champion.id)):
            parent = seed if _applies(answer, reply, view.source(seed.id)) else champion
        return Proposal(kind=answer.kind, parents=(parent.id,), reply=reply, proposer=NAME, model=answer.model)


def _applies(answer: Recorded, reply: str, source: str) -> bool:
    try:
        patch.apply_reply(reply, source, allow_rewrite=answer.kind == "rewrite")
    except PatchError:
        return False
    return True


def build(options: ProposerOptions) -> Proposer:
    """A replay of the options' recording. Raises HarnessError where it holds no answer."""
    if not any(answer.kind != "seed" for answer in options.recorded):
        raise HarnessError(
            "expected a recording with at least one reply, found none: name a run or a folder of replies"
        )
    return Replay(options)
