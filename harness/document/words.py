"""How figures and attempts are worded in documents.

Owns: these words. Does not know: which figures are shown, formats.
"""

from __future__ import annotations

from datetime import UTC, datetime

from evaluator import Interval
from harness.document.blocks import Line, Part, Quoted
from harness.report.tables import points_interval, ratio, ratio_interval
from harness.select import Objective, Pareto, QualityLimit, RuntimeLimit, Weighted
from harness.text import one_line
from harness.types import Entry

NAME = 60
NO_SURE_CHANGE = "no sure change"
_MOST_NUMBERS = 12


def name(entry: Entry) -> Part:
    """The name that a proposer gave an attempt."""
    return Quoted(text=one_line(entry.name, NAME) or "without a name")


def numbered(entry: Entry) -> Line:
    """`attempt 7, vectorise`."""
    return (f"attempt {entry.number}, ", name(entry))


def numbers(attempts: tuple[int, ...]) -> str:
    """Numbers of attempts: `3, 4 and 7`; of many, how many and the last of them."""
    if len(attempts) > _MOST_NUMBERS:
        return f"{len(attempts):,} attempts, the last of them {attempts[-1]}"
    if len(attempts) == 1:
        return f"attempt {attempts[0]}"
    return f"attempts {', '.join(map(str, attempts[:-1]))} and {attempts[-1]}"


def when(seconds: int) -> str:
    """A time in UTC: `2026-11-29 00:56 UTC`."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (OverflowError, OSError, ValueError):  # an untrusted time, beyond what a calendar holds
        return f"second {seconds}"


def duration(minutes: float) -> str:
    """`40 s`, `12 min`, `5 h 20 min`, `3 d 4 h`."""
    seconds = round(60 * minutes)
    if seconds < 120:
        return f"{seconds} s"
    whole = round(minutes)
    if whole < 120:
        return f"{whole} min"
    hours, rest = divmod(whole, 60)
    return f"{hours} h {rest} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def points(change: Interval | None) -> str:
    """A change of quality in points with its interval; "" if it is not known."""
    return "" if change is None else points_interval(change)


def times(change: Interval | None) -> str:
    """How many times as fast, with its interval; "" if it is not known."""
    return "" if change is None else ratio_interval(change)


def faster(change: Interval) -> str:
    """A sure change of speed in words: `1.94x [1.90, 1.98] the speed`."""
    return f"{ratio_interval(change)} the speed"


def excludes(change: Interval | None, none: float) -> bool:
    """Whether a change is known, and its 95 % interval leaves out that nothing changed."""
    return change is not None and not change.low <= none <= change.high


def objective(rule: Objective, quality: str) -> str:
    """What the search looked for, as a sentence."""
    match rule:
        case Pareto(epsilon=epsilon):
            slack = f" less {epsilon:g}" if epsilon else ""
            return f"The champion is the fastest program of a {quality} not clearly below the seed program's{slack}."
        case RuntimeLimit(min_speedup_over_seed=least):
            return (
                f"The champion is the program of the highest {quality} among those at least {ratio(least)} as fast as "
                f"the seed program."
            )
        case QualityLimit(within=within):
            return f"The champion is the fastest program whose {quality} is within {within:g} of the seed program's."
        case Weighted(quality_weight=first, speed_weight=second):
            return f"The champion has the largest {quality} x {first:g} + ln(speed-up) x {second:g}."
