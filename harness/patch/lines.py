"""Program text as lines: split, joined, searched, and which lines may be edited.

Owns: the line model of the patch format and the EVOLVE-BLOCK regions. Does not know: replies, blocks, refusals.

A line ends at "\\n" and nowhere else: a form feed, "\\x1c" or U+2028 is content. A "\\r" before the "\\n" stays with
the line and counts as its line end; any other "\\r" is content.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

BLANKS = " \t\r"
"""Characters that are ignored at the end of a line; a no-break space is not one of them."""

_LEXED = {
    "": re.compile(r"#[^\n]*|'''|\"\"\"|\"(?:\\.|[^\"\\\n])*+\"?|'(?:\\.|[^'\\\n])*+'?"),
    "'''": re.compile(r"(?s:\\.)|'''"),
    '"""': re.compile(r"(?s:\\.)|\"\"\""),
}
"""What is looked for in a program, by the quotes of the long string around the place; "" is outside of one."""
_MARKER = "EVOLVE-BLOCK-"
_START = "EVOLVE-BLOCK-START"
_END = "EVOLVE-BLOCK-END"


def to_lines(text: str) -> list[str]:
    """The lines of one side of an edit: "" is none, "a" one, "a\\n" two (the second empty), "\\n" one empty line."""
    return text.split("\n") if text.strip("\n") else [""] * len(text)


def to_text(lines: Sequence[str]) -> str:
    """The inverse of `to_lines`, for every sequence of lines."""
    text = "\n".join(lines)
    return text if text.strip("\n") else "\n" * len(lines)


def is_blank(lines: Sequence[str]) -> bool:
    return not any(line.strip(BLANKS) for line in lines)


def is_marker(line: str) -> bool:
    """A comment line that opens or closes an EVOLVE-BLOCK."""
    return _MARKER in line and line.lstrip(" \t").startswith("#") and (_START in line or _END in line)


def in_long_string(lines: Sequence[str], at: int) -> bool:
    """Whether line `at` of a Python program begins inside a triple-quoted string, by the lines above it."""
    text, quote, place = "\n".join(lines[:at]), "", 0
    while token := _LEXED[quote].search(text, place):
        found, place = token[0], token.end()
        if found == quote:
            quote = ""
        elif not quote and found in _LEXED:
            quote = found
    return bool(quote)


def trimmed(text: str) -> str:
    """The same lines without blanks at their ends."""
    return "\n".join([line.rstrip(BLANKS) for line in text.split("\n")])


def find_lines(text: str, needle: str, limit: int) -> list[int]:
    """Where (lines from 0) the whole lines `needle` occur in the whole lines `text`; at most `limit`, may overlap.

    Every line of both ends in "\\n". Linear in both for a given limit.
    """
    hay, pattern = "\n" + text, "\n" + needle
    places: list[int] = []
    line = counted = 0
    at = hay.find(pattern)
    while at >= 0 and len(places) < limit:
        line += hay.count("\n", counted, at)
        counted = at
        places.append(line)
        at = hay.find(pattern, at + 1)
    return places


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A run of whole lines, each ending in "\\n", that may or may not be edited. Marker lines may not."""

    editable: bool
    text: str

    @property
    def lines(self) -> list[str]:
        return self.text.split("\n")[:-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A program split into segments, with its line ends and its final newline, which edits preserve."""

    segments: tuple[Segment, ...]
    has_markers: bool
    crlf: bool
    """Most lines end in "\\r\\n", and so will the lines that an edit adds."""
    terminated: bool
    stray_return: bool
    """The file ends in "\\r" without "\\n": that is content, and kept."""

    @property
    def source(self) -> str:
        text = "".join(segment.text for segment in self.segments)
        if self.terminated or not text:
            return text
        text = text[:-1]
        return text[:-1] if text.endswith("\r") and (self.crlf or not self.stray_return) else text

    @property
    def lines(self) -> list[str]:
        return [line for segment in self.segments for line in segment.lines]

    def first_line(self, segment: int) -> int:
        """The number of lines (from 0) before a segment."""
        return sum(before.text.count("\n") for before in self.segments[:segment])

    def editable_ranges(self) -> list[tuple[int, int]]:
        """First and last line, from 1, of every segment that may be edited."""
        ranges = []
        start = 1
        for segment in self.segments:
            stop = start + segment.text.count("\n")
            if segment.editable and stop > start:
                ranges.append((start, stop - 1))
            start = stop
        return ranges

    def with_lines(self, segment: int, lines: Sequence[str]) -> Program:
        changed = replace(self.segments[segment], text="".join([line + "\n" for line in lines]))
        return replace(self, segments=(*self.segments[:segment], changed, *self.segments[segment + 1 :]))

    def with_line_ends(self, lines: Sequence[str]) -> list[str]:
        """The lines, each with the line end of this program."""
        end = "\r" if self.crlf else ""
        return [line.removesuffix("\r") + end for line in lines]


@lru_cache
def cut(source: str) -> Program:
    """Split a program into segments. `cut(source).source == source` for every text."""
    terminated = source.endswith("\n") or not source
    crlf = 2 * source.count("\r\n") > source.count("\n")
    text = source if terminated else source + ("\r\n" if crlf else "\n")
    segments = _segments(text)
    return Program(
        segments=segments,
        has_markers=_MARKER in text and any(is_marker(line) for line in text.split("\n")),
        crlf=crlf,
        terminated=terminated,
        stray_return=source.endswith("\r"),
    )


def _segments(text: str) -> tuple[Segment, ...]:
    """Alternate runs of protected and editable lines. Between two markers of a region there is always a segment."""
    lines = text.split("\n")[:-1]
    markers = [i for i, line in enumerate(lines) if is_marker(line)] if _MARKER in text else []
    if not markers:
        return (Segment(editable=True, text=text),)
    segments: list[Segment] = []
    protected_from = 0
    closing = _closing_markers(lines, markers)
    for i, following in closing:
        segments.append(_segment(False, lines[protected_from : i + 1]))
        segments.append(_segment(True, lines[i + 1 : following]))
        protected_from = following
    segments.append(_segment(False, lines[protected_from:]))
    return tuple(segments)


def _closing_markers(lines: Sequence[str], markers: Sequence[int]) -> list[tuple[int, int]]:
    """Pairs of consecutive markers between which lines may be edited: inside a START that has a later END."""
    pairs: list[tuple[int, int]] = []
    region: list[int] = []
    for i in markers:
        if _START in lines[i]:
            region.append(i)
        elif region:
            region.append(i)
            pairs.extend(pairwise(region))
            region = []
    return pairs


def _segment(editable: bool, lines: Sequence[str]) -> Segment:
    return Segment(editable=editable, text="".join([line + "\n" for line in lines]))
