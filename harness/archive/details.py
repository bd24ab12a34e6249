"""Lazy parts of light entries: cases with their raw samples, metrics, turns.

Owns: making entries light, and reading the rest on demand. Does not know: which attempts there are.

The entries of a long search would otherwise take gigabytes. A light entry equals the full one: its lazy parts are read
from `attempt.json` on each access, through an LRU cache of records.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar, overload

from evaluator.types import CaseScore, Environment, Samples, Scored
from harness.archive.commits import ATTEMPT, ArchiveError
from harness.archive.records import Record, RecordError, record_from_bytes
from harness.archive.texts import Texts
from harness.text import decode
from harness.types import Confirmation, Entry, Outcome, Tier, TurnRecord

_KEPT_BYTES = 2_000_000
"""LRU size in stored bytes; in memory a record takes about five times as much."""
T_co = TypeVar("T_co", covariant=True)


class Details:
    """Records of attempts, by commit. Thread-safe."""

    def __init__(self, texts: Texts) -> None:
        self._texts = texts
        self._kept: OrderedDict[str, tuple[Record, int]] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()
        self._environments: dict[Environment, Environment] = {}
        self._tiers: dict[tuple[Tier, ...], tuple[Tier, ...]] = {}

    def record(self, commit: str) -> Record:
        """The record of a commit. Raises ArchiveError."""
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

    def prepare(self, programs: Sequence[Entry], records: Sequence[Entry]) -> None:
        """Cache the programs of entries, and the records of others, read in one pass; what is damaged is found when it
        is used.
        """
        wanted = (entry.program_id for entry in programs if not self._texts.has(entry.program_id))
        blobs = list(dict.fromkeys(wanted))
        wanted = (entry.id for entry in records if entry.scored is not None and entry.id not in self._kept)
        commits = list(dict.fromkeys(wanted))
        found = self._texts.read_all([*blobs, *(f"{commit}:{ATTEMPT}" for commit in commits)])
        for blob, data in zip(blobs, found, strict=False):
            with contextlib.suppress(UnicodeDecodeError):
                if data is not None:
                    self._texts.keep(blob, decode(data))
        for commit, data in zip(commits, found, strict=False):
            with contextlib.suppress(RecordError):
                if data is not None:
                    self.keep(commit, record_from_bytes(data), len(data))

    def keep(self, commit: str, record: Record, size: int) -> None:
        """Cache a record of `size` stored bytes: a new attempt's record is used again soon."""
        with self._lock:
            if commit in self._kept:
                return
            self._kept[commit] = (record, size)
            self._size += size
            while self._size > _KEPT_BYTES and len(self._kept) > 1:
                self._size -= self._kept.popitem(last=False)[1][1]

    def light(self, entry: Entry) -> Entry:
        """The entry with lazy parts in place of the large ones; equal texts are interned."""
        duels = (
            (confirmation, len(confirmation.duel.samples) if confirmation.duel is not None else 0)
            for confirmation in entry.confirmations
        )
        return replace(
            entry,
            proposer=sys.intern(entry.proposer),
            model=sys.intern(entry.model),
            tiers=self.tiers(entry.tiers),
            verdict=self._light_verdict(entry.id, entry.verdict),
            confirmations=self.confirmations(entry.id, duels),
            turns=self.turns(entry.id, len(entry.turns)),
        )

    def tiers(self, tiers: tuple[Tier, ...]) -> tuple[Tier, ...]:
        """The equal tuple that other entries hold."""
        return self._tiers.setdefault(tiers, tiers)

    def turns(self, commit: str, size: int) -> Sequence[TurnRecord]:
        """The `size` turns of an attempt, read on access."""
        return Rows(self, commit, "turns", size) if size else ()

    def confirmations(self, commit: str, whole: Iterable[tuple[Confirmation, int]]) -> tuple[Confirmation, ...]:
        """The confirmations of an attempt with lazy samples, from pairs of a confirmation and its number of cases."""
        light = []
        for at, (confirmation, cases) in enumerate(whole):
            duel = confirmation.duel
            if duel is not None:
                samples: Sequence[Samples] = Rows(self, commit, str(at), cases)
                duel = replace(duel, samples=samples, environment=self._shared(duel.environment))
                confirmation = replace(confirmation, duel=duel)
            light.append(confirmation)
        return tuple(light)

    def verdict(self, commit: str, verdict: Scored, cases: int) -> Scored:
        """A scored verdict whose `cases` rows and metrics are read from the attempt on access."""
        rows: Sequence[CaseScore] = Rows(self, commit, "cases", cases)
        score = replace(verdict.score, cases=rows, metrics=Figures(self, commit))
        return replace(verdict, score=score, environment=self._shared(verdict.environment))

    def _light_verdict(self, commit: str, verdict: Outcome) -> Outcome:
        return self.verdict(commit, verdict, len(verdict.score.cases)) if isinstance(verdict, Scored) else verdict

    def _shared(self, environment: Environment) -> Environment:
        return self._environments.setdefault(environment, environment)


class Rows(Sequence[T_co]):
    """The cases or turns of an attempt, or the samples of one of its duels, read on access. Only their number is held.

    Equal to any sequence of the same items. Access raises ArchiveError if the record is damaged.
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
        rows: T_co | Sequence[T_co] = self._rows()[index]
        return rows

    def __iter__(self) -> Iterator[T_co]:
        return iter(self._rows())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or len(other) != self._size:
            return NotImplemented if not isinstance(other, Sequence) else False
        return tuple(self._rows()) == tuple(other)

    __hash__ = None  # type: ignore[assignment]  # like a list: its items need not be hashable

    def __repr__(self) -> str:
        what = f"samples of duel {self._name}" if self._name.isdecimal() else self._name
        return f"<{self._size} {what} of {self._commit[:12]}>"


class Figures(Mapping[str, float]):
    """The metrics of an attempt's score, read on access."""

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
