"""The attempts of an archive, as this process knows them.

Owns: finding attempts by number and id, which numbers are taken, and taking in what other writers add.
Does not know: what stands in a commit, tickets' contents, who is to write what.

Numbers are given without gaps as a rule. One may be left free by a writer that gave up, and one may be locked by a
writer that is not done: both are looked at again (`catch_up`), at a cost that does not grow with the archive.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from evaluator.types import Environment, Rejected, Scored
from harness.archive.commits import Archived, Damaged, read_attempts
from harness.git import Batch, RefLock, Repository
from harness.llm.ledger import Booked
from harness.series import Series
from harness.types import Entry

ATTEMPTS = "refs/attempts"
_AHEAD = 4
"""How many names are looked at past the last number."""


class Index:
    """The attempts under `refs/attempts`. Without `samples`, raw samples are left on the disk: with them, the entries
    of a long search take a hundred times the memory.
    """

    def __init__(self, repository: Repository, *, samples: bool = True) -> None:
        self._repository, self._samples = repository, samples
        self.clear()

    def clear(self) -> None:
        """Know nothing; `refresh` then reads everything again."""
        self._by_number: dict[int, Archived] = {}
        self._by_id: dict[str, Entry] = {}
        self._seen: set[int] = set()
        self._gaps: set[int] = set()
        self._judged: set[str] = set()
        self._programs: dict[str, Entry] = {}
        self._environments: dict[Environment, Environment] = {}
        self.entries: Series[Entry] = Series()
        self.damage: dict[str, str] = {}
        self.highest = -1
        self.highest_ticket = 0
        self._usd, self._tokens, self._calls = 0.0, 0, 0

    @property
    def archived(self) -> Iterator[Archived]:
        """By number."""
        return (self._by_number[number] for number in sorted(self._by_number))

    @property
    def booked(self) -> Booked:
        """What the attempts have cost."""
        return Booked(usd=self._usd, tokens=self._tokens, calls=self._calls)

    def judged(self, object_id: str) -> bool:
        """Whether an attempt came of what this object held under its ticket."""
        return object_id in self._judged

    def of_ticket(self, number: int) -> Entry | None:
        """The attempt that came of a ticket."""
        return next((entry for entry in self.entries if entry.ticket_number == number), None)

    def by_number(self, number: int) -> Entry | None:
        return self._by_number[number].entry if number in self._by_number else None

    def by_id(self, commit: str) -> Entry | None:
        """An attempt by its whole id; what is not known is looked for among what others may have added."""
        if commit not in self._by_id:
            self.refresh()
        return self._by_id.get(commit)

    def known(self, *programs: str) -> Entry | None:
        """The first attempt that was judged with one of these programs, each given by its blob or its meaning."""
        found = [self._programs[one] for one in programs if one in self._programs]
        return min(found, key=lambda entry: entry.number, default=None)

    def when_s(self, commit: str) -> int:
        """The time of an attempt's commit; 0 for one that is none."""
        return self._by_id[commit].when_s if commit in self._by_id else 0

    def refresh(self) -> tuple[Entry, ...]:
        """Take in what other writers have added, whatever its number; returns it."""
        refs = self._repository.refs(ATTEMPTS)
        numbers = {int(name) for ref in refs if (name := ref.rpartition("/")[2]).isdecimal()}
        return self._take_in({number: refs[_ref(number)] for number in sorted(numbers - self._seen)})

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
            if number not in self._seen:
                self._gaps.add(number)
            number += 1
        return number, batch.keep(lock)

    def add(self, archived: Archived) -> None:
        if not self._samples:
            archived = replace(archived, entry=self._light(archived.entry))
        entry = archived.entry
        newest = not self.entries or self.entries[-1].number < entry.number
        self._by_number[entry.number] = archived
        self._by_id[entry.id] = entry
        self._saw(entry.number)
        self.highest_ticket = max(self.highest_ticket, entry.ticket_number or entry.number)
        if archived.ticket:
            self._judged.add(archived.ticket)
        self._remember(entry)
        self._usd += entry.usd
        self._tokens += entry.tokens
        self._calls += sum(turn.tries for turn in entry.turns)
        self.entries = self.entries.plus(entry) if newest else Series(one.entry for one in self.archived)

    def _remember(self, entry: Entry) -> None:
        """The program of an entry; one refused at `patch` has none, and one that is there again is the first one's."""
        if entry.same_as or (isinstance(entry.verdict, Rejected) and entry.verdict.stage == "patch"):
            return
        for program in filter(None, (entry.program_id, entry.meaning)):
            first = self._programs.get(program)
            if first is None or first.number > entry.number:
                self._programs[program] = entry

    def _light(self, entry: Entry) -> Entry:
        """The entry without raw samples, its environment shared with others."""
        duels = tuple(
            replace(
                one, duel=one.duel and replace(one.duel, samples=(), environment=self._shared(one.duel.environment))
            )
            for one in entry.confirmations
        )
        verdict = entry.verdict
        if isinstance(verdict, Scored):
            cases = tuple(replace(case, samples=None) for case in verdict.score.cases)
            score = replace(verdict.score, cases=cases)
            verdict = replace(verdict, score=score, environment=self._shared(verdict.environment))
        return replace(entry, verdict=verdict, confirmations=duels)

    def _shared(self, environment: Environment) -> Environment:
        return self._environments.setdefault(environment, environment)

    def _take_in(self, refs: Mapping[int, str]) -> tuple[Entry, ...]:
        added: list[Entry] = []
        for found in read_attempts(self._repository, {_ref(number): refs[number] for number in sorted(refs)}):
            if isinstance(found, Damaged):
                self.damage[found.ref] = found.problem
            else:
                self.add(found)
                added.append(self._by_number[found.entry.number].entry)
        for number in refs:
            self._saw(number)
        return tuple(added)

    def _saw(self, number: int) -> None:
        self._seen.add(number)
        self._gaps.discard(number)
        self.highest = max(self.highest, number)


def _ref(number: int) -> str:
    return f"{ATTEMPTS}/{number:06d}"
