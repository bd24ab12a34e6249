"""The next turn of a conversation, after a model's answer was rejected.

Owns: its text, and what is left out of a conversation that is too large. Does not know: how many turns are allowed,
or models. Pure.

Left out first are the turns between the prompt and the last rejected answer, oldest first; then the middle of that
answer; then the middle of the error's text. If even that does not fit, there is no further turn.
"""

from __future__ import annotations

from typing import Any

from harness.prompt.build import size
from harness.prompt.templates import Templates
from harness.prompt.text import BYTES_A_TOKEN, data_line, identifier, seen, shortened, tokens
from harness.types import Kind, Message

TEMPLATE = "turn.j2"
LONGEST_ANSWER = 40_000
"""Bytes of a rejected answer that are sent back to its model; a real patch is shorter."""
SHORTEST_ANSWER = 200
LONGEST_DETAIL = 6_000


def told(kind: Kind, stage: str, reason: str, detail: str) -> dict[str, Any]:
    """The values of the template of a further turn."""
    return {"kind": kind, "stage": data_line(stage), "reason": identifier(reason), "detail": seen(detail)}


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
    """The messages with the answer and its rejection, within `context_tokens`; None where they do not fit, and where
    nothing of the answer is seen: endpoints refuse an empty message.

    The prompt itself, everything before the first answer, is always kept.
    """
    prompt_ends = next((at for at, message in enumerate(messages) if message.role == "assistant"), len(messages))
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
    # Shortened twice, because cleaning is slow on ten megabytes. The mark of the cut takes room too.
    said = seen(shortened(answer, LONGEST_ANSWER))
    if not said.strip():
        return None
    said = shortened(said, max(SHORTEST_ANSWER // 2, room * BYTES_A_TOKEN - 100))
    left = room - tokens(said)
    while turns and size(turns) > left:
        turns = turns[2:]
    return (*prompt, *turns, Message(role="assistant", text=said), error)
