"""A ticket: one proposal until it is archived as an attempt.

Owns: the state of one ticket, its pending record, the job it gives a judge, and the attempt it becomes. Does not know:
the order of its steps (`pipeline`), archives, models.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from evaluator.types import Rejected, Scored, Verdict
from harness import patch
from harness.identity import program_id, syntax_hash
from harness.llm.ledger import Bound
from harness.proposers import LLM_PROPOSER
from harness.search.jobs import Job
from harness.turns import open_ticket, with_refusal
from harness.types import Attempt, Candidate, Confirmation, Gate, Pending, Proposal, Request


def pending_of(number: int, made: Proposal | Request, most: Callable[[Request], Bound], owner: str) -> Pending:
    """The pending record of a new ticket; `most` is what a try of a request may cost, and may raise HarnessError."""
    if isinstance(made, Proposal):
        return Pending(ticket=number, proposal=made, answered=True, owner=owner)
    bound = most(made)
    asked = open_ticket(number, made, proposer=LLM_PROPOSER)
    return replace(asked, bound_usd=bound.usd, bound_tokens=bound.tokens, owner=owner)


@dataclass(slots=True)
class Ticket:
    """The state of a ticket. `before`: its pending record before the repair that was requested.

    `same_as`: the id of the entry with the same program. `judging`: a judge has the program, or has judged it and the
    attempt is not archived yet. `waits`: another ticket has the same program, and that one is being judged.
    `gates` is None in a run without held-out loads. `lost`: why it was judged again.
    """

    pending: Pending
    candidate: Candidate | None = None
    program_id: str = ""
    syntax_hash: str = ""
    same_as: str = ""
    judging: bool = False
    waits: bool = False
    verdict: Verdict | None = None
    confirmations: tuple[Confirmation, ...] = ()
    gates: tuple[Gate, ...] | None = None
    seconds: float = 0.0
    lost: tuple[str, ...] = ()
    before: Pending | None = None

    @property
    def number(self) -> int:
        return self.pending.ticket

    @property
    def in_flight(self) -> bool:
        """Whether it counts as in flight: a model is asked, or the proposal needs no model and is not judged yet."""
        return self.pending.request is None or not self.pending.answered

    def take_answer(self, pending: Pending) -> None:
        """Store an answer, and forget the results of the one before."""
        self.pending, self.before = pending, None
        self.candidate, self.program_id, self.syntax_hash, self.same_as = None, "", "", ""
        self.verdict, self.confirmations, self.lost = None, (), ()
        self.gates = None if self.gates is None else ()

    def ask_again(self, request: Request, bound: Bound) -> None:
        """Request a repair of the answer; what was is kept as `before`."""
        self.before = self.pending
        self.pending = replace(
            self.pending,
            proposal=with_refusal(self.pending.proposal, request.messages[-1].text),
            request=request,
            answered=False,
            bound_usd=bound.usd,
            bound_tokens=bound.tokens,
        )

    def take_candidate(self, candidate: Candidate) -> None:
        """Store the program that the answer made."""
        self.candidate = candidate
        self.program_id, self.syntax_hash = program_id(candidate.source), syntax_hash(candidate.source)

    def take_verdict(
        self,
        verdict: Verdict,
        confirmations: tuple[Confirmation, ...],
        gates: tuple[Gate, ...] | None,
        seconds: float,
        lost: tuple[str, ...],
    ) -> None:
        """Store what a judge says, after further `seconds`; `lost` says why others had been lost with it."""
        self.verdict, self.confirmations = verdict, confirmations
        self.gates = gates or self.gates
        self.seconds += seconds
        self.lost += lost

    def same_program(self, other: Ticket) -> bool:
        """Whether both made the same program."""
        if self.candidate is None or other.candidate is None:
            return False
        return self.program_id == other.program_id or (self.syntax_hash != "" and self.syntax_hash == other.syntax_hash)

    def job(self, verdict: Scored | None) -> Job:
        """The job for a judge: confirm this verdict, or judge the program where it is None."""
        candidate = self.candidate
        assert candidate is not None
        return Job(
            ticket=self.number,
            name=candidate.name,
            source=candidate.source,
            parent=self.pending.proposal.parents[0],
            program_id=self.program_id,
            syntax_hash=self.syntax_hash,
            verdict=verdict,
            confirmations=self.confirmations,
            gates=self.gates,
        )

    def attempt(self, number: int) -> Attempt:
        """The attempt to archive, under this number or a later one."""
        proposal, verdict = self.pending.proposal, self.verdict
        assert verdict is not None
        stage, reason = (verdict.stage, verdict.reason) if isinstance(verdict, Rejected) else ("", "")
        refused = stage == "patch"
        candidate = None if refused else self.candidate
        if candidate is not None and self.lost:
            again = tuple(f"judged again: {reason}" for reason in self.lost)
            candidate = replace(candidate, warnings=(*candidate.warnings, *again))
        return Attempt(
            number=number,
            proposal=proposal,
            candidate=candidate,
            verdict=verdict,
            seconds=self.seconds,
            confirmations=self.confirmations,
            gates=self.gates,
            ticket=self.number,
            title=patch.title(proposal.reply) if refused else ("", ""),
            # A program that is too long is refused for its length, which its syntax tree does not show.
            syntax_hash="" if refused or reason == "too_large" else self.syntax_hash,
            same_as=self.same_as,
        )
