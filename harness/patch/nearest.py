"""Which lines of a program a SEARCH without a match is nearest to: these lines, a small diff, odd characters.

Owns: how nearness is measured and shown, and the bounds on that work. Does not know: blocks and refusals.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from difflib import SequenceMatcher

from harness.patch.lines import BLANKS, find_lines, trimmed

_SEARCH_LINES = 400
_PROGRAM_LINES = 20_000
_LINE_CHARACTERS = 200
_COMMON = 50
"""A line that occurs more often than this does not help to find the place."""
_LEAST_SIMILAR = 0.4
"""The least share of common tokens (Jaccard index) at which two lines count as similar."""
_SHOWN = 40
_WORD = re.compile(r"\w+")
_TOKEN = re.compile(r"\w+|[^\w\s]")
_SEARCHED = 1000
"""How many lines of a text, and characters of a line, are searched for odd characters."""
_LOOKALIKES = {
    **dict.fromkeys(map(chr, (0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000)), " "),
    **dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff\u00ad", ""),
    **dict.fromkeys("\u2018\u2019\u201b\u2032", "'"),
    **dict.fromkeys("\u201c\u201d\u201f\u2033", '"'),
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"),
}
_PLAIN = {ord(character): plain for character, plain in _LOOKALIKES.items()}


def show(text: str, limit: int = 120) -> str:
    """The text as one line: unprintable characters are escaped, and a long text is truncated."""
    cut = "".join([c if c.isprintable() else _escape(c) for c in text[:limit]])
    return cut if len(text) <= limit else cut + f"... ({len(text)} characters)"


def _escape(character: str) -> str:
    return {"\t": "\\t", "\r": "\\r", "\n": "\\n"}.get(character) or (
        f"\\x{ord(character):02x}" if ord(character) < 0x80 else f"\\u{ord(character):04x}"
    )


def nearest(program: Sequence[str], search: Sequence[str]) -> int | None:
    """The line (from 0) where `search` would start in `program`, by the lines or tokens in common; None if none."""
    bodies = [line[:_LINE_CHARACTERS].strip(BLANKS) for line in program[:_PROGRAM_LINES]]
    wanted = [line[:_LINE_CHARACTERS].strip(BLANKS) for line in search[:_SEARCH_LINES]]
    places: dict[str, list[int]] = defaultdict(list)
    for i, body in enumerate(bodies):
        places[body].append(i)
    votes: Counter[int] = Counter()
    for j, body in enumerate(wanted):
        here = places.get(body, []) if _WORD.search(body) else []
        if len(here) <= _COMMON:
            for i in here:
                votes[i - j] += 1_000_000 // len(here)
    if not votes:
        return _by_tokens(bodies, wanted)
    most = max(votes.values())
    return max(0, min(offset for offset, count in votes.items() if count == most))


def _by_tokens(bodies: Sequence[str], wanted: Sequence[str]) -> int | None:
    """The place by the line of the program that shares most tokens with one of the longest lines of the SEARCH."""
    longest = sorted(range(len(wanted)), key=lambda j: (-len(wanted[j]), j))[:3]
    words = [(j, frozenset(_TOKEN.findall(wanted[j]))) for j in longest]
    best, place = _LEAST_SIMILAR, None
    for i, body in enumerate(bodies):
        here = frozenset(_TOKEN.findall(body))
        for j, there in words:
            together = len(here | there)
            if together and len(here & there) / together > best:
                best, place = len(here & there) / together, max(0, i - j)
    return _by_substring(bodies, wanted) if place is None else place


def _by_substring(bodies: Sequence[str], wanted: Sequence[str]) -> int | None:
    """The place where the longest line of the SEARCH is part of a line."""
    line = max(wanted, key=len, default="")
    if not _WORD.search(line):
        return None
    place = next((i for i, body in enumerate(bodies) if line in body), None)
    return None if place is None else max(0, place - wanted.index(line))


def small_diff(program: Sequence[str], search: Sequence[str], start: int) -> list[str]:
    """SEARCH against the program from `start`: `-` is in SEARCH only, `+` in the program only; begins near the
    first difference.
    """
    there = program[start:]
    skip = 0
    while skip < min(len(search), len(there)) and search[skip] == there[skip]:
        skip += 1
    skip = max(0, skip - 2)
    ours, theirs = search[skip : skip + _SHOWN], there[skip : skip + _SHOWN][: len(search) - skip]
    shown: list[str] = []
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
        if tag == "equal":
            shown += ["  " + show(line) for line in ours[i1:i2]]
        else:
            shown += ["- " + show(line) for line in ours[i1:i2]]
            shown += ["+ " + show(line) for line in theirs[j1:j2]]
    return shown if len(shown) <= _SHOWN // 2 else [*shown[: _SHOWN // 2], "  ..."]


def odd_characters(search: Sequence[str], lines: Sequence[str]) -> list[str]:
    """A sentence where SEARCH differs from the program only in look-alike characters or in blanks."""
    if len(search) > len(lines):
        return []
    wanted, there = (trimmed("".join([line + "\n" for line in side])) for side in (search, lines))
    starts = find_lines(there.translate(_PLAIN), wanted.translate(_PLAIN), 1)
    if starts:
        start = starts[0]
        return [
            f"It differs from the program at line {start + 1} only in characters that look alike: "
            + "; ".join(
                _first_odd("SEARCH", search, 0) + _first_odd("the program", lines[start : start + len(search)], start)
            )
            + ". They do not match each other."
        ]
    squeezed = [trimmed("".join(["".join(line.split()) + "\n" for line in side])) for side in (lines, search)]
    starts = find_lines(squeezed[0], squeezed[1], 1)
    if starts:
        return [
            f"It differs from the program at line {starts[0] + 1} only in blanks: tabs, spaces, or the indentation of "
            "some lines."
        ]
    odd = _first_odd("SEARCH", search, 0)
    return [f"{odd[0]}. Check whether that is intended."] if odd else []


def _first_odd(side: str, lines: Sequence[str], offset: int) -> list[str]:
    for i, line in enumerate(lines[:_SEARCHED]):
        for character in line[:_SEARCHED]:
            if character in _LOOKALIKES:
                name = unicodedata.name(character, "unnamed")
                return [f"line {offset + i + 1} of {side} holds U+{ord(character):04X} ({name})"]
    return []
