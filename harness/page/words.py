"""Text and numbers from strangers as a page is sent them, and short wordings. Pure.

Owns: how long a text may be, what becomes of characters that are no text, and of numbers that JSON lacks.
Does not know: HTML: a page shows every text as text.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from evaluator.types import Interval
from harness.select import Objective, Pareto, QualityLimit, RuntimeLimit

LONGEST = 500_000
"""Characters of a program, a reply or a diff that are sent."""
_LONE = re.compile("[\ud800-\udfff]")


def sound(text: str) -> str:
    """The text with U+FFFD for each lone surrogate, which no encoding holds."""
    return text if text.isascii() else _LONE.sub("\ufffd", text)


def whole(text: str, most: int) -> str:
    """At most this many characters of a text, the last of them an ellipsis where it was cut."""
    return sound(text if len(text) <= most else f"{text[: most - 1]}…")


def json_text(value: Any) -> str:
    """JSON, with null for numbers that are not finite, which sums over the figures of a hostile run may be."""
    try:
        return json.dumps(value, allow_nan=False, separators=(",", ":"))
    except ValueError:
        return json.dumps(_finite(value), allow_nan=False, separators=(",", ":"))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def interval(value: Interval | None) -> dict[str, float] | None:
    """An interval in JSON values; null for none."""
    return None if value is None else {"median": value.median, "low": value.low, "high": value.high}


def objective_words(objective: Objective, quality: str) -> str:
    """What counts as best, as a clause."""
    match objective:
        case Pareto():
            return f"the fastest program whose {quality} is not below the seed program's"
        case RuntimeLimit(min_speedup_over_seed=times):
            return f"the best {quality} among programs at least {times:g} times as fast as the seed program"
        case QualityLimit(within=within):
            return f"the fastest program whose {quality} is within {within:g} of the seed program's"
        case _:
            weights = f"{quality} x {objective.quality_weight:g} + ln(speed-up) x {objective.speed_weight:g}"
            return f"the largest {weights}"


def objective_kind(objective: Objective) -> str:
    """What the config calls the kind of an objective."""
    match objective:
        case Pareto():
            return "pareto"
        case RuntimeLimit() | QualityLimit():
            return "constrained"
        case _:
            return "weighted"
