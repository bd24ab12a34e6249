"""Search in the texts of attempts: names, descriptions, reasons, models. Pure.

Owns: what is searched, what counts as a hit, the excerpt round it. Does not know: archives, programs.

The texts of many attempts are kept as one string per chunk, so that 100,000 of them take little memory, and most
chunks without a hit are passed over at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from evaluator.types import Rejected
from harness.page.columns import outcome, who
from harness.page.words import whole
from harness.types import Entry

MOST_QUERY = 200
_CHUNK = 500
_FIELDS = ("name", "description", "reason", "detail", "model", "kind")
_ROW, _FIELD = "\x1e", "\x1f"
_SEPARATORS = str.maketrans({_ROW: " ", _FIELD: " "})
_LONGEST = 2000
"""Characters of one text that are searched."""
_BEFORE, _AFTER = 40, 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """An attempt that a query finds: the first field that holds a word of it, and the text round that."""

    number: int
    field: str
    excerpt: str
    line: int | None = None


class Texts:
    """The texts of a run's attempts."""

    def __init__(self) -> None:
        self._chunks: list[str] = []
        self._last: list[str] = []

    def add(self, entry: Entry) -> None:
        verdict = entry.verdict
        rejected = verdict if isinstance(verdict, Rejected) else None
        texts = (
            str(entry.number),
            entry.name,
            entry.description,
            f"{rejected.stage}: {rejected.reason}" if rejected else outcome(entry),
            rejected.detail if rejected else "",
            who(entry),
            entry.kind,
        )
        self._last.append(_FIELD.join(whole(text, _LONGEST).translate(_SEPARATORS) for text in texts))
        if len(self._last) == _CHUNK:
            self._chunks.append(_ROW.join(self._last))
            self._last = []

    def find(self, query: str, most: int) -> tuple[int, list[Hit]]:
        """How many attempts hold all words of a query, in any case, and the newest of them. `17` and `#17` also find
        attempt 17, which comes first.
        """
        words = query.lower().split()
        hits, total = list[Hit](), 0
        number = query.strip().removeprefix("#")
        for row in self._rows(words):
            fields = row.split(_FIELD)
            if fields[0] == number:
                continue
            total += 1
            if len(hits) < most:
                hits.append(_hit(fields, words))
        exact = self._numbered(number) if number.isdecimal() else None
        return (total, hits) if exact is None else (total + 1, [exact, *hits][:most])

    def _chunks_newest_first(self) -> Iterator[str]:
        if self._last:
            yield _ROW.join(self._last)
        yield from reversed(self._chunks)

    def _rows(self, words: Sequence[str]) -> Iterator[str]:
        for chunk in self._chunks_newest_first():
            lower = chunk.lower()
            if all(word in lower for word in words):
                for row in reversed(chunk.split(_ROW)):
                    text = row.partition(_FIELD)[2].lower()
                    if all(word in text for word in words):
                        yield row

    def _numbered(self, number: str) -> Hit | None:
        start = f"{number}{_FIELD}"
        for chunk in self._chunks_newest_first():
            if chunk.startswith(start) or f"{_ROW}{start}" in chunk:
                row = next(row for row in chunk.split(_ROW) if row.startswith(start))
                return Hit(number=int(number), field="number", excerpt=row.split(_FIELD)[1])
        return None


def _hit(fields: Sequence[str], words: Sequence[str]) -> Hit:
    for name, text in zip(_FIELDS, fields[1:], strict=True):
        for word in words:
            if (excerpt := round_hit(text, word)) is not None:
                return Hit(number=int(fields[0]), field=name, excerpt=excerpt)
    return Hit(number=int(fields[0]), field="name", excerpt=fields[1])


def round_hit(text: str, word: str) -> str | None:
    """The text round a word, in any case; None if it does not hold it."""
    found = re.search(re.escape(word), text, re.IGNORECASE)
    if found is None:
        return None
    start, end = max(0, found.start() - _BEFORE), found.end() + _AFTER
    return f"{'…' if start else ''}{text[start:end]}{'…' if end < len(text) else ''}"


def new_line(query: str, program: str, parent: str) -> tuple[int, str] | None:
    """The first line of a program that holds the query, in any case, and that its parent does not have: its number,
    from 1, and its text; None if no line does.
    """
    wanted = query.lower()
    if wanted not in program.lower():
        return None
    known = frozenset(parent.split("\n"))
    for at, line in enumerate(program.split("\n"), 1):
        if wanted in line.lower() and line not in known:
            return at, line
    return None
