"""Attempts as flat rows for spreadsheets: one row per attempt. Pure.

Owns: the columns of `attempts.csv`, and the rule that no cell is a formula. Does not know: files, archives.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from evaluator import Rejected, Score, Scored, Task
from harness.readings.claims import claim_words
from harness.readings.lineage import Find
from harness.text import one_line
from harness.types import Entry

_LONGEST = 1000
_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
"""Also the wide forms, which spreadsheets with East Asian settings take for the same."""

Cell = str | int | float | None


def columns(task: Task) -> tuple[str, ...]:
    """The headings; `quality_key` is what the task calls its quality."""
    return (
        *("number", "id", "parents", "kind", "name", "verdict", "stage", "reason", task.quality_key, "ceiling"),
        *("gain", "gain_low", "gain_high", "pass_quality", "runtime_ms", "speedup", "speedup_low", "speedup_high"),
        *("load_s", "model", "tokens", "usd", "seconds", "when", "fingerprint", "same_as", "claimed"),
    )


def flat_row(entry: Entry, find: Find, *, plain: bool = False) -> tuple[Cell, ...]:
    """One attempt; parents and `same_as` by number, the time in UTC. What a rejected program does not have is None.

    `plain`: texts are for a program that takes none for a formula, and stand as they are.
    """
    text = plain_cell if plain else text_cell
    scores: tuple[Cell, ...] = (None,) * 11
    verdict, stage, reason, fingerprint = "unjudged", "", "", ""
    if isinstance(entry.verdict, Rejected):
        verdict, stage, reason = "rejected", entry.verdict.stage, text(entry.verdict.reason)
    elif isinstance(entry.verdict, Scored):
        verdict = "scored"
        scores = _scores(entry.verdict.score)
        fingerprint = entry.verdict.environment.fingerprint
    return (
        entry.number,
        entry.id,
        "" if entry.kind == "seed" else _numbers(entry.parents, find),
        entry.kind,
        text(entry.name),
        verdict,
        stage,
        reason,
        *scores,
        text(entry.model),
        entry.tokens,
        entry.usd,
        entry.seconds,
        _when(entry.when_s),
        fingerprint,
        _numbers([entry.same_as], find) if entry.same_as else "",
        "" if entry.claimed is None else text(f"{entry.claimed.framework}: {claim_words(entry.claimed)}"),
    )


def _scores(score: Score) -> tuple[Cell, ...]:
    gain, speedup = score.gain, score.speedup
    gains = (None, None, None) if gain is None else (gain.median, gain.low, gain.high)
    return (
        *(score.quality.value, score.quality.ceiling, *gains, score.pass_quality, score.runtime_ms),
        *(speedup.median, speedup.low, speedup.high, score.load_s),
    )


def text_cell(text: str) -> str:
    """Untrusted text on one line, with an apostrophe before what a spreadsheet takes for a formula (CSV injection)."""
    line = plain_cell(text)
    return f"'{line}" if line.startswith(_FORMULA) else line


def plain_cell(text: str) -> str:
    """Untrusted text on one line."""
    return one_line(text, _LONGEST)


def _numbers(ids: Iterable[str], find: Find) -> str:
    return " ".join(str(entry.number) if (entry := find(id_)) else one_line(id_, 12) for id_ in ids)


def _when(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, OSError, ValueError):  # an untrusted time, beyond what a calendar holds
        return str(seconds)
