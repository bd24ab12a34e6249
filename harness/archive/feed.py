"""A run as it grows, for a reader that looks on for hours: each attempt is handed over once, and not kept.

Owns: which attempts were handed over, in which order they come, and single attempts on demand. Does not know: what the
reader makes of them, how anything is written.

It only reads. An open `Archive` keeps every entry, some 2 KB each; this keeps some 200 bytes an attempt. New attempts
are found by the names of loose refs, and in `packed-refs` where that has changed; the light entries come from the
end of the index file, which costs the search nothing and this process one line each, and from their commits otherwise.
Of an attempt whose objects a power cut has damaged, the index may still have the entry.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.archive.attempt_table import ATTEMPTS
from harness.archive.commits import ATTEMPT, PROGRAM, REPLY, ArchiveError, Damaged, read_attempts
from harness.archive.details import Details
from harness.archive.index_file import IndexFile, Row
from harness.archive.measurements import Measurements
from harness.archive.notices import Notices
from harness.archive.opening import SEED, repository_at, root_of
from harness.archive.split_notes import SplitNotes
from harness.archive.texts import Texts
from harness.archive.tickets import StoredTicket, Tickets
from harness.git import PENDING
from harness.text import decode
from harness.turns import read_turns
from harness.types import Entry, Message, Pending, Turn

_AHEAD = 2000
"""The most entries that wait for one with a lower number."""
_BEHIND, _WHOLE_S = 5000, 60.0
"""How far behind the highest number newly packed refs are looked for at once, and all of them after some seconds."""
_CHUNK = 250
"""Attempts that are read from their commits at once."""


class Feed:
    """The attempts of a run, each once. `read` is for one thread at a time; everything on demand is for any thread."""

    def __init__(self, path: Path) -> None:
        """Raises ArchiveError if `path` holds no run that can be read."""
        self.path = path
        self._repository = repository_at(path)
        try:
            self._root = root_of(self._repository)
        except BaseException:
            self._repository.close()
            raise
        self._texts = Texts(self._repository)
        self._details = Details(self._texts)
        self._index = IndexFile(path, self._root.id, self._details)
        self._known: set[int] = set()
        self._highest, self._whole_s, self._in_part = -1, 0.0, False
        self._tickets_done: set[str] = set()
        self._packed: tuple[int, ...] | None = None
        self._notices = Notices(self._repository)
        self._tickets = Tickets(self._repository, self._tickets_done.__contains__)
        self._open: dict[tuple[str, str], Pending | None] = {}
        self.measurements = Measurements(self._repository)
        self.split_notes = SplitNotes(self._repository)
        self.found = 0
        """How many attempts there were at the last look, handed over or still to be."""
        self.damage: dict[str, str] = {}
        """What is wrong with an attempt or a ticket, by its ref."""

    def close(self) -> None:
        self._repository.close()

    @property
    def config(self) -> Mapping[str, Any]:
        """The resolved config that the run was started with."""
        return self._root.config

    @property
    def root_id(self) -> str:
        return self._root.id

    @property
    def imported(self) -> bool:
        """Whether the run was made for the programs of another framework's archive."""
        return self._root.imported

    def check(self) -> None:
        """Raises ArchiveError if the run is gone, or another one has taken its place."""
        found = self._repository.ref(SEED)
        if found != self._root.id:
            what = "no run any more" if found is None else "another run, or a damaged one"
            raise ArchiveError(f"expected the run that was opened at {self.path}, found {what}: start this page again")

    def read(self) -> Iterator[Row]:
        """The attempts that are new since the last call, by number; at the first call, all. Raises ArchiveError."""
        first = self._packed is None
        ready = {} if first else {row.archived.entry.number: row for row in self._index.more()}
        refs = self._new_refs()
        for number, row in ready.items():
            if number not in refs and self._is_new(number, row.archived.entry.id):
                refs[number] = row.archived.entry.id
        self.found = len(self._known) + len(refs)
        for row in self._in_order(dict(sorted(refs.items())), self._index.more() if first else iter(ready.values())):
            if row.archived.ticket:
                self._tickets_done.add(row.archived.ticket)
            yield row

    def _is_new(self, number: int, commit: str) -> bool:
        return number not in self._known and self._repository.ref(_ref(number)) == commit

    def _new_refs(self) -> dict[int, str]:
        """The commits of attempts that were not handed over yet, by number; "" where a ref's file is torn."""
        packed = _signature(self.path / "packed-refs")
        # Loose refs are looked at first: one that is packed meanwhile is then found in at least one place.
        refs = {number: self._repository.ref(_ref(number)) for number in self._loose()}
        now = time.monotonic()
        whole = self._packed is None or (self._in_part and now - self._whole_s > _WHOLE_S)
        if whole or packed != self._packed:
            since = 0 if whole else max(0, self._highest - _BEHIND)
            for name, id_ in self._repository.packed_refs(ATTEMPTS, _ref(since)):
                if (number := self._unread(name)) >= 0:
                    refs.setdefault(number, id_)
            self._packed, self._in_part = packed, since > 0
            self._whole_s = now if whole else self._whole_s
        return {number: commit for number, commit in refs.items() if commit is not None}

    def _loose(self) -> list[int]:
        """The numbers of loose refs that were not handed over yet."""
        try:
            with os.scandir(self.path / ATTEMPTS) as files:
                return [number for file in files if (number := self._unread(file.name)) >= 0]
        except FileNotFoundError:
            return []

    def _unread(self, name: str) -> int:
        """The number of an attempt that was not handed over yet, from the name of its ref; -1 for any other name."""
        last = name.rpartition("/")[2]
        if not last.isdecimal() or len(last) >= 20:
            return -1
        number = int(last)
        return number if number not in self._known and f"{number:06d}" == last else -1

    def _in_order(self, refs: Mapping[int, str], rows: Iterable[Row]) -> Iterator[Row]:
        """The attempts of these refs, which are sorted: from rows of the index as far as they have them."""
        waiting: dict[int, Row | None] = {}
        numbers = iter(refs)
        due = next(numbers, None)

        def ready() -> Iterator[Row]:
            nonlocal due
            while due is not None and due in waiting:
                row = waiting.pop(due)
                self._known.add(due)
                self._highest = max(self._highest, due)
                due = next(numbers, None)
                if row is not None:
                    yield row

        for row in rows:
            entry = row.archived.entry
            if refs.get(entry.number) == entry.id and entry.number not in self._known:
                waiting[entry.number] = row
                yield from ready()
            if due is not None and len(waiting) >= _AHEAD:
                waiting |= self._from_commits({due: refs[due]})
                yield from ready()
        rest = [number for number in refs if number not in self._known and number not in waiting]
        for start in range(0, len(rest), _CHUNK):
            waiting |= self._from_commits({number: refs[number] for number in rest[start : start + _CHUNK]})
            yield from ready()

    def _from_commits(self, refs: Mapping[int, str]) -> dict[int, Row | None]:
        """Attempts as their commits have them, by number; None for a damaged one."""
        found: dict[int, Row | None] = dict.fromkeys(refs)
        named = {_ref(number): commit for number, commit in refs.items()}
        for each in read_attempts(self._repository, named, samples=False):
            if isinstance(each, Damaged):
                self.damage[each.ref] = each.problem
            else:
                calls = sum(turn.tries for turn in each.entry.turns)
                light = replace(each, entry=self._details.light(each.entry))
                found[each.entry.number] = Row(archived=light, calls=calls)
        return found

    # On demand

    def commit(self, number: int) -> str | None:
        """The commit of an attempt; None if there is no such attempt."""
        return self._repository.ref(_ref(number)) or None

    def entry(self, number: int, *, samples: bool = True) -> Entry:
        """One attempt as its commit has it, with everything, or without raw samples. Raises ArchiveError."""
        commit = self.commit(number)
        if commit is None:
            raise ArchiveError(f"expected an attempt of {self.path}, found no attempt {number}")
        (found,) = read_attempts(self._repository, {_ref(number): commit}, samples=samples)
        if isinstance(found, Damaged):
            raise ArchiveError(f"attempt {number} of {self.path} cannot be read: {found.problem}")
        return found.entry

    def source(self, commit: str) -> str:
        """The program at the commit of an attempt, or of the root. Raises ArchiveError."""
        what = f"{PROGRAM} of {commit[:12]}"
        return self._texts.text(self._texts.read(f"{commit}:{PROGRAM}", what), what)

    def sources(self, commits: Sequence[str]) -> Iterator[str | None]:
        """The programs at these commits in one pass; None for one that cannot be read."""
        for data in self._texts.read_all(f"{commit}:{PROGRAM}" for commit in commits):
            try:
                yield None if data is None else decode(data)
            except UnicodeDecodeError:
                yield None

    def reply(self, entry: Entry) -> str:
        """The raw reply that an attempt was made from, all turns one after another. Raises ArchiveError."""
        what = f"{REPLY} of {entry.id[:12]}"
        return self._texts.text(self._texts.read(f"{entry.id}:{REPLY}", what), what)

    def turns(self, entry: Entry) -> tuple[Turn, ...]:
        """The conversation that an attempt was made from; () if no model was asked. Raises ArchiveError."""
        if not entry.turns:
            return ()
        what = f"{REPLY} of {entry.id[:12]}"
        try:
            return read_turns(self._texts.read(f"{entry.id}:{REPLY}", what), entry.turns)
        except ValueError as error:
            raise ArchiveError(f"{self.path}: {what} is damaged ({ATTEMPT} tells otherwise): {error}") from error

    # What is under way

    def pending(self) -> tuple[Pending, ...]:
        """The open tickets by number, without the texts of their prompts and replies, each read once."""
        refs = self._repository.refs(PENDING).items()
        self._open = {key: self._open[key] if key in self._open else self._light(key[0]) for key in sorted(refs)}
        return tuple(pending for pending in self._open.values() if pending is not None)

    def ticket(self, number: int) -> Pending | None:
        """One open ticket with all its texts; None if there is no such ticket, or it is damaged."""
        found = self._tickets.find(number)
        return None if found is None else found.pending

    def orphaned(self, pending: Pending) -> bool:
        """Whether no process works on a ticket, and nobody is asked to answer it."""
        return self._tickets.orphaned(pending)

    def working(self) -> int:
        """How many processes that own tickets are alive."""
        return self._tickets.owner.living()

    def advice(self) -> tuple[str, ...]:
        """All advice, oldest first."""
        return self._notices.advice()

    def stop_asked(self) -> bool:
        """Whether searches were asked to stop since this was opened, or since `forget_stop`."""
        return self._notices.stop_asked()

    def forget_stop(self) -> None:
        self._notices.listen()

    def _light(self, ref: str) -> Pending | None:
        number = ref.rpartition("/")[2]
        found: StoredTicket | None = self._tickets.find(int(number)) if number.isdecimal() else None
        if found is None or found.pending is None:
            if found is not None:
                self.damage[ref] = found.problem
            return None
        pending = found.pending
        turns = tuple(replace(turn, text="") for turn in pending.proposal.turns)
        request = pending.request and replace(pending.request, messages=(Message(role="user", text=""),))
        return replace(pending, proposal=replace(pending.proposal, reply="", turns=turns), request=request)


def _ref(number: int) -> str:
    return f"{ATTEMPTS}/{number:06d}"


def _signature(path: Path) -> tuple[int, ...]:
    """Changes when a file is replaced; () without a file."""
    try:
        about = path.stat()
    except FileNotFoundError:
        return ()
    return about.st_ino, about.st_size, about.st_mtime_ns
