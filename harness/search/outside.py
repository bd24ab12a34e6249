"""Ask and tell: tickets that are answered from outside, by anybody and at any time.

Owns: how such a ticket is opened, and how its answer is stored. Does not know: who answers, how prompts are worded, how
answers are judged (`search.settle` does that).

Any number of processes may ask and tell at once, while searches go on in the same run. A ticket is durable before its
prompt is shown, an answer before it is read; a ticket is answered only once.
"""

from __future__ import annotations

from dataclasses import replace

from harness.archive import Archive
from harness.archive.owners import ASK
from harness.proposers.base import Proposer, View
from harness.search.source import PARENTS, attempt_rng
from harness.select import Objective, Selector, standing
from harness.turns import open_ticket, with_turn
from harness.types import HarnessError, Pending, Request, Turn


def ask(archive: Archive, proposer: Proposer, selector: Selector, objective: Objective, seed: int) -> Pending:
    """Open a ticket; it is durable when this returns. Raises HarnessError where nothing can be asked for."""
    archive.refresh()
    where = standing(archive.entries, objective)
    if where.champion is None:
        raise HarnessError("expected a seed program that is judged and valid, found none: judge the seed program first")
    with archive.writing("the ticket") as writing:
        ticket = writing.ticket()
        rng = attempt_rng(seed, ticket)
        view = View(
            entries=archive.entries,
            standing=where,
            parents=selector(where, rng, PARENTS),
            source=archive.source,
            reply=archive.reply,
            prepare=archive.prepare,
            advice=archive.advice(),
            open=tuple(pending.request or pending.proposal for pending in archive.pending()),
        )
        made = proposer.propose(view, rng)
        if made is None:
            raise HarnessError(
                "no proposal of this kind is possible now: a crossover needs two programs, a repair a rejected attempt "
                "that has not been repaired yet"
            )
        if not isinstance(made, Request):
            raise HarnessError(
                "expected a request for a model, found a proposal that needs none: use a proposer of kind llm"
            )
        pending = replace(open_ticket(ticket, made, proposer=ASK), owner=ASK)
        writing.put(pending)
    return pending


def find(archive: Archive, ticket: int) -> Pending:
    """The ticket of this number, if this process may answer it; else raises HarnessError.

    A ticket that a dead process has answered and not judged is returned with `answered` set.
    """
    archive.refresh()
    pending = next((each for each in archive.pending() if each.ticket == ticket), None)
    if pending is None or (pending.owner != ASK and not archive.orphaned(pending)):
        return archive.take(ticket)  # raises the reason, or succeeds if the ticket is free by now
    if pending.proposal.proposer != ASK:
        raise HarnessError(
            f"ticket {ticket} was not opened by `packsmith ask`: run the command of the search it belongs to "
            f"again to continue it"
        )
    return pending


def tell(archive: Archive, pending: Pending, turn: Turn) -> Pending:
    """Store the answer to a ticket, durably, unless it has one, and take the ticket over, to be judged here.

    Raises ArchiveError where another process was faster.
    """
    answer = with_turn(replace(pending.proposal, model=turn.model), turn)
    return archive.take(pending.ticket, answer=None if pending.answered else answer)
