"""The table of an archive's attempts in this process's memory.

Owns: finding attempts by number, id and program, which numbers are taken, and loading what other writers add.
Does not know: the format of a commit, the contents of tickets, who writes what.

Numbers normally have no gaps. A writer that gave up may leave one free, and a writer that is not done may hold one
locked: `catch_up` checks both again, at a cost that does not grow with the archive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from evaluator.types import Rejected
from harness.accounts import Booked
from harness.archive.commits import Archived, Damaged, read_attempts
from harness.archive.details import Details
from harness.archive.index_file import IndexFile, Row
from harness.git import Batch, RefLock, Repository
from harness.series import Series
from harness.types import Entry, Unjudged

ATTEMPTS = "refs/attempts"
_AHEAD = 4
"""How many numbers `catch_up` checks past the highest one."""
_ROWS = 1000
"""Attempts per write to the index file, and per report of progress."""
Progress = Callable[[int, int], None]
"""Receives how many attempts are read, and how many there are."""


def _silent(done: int, total: int) -> None:
    pass


class AttemptTable:
    """The attempts under `refs/attempts`, as light entries. Without an index file, each is read from the repository."""

    def __init__(self, repository: Repository, details: Details, index_file: IndexFile | None) -> None:
        self._repository, self._details, self._index_file = repository, details, index_file
        self.clear()

    def clear(self) -> None:
        """Forget all attempts; `load` then reads everything again."""
        self._by_number: dict[int, Entry] = {}
        self._git_parents: dict[int, tuple[str, ...]] = {}
        self._by_id: dict[str, Entry] = {}
        self._unread: set[int] = set()
        self._gaps: set[int] = set()
        self._judged: set[bytes] = set()
        self._programs: dict[str, Entry] = {}
        self._unnoted: list[Row] = []
        self.entries: Series[Entry] = Series()
        self.damage: dict[str, str] = {}
        self.highest = -1
        self.highest_ticket = 0
        self._usd, self._tokens, self._calls = 0.0, 0, 0

    @property
    def archived(self) -> Iterator[Archived]:
        """The attempts by number, each with its git parents."""
        for entry in self.entries:
            git_parents = self._git_parents.get(entry.number, entry.parents)
            yield Archived(entry=entry, git_parents=git_parents, ticket="")

    @property
    def booked(self) -> Booked:
        """The total cost of the attempts."""
        return Booked(usd=self._usd, tokens=self._tokens, calls=self._calls)

    def judged(self, object_id: str) -> bool:
        """Whether an attempt was made from the ticket whose object has this id."""
        return _short(object_id) in self._judged

    def of_ticket(self, number: int) -> Entry | None:
        """The attempt that was made from a ticket."""
        return next((entry for entry in self.entries if entry.ticket_number == number), None)

    def by_number(self, number: int) -> Entry | None:
        return self._by_number.get(number)

    def by_id(self, commit: str) -> Entry | None:
        """An attempt by its whole commit id; an unknown id triggers a `refresh`."""
        if commit not in self._by_id:
            self.refresh()
        return self._by_id.get(commit)

    def known(self, *programs: str) -> Entry | None:
        """The first attempt that was judged with one of these programs, each given by its blob or its syntax hash."""
        entries = [self._programs[program] for program in programs if program in self._programs]
        return min(entries, key=lambda entry: entry.number, default=None)

    def when_s(self, commit: str) -> int:
        """The Unix time of an attempt's commit; 0 for an unknown commit."""
        return self._by_id[commit].when_s if commit in self._by_id else 0

    def load(self, progress: Progress = _silent) -> None:
        """Read the whole archive: from the index file where it has a valid line, else from the repository.

        The last attempts, whose refs are loose, always come from the repository: a power cut damages only those.
        """
        loose, packed = self._refs()
        total = len(packed) + len(loose)

        def say() -> None:
            if len(self._by_number) % _ROWS == 0:
                progress(len(self._by_number), total)

        if self._index_file is not None:
            for row in self._index_file.read(self._intern):
                entry = row.archived.entry
                if packed.get(entry.number) == entry.id:
                    self._register(row)
                    del packed[entry.number]
                    say()
            self._in_order()
        self._load(packed, say, note=True)
        self._load(loose, say)

    def refresh(self) -> tuple[Entry, ...]:
        """Load what other writers have added, whatever its number; returns the new entries."""
        loose, packed = self._refs()
        refs = packed | loose
        return self._load({number: refs[number] for number in refs if not self._is_known(number)})

    def catch_up(self, ahead: int = _AHEAD) -> tuple[Entry, ...]:
        """Load new attempts past the highest number and in known gaps; returns the new entries."""
        commits: dict[int, str] = {}
        for number in sorted(self._gaps):
            object_id, locked = self._look(number)
            if object_id is not None:
                commits[number] = object_id
            elif not locked:
                self._gaps.discard(number)
        number, last = self.highest + 1, self.highest + ahead
        while number <= last:
            object_id, locked = self._look(number)
            if object_id is not None:
                commits[number] = object_id
            elif locked:
                self._gaps.add(number)
            if object_id is not None or number in self._gaps:
                last = number + ahead
            number += 1
        return self._load(commits)

    def _look(self, number: int) -> tuple[str | None, bool]:
        """The commit of a number, and whether a writer has it locked. A lock becomes the ref, so the ref is looked for
        once more after a lock that is not found.
        """
        object_id = self._repository.ref(_ref(number))
        if object_id is not None:
            return object_id, False
        if self._repository.is_locked(_ref(number)):
            return None, True
        return self._repository.ref(_ref(number)), False

    def free_number(self, batch: Batch, at_least: int) -> tuple[int, RefLock]:
        """The lowest free number from `at_least` on, locked until the batch ends."""
        number = max(at_least, 0)
        while (lock := self._repository.reserve(_ref(number))) is None:
            if not self._is_known(number):
                self._gaps.add(number)
            number += 1
        return number, batch.keep(lock)

    def add(self, archived: Archived) -> None:
        """Add an attempt that this process archived."""
        row = self._row(archived)
        self._add(row)
        self._unnoted.append(row)

    def note(self) -> int:
        """Append what was added here to the index file, once it is durable; returns the number of attempts."""
        if self._index_file is not None and self._unnoted:
            self._index_file.append(self._unnoted)
        count = len(self._unnoted)
        self._unnoted.clear()
        return count

    def _row(self, archived: Archived) -> Row:
        entry = archived.entry
        calls = sum(turn.tries for turn in entry.turns)
        return Row(archived=replace(archived, entry=self._details.light(entry)), calls=calls)

    def _add(self, row: Row) -> None:
        """Register a row and insert its entry into `entries`."""
        entry = row.archived.entry
        # Many attempts hold the same ids: each string is kept once.
        parents, inspirations = (tuple(map(self._intern, ids)) for ids in (entry.parents, entry.inspirations))
        entry = replace(entry, parents=parents, inspirations=inspirations)
        self._register(replace(row, archived=replace(row.archived, entry=entry)))
        if not self.entries or self.entries[-1].number < entry.number:
            self.entries = self.entries.plus(entry)
        else:
            self._in_order()

    def _in_order(self) -> None:
        self.entries = Series(self._by_number[number] for number in sorted(self._by_number))

    def _register(self, row: Row) -> None:
        entry, git_parents, ticket = row.archived.entry, row.archived.git_parents, row.archived.ticket
        self._by_number[entry.number] = entry
        if git_parents != entry.parents:
            self._git_parents[entry.number] = git_parents
        self._by_id[entry.id] = entry
        self._mark_number(entry.number)
        self.highest_ticket = max(self.highest_ticket, entry.ticket_number or entry.number)
        if ticket:
            self._judged.add(_short(ticket))
        self._register_program(entry)
        self._usd += entry.usd
        self._tokens += entry.tokens
        self._calls += row.calls

    def _intern(self, commit: str) -> str:
        """The equal string that another entry already holds, if any: saves memory."""
        return self._by_id[commit].id if commit in self._by_id else commit

    def _register_program(self, entry: Entry) -> None:
        """Index a judged entry by its program. One rejected at `patch` has none; a repeated program keeps its first
        entry.
        """
        if entry.same_as or isinstance(entry.verdict, Unjudged):
            return
        if isinstance(entry.verdict, Rejected) and entry.verdict.stage == "patch":
            return
        for program in filter(None, (entry.program_id, entry.syntax_hash)):
            first = self._programs.get(program)
            if first is None or first.number > entry.number:
                self._programs[program] = entry

    def _refs(self) -> tuple[dict[int, str], dict[int, str]]:
        """The commit ids under `refs/attempts` by number: of loose refs, and of those that are only packed."""
        loose_refs, packed_refs = self._repository.split_refs(ATTEMPTS)
        loose, packed = self._numbers(loose_refs.items()), self._numbers(packed_refs)
        for number in loose:
            packed.pop(number, None)
        return loose, packed

    def _numbers(self, refs: Iterable[tuple[str, str]]) -> dict[int, str]:
        names = ((ref.removeprefix(f"{ATTEMPTS}/"), commit) for ref, commit in refs)
        return {int(name): commit for name, commit in names if _is_number(name)}

    def _load(
        self, refs: Mapping[int, str], say: Callable[[], None] = lambda: None, *, note: bool = False
    ) -> tuple[Entry, ...]:
        """Read attempts from the repository; with `note`, also append them to the index file."""
        added: list[Entry] = []
        named = {_ref(number): refs[number] for number in sorted(refs)}
        for attempt in read_attempts(self._repository, named, samples=False):
            if isinstance(attempt, Damaged):
                self.damage[attempt.ref] = attempt.problem
                continue
            row = self._row(attempt)
            self._add(row)
            say()
            added.append(self._by_number[attempt.entry.number])
            if note:
                self._unnoted.append(row)
                if len(self._unnoted) >= _ROWS:
                    self.note()
        if note:
            self.note()
        for number in refs:
            if number not in self._by_number:
                self._unread.add(number)
            self._mark_number(number)
        return tuple(added)

    def _is_known(self, number: int) -> bool:
        return number in self._by_number or number in self._unread

    def _mark_number(self, number: int) -> None:
        self._gaps.discard(number)
        self.highest = max(self.highest, number)


def _ref(number: int) -> str:
    return f"{ATTEMPTS}/{number:06d}"


def _is_number(name: str) -> bool:
    """Whether a name is canonical: six digits or more, no extra leading zeros, no absurd length."""
    return len(name) < 20 and name.isdecimal() and f"{int(name):06d}" == name


def _short(object_id: str) -> bytes:
    """An object id as 20 bytes, half the memory; any other text as its bytes."""
    whole = len(object_id) == 40 and not set(object_id) - set("0123456789abcdef")
    return bytes.fromhex(object_id) if whole else object_id.encode("utf-8", "surrogatepass")
