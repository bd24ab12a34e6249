"""Build the messages of a prompt from its material, within a budget of tokens.

Owns: which template makes which message, and what is left out first. Does not know: how material is chosen, models.
Pure.

If a prompt is too large, these are left out, in this order:
1. changes that were tried on the parent without success;
2. rejections, oldest first, except the latest;
3. inspirations become patches against the parent, where the patch is shorter than the source; last first;
4. inspirations, last first;
5. the second half of each group of ideas, then all ideas and the request for a summary, then the summary of the search;
6. for a repair, the middle of the failed reply, and the change that was applied;
7. the latest rejection;
8. the second parent of a crossover becomes a patch against the first; where their merge conflicts, the first one's
   change since their common ancestor, then the second one's;
9. the parent's tables of scores, then the machine;
10. advice, oldest first.
The task, the format, the parent's source, the summary of its scores and a merge's conflicts are never left out. If they
alone are too large, the prompt is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from harness.prompt.material import Frame, IdeaGroup, Material, Results, Shown
from harness.prompt.templates import Templates
from harness.prompt.text import BYTES_A_TOKEN, shortened, tokens
from harness.types import HarnessError, Message

FAILED_REPLY_BYTES = 3000
"""The length to which a failed reply is shortened."""


class TooLarge(HarnessError):
    """The parts of a prompt that are never left out do not fit."""


def build(material: Material, frame: Frame, templates: Templates, context_tokens: int) -> tuple[Message, ...]:
    """The messages of a prompt: the one for the whole run, then the one for this proposal.

    Raises TooLarge where the parts that are never left out do not fit, and HarnessError for a faulty template.
    """
    messages: tuple[Message, ...] = ()
    for now in lighter(material):
        messages = render(now, frame, templates)
        if size(messages) <= context_tokens:
            return messages
    raise TooLarge(
        f"expected a prompt of at most {context_tokens:,} tokens (context_tokens), found {size(messages):,} "
        f"(estimated at {BYTES_A_TOKEN} bytes a token) with everything optional left out: the task, the format and the "
        f"source of {material.parent.label} must fit. Raise proposer.context_tokens if the model's context allows it"
    )


def size(messages: tuple[Message, ...]) -> int:
    """An upper estimate of the tokens of messages."""
    return sum(tokens(message.text) for message in messages)


def render(material: Material, frame: Frame, templates: Templates) -> tuple[Message, ...]:
    """The messages of all of this material."""
    values: dict[str, Any] = {name: getattr(material, name) for name in Material.__slots__}
    values |= {"task": frame.task, "limits": frame.limits}
    return (
        Message(role="system", text=templates.render("system.j2", values)),
        Message(role="user", text=templates.render(f"{'merge' if material.merge else material.kind}.j2", values)),
    )


def lighter(material: Material) -> Iterator[Material]:
    """The material, then with more and more left out, in the order of the module docstring."""
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
    for fewer in (_halved(now.ideas), ()) if now.ideas else ():
        asked = now.summary_asked if fewer else 0  # nobody can sum up what is not shown
        yield (now := replace(now, ideas=fewer, tally=now.tally if fewer else "", summary_asked=asked))
    if now.summary is not None:
        yield (now := replace(now, summary=None))
    if now.failed is not None:
        cut = replace(now.failed, reply=shortened(now.failed.reply, FAILED_REPLY_BYTES), change="")
        yield (now := replace(now, failed=cut))
    if now.rejections:
        yield (now := replace(now, rejections=()))
    if (merge := now.merge) is not None:
        yield (now := replace(now, merge=replace(merge, first="")))
        yield (now := replace(now, merge=replace(merge, first="", second="")))
    elif now.other is not None and (shown := _as_patch(now.other)) is not None:
        yield (now := replace(now, other=shown))
    yield (now := replace(now, parent=replace(now.parent, results=Results)))
    if now.machine:
        yield (now := replace(now, machine=""))
    while now.advice:
        yield (now := replace(now, advice=now.advice[1:]))


def _halved(ideas: tuple[IdeaGroup, ...]) -> tuple[IdeaGroup, ...]:
    return tuple(replace(group, lines=group.lines[: -(-len(group.lines) // 2)]) for group in ideas)


def _as_patch(shown: Shown) -> Shown | None:
    if shown.is_patch or not shown.patch or len(shown.patch) >= len(shown.text):
        return None
    return replace(shown, text=shown.patch, is_patch=True)
