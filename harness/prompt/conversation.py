"""A rejected answer, told to the model that gave it: one more turn of the same conversation.

Owns: what is said, and what of the conversation is left out where it grows too large. Does not know: how many turns
there may be, nor models.

What does not fit: the turns between the prompt and the answer that was rejected last, oldest first; then the middle of
that answer; then the middle of the error's text. Where there is no room for a word of it, there is no further turn.
"""

from __future__ import annotations

from typing import Any

from harness.prompt.build import size
from harness.prompt.templates import Templates
from harness.prompt.text import BYTES_A_TOKEN, clean, shortened, tokens
from harness.types import Kind, Message

TEMPLATE = "turn.j2"
LONGEST_ANSWER = 40_000
"""Bytes of a rejected answer that are shown to its model again: a patch that is meant to be one is shorter."""
SHORTEST_ANSWER = 200
LONGEST_DETAIL = 6_000


def told(kind: Kind, stage: str, reason: str, detail: str) -> dict[str, Any]:
    """The names that the template of a further turn knows."""
    return {"kind": kind, "stage": stage, "reason": reason, "detail": detail}


def further_turn(
    messages: tuple[Message, ...],
    answer: str,
    *,
    kind: Kind,
    stage: str,
    reason: str,
    detail: str,
    templates: Templates,
    context_tokens: int,
) -> tuple[Message, ...] | None:
    """The messages with the answer and what became of it, within the budget; None where there is no room.

    The prompt itself, what comes before the first answer, always stands.
    """
    prompt_ends = next((at for at, one in enumerate(messages) if one.role == "assistant"), len(messages))
    prompt, turns = messages[:prompt_ends], messages[prompt_ends:]
    longest = LONGEST_DETAIL
    while True:
        values = told(kind, stage, reason, shortened(detail, longest))
        error = Message(role="user", text=templates.render(TEMPLATE, values))
        room = context_tokens - size((*prompt, error))
        if room * BYTES_A_TOKEN >= SHORTEST_ANSWER:
            break
        if longest < SHORTEST_ANSWER:
            return None
        longest //= 2
    # Cut twice: cleaning can make it longer, and is not for ten megabytes. The mark of the cut takes some room too.
    said = clean(shortened(answer, LONGEST_ANSWER))
    said = shortened(said, max(SHORTEST_ANSWER // 2, room * BYTES_A_TOKEN - 100))
    left = room - tokens(said)
    while turns and size(turns) > left:
        turns = turns[2:]
    return (*prompt, *turns, Message(role="assistant", text=said), error)
