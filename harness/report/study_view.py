"""What a study found, as tables for people and records for machines.

Owns: how means, intervals and comparisons of a study are worded and laid out. Does not know: how a study is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table

from evaluator import Interval
from harness.report.tables import figures, named, plain_table, points_interval, ratio, ratio_interval, titled
from harness.study.findings import Mean, Row, Versus

NO_DIFFERENCE = "no sure difference"
_FARTHEST = 1000.0
"""Ends of intervals beyond this, or below its inverse, are not shown as numbers."""
_VERDICTS = {1: "better", -1: "worse", 0: NO_DIFFERENCE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The rows of a study, the method that the others are compared against, and what the tasks call their quality."""

    rows: Sequence[Row]
    first: str
    quality_key: str

    @property
    def comparisons(self) -> tuple[Row, ...]:
        """The rows of the other methods."""
        return tuple(row for row in self.rows if row.method != self.first)


def quality_words(value: Mean | None) -> str:
    """A mean quality with the half-width of its interval, `0.9052 ±.0002`; "" for none."""
    if value is None:
        return ""
    if value.interval is None:
        return f"{value.value:.4f}"
    half = value.interval.high - value.interval.median
    return f"{value.value:.4f} ±{f'{half:.4f}'.removeprefix('0')}"


def speed_words(value: Mean | None) -> str:
    """A mean speed-up with its interval; "" for none."""
    if value is None:
        return ""
    return ratio(value.value) if value.interval is None else _ratios(value.interval)


def _ratios(interval: Interval) -> str:
    """As other speed-ups; of two seeds that differ much, the interval may have no sensible end."""
    if interval.low * _FARTHEST >= 1 and interval.high <= _FARTHEST:
        return ratio_interval(interval)
    low = f"{interval.low:.3g}" if interval.low * _FARTHEST >= 1 else "0"
    return f"{ratio(interval.median)} [{low}, {f'{interval.high:.3g}' if interval.high <= _FARTHEST else 'any'}]"


def quality_change(versus: Versus | None) -> str:
    """A change of quality in points, if it is sure; "" where nothing compares."""
    if versus is None:
        return ""
    if versus.sure == 0 or versus.change.interval is None:
        return _unsure(versus)
    return points_interval(versus.change.interval)


def speed_change(versus: Versus | None) -> str:
    """A ratio of speeds, if it is surely not 1; "" where nothing compares."""
    if versus is None:
        return ""
    if versus.sure == 0 or versus.change.interval is None:
        return _unsure(versus)
    return _ratios(versus.change.interval)


def _unsure(versus: Versus) -> str:
    return NO_DIFFERENCE if versus.change.count > 1 else "one seed: not known"


def score(versus: Versus | None) -> str:
    """Wins and losses, `2:0`; "" where nothing compares."""
    return "" if versus is None else f"{versus.wins}:{versus.losses}"


def seeds(row: Row) -> str:
    """How many searches ended: `3`, or `2 of 3`."""
    return str(row.ended) if row.ended == row.planned else f"{row.ended} of {row.planned}"


def attempts(row: Row) -> str:
    """How many attempts the searches made: `8`, `5-8` if not all the same, "" for none."""
    low, high = row.attempts
    return "" if not high else str(low) if low == high else f"{low}-{high}"


def notes(found: Found) -> tuple[str, ...]:
    """What to know of the figures."""
    apart = sum(row.apart for row in found.rows)
    unlike = f"{apart} pairs of cells were measured under unlike conditions and are not compared" if apart else ""
    return tuple(
        filter(
            None,
            (
                "the best program of each search by the objective; means over seeds with 95 % intervals (Student's t), "
                "of speed-ups geometric",
                f"against {found.first}: paired by seed, {found.quality_key} in points (hundredths), speed as a ratio; "
                "wins:losses; each interval is that of one comparison, not corrected for their number"
                if found.comparisons
                else "",
                unlike,
            ),
        )
    )


def view(found: Found) -> RenderableType:
    """The tables: what each method reached, and the others against the first."""
    first_notes, *more = notes(found)
    parts: list[RenderableType] = [titled("Best programs, mean over seeds", _reached(found), first_notes)]
    if found.comparisons:
        parts.append(titled(f"Against {found.first}", _against(found), "; ".join(more)))
    title = "Fronts: hypervolume, in points of quality times doublings of speed"
    parts.append(titled(title, _fronts(found)))
    return Group(*parts)


def volume_words(value: Mean | None) -> str:
    """A mean hypervolume with the half-width of its interval, `21.4 ±3.1`; "" for none."""
    if value is None:
        return ""
    half = "" if value.interval is None else f" ±{value.interval.high - value.interval.median:.2f}"
    return f"{value.value:.2f}{half}"


def volume_change(versus: Versus | None) -> str:
    """A change of hypervolume, if it is sure; "" where nothing compares."""
    if versus is None:
        return ""
    if versus.sure == 0 or versus.change.interval is None:
        return _unsure(versus)
    change = versus.change.interval
    return f"{change.median:+.2f} [{change.low:+.2f}, {change.high:+.2f}]"


def _fronts(found: Found) -> Table:
    table = named(named(plain_table(), "task"), "method")
    figures(table, "hypervolume", f"against {found.first}", "w:l")
    before = ""
    for row in found.rows:
        if before not in ("", row.task):
            table.add_section()
        name, change = row.task if row.task != before else "", row.volume_change
        table.add_row(name, row.method, volume_words(row.volume), volume_change(change), score(change))
        before = row.task
    return table


def _reached(found: Found) -> Table:
    table = named(named(plain_table(), "task"), "method")
    figures(table, "seeds", "attempts", found.quality_key, "speed-up")
    before = ""
    for row in found.rows:
        if before not in ("", row.task):
            table.add_section()
        name = row.task if row.task != before else ""
        table.add_row(
            *(name, row.method, seeds(row), attempts(row), quality_words(row.quality), speed_words(row.speedup))
        )
        before = row.task
    return table


def _against(found: Found) -> Table:
    table = named(named(plain_table(tight=True), "task"), "method")
    figures(table, f"{found.quality_key}, points", "w:l", "times as fast", "w:l")
    before = ""
    for row in found.comparisons:
        if before not in ("", row.task):
            table.add_section()
        quality, speed = row.quality_change, row.speed_change
        name = row.task if row.task != before else ""
        table.add_row(name, row.method, quality_change(quality), score(quality), speed_change(speed), score(speed))
        before = row.task
    return table


def record(row: Row, found: Found) -> dict[str, Any]:
    """A row for machines; `against` is null for the first method."""
    quality, speed, volume = row.quality_change, row.speed_change, row.volume_change
    changes = {"quality": _versus(quality), "speedup": _versus(speed), "hypervolume": _versus(volume)}
    against = {"method": found.first, **changes, "not_compared": row.apart}
    return {
        "task": row.task,
        "method": row.method,
        "ended": row.ended,
        "planned": row.planned,
        "attempts": {"least": row.attempts[0], "most": row.attempts[1]},
        "quality": _mean(row.quality),
        "speedup": _mean(row.speedup),
        "hypervolume": _mean(row.volume),
        "usd": row.usd,
        "tokens": row.tokens,
        "against": None if row.method == found.first else against,
    }


def _mean(value: Mean | None) -> dict[str, float | int | None] | None:
    if value is None:
        return None
    low, high = ends(value.interval)
    return {"mean": value.value, "low": low, "high": high, "seeds": value.count}


def ends(interval: Interval | None) -> tuple[float | None, float | None]:
    """The ends of an interval; None for none."""
    return (None, None) if interval is None else (interval.low, interval.high)


def verdict(versus: Versus) -> str:
    """`better`, `worse` or `no sure difference`."""
    return _VERDICTS[versus.sure]


def _versus(versus: Versus | None) -> dict[str, Any] | None:
    if versus is None:
        return None
    counts = {"wins": versus.wins, "losses": versus.losses, "verdict": verdict(versus)}
    return {**(_mean(versus.change) or {}), **counts}
