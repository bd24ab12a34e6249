"""The attempts of an archive, as this process knows them.

Owns: finding attempts by number, id and program, which numbers are taken, and taking in what other writers add.
Does not know: what stands in a commit, tickets' contents, who is to write what.

Numbers are given without gaps as a rule. One may be left free by a writer that gave up, and one may be locked by a
writer that is not done: both are looked at again (`catch_up`), at a cost that does not grow with the archive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from evaluator.types import Rejected
from harness.archive.cache import Cache, Row
from harness.archive.commits import Archived, Damaged, read_attempts
from harness.archive.details import Details
from harness.git import Batch, RefLock, Repository
from harness.series import Series
from harness.types import Booked, Entry

ATTEMPTS = "refs/attempts"
_AHEAD = 4
"""How many names are looked at past the last number."""
_ROWS = 1000
"""So many attempts are noted in the cache at once, and so often it is said how far reading is."""
Progress = Callable[[int, int], None]
"""Told how many attempts of how many are read."""


def _silent(done: int, total: int) -> None:
    pass


class Index:
    """The attempts under `refs/attempts`, light. Without a cache, every one is read from the repository."""

    def __init__(self, repository: Repository, details: Details, cache: Cache | None) -> None:
        self._repository, self._details, self._cache = repository, details, cache
        self.clear()

    def clear(self) -> None:
        """Know nothing; `refresh` then reads everything again."""
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
        """By number."""
        for entry in self.entries:
            git_parents = self._git_parents.get(entry.number, entry.parents)
            yield Archived(entry=entry, git_parents=git_parents, ticket="")

    @property
    def booked(self) -> Booked:
        """What the attempts have cost."""
        return Booked(usd=self._usd, tokens=self._tokens, calls=self._calls)

    def judged(self, object_id: str) -> bool:
        """Whether an attempt came of what this object held under its ticket."""
        return _short(object_id) in self._judged

    def of_ticket(self, number: int) -> Entry | None:
        """The attempt that came of a ticket."""
        return next((entry for entry in self.entries if entry.ticket_number == number), None)

    def by_number(self, number: int) -> Entry | None:
        return self._by_number.get(number)

    def by_id(self, commit: str) -> Entry | None:
        """An attempt by its whole id; what is not known is looked for among what others may have added."""
        if commit not in self._by_id:
            self.refresh()
        return self._by_id.get(commit)

    def known(self, *programs: str) -> Entry | None:
        """The first attempt that was judged with one of these programs, each given by its blob or its syntax hash."""
        found = [self._programs[one] for one in programs if one in self._programs]
        return min(found, key=lambda entry: entry.number, default=None)

    def when_s(self, commit: str) -> int:
        """The time of an attempt's commit; 0 for one that is none."""
        return self._by_id[commit].when_s if commit in self._by_id else 0

    def load(self, progress: Progress = _silent) -> None:
        """Read the whole archive: what the cache has of it from there, the rest from the repository.

        The last attempts, whose refs are loose, are always read from there: what a power cut tears is among them.
        """
        last = self._numbers(self._repository.loose_refs(ATTEMPTS))
        packed = self._numbers(self._repository.packed_refs(ATTEMPTS))
        for number in last:
            packed.pop(number, None)
        total = len(packed) + len(last)

        def say() -> None:
            if len(self._by_number) % _ROWS == 0:
                progress(len(self._by_number), total)

        if self._cache is not None:
            for row in self._cache.read(self._same):
                entry = row.archived.entry
                if packed.get(entry.number) == entry.id:
                    self._know(row)
                    del packed[entry.number]
                    say()
            self._in_order()
        self._take_in(packed, say, note=True)
        self._take_in(last, say)

    def refresh(self) -> tuple[Entry, ...]:
        """Take in what other writers have added, whatever its number; returns it."""
        refs = self._numbered()
        return self._take_in({number: refs[number] for number in refs if not self._saw(number)})

    def catch_up(self, ahead: int = _AHEAD) -> tuple[Entry, ...]:
        """Take in what stands behind the last number and where there were gaps; returns it."""
        found: dict[int, str] = {}
        for number in sorted(self._gaps):
            object_id = self._repository.ref(_ref(number))
            if object_id is not None:
                found[number] = object_id
            elif not self._repository.is_locked(_ref(number)):
                self._gaps.discard(number)
        number, last = self.highest + 1, self.highest + ahead
        while number <= last:
            object_id = self._repository.ref(_ref(number))
            if object_id is not None:
                found[number] = object_id
            elif self._repository.is_locked(_ref(number)):
                self._gaps.add(number)
            if object_id is not None or number in self._gaps:
                last = number + ahead
            number += 1
        return self._take_in(found)

    def free_number(self, batch: Batch, at_least: int) -> tuple[int, RefLock]:
        """A number that no attempt has, locked until the batch ends."""
        number = max(at_least, 0)
        while (lock := self._repository.reserve(_ref(number))) is None:
            if not self._saw(number):
                self._gaps.add(number)
            number += 1
        return number, batch.keep(lock)

    def add(self, archived: Archived) -> None:
        """Take in an attempt of this process, whole."""
        row = self._row(archived)
        self._take(row)
        self._unnoted.append(row)

    def note(self) -> int:
        """Have the cache know what was added here, to be called when it is durable; how many attempts these are."""
        if self._cache is not None and self._unnoted:
            self._cache.append(self._unnoted)
        count = len(self._unnoted)
        self._unnoted.clear()
        return count

    def _row(self, archived: Archived) -> Row:
        entry = archived.entry
        calls = sum(turn.tries for turn in entry.turns)
        return Row(archived=replace(archived, entry=self._details.light(entry)), calls=calls)

    def _take(self, row: Row) -> None:
        """Know a row, and have its entry among the others."""
        entry = row.archived.entry
        # Of the ids that many attempts hold, each is kept once.
        parents, inspirations = (tuple(map(self._same, ids)) for ids in (entry.parents, entry.inspirations))
        entry = replace(entry, parents=parents, inspirations=inspirations)
        self._know(replace(row, archived=replace(row.archived, entry=entry)))
        if not self.entries or self.entries[-1].number < entry.number:
            self.entries = self.entries.plus(entry)
        else:
            self._in_order()

    def _in_order(self) -> None:
        self.entries = Series(self._by_number[number] for number in sorted(self._by_number))

    def _know(self, row: Row) -> None:
        entry, git_parents, ticket = row.archived.entry, row.archived.git_parents, row.archived.ticket
        self._by_number[entry.number] = entry
        if git_parents != entry.parents:
            self._git_parents[entry.number] = git_parents
        self._by_id[entry.id] = entry
        self._met(entry.number)
        self.highest_ticket = max(self.highest_ticket, entry.ticket_number or entry.number)
        if ticket:
            self._judged.add(_short(ticket))
        self._remember(entry)
        self._usd += entry.usd
        self._tokens += entry.tokens
        self._calls += row.calls

    def _same(self, commit: str) -> str:
        """An id, as the very object that other entries hold."""
        return self._by_id[commit].id if commit in self._by_id else commit

    def _remember(self, entry: Entry) -> None:
        """The program of an entry; one refused at `patch` has none, and one that is there again is the first one's."""
        if entry.same_as or (isinstance(entry.verdict, Rejected) and entry.verdict.stage == "patch"):
            return
        for program in filter(None, (entry.program_id, entry.syntax_hash)):
            first = self._programs.get(program)
            if first is None or first.number > entry.number:
                self._programs[program] = entry

    def _numbered(self) -> dict[int, str]:
        """The commits under `refs/attempts`, by number."""
        return self._numbers(self._repository.each_ref(ATTEMPTS))

    def _numbers(self, refs: Iterable[tuple[str, str]]) -> dict[int, str]:
        names = ((ref.removeprefix(f"{ATTEMPTS}/"), commit) for ref, commit in refs)
        return {int(name): commit for name, commit in names if _is_number(name)}

    def _take_in(
        self, refs: Mapping[int, str], say: Callable[[], None] = lambda: None, *, note: bool = False
    ) -> tuple[Entry, ...]:
        """Read attempts from the repository; `note` them in the cache, which their writers else do."""
        added: list[Entry] = []
        named = {_ref(number): refs[number] for number in sorted(refs)}
        for found in read_attempts(self._repository, named, samples=False):
            if isinstance(found, Damaged):
                self.damage[found.ref] = found.problem
                continue
            row = self._row(found)
            self._take(row)
            say()
            added.append(self._by_number[found.entry.number])
            if note:
                self._unnoted.append(row)
                if len(self._unnoted) >= _ROWS:
                    self.note()
        if note:
            self.note()
        for number in refs:
            if number not in self._by_number:
                self._unread.add(number)
            self._met(number)
        return tuple(added)

    def _saw(self, number: int) -> bool:
        return number in self._by_number or number in self._unread

    def _met(self, number: int) -> None:
        self._gaps.discard(number)
        self.highest = max(self.highest, number)


def _ref(number: int) -> str:
    return f"{ATTEMPTS}/{number:06d}"


def _is_number(name: str) -> bool:
    """Whether a name is one of ours: not one with further zeros, nor one longer than a number may be."""
    return len(name) < 20 and name.isdecimal() and f"{int(name):06d}" == name


def _short(object_id: str) -> bytes:
    """An id in half the memory; anything else as it is."""
    whole = len(object_id) == 40 and not set(object_id) - set("0123456789abcdef")
    return bytes.fromhex(object_id) if whole else object_id.encode("utf-8", "surrogatepass")
