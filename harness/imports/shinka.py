"""Results of ShinkaEvolve: its SQLite database, or its folders of generations.

Owns: the table `programs` as shinka-evolve 0.0.7 (`shinka/database/dbase.py`) and earlier versions write it, and how it
is read safely. Does not know: the folders of generations (`shinka_folders`), runs, how programs are judged.

The database is a stranger's file. It is opened read-only and immutable, so that nothing is written beside it (a
write-ahead log that was never merged is not read). Only an ordinary table is read, by the names of known columns: a
view, or a virtual table, could run whatever it says. The size of values is limited, and so is the work.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

from harness.imports import shinka_folders
from harness.imports.files import listed
from harness.imports.foreign import (
    ForeignProgram,
    ImportProblem,
    Unordered,
    id_text,
    id_texts,
    label,
    place_of,
    program_text,
    prose,
    scores_of,
    shown,
    unique,
)

MOST_DATABASE = 4_000_000_000
_MOST_STEPS = 20_000
"""Calls of the progress handler, each after 100,000 instructions of SQLite's machine."""
_NEEDED = ("id", "code")
_WANTED = (
    *("parent_id", "archive_inspiration_ids", "top_k_inspiration_ids", "generation", "timestamp", "combined_score"),
    *("public_metrics", "private_metrics", "correct", "metadata"),
)
_LONGEST = 16_000_000
"""Bytes of a value."""
_SUFFIXES = (".sqlite", ".db", ".sqlite3")


def read(path: Path, component: str) -> Unordered:
    """The programs of a database or a results folder of ShinkaEvolve. Raises ImportProblem."""
    if component:
        raise ImportProblem(f"--component {shown(component)}: only candidates of gepa have components; leave it out")
    if path.is_file():
        return _read_database(path)
    databases = [file for file in listed(path) if file.suffix in _SUFFIXES and file.name != "prompts.sqlite"]
    if len(databases) > 1:
        names = ", ".join(shown(file.name) for file in databases[:5])
        raise ImportProblem(f"{path}: expected one database, found {names}: name one of them")
    return _read_database(databases[0]) if databases else shinka_folders.read(path)


def _read_database(path: Path) -> Unordered:
    if path.stat().st_size > MOST_DATABASE:
        raise ImportProblem(f"{path}: {path.stat().st_size:,} bytes; expected a database of at most {MOST_DATABASE:,}")
    try:
        with closing(_opened(path)) as database:
            programs = unique(_programs(database, path), str(path))
    except (sqlite3.Error, OverflowError, UnicodeDecodeError) as error:
        raise ImportProblem(
            f"{path}: expected an SQLite database of ShinkaEvolve, found a damaged one, or another file: "
            f"{shown(str(error))}"
        ) from error
    notes: tuple[str, ...] = ()
    log = path.with_name(f"{path.name}-wal")
    if log.is_file() and log.stat().st_size:
        notes = (f"{log.name} was not read: what ShinkaEvolve had not merged into the database is missing",)
    return Unordered(programs=programs, notes=notes)


def _opened(path: Path) -> sqlite3.Connection:
    """The database, read-only, with limits."""
    address = f"file:{quote(str(path.resolve()))}?mode=ro&immutable=1"
    database = sqlite3.connect(address, uri=True, isolation_level=None)
    database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)
    database.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    database.setlimit(sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH, 0)
    steps = iter(range(_MOST_STEPS))
    database.set_progress_handler(lambda: next(steps, None) is None, 100_000)
    database.execute("PRAGMA trusted_schema = OFF")
    database.execute("PRAGMA query_only = ON")
    return database


def _programs(database: sqlite3.Connection, path: Path) -> Iterator[ForeignProgram]:
    columns = _columns(database, path)
    wanted = [column for column in (*_NEEDED, *_WANTED) if column in columns]
    names = ", ".join(f'"{column}"' for column in wanted)
    for row, values in enumerate(database.execute(f'SELECT {names} FROM main."programs"')):
        yield _program(dict(zip(wanted, values, strict=True)), row, f"{path}: row {row + 1} of programs")


def _columns(database: sqlite3.Connection, path: Path) -> set[str]:
    """The ordinary columns of the table `programs`. Raises ImportProblem if it is no ordinary table."""
    kinds = database.execute("SELECT type, sql FROM main.sqlite_master WHERE name = 'programs'").fetchall()
    ordinary = [sql for kind, sql in kinds if kind == "table" and str(sql).upper().startswith("CREATE TABLE")]
    if len(kinds) != 1 or not ordinary:
        found = ", ".join(sorted({shown(kind) for kind, _ in kinds})) or "no table of that name"
        raise ImportProblem(f"{path}: expected a table `programs`, found {found}: is it a database of ShinkaEvolve?")
    # Hidden and generated columns (2 and 3) are computed by expressions of the file.
    columns = {str(row[1]) for row in database.execute("PRAGMA main.table_xinfo('programs')") if row[6] == 0}
    if missing := set(_NEEDED) - columns:
        raise ImportProblem(f"{path}: expected the columns {', '.join(_NEEDED)}, found no {', '.join(sorted(missing))}")
    return columns


def _program(row: Mapping[str, Any], number: int, where: str) -> ForeignProgram:
    return program_of(
        {key: _decoded(value, where) if key in _JSON else value for key, value in row.items()}, number, where
    )


_JSON = frozenset(
    ("archive_inspiration_ids", "top_k_inspiration_ids", "public_metrics", "private_metrics", "metadata"),
)


def _decoded(value: Any, where: str) -> Any:
    """The value of a column of JSON; None for an empty one. Raises ImportProblem."""
    if value is None or value == "":
        return None
    try:
        return json.loads(value)
    except (ValueError, TypeError, RecursionError) as error:
        raise ImportProblem(f"{where}: expected JSON, found {shown(value)}: {shown(str(error))}") from None


def program_of(record: Mapping[str, Any], row: int, where: str) -> ForeignProgram:
    """A program from ShinkaEvolve's own record of it. Raises ImportProblem."""
    metadata = record.get("metadata")
    details: Mapping[str, Any] = metadata if isinstance(metadata, dict) else {}
    parent = record.get("parent_id")
    inspirations = [
        id_
        for key in ("archive_inspiration_ids", "top_k_inspiration_ids")
        for id_ in id_texts(record.get(key), f"{where}: {key}")
    ]
    scores, notes = scores_of(record.get("private_metrics"), record.get("public_metrics"))
    own, odd = scores_of({"combined_score": record.get("combined_score")})
    correct = record.get("correct")
    if correct is not None and not correct:
        notes = (*notes, "ShinkaEvolve took it for incorrect")
    return ForeignProgram(
        id=id_text(record.get("id"), where),
        source=program_text(record.get("code"), where),
        parents=() if parent in (None, "") else (id_text(parent, where),),
        inspirations=tuple(dict.fromkeys(inspirations)),
        scores={**own, **{name: score for name, score in scores.items() if name not in own}},
        name=label(details.get("patch_name")),
        description=prose(details.get("patch_description")),
        model=label(details.get("model_name")),
        place=place_of(record.get("generation"), record.get("timestamp", row)),
        notes=(*notes, *odd),
    )
