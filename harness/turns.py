"""Conversations with a model: how each turn changes a ticket, and how turns are recorded. Pure.

Owns: the records of turns, and which answers hold nothing to apply.
Does not know: who asks, who judges, where anything is stored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from evaluator.types import Rejected
from harness.text import decode, encode
from harness.types import Call, Candidate, Finish, Pending, Proposal, Request, Turn, TurnRecord, Usage, base_fields

NOTHING_CAME: Mapping[Finish, tuple[str, str]] = MappingProxyType(
    {
        "no_reply": ("no_reply", "no reply came, and the call may have been billed"),
        "refusal": ("refused", "the model declined to answer"),
        "empty": ("empty_reply", "the model answered with nothing"),
    }
)
"""Reason and sentence for an answer that holds nothing to apply, by how the call finished."""


def nothing_came(turn: Turn) -> Rejected | None:
    """The verdict on an answer that holds no text to apply; None for one that does."""
    if turn.finish not in NOTHING_CAME:
        return None
    reason, sentence = NOTHING_CAME[turn.finish]
    text = turn.text if turn.finish == "refusal" else ""
    detail = ": ".join(part for part in (sentence, turn.note, text[:2000]) if part)
    return Rejected(stage="patch", reason=reason, detail=detail)


def open_ticket(ticket: int, request: Request, *, proposer: str) -> Pending:
    """A ticket for a request that has no answer yet."""
    proposal = Proposal(
        kind=request.kind,
        parents=request.parents,
        reply="",
        proposer=proposer,
        inspirations=request.inspirations,
        model=request.model,
    )
    return Pending(ticket=ticket, proposal=proposal, request=request)


def with_turn(proposal: Proposal, turn: Turn) -> Proposal:
    """The proposal with one more answer."""
    return replace(
        proposal,
        reply=turn.text,
        usd=proposal.usd + turn.usd,
        tokens=proposal.tokens + turn.usage.input_tokens + turn.usage.output_tokens,
        turns=(*proposal.turns, turn),
    )


def answer_ticket(pending: Pending, turn: Turn) -> Pending:
    """The ticket with its answer; its bounds on cost are cleared."""
    return replace(pending, proposal=with_turn(pending.proposal, turn), answered=True, bound_usd=0.0, bound_tokens=0)


def lost_turn(pending: Pending) -> Turn:
    """The turn of a call whose process died before the answer came: booked at the most it may have cost."""
    return Turn(
        text="",
        model=pending.request.model if pending.request else pending.proposal.model,
        finish="no_reply",
        usage=Usage(input_tokens=pending.bound_tokens),
        usd=pending.bound_usd,
        note="the process that asked ended before the answer came",
    )


def with_refusal(proposal: Proposal, refusal: str) -> Proposal:
    """The proposal with the text that told the model why its last answer was rejected."""
    *before, last = proposal.turns
    return replace(proposal, turns=(*before, replace(last, refusal=refusal)))


def whole_candidate(proposal: Proposal, parent: str) -> Candidate:
    """The program of a proposal that comes whole: an import, or the seed, which is its parent's program."""
    source, imported = proposal.reply if proposal.kind == "import" else parent, proposal.imported
    if imported is None:
        return Candidate(name=proposal.kind, description="", source=source)
    return Candidate(
        name=imported.name or imported.claimed.id,
        description=imported.description,
        source=source,
        warnings=imported.warnings,
    )


def transcript(proposal: Proposal) -> bytes:
    """The content of `reply.md`: the concatenated texts of all turns."""
    return b"".join(encode(turn.text) for turn in proposal.turns) if proposal.turns else encode(proposal.reply)


def turn_records(turns: Sequence[Turn]) -> tuple[TurnRecord, ...]:
    return tuple(TurnRecord(length=len(encode(turn.text)), **base_fields(Call, turn)) for turn in turns)


def read_turns(written: bytes, records: Sequence[TurnRecord]) -> tuple[Turn, ...]:
    """The turns, from `reply.md` and their records. Raises ValueError if the lengths do not match."""
    if sum(record.length for record in records) != len(written):
        raise ValueError(f"expected turns of {sum(record.length for record in records)} bytes, found {len(written)}")
    turns, at = [], 0
    for record in records:
        turns.append(Turn(text=decode(written[at : at + record.length]), **base_fields(Call, record)))
        at += record.length
    return tuple(turns)
