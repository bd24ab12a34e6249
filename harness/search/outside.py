"""Questions to whoever is outside, and their answers: a ticket that anybody may answer, at any time.

Owns: how such a ticket is opened, and how an answer is kept. Does not know: who answers, how prompts are worded, how
answers are judged (`search.settle` does that).

Any number of processes may ask and tell at once, beside searches that go on in the same run. A ticket is durable before
its prompt is shown, an answer before it is looked at; nobody answers a ticket twice.
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
    """Open a ticket; durable when this returns. Raises HarnessError where there is nothing to ask."""
    archive.refresh()
    where = standing(archive.entries, objective)
    if where.champion is None:
        raise HarnessError("expected a seed program that is judged and valid, found none: judge it first")
    with archive.writing("the ticket") as writing:
        ticket = writing.ticket()
        rng = attempt_rng(seed, ticket)
        view = View(
            entries=archive.entries,
            standing=where,
            parents=selector(where, rng, PARENTS),
            source=archive.source,
            reply=archive.reply,
            advice=archive.advice(),
            open=tuple(one.request or one.proposal for one in archive.pending()),
        )
        made = proposer.propose(view, rng)
        if made is None:
            raise HarnessError(
                "nothing of this kind can be asked for now: a crossover needs two programs, a repair one that "
                "failed and was not mended yet"
            )
        if not isinstance(made, Request):
            raise HarnessError("expected a question, found a proposal that asks nobody: take a proposer of kind llm")
        pending = replace(open_ticket(ticket, made, proposer=ASK), owner=ASK)
        writing.put(pending)
    return pending


def find(archive: Archive, ticket: int) -> Pending:
    """A ticket that this process may answer, as it stands. Raises HarnessError where there is none of that number.

    One whose answer was kept by a process that is dead is among them: it comes `answered`.
    """
    archive.refresh()
    found = next((pending for pending in archive.pending() if pending.ticket == ticket), None)
    if found is None or (found.owner != ASK and not archive.orphaned(found)):
        return archive.take(ticket)  # says why it cannot be had; or it is to be had by now
    if found.proposal.proposer != ASK:
        raise HarnessError(
            f"ticket {ticket} was not opened by `packsmith ask`: the search it belongs to goes on with it when its "
            f"command is run again"
        )
    return found


def tell(archive: Archive, found: Pending, turn: Turn) -> Pending:
    """Keep the answer to a ticket, durably, unless it has one: from now on it is this process's, to be judged.

    Raises ArchiveError where another process was quicker.
    """
    answer = with_turn(replace(found.proposal, model=turn.model), turn)
    return archive.take(found.ticket, answer=None if found.answered else answer)
