"""Open tickets as JSON values: what is asked, what is judged now, what may be answered.

Owns: the record of a ticket, short and with its texts. Does not know: HTTP, how an answer is judged.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness.archive.feed import Feed
from harness.archive.owners import ASK
from harness.page.words import LONGEST, whole
from harness.types import Pending, Turn


def ticket_record(feed: Feed, pending: Pending, number: Callable[[str], int]) -> dict[str, Any]:
    """A ticket without its texts; `number` gives an attempt's number by its commit."""
    orphaned = feed.orphaned(pending)
    return {
        "ticket": pending.ticket,
        "kind": pending.proposal.kind,
        "state": _state(pending, orphaned=orphaned),
        "model": whole(pending.request.model if pending.request is not None else pending.proposal.model, 80),
        "parents": [at for parent in pending.proposal.parents if (at := number(parent)) >= 0],
        "bound_usd": pending.bound_usd,
        "answerable": pending.proposal.proposer == ASK and (pending.owner == ASK or orphaned),
    }


def _state(pending: Pending, *, orphaned: bool) -> str:
    """Where the answer is, in the words of `packsmith status`."""
    if orphaned:
        return "left"
    if pending.answered:
        return "answered"
    return "calling" if pending.calling else "asked"


def ticket_texts(feed: Feed, pending: Pending) -> dict[str, Any]:
    """The prompt of a ticket, the program that its answer applies to, and the turns so far."""
    messages = pending.request.messages if pending.request is not None else ()
    return {
        "prompt": whole("\n".join(message.text.rstrip("\n") + "\n" for message in messages), LONGEST),
        "messages": [{"role": message.role, "text": whole(message.text, LONGEST)} for message in messages],
        "program": whole(feed.source(pending.proposal.parents[0]), LONGEST),
        "turns": [turn_record(turn) for turn in pending.proposal.turns],
    }


def turn_record(turn: Turn) -> dict[str, Any]:
    """A model's answer as it came, and what the call cost."""
    usage = turn.usage
    return {
        "model": whole(turn.model, 80),
        "text": whole(turn.text, LONGEST),
        "finish": turn.finish,
        "input_tokens": usage.input_tokens,
        "cached_tokens": usage.cached_tokens,
        "output_tokens": usage.output_tokens,
        "usd": turn.usd,
        "seconds": turn.seconds,
        "tries": turn.tries,
        "note": whole(turn.note, 4000),
        "refusal": whole(turn.refusal, LONGEST),
    }
