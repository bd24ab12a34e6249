"""The values that importers make, and the checks that every foreign text passes.

Owns: a program of another framework, its limits, and the error about an archive. Does not know: any framework.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.text import one_line
from harness.types import HarnessError

MOST_PROGRAM = 2_000_000
"""Bytes of a program: twice what any judge accepts by default."""
MOST_PROGRAMS = 50_000
_MOST_TEXT = 20_000
"""Characters of a description."""
_NAME = 200
_SHOWN = 80


class ImportProblem(HarnessError):
    """The archive cannot be read: says what was expected, what was found, where, and what to do. Exit code 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignProgram:
    """A program as another framework recorded it. `id`, `parents` and `inspirations` are that framework's own ids.

    `place` orders programs in time (the iteration or generation, then a Unix time or a row). `notes` say what of the
    record could not be kept.
    """

    id: str
    source: str
    parents: tuple[str, ...] = ()
    inspirations: tuple[str, ...] = ()
    scores: Mapping[str, float] = field(default_factory=dict)
    name: str = ""
    description: str = ""
    model: str = ""
    place: tuple[float, float] = (0.0, 0.0)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Unordered:
    """What an importer found, in any order. `notes` say what was left out."""

    programs: Sequence[ForeignProgram]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignArchive:
    """The programs of an archive, every parent and inspiration before the programs that name it."""

    framework: str
    programs: tuple[ForeignProgram, ...]
    notes: tuple[str, ...] = ()


def shown(value: object) -> str:
    """An untrusted value in an error: on one line, and short."""
    return one_line(repr(value), _SHOWN)


def id_text(value: Any, where: str) -> str:
    """A program's id. Raises ImportProblem."""
    if isinstance(value, str) and value and value.isprintable() and len(value) <= _NAME:
        return value
    raise ImportProblem(f"{where}: expected an id of 1 to {_NAME} printable characters, found {shown(value)}")


def id_texts(value: Any, where: str) -> tuple[str, ...]:
    """A list of ids, each once; None is no id. Raises ImportProblem."""
    if value is None:
        return ()
    if not isinstance(value, list):
        raise ImportProblem(f"{where}: expected a list of ids, found {shown(value)}")
    return tuple(dict.fromkeys(id_text(item, where) for item in value))


def program_text(value: Any, where: str) -> str:
    """The text of a program. Raises ImportProblem if it is no text, too large, or not valid Unicode."""
    if not isinstance(value, str):
        raise ImportProblem(f"{where}: expected the text of a program, found {shown(value)}")
    try:
        size = len(value.encode("utf-8"))
    except UnicodeEncodeError as error:
        raise ImportProblem(f"{where}: character {error.start} of the program is half a surrogate pair") from None
    if size > MOST_PROGRAM:
        raise ImportProblem(f"{where}: a program of {size:,} bytes; expected at most {MOST_PROGRAM:,}: leave it out")
    return value


def label(value: Any) -> str:
    """A name or a model on one line; "" for anything that is no text."""
    return one_line(value, _NAME) if isinstance(value, str) else ""


def prose(value: Any) -> str:
    """A description, cut where it is very long; "" for anything that is no text."""
    if not isinstance(value, str):
        return ""
    text = value.encode("utf-8", "replace").decode("utf-8").strip()
    return text if len(text) <= _MOST_TEXT else text[:_MOST_TEXT] + "…"


def scores_of(*sources: Any) -> tuple[dict[str, float], tuple[str, ...]]:
    """The finite numbers among these mappings, by name, and a note about numbers that are not finite."""
    scores: dict[str, float] = {}
    odd: list[str] = []
    for source in sources:
        for name, value in source.items() if isinstance(source, Mapping) else ():
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                continue
            key = one_line(str(name), _NAME)
            if math.isfinite(number := as_float(value)):
                scores[key] = number
            else:
                odd.append(key)
    notes = (f"not a finite number, and left out: {one_line(', '.join(odd), _NAME)}",) if odd else ()
    return scores, notes


def as_float(value: Any) -> float:
    """A number as a float; infinite where it is too large, or no number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return math.inf
    try:
        return float(value)
    except OverflowError:
        return math.inf


def place_of(*values: Any) -> tuple[float, float]:
    """Two numbers that order programs; whatever is no finite number is 0."""
    first, second = (number if math.isfinite(number := as_float(value)) else 0.0 for value in values)
    return first, second


def unique(programs: Iterable[ForeignProgram], where: str) -> tuple[ForeignProgram, ...]:
    """The programs, if no id is there twice. Raises ImportProblem."""
    by_id: dict[str, ForeignProgram] = {}
    for program in programs:
        if program.id in by_id:
            raise ImportProblem(f"{where}: two programs have the id {shown(program.id)}; expected each id once")
        by_id[program.id] = program
        if len(by_id) > MOST_PROGRAMS:
            raise ImportProblem(f"{where}: more than {MOST_PROGRAMS:,} programs; import a part of them")
    return tuple(by_id.values())
