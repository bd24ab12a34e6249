"""Asking and telling in an open run: a ticket with its prompt, and the answer to it, judged and archived.

Owns: what a run must have before it is asked, what counts as a reply or as advice, and the reply that an edited program
makes. Does not know: who answers, how prompts are worded, how tickets are stored (`search.outside`), how anything is
shown.
"""

from __future__ import annotations

from dataclasses import replace

from harness import patch
from harness.archive import Archive
from harness.config import PROMPTS
from harness.patch import PatchError
from harness.proposers import LLM_PROPOSER, PROPOSERS, Proposer, Shares
from harness.runs.opened import OpenRun
from harness.search import Judge, Report, outside, settle
from harness.types import Entry, HarnessError, Kind, Message, Pending, Turn, Usage

MOST_REPLY = 16_000_000
"""Bytes of a reply: more than any model writes."""
STILL_OPEN = "the ticket is still open"
MOST_ADVICE = 4000
"""Characters of one piece of advice: every later prompt repeats it."""


def ask(opened: OpenRun, kind: Kind | None = None) -> Pending:
    """Write a prompt, and open a ticket for it, which is durable when this returns. Its `request` is set.

    `kind` is drawn by the run's shares where it is None. Raises HarnessError.
    """
    archive, config = opened.archive, opened.config
    if not seed_scored(archive):
        raise HarnessError(
            f"{opened.folder}: the seed program has no score yet, and prompts show it: run "
            f"`packsmith search CONFIG -s proposer.kind=ask --run {opened.folder}` once"
        )
    if archive.config["proposer"].get("prompts") and not opened.own_config and archive.file(PROMPTS) is None:
        raise HarnessError(f"{opened.folder} has its own prompts, which are not stored with it: add --config CONFIG")
    selector = config.selector(archive.source)
    return outside.ask(archive, proposer_of(opened, kind), selector, config.objective, config.seed)


def proposer_of(opened: OpenRun, kind: Kind | None = None) -> Proposer:
    """What writes the prompts of an open run, the same as often as it is asked for: it has read the attempts until
    then. Raises HarnessError.
    """
    kept = opened.proposers
    if kind not in kept:
        options = replace(opened.config.proposer_options, models=(), bandit=None)
        kept[kind] = PROPOSERS[LLM_PROPOSER](options if kind is None else replace(options, shares=Shares.only(kind)))
    return kept[kind]


def seed_scored(archive: Archive) -> bool:
    """Whether the seed program is judged and valid."""
    return any(entry.scored for entry in archive.entries if entry.kind == "seed")


def prompt_text(messages: tuple[Message, ...]) -> str:
    """A conversation as one text, for a tool that takes a single text."""
    return "\n".join(message.text.rstrip("\n") + "\n" for message in messages)


def checked_reply(text: str, what: str) -> str:
    """A reply as it came. `what` is its name in errors. Raises HarnessError if it is empty, too large, or not text."""
    if len(text.encode("utf-8", "surrogateescape")) > MOST_REPLY:
        raise HarnessError(f"{what}: expected a reply of at most {MOST_REPLY:,} bytes, found more; {STILL_OPEN}")
    if not text.strip():
        raise HarnessError(f"{what}: expected a reply, found an empty text; {STILL_OPEN}")
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise HarnessError(f"{what}: expected a reply as UTF-8 text, found other bytes; {STILL_OPEN}")
    return text


def checked_advice(text: str) -> str:
    """Advice without the blanks round it. Raises HarnessError if it is empty or too long."""
    words = text.strip()
    if not words:
        raise HarnessError("expected some words of advice, found an empty text")
    if len(words) > MOST_ADVICE:
        raise HarnessError(f"expected at most {MOST_ADVICE:,} characters of advice, found {len(words):,}: be brief")
    return words


def reply_of_program(
    archive: Archive, pending: Pending, edited: str, *, name: str, description: str, where: str
) -> str:
    """The reply that turns the ticket's first parent into an edited program, which errors call `where`.

    Raises HarnessError if no reply does, as for a program that was not changed.
    """
    parent = archive.source(pending.proposal.parents[0])
    try:
        return patch.render(patch.diff(parent, edited, name=name, description=description))
    except PatchError as error:
        raise HarnessError(
            f"{where}: no patch turns the program of ticket {pending.ticket} into this one ({error.reason})\n"
            f"{error.detail}\nThe ticket is still open: give it another program, or a reply"
        ) from None


def answered(archive: Archive, pending: Pending, text: str, *, model: str, usd: float, tokens: int) -> Pending:
    """Store the answer to a ticket, durably, unless it has one, and take the ticket over, to be judged here.

    `model` names the author, `usd` and `tokens` are what the answer cost. Raises ArchiveError where another process
    was faster.
    """
    turn = Turn(text=text, model=model, usage=Usage(output_tokens=tokens), usd=usd)
    return outside.tell(archive, pending, turn)


def settled(opened: OpenRun, judge: Judge, pending: Pending, progress: Report) -> Entry:
    """Judge the answer under a ticket of this process, and archive it."""
    entries = settle(opened.archive, judge, opened.config.objective, [pending], progress=progress)
    return next(entry for entry in list(entries) if entry.ticket_number == pending.ticket)


def seed_settled(opened: OpenRun, judge: Judge, progress: Report) -> None:
    """Judge the seed program, unless it is judged. Raises HarnessError where it is not valid."""
    for _ in settle(opened.archive, judge, opened.config.objective, progress=progress):
        pass
