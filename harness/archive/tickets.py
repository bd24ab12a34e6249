"""The tickets of a run: what is asked for, or answered and not yet archived, in `refs/pending/000042`.

Owns: which tickets are free, which are this process's, and how one passes from an owner to the next.
Does not know: attempts (it is told which tickets they came from), who asks, who judges.

Rules. A ticket is made under its ref's lock, and one that was answered is never given again: a number is free only if
no ref and no attempt has it, looked at in that order while the lock is held, since an attempt is archived before its
ticket is deleted. A ticket changes hands under the same lock: from an owner that is dead, or from nobody ("ask"), to
whoever tells its answer. What stood under a ticket is of no use afterwards and names its ticket and owner, so that no
other object can be the same: it is removed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from harness.archive.commits import read_pending, write_pending
from harness.archive.owners import ASK, Owner
from harness.git import Batch, GitError, RefLock, Repository
from harness.types import Pending

PENDING = "refs/pending"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A ticket as found: its object, and what it holds; None where that is damaged, with the `problem`."""

    number: int
    object_id: str
    pending: Pending | None
    problem: str = ""


class Tickets:
    """The tickets of an open archive. `archived(object_id)`: whether an attempt came of what that object held."""

    def __init__(self, repository: Repository, archived: Callable[[str], bool]) -> None:
        self._repository = repository
        self._archived = archived
        self._mine: dict[int, str] = {}
        self._free = 1
        self.owner = Owner(repository.path)

    def close(self) -> None:
        self.owner.close()

    def object_of(self, number: int) -> str:
        """What this process holds under a ticket; "" where it holds none."""
        return self._mine.get(number, "")

    def all(self) -> Iterator[Found]:
        """Every ticket that no attempt has come of, by number."""
        for ref, object_id in sorted(self._repository.refs(PENDING).items()):
            number = ref.rpartition("/")[2]
            if number.isdecimal() and not self._archived(object_id):
                found = self._read(int(number), object_id)
                if found.pending is not None or self._repository.ref(ref) == object_id:
                    yield found

    def find(self, number: int) -> Found | None:
        """One ticket, or None where it is not open."""
        object_id = self._repository.ref(_ref(number))
        if object_id is None or self._archived(object_id):
            return None
        return self._read(number, object_id)

    def orphaned(self, pending: Pending) -> bool:
        """Whether nobody but this process may work on a ticket: its owner is dead, or this process."""
        return pending.owner != ASK and (self.owner.has(pending.owner) or not self.owner.is_alive(pending.owner))

    def ref(self, number: int) -> str:
        return _ref(number)

    def take(self, batch: Batch, highest: Callable[[], int], at_least: int) -> tuple[int, RefLock]:
        """A number nobody had, locked until the batch ends. `highest()`: the highest one of any attempt, as of now."""
        number = max(self._free, highest() + 1, at_least)
        while True:
            lock = self._repository.reserve(_ref(number))
            if lock is not None and number > highest():
                self._free = number + 1
                return number, batch.keep(lock)
            if lock is not None:
                lock.release()
            number = max(number, highest()) + 1

    def put(self, batch: Batch, pending: Pending, lock: RefLock | None = None) -> Callable[[], None]:
        """Have this stand under its ticket when the batch ends; what is to be done once it is durable."""
        number, before = pending.ticket, self._mine.get(pending.ticket, "")
        object_id = write_pending(batch, pending)
        batch.put(lock or batch.keep(self._repository.wait_for(_ref(number))), object_id)

        def kept() -> None:
            self._free = max(self._free, number + 1)
            if pending.owner != ASK:
                self._mine[number] = object_id
            if before and before != object_id:
                self._forget(before, number)

        return kept

    def seize(self, number: int) -> Pending | None:
        """An orphaned or open ticket, whose lock the caller holds, as this process's; None where another has it."""
        found = self.find(number)
        if found is None or found.pending is None:
            return None
        if found.pending.owner != ASK and not self.orphaned(found.pending):
            return None
        self._mine[number] = found.object_id
        return replace(found.pending, owner=self.owner.token)

    def drop(self, number: int) -> None:
        """Let a ticket of this process go. Not synced: one that comes back is its dead owner's."""
        if object_id := self._mine.pop(number, ""):
            self._repository.delete_ref(_ref(number))
            self._free = min(self._free, number)
            self._forget(object_id, number)

    def end(self, number: int) -> None:
        """Let a ticket go whose attempt is archived; one that stays behind is known by its object."""
        object_id = self._mine.pop(number, "")
        if object_id:
            with contextlib.suppress(OSError, GitError):
                self._repository.delete_ref(_ref(number))
                self._forget(object_id, number)

    def _forget(self, object_id: str, number: int) -> None:
        with contextlib.suppress(OSError, GitError):
            self._repository.forget_object(object_id, _ref(number))

    def _read(self, number: int, object_id: str) -> Found:
        if not object_id:
            return Found(number=number, object_id="", pending=None, problem="the ref's file holds no id")
        try:
            pending = read_pending(self._repository, number, object_id)
        except ValueError as error:
            return Found(number=number, object_id=object_id, pending=None, problem=str(error))
        return Found(number=number, object_id=object_id, pending=pending)


def _ref(number: int) -> str:
    return f"{PENDING}/{number:06d}"
