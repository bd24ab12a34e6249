"""Reading an elite from a commit that came from elsewhere.

Owns: what such a commit must be like, and a sentence on each that is not. Does not know: remotes, searches.

Nothing is trusted: types and sizes are asked for before anything is read, the record is read strictly, and of the
program only the size and the encoding are looked at here: whether it is allowed is for the judge's screen.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.archive.commits import ATTEMPT, PROGRAM
from harness.archive.records import RecordError, entry_of, record_from_bytes
from harness.git import Repository, run_git
from harness.islands.elites import Elite
from harness.text import decode

_MOST_RECORD = 4_000_000
"""Largest `attempt.json` that is read, in bytes; one with thousands of samples has 200,000."""


class Poisoned(ValueError):
    """A commit that is no elite of a run: says what was expected and found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What every elite must fit: the task as scores name it, and the largest program in bytes."""

    task: str
    source_bytes: int


def read_elite(repository: Repository, path: Path, *, root: str, number: int, commit: str, expected: Expected) -> Elite:
    """The elite in a commit of the repository at `path`. Raises Poisoned."""
    sizes = _sizes(path, [commit, f"{commit}:{PROGRAM}", f"{commit}:{ATTEMPT}"])
    for (kind, size), wanted, most, what in zip(
        sizes,
        ("commit", "blob", "blob"),
        (1 << 16, expected.source_bytes, _MOST_RECORD),
        ("a commit", f"a file {PROGRAM}", f"a file {ATTEMPT}"),
        strict=True,
    ):
        if kind != wanted:
            raise Poisoned(f"expected {what}, found {kind or 'nothing'}")
        if size > most:
            raise Poisoned(f"expected {what} of at most {most:,} bytes, found {size:,}")
    program, stored, blob = repository.read_all([f"{commit}:{PROGRAM}", f"{commit}:{ATTEMPT}", f"{commit}:{PROGRAM}"])
    try:
        source = decode(program.data)
        record = record_from_bytes(stored.data)
        entry = entry_of(record, commit=commit, program_id=blob.id, when_s=0)
        list(entry.scored.score.cases if entry.scored else ())
        elite = Elite.of(root, entry, source)
        elite.proposal(root)  # whether its numbers are finite
    except (RecordError, ValueError, RecursionError) as error:
        raise Poisoned(str(error)) from None
    assert entry.scored is not None
    if entry.number != number:
        raise Poisoned(f"expected attempt {number}, found a record of attempt {entry.number}")
    if entry.scored.environment.task != expected.task:
        raise Poisoned(
            f"expected a program for the task {expected.task}, found one for {entry.scored.environment.task}"
        )
    return elite


def _sizes(path: Path, names: list[str]) -> list[tuple[str, int]]:
    """Type and size of objects by name, without reading them; ("", 0) for one that is missing."""
    given = "".join(f"{name}\n" for name in names).encode()
    done = run_git(f"--git-dir={path}", "cat-file", "--batch-check=%(objecttype) %(objectsize)", given=given)
    rows = [line.split() for line in done.stdout.decode("utf-8", "replace").splitlines()]
    found = [(row[0], int(row[1])) if len(row) == 2 and row[1].isdecimal() else ("", 0) for row in rows]
    return found + [("", 0)] * (len(names) - len(found))
