"""The tickets of a run, in `refs/pending/000042`: requests, and answers that are not archived yet.

Owns: which tickets are free, which belong to this process, and how ownership passes on.
Does not know: attempts (a callback says which tickets became one), who asks, who judges.

Rules. A ticket is created under its ref's lock, and the number of an answered one is never reused: a number is free
only if no ref and no attempt has it, checked in that order under the lock, since an attempt is archived before its
ticket is deleted. Ownership passes under the same lock: from a dead owner, or from nobody ("ask"), to the process that
has the answer. The object of a finished ticket is deleted: it contains number and owner, so no other object equals it.
Tickets that are stored together have one tree that all their refs name, and are deleted together.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from harness.archive.commits import held_id, read_pending, write_pending
from harness.archive.owners import ASK, Owner
from harness.git import PENDING, Batch, GitError, Passing, RefLock, Repository
from harness.types import Pending


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mine:
    """A ticket of this process: the id of its object, and what that was stored with; None if another process did."""

    object_id: str
    passing: Passing | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTicket:
    """A ticket as stored: the id of its own object (not of a tree of several), and its content; None if damaged, with
    the `problem`.
    """

    number: int
    object_id: str
    pending: Pending | None
    problem: str = ""


class Tickets:
    """The tickets of an open archive. `archived(object_id)`: whether an attempt was made from that object's ticket."""

    def __init__(self, repository: Repository, archived: Callable[[str], bool]) -> None:
        self._repository = repository
        self._archived = archived
        self._mine: dict[int, _Mine] = {}
        self._free = 1
        self.owner = Owner(repository.path)

    def close(self) -> None:
        self.owner.close()

    def object_of(self, number: int) -> str:
        """The object id of a ticket of this process; "" for any other number."""
        mine = self._mine.get(number)
        return "" if mine is None else mine.object_id

    def all(self) -> Iterator[StoredTicket]:
        """Every ticket that no attempt was made from yet, by number."""
        for ref, named in sorted(self._repository.refs(PENDING).items()):
            number = ref.rpartition("/")[2]
            if number.isdecimal() and not self._archived(named):
                ticket = self._read(int(number), named)
                if self._archived(ticket.object_id):
                    continue
                if ticket.pending is not None or self._repository.ref(ref) == named:
                    yield ticket

    def find(self, number: int) -> StoredTicket | None:
        """One ticket; None if it does not exist or is archived."""
        named = self._repository.ref(_ref(number))
        if named is None or self._archived(named):
            return None
        ticket = self._read(number, named)
        return None if self._archived(ticket.object_id) else ticket

    def orphaned(self, pending: Pending) -> bool:
        """Whether no other process works on a ticket: its owner is dead or this process, and it is not open."""
        return pending.owner != ASK and (self.owner.has(pending.owner) or not self.owner.is_alive(pending.owner))

    def ref(self, number: int) -> str:
        return _ref(number)

    def take(self, batch: Batch, highest: Callable[[], int], at_least: int) -> tuple[int, RefLock]:
        """An unused number, locked until the batch ends. `highest()`: the current highest ticket of any attempt."""
        number = max(self._free, highest() + 1, at_least)
        while True:
            lock = self._repository.reserve(_ref(number), batch.sheet)
            if lock is not None and number > highest():
                self._free = number + 1
                return number, batch.keep(lock)
            if lock is not None:
                lock.release()
            number = max(number, highest()) + 1

    def put(self, batch: Batch, pending: Pending, lock: RefLock | None = None) -> Callable[[], None]:
        """Store a ticket when the batch ends. Returns a function to call once the batch is durable."""
        number, before = pending.ticket, self._mine.get(pending.ticket)
        lock = lock or batch.keep(self._repository.wait_for(_ref(number), batch.sheet))
        object_id = write_pending(batch, lock, pending)

        def stored() -> None:
            self._free = max(self._free, number + 1)
            if pending.owner != ASK:
                self._mine[number] = _Mine(object_id=object_id, passing=batch.passing)
            if before is not None:
                self._forget(before, number, unless=object_id)

        return stored

    def seize(self, number: int) -> Pending | None:
        """Take over an orphaned or open ticket, whose lock the caller holds; None if another process has it."""
        ticket = self.find(number)
        if ticket is None or ticket.pending is None:
            return None
        if ticket.pending.owner != ASK and not self.orphaned(ticket.pending):
            return None
        self._mine[number] = _Mine(object_id=ticket.object_id)
        return replace(ticket.pending, owner=self.owner.token)

    def drop(self, number: int) -> None:
        """Delete a ticket of this process. Not synced: one that reappears after a crash has a dead owner."""
        mine = self._mine.pop(number, None)
        if mine is not None:
            self._repository.delete_ref(_ref(number))
            self._free = min(self._free, number)
            self._forget(mine, number)

    def end(self, number: int) -> None:
        """Delete a ticket whose attempt is archived; if that fails, its object id identifies it as done."""
        mine = self._mine.pop(number, None)
        if mine is not None:
            with contextlib.suppress(OSError, GitError):
                self._repository.delete_ref(_ref(number))
                self._forget(mine, number)

    def _forget(self, mine: _Mine, number: int, unless: str = "") -> None:
        """Remove the object of a ticket whose ref no longer names it, unless the ref names an equal one."""
        with contextlib.suppress(OSError, GitError):
            if mine.object_id == unless:
                return
            if mine.passing is not None:
                self._repository.forget(mine.passing, _ref(number))
            else:
                self._repository.forget_object(mine.object_id, _ref(number))

    def _read(self, number: int, named: str) -> StoredTicket:
        if not named:
            return StoredTicket(number=number, object_id="", pending=None, problem="the ref's file holds no id")
        object_id = named
        try:
            object_id = held_id(self._repository, number, named)
            pending = read_pending(self._repository, number, object_id)
        except ValueError as error:
            return StoredTicket(number=number, object_id=object_id, pending=None, problem=str(error))
        return StoredTicket(number=number, object_id=object_id, pending=pending)


def _ref(number: int) -> str:
    return f"{PENDING}/{number:06d}"
