"""From material to the messages of a prompt, within a budget of tokens.

Owns: which template makes which message, and what is left out first. Does not know: how material is chosen, models.

What does not fit goes in this order:
1. what was tried on the parent without success;
2. rejections, the oldest first, up to the latest;
3. inspirations shown as source become patches against the parent, where they have one that is shorter; last first;
4. inspirations, last first;
5. for a repair, the reply that failed is cut to its ends, and the change that was applied goes;
6. the latest rejection;
7. the second parent of a crossover becomes a patch against the first;
8. the parent's tables of scores, then the machine;
9. advice, oldest first.
The brief, the format, the parent's source and the summary of its scores always stand. Where they alone are too large
the prompt is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from harness.prompt.material import Frame, Material, Shown
from harness.prompt.templates import Templates
from harness.prompt.text import BYTES_A_TOKEN, shortened, tokens
from harness.types import HarnessError, Message

FAILED_REPLY_BYTES = 3000
"""What is left of a failed reply that does not fit."""


class TooLarge(HarnessError):
    """What is never left out of a prompt does not fit."""


def build(material: Material, frame: Frame, templates: Templates, context_tokens: int) -> tuple[Message, ...]:
    """The messages of a prompt: what holds for all of a run, then what this one is about.

    Raises TooLarge where what is never left out does not fit, and HarnessError for a template that cannot be rendered.
    """
    messages: tuple[Message, ...] = ()
    for now in lighter(material):
        messages = render(now, frame, templates)
        if size(messages) <= context_tokens:
            return messages
    raise TooLarge(
        f"expected a prompt of at most {context_tokens:,} tokens (context_tokens), found {size(messages):,} (reckoned "
        f"at {BYTES_A_TOKEN} bytes each) with everything left out that can be: the brief, the format and the source of "
        f"{material.parent.label} must fit; raise proposer.context_tokens, for a model whose context is that large"
    )


def size(messages: tuple[Message, ...]) -> int:
    """The tokens of messages, estimated from above."""
    return sum(tokens(message.text) for message in messages)


def render(material: Material, frame: Frame, templates: Templates) -> tuple[Message, ...]:
    """The messages of this material, all of it."""
    values: dict[str, Any] = {name: getattr(material, name) for name in Material.__slots__}
    values |= {"task": frame.task, "limits": frame.limits}
    return (
        Message(role="system", text=templates.render("system.j2", values)),
        Message(role="user", text=templates.render(f"{material.kind}.j2", values)),
    )


def lighter(material: Material) -> Iterator[Material]:
    """The material, then with ever more left out, in the order that the module's text states."""
    now = material
    yield now
    if now.tried:
        yield (now := replace(now, tried=()))
    while len(now.rejections) > 1:
        yield (now := replace(now, rejections=now.rejections[:-1]))
    for at in reversed(range(len(now.inspirations))):
        shown = _as_patch(now.inspirations[at])
        if shown is not None:
            yield (now := replace(now, inspirations=(*now.inspirations[:at], shown, *now.inspirations[at + 1 :])))
    while now.inspirations:
        yield (now := replace(now, inspirations=now.inspirations[:-1]))
    if now.failed is not None:
        cut = replace(now.failed, reply=shortened(now.failed.reply, FAILED_REPLY_BYTES), change="")
        yield (now := replace(now, failed=cut))
    if now.rejections:
        yield (now := replace(now, rejections=()))
    if now.other is not None and (shown := _as_patch(now.other)) is not None:
        yield (now := replace(now, other=shown))
    yield (now := replace(now, parent=replace(now.parent, table="", losses=())))
    if now.machine:
        yield (now := replace(now, machine=""))
    while now.advice:
        yield (now := replace(now, advice=now.advice[1:]))


def _as_patch(shown: Shown) -> Shown | None:
    if shown.is_patch or not shown.patch or len(shown.patch) >= len(shown.text):
        return None
    return replace(shown, text=shown.patch, is_patch=True)
