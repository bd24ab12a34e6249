"""The attempts of a run as columns of plain values, in blocks that are encoded once. Pure.

Owns: the columns of a block, and which rows a reader lacks. Does not know: archives, what a page draws from them.

Rows are only ever appended. A whole block is kept as the JSON text that a page is sent, some 130 bytes a row, so that
100,000 attempts cost no encoding when a page opens.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from evaluator.types import STAGES, Rejected
from harness.page.words import json_text, whole
from harness.types import KINDS, Entry, Unjudged

BLOCK = 1000
"""Rows of a whole block."""
OUTCOMES = ("scored", *STAGES, "unjudged")
_COLUMNS = (
    *("n", "parent", "kind", "outcome", "reason", "model", "q", "ql", "qh", "s", "sl", "sh", "ms", "usd", "tok"),
    *("sec", "t", "same", "name"),
)
_NO_SCORE: tuple[None, ...] = (None,) * 7


def outcome(entry: Entry) -> str:
    """The outcome of an attempt, one of `OUTCOMES`: the stage of a rejected one."""
    if isinstance(entry.verdict, Unjudged):
        return "unjudged"
    return entry.verdict.stage if isinstance(entry.verdict, Rejected) else "scored"


def who(entry: Entry) -> str:
    """The model an attempt came from, or its proposer if no model was asked."""
    return entry.model or entry.proposer


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """An attempt, its parents by number (-1 for one that is not known), the earlier attempt with the same program (-1
    for none), and seconds since the run began.
    """

    entry: Entry
    parents: tuple[int, ...]
    same_as: int
    since_s: int


class Words:
    """Texts by code, in the order in which they first came: what columns hold instead of the texts."""

    def __init__(self, *texts: str) -> None:
        self._codes = {text: code for code, text in enumerate(texts)}

    def code(self, text: str) -> int:
        return self._codes.setdefault(text, len(self._codes))

    def __iter__(self) -> Iterator[str]:
        return iter(self._codes)


class Columns:
    """The rows of a run."""

    def __init__(self) -> None:
        self.size = 0
        self._blocks: list[str] = []
        self._reasons, self._models = Words(""), Words()
        self._begin()

    def add(self, row: Row) -> None:
        """Append a row."""
        entry, at = row.entry, len(self._last["n"])
        reason = entry.verdict.reason if isinstance(entry.verdict, Rejected) else ""
        values = (
            entry.number,
            row.parents[0] if row.parents else -1,
            KINDS.index(entry.kind),
            OUTCOMES.index(outcome(entry)),
            self._reasons.code(whole(reason, 80)),
            self._models.code(whole(who(entry), 80)),
            *_figures(entry),
            _short(entry.usd),
            entry.tokens,
            _short(entry.seconds),
            row.since_s,
            row.same_as,
            whole(entry.name, 120),
        )
        for column, value in zip(self._last.values(), values, strict=True):
            column.append(value)
        if len(row.parents) > 1:
            self._merged[str(at)] = list(row.parents[1:])
        self.size += 1
        if at + 1 == BLOCK:
            self._blocks.append(json_text({**self._last, "merged": self._merged}))
            self._begin()

    def words(self) -> dict[str, list[str]]:
        """The texts that the codes of columns stand for."""
        return {
            "kinds": list(KINDS),
            "outcomes": list(OUTCOMES),
            "reasons": list(self._reasons),
            "models": list(self._models),
        }

    def blocks(self, since: int, most: int | None = None) -> tuple[list[str], int]:
        """The rows from number `since` on as JSON texts of blocks, and how many rows they are: all, or `most` and a few
        more.
        """
        since = min(max(since, 0), self.size)
        at, within = divmod(since, BLOCK)
        texts, rows = [], 0
        while at < len(self._blocks) and (most is None or rows < most):
            whole_block = self._blocks[at]
            texts.append(json_text(_sliced(json.loads(whole_block), within)) if within else whole_block)
            rows += BLOCK - within
            at, within = at + 1, 0
        if at == len(self._blocks) and len(self._last["n"]) > within and (most is None or rows < most):
            texts.append(json_text(_sliced({**self._last, "merged": self._merged}, within)))
            rows += len(self._last["n"]) - within
        return texts, rows

    def _begin(self) -> None:
        self._last: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
        self._merged: dict[str, list[int]] = {}


def _figures(entry: Entry) -> tuple[float | None, ...]:
    """Quality and speed-up with their intervals, and the run time in ms."""
    if entry.scored is None:
        return _NO_SCORE
    score = entry.scored.score
    quality, speedup = score.quality_interval, score.speedup
    values = (quality.median, quality.low, quality.high, speedup.median, speedup.low, speedup.high, score.runtime_ms)
    return tuple(map(_short, values))


def _short(value: float) -> float:
    """Six significant digits: more than a screen shows, and half the text."""
    return float(f"{value:.6g}")


def _sliced(block: Mapping[str, Any], start: int) -> dict[str, Any]:
    """The rows of a block from `start` on."""
    merged = {str(int(at) - start): numbers for at, numbers in block["merged"].items() if int(at) >= start}
    return {**{name: block[name][start:] for name in _COLUMNS}, "merged": merged}
