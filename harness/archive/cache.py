"""`packsmith.index`: light entries beside the repository, so that opening a long run need not read every commit.

Owns: that file: its lines, and when a line counts. Does not know: refs, what is done with entries.

It is never the truth. A line counts only where a ref names its commit, which is the hash of all it was made from, and
where its own check sum holds; what has no such line is read from the repository. So the file may be missing, torn, old
or from another version: then it is read past, or made anew. Writers append whole lines, several at once if need be,
and wait for no disk. What goes wrong in writing it goes wrong for nobody.
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

from evaluator.types import Environment, Interval, Quality, Rejected, Score, Scored, Verdict
from harness.archive.commits import Archived
from harness.archive.details import Details
from harness.archive.records import RecordError, dump, load
from harness.types import Confirmation, Entry

FILE = "packsmith.index"
_VERSION = 1
_PLAIN = tuple(
    field.name
    for field in dataclasses.fields(Entry)
    if field.name not in ("parents", "inspirations", "tiers", "warnings", "verdict", "confirmations", "turns")
)
"""Fields that stand in a line as they are."""
_SHARED = ("kind", "proposer", "model")
"""Those of them that many attempts have in common: each text is kept once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A line as read: the attempt, and how many calls of models it took."""

    archived: Archived
    calls: int


class Cache:
    """The file of one run."""

    def __init__(self, folder: Path, root: str, details: Details) -> None:
        names = " ".join(_PLAIN)
        self._head = f"packsmith index {_VERSION} {hashlib.sha256(names.encode()).hexdigest()[:12]} {root}\n".encode()
        self._path = folder / FILE
        self._details = details
        self._told: dict[Environment, str] = {}
        self._stream = -1

    def read(self, same: Callable[[str], str] = str) -> Iterator[Row]:
        """The lines that are whole, in any order; an attempt may come twice.

        `same` gives a commit's id as an object that is kept anyway.
        """
        environments: dict[str, Environment] = {}
        try:
            with self._path.open("rb") as file:
                if file.readline() != self._head:
                    return
                for line in file:
                    if (values := _checked(line)) is None:
                        continue
                    with contextlib.suppress(RecordError, ValueError, KeyError, TypeError, IndexError):
                        if values[0] == "environment":
                            environments[values[1]] = load(Environment, values[2], FILE)
                            continue
                        yield self._row(values, environments, same)
        except OSError:
            return

    def append(self, rows: Iterable[Row]) -> None:
        """Add lines, in a file that is made or made anew where need be."""
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
        if os.write(self._stream, lines) != len(lines):  # the next line begins in the middle of this one: both are lost
            self.close()

    def _open(self) -> int:
        with contextlib.suppress(FileNotFoundError), self._path.open("rb") as file:
            if file.readline() != self._head:
                self._path.unlink()
        stream = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        if os.fstat(stream).st_size == 0:
            os.write(stream, self._head)
        else:
            os.write(stream, b"\n")  # what stands before may be torn
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
            values += [speedup.median, speedup.low, speedup.high, len(score.cases), self._told[environment]]
        elif isinstance(entry.verdict, Rejected):
            values = [entry.verdict.stage, entry.verdict.reason, entry.verdict.detail]
        git_parents = None if row.archived.git_parents == entry.parents else row.archived.git_parents
        yield _line(
            [
                [getattr(entry, name) for name in _PLAIN],
                *(entry.parents, entry.inspirations, entry.tiers, entry.warnings),
                values,
                [self._bare(one) for one in entry.confirmations],
                *(len(entry.turns), row.calls, git_parents, row.archived.ticket),
            ]
        )

    def _bare(self, one: Confirmation) -> tuple[Any, int]:
        """A confirmation without its samples, and of how many cases there are some."""
        if one.duel is None:
            return dump(one), 0
        return dump(dataclasses.replace(one, duel=dataclasses.replace(one.duel, samples=()))), len(one.duel.samples)

    def _row(self, values: list[Any], environments: dict[str, Environment], same: Callable[[str], str]) -> Row:
        plain, parents, inspirations, tiers, warnings, found, confirmations, turns, calls, git_parents, ticket = values
        named = dict(zip(_PLAIN, plain, strict=True))
        for name in _SHARED:
            named[name] = sys.intern(named[name])
        entry = Entry(
            **named,
            parents=tuple(map(same, parents)),
            inspirations=tuple(map(same, inspirations)),
            tiers=self._details.tiers(tuple(tiers)),
            warnings=tuple(warnings),
            verdict=self._verdict(named["id"], found, environments),
            confirmations=self._details.confirmations(
                named["id"], ((load(Confirmation, one, FILE), cases) for one, cases in confirmations)
            ),
            turns=self._details.turns(named["id"], turns),
        )
        archived = Archived(
            entry=entry, git_parents=entry.parents if git_parents is None else tuple(git_parents), ticket=ticket
        )
        return Row(archived=archived, calls=calls)

    def _verdict(self, commit: str, found: list[Any], environments: dict[str, Environment]) -> Verdict:
        if len(found) == 3:
            stage, reason, detail = map(sys.intern, found)
            return Rejected(stage=stage, reason=reason, detail=detail)  # type: ignore[arg-type]  # which it checks
        name, value, ceiling, runtime_ms, median, low, high, cases, environment = found
        score = Score(
            quality=Quality(name=sys.intern(name), value=value, ceiling=ceiling),
            runtime_ms=runtime_ms,
            speedup=Interval(median=median, low=low, high=high),
            cases=(),
        )
        return self._details.verdict(commit, Scored(score=score, environment=environments[environment]), cases)


def _line(values: list[Any]) -> bytes:
    text = json.dumps(values, separators=(",", ":")).encode("ascii")
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _checked(line: bytes) -> list[Any] | None:
    """The values of a line; None for one that is torn."""
    check, _, text = line.rstrip(b"\n").partition(b" ")
    try:
        if int(check, 16) != zlib.crc32(text):
            return None
        values = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return values if isinstance(values, list) else None
