"""`packsmith.index`: light entries beside the repository, so that opening a long run need not read every commit.

Owns: the file's lines, and when a line is valid. Does not know: refs, what callers do with entries.

The file is a cache and never the truth. A line counts only if a ref names its commit, whose id is a hash of all its
content, and if its own checksum holds; any other attempt is read from the repository. So the file may be missing, torn,
old or from another version: bad lines are skipped, and a file with another header is rebuilt. Several writers may
append whole lines at once, without fsync. A failed write is ignored: nothing depends on it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluator.types import Environment, Interval, Quality, Rejected, Score, Scored
from harness.archive.commits import Archived
from harness.archive.details import Details
from harness.archive.records import RecordError, dump, load
from harness.types import Claimed, Confirmation, Entry, Gate, Outcome, Unjudged

FILE = "packsmith.index"
_VERSION = 5
_PLAIN = tuple(
    field.name
    for field in dataclasses.fields(Entry)
    if field.name
    not in ("parents", "inspirations", "tiers", "warnings", "verdict", "confirmations", "turns", "claimed", "gates")
)
"""Fields that a line holds unchanged."""
_SHARED = ("kind", "proposer", "model")
"""Those with few distinct values: each text is interned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A line as read: the attempt, and how many model calls it took."""

    archived: Archived
    calls: int


class IndexFile:
    """The index file of one run. Reading and writing it never raise: without it, opening is only slower."""

    def __init__(self, folder: Path, root: str, details: Details) -> None:
        names = " ".join(_PLAIN)
        self._head = f"packsmith index {_VERSION} {hashlib.sha256(names.encode()).hexdigest()[:12]} {root}\n".encode()
        self._path = folder / FILE
        self._details = details
        self._told: dict[Environment, str] = {}
        self._stream = -1
        self._inode, self._seen = -1, 0
        self._environments: dict[str, Environment] = {}

    def read(self, intern: Callable[[str], str] = str) -> Iterator[Row]:
        """The valid lines, in file order; an attempt may appear twice.

        `intern` maps a commit id to an equal string that is kept anyway.
        """
        environments: dict[str, Environment] = {}
        with contextlib.suppress(OSError), self._path.open("rb") as file:
            if file.readline() == self._head:
                for line in file:
                    if (row := self._read(line, environments, intern)) is not None:
                        yield row

    def more(self) -> Iterator[Row]:
        """The valid lines that were appended since the last call; at the first call, and when another process has
        rebuilt the file, all of them. A line that is being written is left for the next call.
        """
        with contextlib.suppress(OSError), self._path.open("rb") as file:
            about = os.fstat(file.fileno())
            if about.st_ino != self._inode or about.st_size < self._seen:
                self._inode, self._seen, self._environments = about.st_ino, 0, {}
            if self._seen == 0:
                head = file.readline()
                if head != self._head:
                    return
                self._seen = len(head)
            file.seek(self._seen)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self._seen += len(line)
                if (row := self._read(line, self._environments, str)) is not None:
                    yield row

    def _read(self, line: bytes, environments: dict[str, Environment], intern: Callable[[str], str]) -> Row | None:
        """The attempt of a line; None for any other line. The line of an environment is added to `environments`."""
        if (values := _checked(line)) is None:
            return None
        with contextlib.suppress(RecordError, ValueError, KeyError, TypeError, IndexError):
            if values[0] != "environment":
                return self._row(values, environments, intern)
            environments[values[1]] = load(Environment, values[2], FILE)
        return None

    def append(self, rows: Iterable[Row]) -> None:
        """Append lines; the file is created, or rebuilt if its header differs."""
        with contextlib.suppress(OSError):
            lines = b"".join(line for row in rows for line in self._lines(row))
            if lines:
                self._write(lines)

    def close(self) -> None:
        if self._stream >= 0:
            os.close(self._stream)
            self._stream = -1

    def _write(self, lines: bytes) -> None:
        if self._stream < 0:
            self._stream = self._open()
        if os.write(self._stream, lines) != len(lines):  # a short write: this line and the next are invalid
            self.close()

    def _open(self) -> int:
        with contextlib.suppress(FileNotFoundError), self._path.open("rb") as file:
            if file.readline() != self._head:
                self._path.unlink()
        stream = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        if os.fstat(stream).st_size == 0:
            os.write(stream, self._head)
        else:
            os.write(stream, b"\n")  # the line before may be torn
        self._told.clear()
        return stream

    def _lines(self, row: Row) -> Iterator[bytes]:
        entry, values = row.archived.entry, []
        if (scored := entry.scored) is not None:
            environment, score = scored.environment, scored.score
            if environment not in self._told:
                stored = dump(environment)
                name = hashlib.sha256(json.dumps(stored, sort_keys=True).encode()).hexdigest()[:12]
                self._told[environment] = name
                yield _line(["environment", name, stored])
            quality, speedup = score.quality, score.speedup
            values = [quality.name, quality.value, quality.ceiling, score.runtime_ms]
            values += [speedup.median, speedup.low, speedup.high, score.load_s, score.pass_quality, score.secret]
            values += [score.decided]
            values += [None if score.gain is None else (score.gain.median, score.gain.low, score.gain.high)]
            values += [len(score.cases), self._told[environment]]
        elif isinstance(entry.verdict, Rejected):
            values = [entry.verdict.stage, entry.verdict.reason, entry.verdict.detail]
        git_parents = None if row.archived.git_parents == entry.parents else row.archived.git_parents
        yield _line(
            [
                [getattr(entry, name) for name in _PLAIN],
                *(entry.parents, entry.inspirations, entry.tiers, entry.warnings),
                values,
                [self._bare(confirmation) for confirmation in entry.confirmations],
                *(len(entry.turns), row.calls, git_parents, row.archived.ticket),
                None if entry.claimed is None else dump(entry.claimed),
                None if entry.gates is None else [dump(gate) for gate in entry.gates],
            ]
        )

    def _bare(self, confirmation: Confirmation) -> tuple[Any, int]:
        """A confirmation without its samples, and the number of cases that have some."""
        duel = confirmation.duel
        if duel is None:
            return dump(confirmation), 0
        bare = dataclasses.replace(confirmation, duel=dataclasses.replace(duel, samples=()))
        return dump(bare), len(duel.samples)

    def _row(self, values: list[Any], environments: dict[str, Environment], intern: Callable[[str], str]) -> Row:
        plain, parents, inspirations, tiers, warnings, outcome, confirmations, *rest = values
        turns, calls, git_parents, ticket, claimed, gates = rest
        named = dict(zip(_PLAIN, plain, strict=True))
        for name in _SHARED:
            named[name] = sys.intern(named[name])
        entry = Entry(
            **named,
            parents=tuple(map(intern, parents)),
            inspirations=tuple(map(intern, inspirations)),
            tiers=self._details.tiers(tuple(tiers)),
            warnings=tuple(warnings),
            verdict=self._verdict(named["id"], outcome, environments),
            confirmations=self._details.confirmations(
                named["id"], ((load(Confirmation, stored, FILE), cases) for stored, cases in confirmations)
            ),
            turns=self._details.turns(named["id"], turns),
            claimed=None if claimed is None else load(Claimed, claimed, FILE),
            gates=None if gates is None else tuple(load(Gate, gate, FILE) for gate in gates),
        )
        archived = Archived(
            entry=entry, git_parents=entry.parents if git_parents is None else tuple(git_parents), ticket=ticket
        )
        return Row(archived=archived, calls=calls)

    def _verdict(self, commit: str, outcome: list[Any], environments: dict[str, Environment]) -> Outcome:
        if not outcome:
            return Unjudged()
        if len(outcome) == 3:
            stage, reason, detail = map(sys.intern, outcome)
            return Rejected(stage=stage, reason=reason, detail=detail)  # type: ignore[arg-type]  # checked by Rejected
        (
            name,
            value,
            ceiling,
            runtime_ms,
            median,
            low,
            high,
            load_s,
            pass_quality,
            secret,
            decided,
            gain,
            cases,
            environment,
        ) = outcome
        score = Score(
            quality=Quality(name=sys.intern(name), value=value, ceiling=ceiling),
            runtime_ms=runtime_ms,
            speedup=Interval(median=median, low=low, high=high),
            cases=(),
            load_s=load_s,
            gain=None if gain is None else Interval(median=gain[0], low=gain[1], high=gain[2]),
            pass_quality=pass_quality,
            secret=secret,
            decided=decided,
        )
        return self._details.verdict(commit, Scored(score=score, environment=environments[environment]), cases)


def _line(values: list[Any]) -> bytes:
    text = json.dumps(values, separators=(",", ":")).encode("ascii")
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _checked(line: bytes) -> list[Any] | None:
    """The values of a line; None if it is torn."""
    check, _, text = line.rstrip(b"\n").partition(b" ")
    try:
        if int(check, 16) != zlib.crc32(text):
            return None
        values = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return values if isinstance(values, list) else None
