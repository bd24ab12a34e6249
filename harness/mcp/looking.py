"""The tools that look: the state of a run, its front, attempts, and a search in them.

Owns: what each of them returns. Does not know: protocols, judging, who asks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from evaluator import Rejected
from harness.archive import Archive
from harness.gate import GatedStanding
from harness.mcp.arguments import (
    AttemptArguments,
    FrontArguments,
    LogArguments,
    SearchArguments,
    SearchedPart,
    StatusArguments,
)
from harness.mcp.results import (
    MOST_DETAIL,
    MOST_NAME,
    AttemptResult,
    FrontResult,
    LogResult,
    Row,
    SearchResult,
    StatusResult,
    Text,
    Ticket,
    cut,
    row,
    text_part,
    verdict_result,
)
from harness.prompt.scores import goal
from harness.readings.lineage import first_parent
from harness.report import attempts, lineage_view, status_view
from harness.runs.opened import OpenRun
from harness.text import one_line
from harness.types import Entry

_SEARCH_S = 5.0
"""After this long a search returns what it found, and where it stopped."""
_MOST_LISTED = 200
"""Tickets, advice and damage that a status lists, each."""


class Desk:
    """An open run that is looked at, and its standing. Used by one thread at a time."""

    def __init__(self, opened: OpenRun) -> None:
        self.opened = opened
        self._standing: tuple[int, GatedStanding] | None = None

    @property
    def archive(self) -> Archive:
        return self.opened.archive

    @property
    def folder(self) -> Path:
        return self.opened.folder

    def refresh(self) -> None:
        """Read what others have archived since."""
        self.archive.catch_up()

    @property
    def standing(self) -> GatedStanding:
        """The standing of the attempts that are known now. An agent that makes proposals learns nothing of held-out
        loads, so the champion counts as the best program.
        """
        count = len(self.archive.entries)
        if self._standing is None or self._standing[0] != count:
            self._standing = count, self.opened.standing().without_gates
        return self._standing[1]

    def attempt(self, word: str | int) -> Entry:
        """The attempt that a word names, `best` as an agent knows it. Raises ArchiveError."""
        champion = self.standing.champion
        return champion if word == "best" and champion is not None else self.opened.attempt(word)

    def number(self, id_: str) -> int | None:
        """The number of the attempt with a commit id."""
        found = self.archive.find(id_)
        return None if found is None else found.number

    def row(self, entry: Entry) -> Row:
        return row(entry, self.number)

    def row_or_none(self, entry: Entry | None) -> Row | None:
        return None if entry is None else self.row(entry)


def status(desk: Desk, arguments: StatusArguments) -> StatusResult:
    """The state of the run."""
    archive, standing = desk.archive, desk.standing
    state = status_view.status(
        standing,
        archive.entries,
        pending=[(pending, archive.orphaned(pending)) for pending in archive.pending()],
        booked=archive.booked,
        limits=archive.config["budget"],
        advice=archive.advice(),
    )
    tickets = [
        Ticket(ticket=each.ticket, kind=each.kind, state=each.state.value, parents=list(each.parents))
        for each in state.open[:_MOST_LISTED]
    ]
    return StatusResult(
        run=str(desk.folder),
        task=desk.opened.task.name,
        quality=desk.opened.task.quality_key,
        objective=goal(standing),
        attempts=state.attempts,
        scored=state.scored,
        seed=desk.row_or_none(state.seed),
        best=desk.row_or_none(state.best),
        front=[entry.number for entry in state.front[:_MOST_LISTED]],
        usd=state.booked.usd,
        tokens=state.booked.tokens,
        calls=state.booked.calls,
        judge_s=state.judge_s,
        budget=dict(state.limits),
        tickets=tickets,
        advice=[cut(text, MOST_DETAIL) for text in state.advice[-_MOST_LISTED:]],
        damage=[one_line(text, MOST_DETAIL) for text in archive.damage[:_MOST_LISTED]],
    )


def front(desk: Desk, arguments: FrontArguments) -> FrontResult:
    """The Pareto front, fastest first."""
    found = desk.standing.front
    return FrontResult(
        programs=[desk.row(entry) for entry in found[: arguments.limit]], more=max(0, len(found) - arguments.limit)
    )


def attempt(desk: Desk, arguments: AttemptArguments) -> AttemptResult:
    """One attempt with its verdict, and the texts that are asked for. Raises ArchiveError."""
    archive, standing = desk.archive, desk.standing
    entry = desk.attempt(arguments.attempt)

    def part(name: str, text: Callable[[Entry], str | None]) -> Text | None:
        found = text(entry) if name in arguments.texts else None
        return None if found is None else text_part(found, arguments.offset, arguments.limit)

    return AttemptResult(
        row=desk.row(entry),
        id=entry.id,
        description=cut(entry.description, MOST_DETAIL),
        proposer=one_line(entry.proposer, MOST_NAME),
        usd=entry.usd,
        tokens=entry.tokens,
        warnings=[one_line(warning, MOST_DETAIL) for warning in entry.warnings[:_MOST_LISTED]],
        verdict=verdict_result(entry.verdict),
        against_parent=against_parent(archive, entry),
        best=standing.champion is not None and standing.champion.id == entry.id,
        on_front=any(member.id == entry.id for member in standing.front),
        program=part("program", lambda one: program_of(archive, one)),
        diff=part("diff", lambda one: _diff(archive, one)),
        reply=part("reply", lambda one: archive.reply(one.id)),
    )


def against_parent(archive: Archive, entry: Entry) -> str:
    """What an attempt changed against its first parent, in words."""
    return attempts.same(entry, archive.find) or attempts.change(entry, archive.find)


def program_of(archive: Archive, entry: Entry) -> str | None:
    """The program of an attempt; None if its reply gave none. Raises ArchiveError."""
    if isinstance(entry.verdict, Rejected) and entry.verdict.stage == "patch":
        return None
    return archive.source(entry.id)


def _diff(archive: Archive, entry: Entry) -> str | None:
    """The unified diff of an attempt against its first parent, "" for the seed program; None without a program."""
    after, parent = program_of(archive, entry), first_parent(entry)
    if after is None or not parent:
        return None
    found = archive.find(parent)
    names = ("seed" if found is None else f"{found.number:06d}", f"{entry.number:06d}")
    return lineage_view.program_diff(archive.source(parent), after, names)


def log(desk: Desk, arguments: LogArguments) -> LogResult:
    """Attempts, newest first, a page at a time."""
    found = (entry for entry in _newest(desk.archive.entries, arguments.before) if entry.scored or not arguments.scored)
    page, more = _page(found, arguments.limit)
    return LogResult(
        attempts=[desk.row(entry) for entry in page], next_before=page[-1].number if more and page else None
    )


def search(desk: Desk, arguments: SearchArguments) -> SearchResult:
    """Attempts that contain a text, newest first, as many as there are or as a few seconds suffice for."""
    wanted, until_s = arguments.text.casefold(), time.monotonic() + _SEARCH_S
    found: list[Entry] = []
    last: int | None = None
    for entry in _newest(desk.archive.entries, arguments.before):
        if len(found) >= arguments.limit or time.monotonic() > until_s:
            return SearchResult(attempts=[desk.row(one) for one in found], next_before=last)
        last = entry.number
        if any(wanted in text.casefold() for text in _texts(desk.archive, entry, arguments.parts)):
            found.append(entry)
    return SearchResult(attempts=[desk.row(entry) for entry in found], next_before=None)


def _texts(archive: Archive, entry: Entry, parts: Sequence[SearchedPart]) -> Iterator[str]:
    if "name" in parts:
        yield entry.name
    if "description" in parts:
        yield entry.description
    if "reason" in parts and isinstance(entry.verdict, Rejected):
        yield f"{entry.verdict.stage}: {entry.verdict.reason}\n{entry.verdict.detail}"
    if "program" in parts:
        yield program_of(archive, entry) or ""


def _newest(entries: Sequence[Entry], before: int | None) -> Iterator[Entry]:
    return (entry for entry in reversed(entries) if before is None or entry.number < before)


def _page(entries: Iterable[Entry], limit: int) -> tuple[list[Entry], bool]:
    """The first entries, and whether there are more."""
    page: list[Entry] = []
    for entry in entries:
        if len(page) == limit:
            return page, True
        page.append(entry)
    return page, False
