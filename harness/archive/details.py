"""What an entry leaves in the repository until somebody looks: cases with their raw samples, metrics, turns.

Owns: entries made light, and reading the rest when it is asked for. Does not know: which attempts there are.

The entries of a long search would otherwise take gigabytes. A light entry is equal to the whole one: what it left
behind is read again, from `attempt.json`, each time it is looked at; the last few records are kept.
"""

from __future__ import annotations

import sys
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar, overload

from evaluator.types import CaseScore, Environment, Samples, Scored, Verdict
from harness.archive.commits import ATTEMPT, ArchiveError
from harness.archive.records import Record, RecordError, record_from_bytes
from harness.archive.texts import Texts
from harness.types import Confirmation, Entry, Tier, TurnNote

_KEPT_BYTES = 2_000_000
"""As stored; in memory a record takes some five times that."""
T_co = TypeVar("T_co", covariant=True)


class Details:
    """Records of attempts, by commit. Safe in any thread."""

    def __init__(self, texts: Texts) -> None:
        self._texts = texts
        self._kept: OrderedDict[str, tuple[Record, int]] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()
        self._environments: dict[Environment, Environment] = {}
        self._tiers: dict[tuple[Tier, ...], tuple[Tier, ...]] = {}

    def record(self, commit: str) -> Record:
        """Raises ArchiveError."""
        with self._lock:
            if commit in self._kept:
                self._kept.move_to_end(commit)
                return self._kept[commit][0]
        what = f"{ATTEMPT} of {commit[:12]}"
        try:
            stored = self._texts.read(f"{commit}:{ATTEMPT}", what)
            record = record_from_bytes(stored)
        except RecordError as error:
            raise ArchiveError(f"{what} is damaged: {error}; `packsmith verify` lists all that is") from error
        self.keep(commit, record, len(stored))
        return record

    def keep(self, commit: str, record: Record, size: int) -> None:
        """Have a record at hand, of so many bytes: that of an attempt that was just made is asked for soon."""
        with self._lock:
            if commit in self._kept:
                return
            self._kept[commit] = (record, size)
            self._size += size
            while self._size > _KEPT_BYTES and len(self._kept) > 1:
                self._size -= self._kept.popitem(last=False)[1][1]

    def light(self, entry: Entry) -> Entry:
        """The entry without what takes most of its memory; equal texts are shared."""
        duels = ((one, len(one.duel.samples) if one.duel is not None else 0) for one in entry.confirmations)
        return replace(
            entry,
            proposer=sys.intern(entry.proposer),
            model=sys.intern(entry.model),
            tiers=self.tiers(entry.tiers),
            verdict=self._light_verdict(entry.id, entry.verdict),
            confirmations=self.confirmations(entry.id, duels),
            turns=self.turns(entry.id, len(entry.turns)),
        )

    def tiers(self, found: tuple[Tier, ...]) -> tuple[Tier, ...]:
        """The same, as the object that other entries hold."""
        return self._tiers.setdefault(found, found)

    def turns(self, commit: str, size: int) -> Sequence[TurnNote]:
        """The turns of an attempt, of which there are so many."""
        return Rows(self, commit, "turns", size) if size else ()

    def confirmations(self, commit: str, found: Iterable[tuple[Confirmation, int]]) -> tuple[Confirmation, ...]:
        """The confirmations of an attempt, their raw samples left where they are; each with how many cases it has."""
        light = []
        for at, (one, cases) in enumerate(found):
            if one.duel is not None:
                samples: Sequence[Samples] = Rows(self, commit, str(at), cases)
                duel = replace(one.duel, samples=samples, environment=self._shared(one.duel.environment))
                one = replace(one, duel=duel)
            light.append(one)
        return tuple(light)

    def verdict(self, commit: str, verdict: Scored, cases: int) -> Scored:
        """A score whose cases and metrics are those of an attempt."""
        rows: Sequence[CaseScore] = Rows(self, commit, "cases", cases)
        score = replace(verdict.score, cases=rows, metrics=Figures(self, commit))
        return replace(verdict, score=score, environment=self._shared(verdict.environment))

    def _light_verdict(self, commit: str, verdict: Verdict) -> Verdict:
        return self.verdict(commit, verdict, len(verdict.score.cases)) if isinstance(verdict, Scored) else verdict

    def _shared(self, environment: Environment) -> Environment:
        return self._environments.setdefault(environment, environment)


class Rows(Sequence[T_co]):
    """The cases or the turns of an attempt, or the samples of one of its duels, of which the number is known. Equal to
    any sequence of the same items.
    """

    __slots__ = ("_commit", "_details", "_name", "_size")

    def __init__(self, details: Details, commit: str, name: str, size: int) -> None:
        self._details, self._commit, self._name, self._size = details, commit, name, size

    def _rows(self) -> Sequence[Any]:
        record = self._details.record(self._commit)
        if self._name == "turns":
            return record.turns
        if self._name.isdecimal():
            duel = record.confirmations[int(self._name)].duel
            return duel.samples if duel is not None else ()
        return record.verdict.score.cases if isinstance(record.verdict, Scored) else ()

    def __len__(self) -> int:
        return self._size

    @overload
    def __getitem__(self, index: int) -> T_co: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T_co]: ...
    def __getitem__(self, index: int | slice) -> T_co | Sequence[T_co]:
        found: T_co | Sequence[T_co] = self._rows()[index]
        return found

    def __iter__(self) -> Iterator[T_co]:
        return iter(self._rows())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or len(other) != self._size:
            return NotImplemented if not isinstance(other, Sequence) else False
        return tuple(self._rows()) == tuple(other)

    __hash__ = None  # type: ignore[assignment]  # as a list: what it holds need not be hashable

    def __repr__(self) -> str:
        what = f"samples of duel {self._name}" if self._name.isdecimal() else self._name
        return f"<{self._size} {what} of {self._commit[:12]}>"


class Figures(Mapping[str, float]):
    """The metrics of an attempt's score."""

    __slots__ = ("_commit", "_details")

    def __init__(self, details: Details, commit: str) -> None:
        self._details, self._commit = details, commit

    def _figures(self) -> Mapping[str, float]:
        record = self._details.record(self._commit)
        return record.verdict.score.metrics if isinstance(record.verdict, Scored) else {}

    def __getitem__(self, name: str) -> float:
        return self._figures()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._figures())

    def __len__(self) -> int:
        return len(self._figures())

    def __repr__(self) -> str:
        return f"<metrics of {self._commit[:12]}>"
