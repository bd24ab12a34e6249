"""Where a SEARCH matches a program.

Owns: the match tiers. Does not know: what a match is for, or how many are allowed.

Three tiers, each tried only if the one before has no match: exact; ignoring blanks and line ends at the end of lines;
also ignoring one indentation shift of the whole SEARCH.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.patch.lines import BLANKS, Program, Segment, find_lines, is_blank, trimmed
from harness.types import Tier

MANY = 20
"""Matches are counted up to this number."""

_MAX_SHIFTS = 64


@dataclass(frozen=True, slots=True)
class Shift:
    """An indentation to add to every line that is not blank, or to remove from it."""

    add: str = ""
    drop: str = ""

    def moved(self, line: str) -> str | None:
        """The line after the shift; None where it is not indented far enough."""
        if not line.strip(BLANKS):
            return line
        if not line.startswith(self.drop):
            return None
        return self.add + line[len(self.drop) :]

    def __str__(self) -> str:
        blanks = self.add or self.drop
        unit = "tab" if set(blanks) == {"\t"} else "space" if set(blanks) == {" "} else "blank"
        return f"{len(blanks)} {unit}{'' if len(blanks) == 1 else 's'} to the {'right' if self.add else 'left'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Where a SEARCH matches: `line` counts from 0 within the segment."""

    tier: Tier
    segment: int
    line: int
    shift: Shift


def occurs_loosely(search: Sequence[str], program: Program) -> bool:
    """Whether the lines occur in editable lines under any indentation; if not, no tier can match."""
    return any(_occurs_unindented(search, segment.lines) for segment in program.segments if segment.editable)


def locate(search: Sequence[str], program: Program, *, editable: bool = True) -> list[Match]:
    """The matches (at most MANY) of the first tier that has any, in the editable or in the protected segments."""
    where = [(i, segment) for i, segment in enumerate(program.segments) if segment.editable == editable]
    exact = _text(search)
    trim = trimmed(exact)
    matches = [
        Match(tier="exact", segment=i, line=line, shift=Shift())
        for i, segment in where
        for line in find_lines(segment.text, exact, MANY)
    ]
    if not matches:
        matches = [
            Match(tier="blanks", segment=i, line=line, shift=Shift())
            for i, segment in where
            for line in find_lines(trimmed(segment.text), trim, MANY)
        ]
    if not matches:
        matches = [match for i, segment in where for match in _shifted(i, segment, search)]
    return matches[:MANY]


def _text(lines: Sequence[str]) -> str:
    return "".join([line + "\n" for line in lines])


def _unindented(lines: Sequence[str]) -> str:
    return "".join([line.rstrip(BLANKS).lstrip(" \t") + "\n" for line in lines])


def _occurs_unindented(search: Sequence[str], lines: Sequence[str]) -> bool:
    return len(search) <= len(lines) and bool(find_lines(_unindented(lines), _unindented(search), 1))


def _shifted(i: int, segment: Segment, search: Sequence[str]) -> list[Match]:
    """Matches under one uniform shift. Each shift that fits the first line of SEARCH costs one linear search."""
    if is_blank(search) or not _occurs_unindented(search, segment.lines):
        return []
    wanted = [line.rstrip(BLANKS) for line in search]
    there = trimmed(segment.text)
    first = next(line for line in wanted if line)
    body = first.lstrip(" \t")
    indents = dict.fromkeys(
        line[: len(line) - len(body)]
        for line in there.split("\n")
        if line.endswith(body) and line.lstrip(" \t") == body
    )
    matches: list[Match] = []
    for indent in list(indents)[:_MAX_SHIFTS]:
        shift = _between(first[: len(first) - len(body)], indent)
        moved = None if shift is None else [shift.moved(line) for line in wanted]
        if shift is not None and moved is not None and None not in moved:
            text = "".join([f"{line}\n" for line in moved])
            matches += [
                Match(tier="indent", segment=i, line=line, shift=shift) for line in find_lines(there, text, MANY)
            ]
    return sorted(matches, key=lambda match: match.line)


def _between(ours: str, theirs: str) -> Shift | None:
    """The shift from one indentation to the other; None where neither ends in the other, such as tabs and spaces."""
    if theirs.endswith(ours):
        return Shift(add=theirs[: len(theirs) - len(ours)])
    if ours.endswith(theirs):
        return Shift(drop=ours[: len(ours) - len(theirs)])
    return None
