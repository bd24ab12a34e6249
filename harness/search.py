"""The loop: choose parents, propose, judge, archive; one attempt after another.

Owns: the order of these steps, what a kill between any two of them leaves behind, and when a search ends.
Does not know: how proposals are made, programs judged, attempts stored, or anything shown.

Attempt `n` draws from a random state of its own, made of the run's seed and `n`. With the same outcomes and replies,
a search that was interrupted therefore goes on exactly as one that was not. A reply is held by the archive before it
is looked at, so that none is lost; what is held at the start is judged first.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from evaluator.evaluate import Progress as Judging
from evaluator.types import Duel, Environment, OtherFailed, Rejected, Verdict
from harness import patch
from harness.archive import Archive
from harness.budget import Budget, Spent
from harness.patch import PatchError
from harness.proposers.base import Proposer, View, program_id
from harness.select import Objective, Selector, Standing, confirmation_level, standing
from harness.types import Attempt, Candidate, Confirmation, Entry, HarnessError, Proposal

PARENTS = 4
"""How many parents the rule is asked for: one to change, the others to choose from or to learn from."""


class Judge(Protocol):
    """What the loop needs of a judge."""

    def evaluate(self, source: str, *, progress: Callable[[Judging], None] | None = None) -> Verdict: ...

    def compare(
        self,
        source: str,
        other: str,
        *,
        level: float,
        other_name: str = "the other program",
        progress: Callable[[Judging], None] | None = None,
    ) -> Duel | Rejected:
        """Head to head on fresh inputs in fresh processes; Rejected for the program's own fault. Raises OtherFailed."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where the loop is, for a live view.

    `judging` comes with the phase of that name, as often as the judge says something; `reason` with `ended`.
    """

    phase: Literal["proposing", "judging", "archived", "ended"]
    number: int
    name: str = ""
    judging: Judging | None = None
    reason: str = ""


Report = Callable[[Progress], None]


def attempt_rng(seed: int, number: int) -> random.Random:
    """The random state of one attempt: the same on every machine, and independent of the attempts before it."""
    return random.Random(f"{seed}/{number}")


def same_machine(one: Environment, other: Environment) -> bool:
    """Whether scores taken in two environments may stand in one run."""
    return (one.device, one.hardware) == (other.device, other.hardware)


class _Search:
    """The state of one invocation: collaborators, and the standing that follows from the archive."""

    def __init__(
        self, *, archive: Archive, judge: Judge, objective: Objective, clock: Callable[[], float], report: Report
    ) -> None:
        self.archive = archive
        self.judge = judge
        self.clock = clock
        self.report = report
        self.begun = clock()
        self.standing: Standing = standing(archive.entries, objective)
        self.attempts = sum(entry.number > 0 for entry in archive.entries)
        self.judge_s = sum(entry.seconds for entry in archive.entries)

    def spent(self, now_s: float) -> Spent:
        champion = self.standing.champion
        return Spent(
            attempts=self.attempts,
            minutes=(self.clock() - self.begun) / 60,
            judge_s=self.judge_s,
            since_best=0 if champion is None else self.archive.next_number - 1 - champion.number,
            now_s=now_s,
        )

    def attempt(self, number: int, proposal: Proposal) -> Entry:
        """Judge a proposal and archive it; durable when this returns."""
        begun = self.clock()
        candidate: Candidate | None = None
        confirmations: tuple[Confirmation, ...] = ()
        verdict: Verdict
        try:
            if proposal.kind == "seed":
                candidate = Candidate(name="seed", description="", source=self.archive.source(proposal.parents[0]))
            else:
                source = self.archive.source(proposal.parents[0])
                candidate = patch.apply_reply(proposal.reply, source, allow_rewrite=proposal.kind == "rewrite")
            verdict, confirmations = self._judged(number, candidate)
        except PatchError as refusal:
            verdict = Rejected(stage="patch", reason=refusal.reason, detail=refusal.detail)
        return self._archived(
            Attempt(
                number=number,
                proposal=proposal,
                candidate=candidate,
                verdict=verdict,
                seconds=max(0.0, self.clock() - begun),
                confirmations=confirmations,
            )
        )

    def _judged(self, number: int, candidate: Candidate) -> tuple[Verdict, tuple[Confirmation, ...]]:
        """The verdict, and where the program claims the champion's place over its speed, how the two compare."""

        def judging(step: Judging) -> None:
            self.report(Progress(phase="judging", number=number, name=candidate.name, judging=step))

        self.report(Progress(phase="judging", number=number, name=candidate.name))
        verdict = self.judge.evaluate(candidate.source, progress=judging)
        seed = self.standing.seed
        if seed is not None and seed.scored is not None and not isinstance(verdict, Rejected):
            mine, now = seed.scored.environment, verdict.environment
            if not same_machine(mine, now):
                raise HarnessError(
                    f"expected to go on where this run began ({mine.device}, {mine.hardware}), found {now.device}, "
                    f"{now.hardware}: scores of different hardware are not compared; start a new run with --run DIR"
                )
        if isinstance(verdict, Rejected) or self.standing.claim(program_id(candidate.source), verdict) != "speed":
            return verdict, ()
        confirmation = self._confirm(candidate, judging)
        return (confirmation, ()) if isinstance(confirmation, Rejected) else (verdict, (confirmation,))

    def _confirm(self, candidate: Candidate, judging: Callable[[Judging], None]) -> Confirmation | Rejected:
        champion = self.standing.champion
        assert champion is not None
        so_far = sum(len(entry.confirmations) for entry in self.archive.entries)
        try:
            duel = self.judge.compare(
                candidate.source,
                self.archive.source(champion.id),
                level=confirmation_level(so_far + 1),
                other_name=f"the champion, attempt {champion.number}",
                progress=judging,
            )
        except OtherFailed as error:
            return Confirmation(against=champion.id, failure=str(error))
        return duel if isinstance(duel, Rejected) else Confirmation(against=champion.id, duel=duel)

    def _archived(self, attempt: Attempt) -> Entry:
        entry = self.archive.append(attempt)
        self.standing = self.standing.add(entry)
        self.attempts += entry.number > 0
        self.judge_s += entry.seconds
        self.point()
        self.report(Progress(phase="archived", number=entry.number, name=entry.name))
        return entry

    def point(self) -> None:
        """Have the archive's derived refs name where the search stands."""
        if self.standing.champion is not None:
            self.archive.point(self.standing.champion.id, [member.id for member in self.standing.front])

    def seed(self) -> Iterator[Entry]:
        """Judge the seed program where that is still to do. Raises HarnessError where it is not valid."""
        root = self.archive.root_id
        if not any(entry.kind == "seed" for entry in self.archive.entries):
            yield self.attempt(0, Proposal(kind="seed", parents=(root,), reply="", proposer="packsmith"))
        judged = next(entry for entry in self.archive.entries if entry.kind == "seed")
        if isinstance(judged.verdict, Rejected):
            verdict = judged.verdict
            raise HarnessError(
                f"the seed program was rejected ({verdict.stage}: {verdict.reason}): {verdict.detail}\nA search needs "
                f"a valid program to start from: mend `program` or the judge's limits, and start a new run"
            )

    def held(self) -> Iterator[Entry]:
        """Judge the replies that reached us before an earlier invocation ended."""
        for number, proposal in self.archive.pending():
            yield self.attempt(number, proposal)


def search(
    archive: Archive,
    judge: Judge,
    proposer: Proposer,
    selector: Selector,
    objective: Objective,
    budget: Budget,
    seed: int,
    clock: Callable[[], float] = time.monotonic,
    progress: Report | None = None,
    *,
    wall: Callable[[], float] = time.time,
) -> Iterator[Entry]:
    """Search until the budget is used up or nothing is left to propose, yielding each attempt once it is archived.

    The budget's attempts count the whole archive without the seed, its minutes this invocation. `clock` counts
    seconds from anywhere, `wall` is Unix time. Closing the generator, or an exception out of it, leaves the archive
    such that the same call goes on. Raises HarnessError where the seed program is not valid or the machine is another
    one.
    """
    report: Report = progress or (lambda step: None)
    state = _Search(archive=archive, judge=judge, objective=objective, clock=clock, report=report)
    state.point()
    yield from state.seed()
    yield from state.held()
    while True:
        number = archive.next_number
        reason = budget.exhausted(state.spent(wall()))
        if reason is None:
            report(Progress(phase="proposing", number=number))
            rng = attempt_rng(seed, number)
            view = View(
                entries=archive.entries,
                standing=state.standing,
                parents=selector(state.standing, rng, PARENTS),
                source=archive.source,
            )
            proposal = proposer.propose(view, rng)
            if proposal is not None:
                archive.hold(number, proposal)
                yield state.attempt(number, proposal)
                continue
            reason = "the proposer has nothing left to propose"
        report(Progress(phase="ended", number=number, reason=reason))
        return
