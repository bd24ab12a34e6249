"""The attempts of a run as rows: one flat record each, for a data frame or any other table.

Owns: the columns, which stay, and the data frame. Does not know: files, how attempts are judged.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from evaluator import Interval
from harness.runs.attempt import RunAttempt
from harness.types import HarnessError

if TYPE_CHECKING:
    import pandas

COLUMNS = (
    *("number", "id", "kind", "name", "description", "parents", "verdict", "stage", "reason", "quality"),
    *("quality_low", "quality_high", "ceiling", "gain", "gain_low", "gain_high", "speedup", "speedup_low"),
    *("speedup_high", "runtime_ms", "load_s", "proposer", "model", "usd", "tokens", "turns", "seconds", "when"),
    *("fingerprint", "same_as", "on_front", "best"),
)
"""The keys of a row, in order. A later version may add some at the end."""


def row(attempt: RunAttempt, *, front: frozenset[str], best: str) -> dict[str, Any]:
    """One attempt; `front` and `best` are ids. What it does not have is None; names and texts are as they came."""
    scored, rejected, entry = attempt.scored, attempt.rejected, attempt.entry
    verdict = "scored" if scored is not None else "rejected" if rejected is not None else "unjudged"
    values = {
        "number": entry.number,
        "id": entry.id,
        "kind": entry.kind,
        "name": entry.name,
        "description": entry.description,
        "parents": attempt.parents,
        "verdict": verdict,
        "stage": None if rejected is None else rejected.stage,
        "reason": None if rejected is None else rejected.reason,
        **_interval("quality", attempt.quality),
        "ceiling": None if scored is None else scored.score.quality.ceiling,
        **_interval("gain", attempt.gain),
        **_interval("speedup", attempt.speedup),
        "runtime_ms": attempt.runtime_ms,
        "load_s": None if scored is None else scored.score.load_s,
        "proposer": entry.proposer,
        "model": entry.model,
        "usd": entry.usd,
        "tokens": entry.tokens,
        "turns": len(entry.turns),
        "seconds": entry.seconds,
        "when": _when(entry.when_s),
        "fingerprint": None if scored is None else scored.environment.fingerprint,
        "same_as": attempt.same_as,
        "on_front": entry.id in front,
        "best": entry.id == best,
    }
    return {column: values[column] for column in COLUMNS}


def frame(rows: Iterable[dict[str, Any]]) -> pandas.DataFrame:
    """The rows as a data frame, indexed by number. Raises HarnessError if pandas is not installed."""
    try:
        import pandas
    except ImportError as error:
        raise HarnessError(
            "a data frame needs pandas, which is not installed: pip install 'packsmith[frame]', or take the plain "
            "records of run.rows()"
        ) from error
    made = pandas.DataFrame.from_records(list(rows), columns=list(COLUMNS))
    made = made.astype({"same_as": "Int64"})  # whole numbers, also beside what is missing
    return made.set_index("number")


def _interval(name: str, value: Interval | None) -> dict[str, float | None]:
    if value is None:
        return {name: None, f"{name}_low": None, f"{name}_high": None}
    return {name: value.median, f"{name}_low": value.low, f"{name}_high": value.high}


def _when(seconds: int) -> datetime | None:
    """The time in UTC; None where an untrusted one is beyond what a calendar holds."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError):
        return None
