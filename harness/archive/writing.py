"""One batch of writes to an archive: attempts, tickets and derived refs that become durable together.

Owns: what happens before the batch is durable, and what only after. Does not know: loops, judges, models.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from harness.archive.attempt_table import AttemptTable
from harness.archive.commits import ATTEMPT, REPLY, ArchiveError, Root, write_attempt
from harness.archive.details import Details
from harness.archive.opening import BEST
from harness.archive.records import record_of, record_to_bytes
from harness.archive.texts import Texts
from harness.archive.tickets import Tickets
from harness.git import Batch, GitError, RefLock, Repository
from harness.text import encode
from harness.turns import transcript
from harness.types import Attempt, Entry, Pending, Proposal

ELITES = "refs/elites"


class Pointed:
    """The derived refs as last written, so that only changes are written; None if unknown."""

    def __init__(self) -> None:
        self.refs: dict[str, str] | None = None


class Writing:
    """A batch in progress. After an exception from it, the attempt table must be loaded again."""

    def __init__(
        self,
        *,
        repository: Repository,
        root: Root,
        table: AttemptTable,
        tickets: Tickets,
        texts: Texts,
        details: Details,
        pointed: Pointed,
        batch: Batch,
    ) -> None:
        self._repository, self._root, self._table = repository, root, table
        self._tickets, self._texts, self._details = tickets, texts, details
        self._pointed, self._batch = pointed, batch
        self._locks: dict[int, RefLock] = {}
        self._after: list[Callable[[], None]] = []

    def ticket(self, at_least: int = 1) -> int:
        """A free ticket, at least this number; it is released unless `put` stores something under it."""

        def highest() -> int:
            self._table.catch_up(ahead=1)
            return self._table.highest_ticket

        number, self_lock = self._tickets.take(self._batch, highest, at_least)
        self._locks[number] = self_lock
        return number

    def put(self, pending: Pending) -> None:
        """Store a ticket."""
        lock = self._locks.pop(pending.ticket, None)
        self._after.append(self._tickets.put(self._batch, pending, lock))

    def seize(self, number: int, answer: Proposal | None = None) -> Pending | None:
        """Take over an open or orphaned ticket, with its answer if given; None if another process has it by now."""
        try:
            lock = self._batch.keep(self._repository.wait_for(self._tickets.ref(number), self._batch.sheet))
        except GitError:  # left by a dead process: the next exclusive writer removes it
            return None
        pending = self._tickets.seize(number)
        if pending is not None and answer is not None:
            pending = replace(pending, proposal=answer, answered=True, bound_usd=0.0, bound_tokens=0)
        if pending is not None:
            self._after.append(self._tickets.put(self._batch, pending, lock))
        return pending

    def append(self, attempt: Attempt) -> Entry:
        """Archive an attempt under the lowest free number from its own on, and delete its ticket afterwards.

        The entry is visible from now on, and durable when the batch is. Raises ArchiveError.
        """
        proposal = attempt.proposal
        for parent in (*proposal.parents, *proposal.inspirations):
            if parent != self._root.id and self._table.by_id(parent) is None:
                raise ArchiveError(f"expected parents and inspirations in this archive, found {parent[:12]}")
        program = self._program(attempt)
        reply = transcript(proposal)
        when_s = max([int(time.time()), *(self._table.when_s(parent) for parent in proposal.parents)])
        number, lock = self._table.free_number(self._batch, attempt.number)
        ticket = self._tickets.object_of(attempt.ticket)
        record = record_of(attempt, number=number, config=self._root.config_id, ticket=ticket)
        stored = record_to_bytes(record)
        archived = write_attempt(self._batch, record, stored, program=program, reply=reply, when_s=when_s)
        entry = archived.entry
        self._batch.put(lock, entry.id)
        self._texts.unsettled |= {
            entry.program_id: program,
            f"{entry.id}:{REPLY}": reply,
            f"{entry.id}:{ATTEMPT}": stored,
        }
        if attempt.candidate is not None:
            self._texts.keep(entry.program_id, attempt.candidate.source)
        self._table.add(archived)
        self._details.keep(entry.id, record, len(stored))
        # The record holds the ticket's object id: a ticket that is left behind is not judged again.
        self._after.append(lambda: self._tickets.end(attempt.ticket))
        return entry

    def point(self, best: Entry | None, elites: Sequence[Entry]) -> None:
        """Point `refs/heads/best` and `refs/elites/*` at these entries; best is the root if None."""
        wanted = {BEST: self._root.id if best is None else best.id}
        wanted |= {f"{ELITES}/{entry.number:06d}": entry.id for entry in elites}
        present = self._pointed.refs
        if present == wanted:
            return
        if present is None:
            present = self._repository.refs(ELITES) | {BEST: self._repository.ref(BEST) or ""}
        for ref, commit in sorted(wanted.items()):  # in one global order, to avoid deadlock
            if present.get(ref) != commit:
                self._batch.put(self._batch.keep(self._repository.wait_for(ref)), commit)
        gone = present.keys() - wanted.keys()

        def pointed() -> None:
            self._pointed.refs = None
            with contextlib.suppress(OSError, GitError):  # one that cannot be deleted now is tried again next time
                for ref in gone:
                    self._repository.delete_ref(ref)
                self._pointed.refs = wanted

        self._after.append(pointed)

    def done(self) -> None:
        """Call this once the batch is durable: deletes tickets and outdated derived refs."""
        for after in self._after:
            after()

    def _program(self, attempt: Attempt) -> bytes:
        if attempt.candidate is not None:
            return encode(attempt.candidate.source)
        parent = attempt.proposal.parents[0]
        entry = self._table.by_id(parent)
        blob = self._root.program_id if entry is None else entry.program_id
        return encode(self._texts.program(blob, f"the program of {parent[:12]}"))
