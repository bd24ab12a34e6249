"""Claims of another framework beside what was measured here, for people and for machines.

Owns: the wording and layout. Does not know: how claims were read, when one holds (`readings.claims`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from evaluator import Rejected, Task
from harness.readings.claims import Claims, Correlation, Pair, Result, claim
from harness.readings.lineage import change_of_quality
from harness.report import jsonl
from harness.report.attempts import change_words
from harness.report.tables import credited, figures, milliseconds, named, plain_table, ratio_interval, titled
from harness.text import one_line
from harness.types import Entry

_ROWS = 40
_NAME = 24
_RESULTS: tuple[Result, ...] = ("holds", "refuted", "trade", "undecided", "not comparable")
_MEANING = (
    "holds: certainly better in quality or speed, and worse in neither; refuted: the reverse, or rejected; trade: "
    "better in one, worse in the other"
)
_STYLES = {"holds": "green", "refuted": "red"}


def view(claims: Claims, task: Task) -> RenderableType:
    """The programs with a claim, the claimed gains, and the rank correlations."""
    if not claims.entries:
        return Text(f"no program has a claimed {one_line(claims.name, _NAME)}")
    parts: list[RenderableType] = [_programs(claims, task)]
    if claims.pairs:
        parts.append(_pairs(claims))
    return Group(*parts, *(Text(line) for line in _sums(claims, task)))


def _programs(claims: Claims, task: Task) -> RenderableType:
    """The programs, highest claim first."""
    table = plain_table(tight=True)
    table.add_column("#", justify="right", no_wrap=True)
    named(table, "name")
    figures(table, "claimed", task.quality_key, "ms", "speed-up")
    ranked = sorted(claims.entries, key=lambda entry: (-(claim(entry, claims.name) or 0.0), entry.number))
    for entry in ranked[:_ROWS]:
        cells = (str(entry.number), Text(one_line(entry.name, _NAME)), f"{claim(entry, claims.name):.6g}")
        table.add_row(*cells, *_measured(entry))
    more = len(ranked) - _ROWS
    note = f"{more} more: --json has them all" if more > 0 else ""
    return titled(f"Claimed ({one_line(claims.name, _NAME)}) and measured, the highest claim first", table, note)


def _measured(entry: Entry) -> tuple[RenderableType, ...]:
    if entry.scored is not None:
        score = entry.scored.score
        return credited(score), milliseconds(score.runtime_ms), ratio_interval(score.speedup)
    verdict = entry.verdict
    words = f"{verdict.stage}: {one_line(verdict.reason, _NAME)}" if isinstance(verdict, Rejected) else "not judged"
    return "", "", Text(words, style="red")


def _pairs(claims: Claims) -> RenderableType:
    """The claimed gains of children over their parents, largest first."""
    table = plain_table(tight=True)
    figures(table, "child", "parent", "claimed")
    table.add_column("measured against the parent")
    table.add_column("the claim", no_wrap=True)
    ranked = sorted(claims.pairs, key=lambda pair: (-pair.claimed, pair.child.number))
    for pair in ranked[:_ROWS]:
        numbers = (str(pair.child.number), str(pair.parent.number), f"{pair.claimed:+.3g}")
        table.add_row(*numbers, _change(pair), Text(pair.result, style=_STYLES.get(pair.result, "")))
    more = len(ranked) - _ROWS
    note = f"; {more} more: --json has them all" if more > 0 else ""
    return titled("Claimed gains of children over their parents", table, _MEANING + note)


def _change(pair: Pair) -> str:
    if pair.gain is not None:
        return change_words(pair.gain)
    verdict = pair.child.verdict
    if isinstance(verdict, Rejected):
        return f"rejected at {verdict.stage}: {one_line(verdict.reason, _NAME)}"
    return "one of them has no score"


def _sums(claims: Claims, task: Task) -> Iterator[str]:
    """The counts and the correlations, in sentences."""
    counts = ", ".join(f"{result} {count}" for result in _RESULTS if (count := claims.count(result)))
    equal = f"; equal claims of child and parent: {claims.equal}" if claims.equal else ""
    yield f"claimed gains: {len(claims.pairs)}{f' ({counts})' if counts else ''}{equal}"
    for what, found in ((task.quality_key, claims.quality), ("speed-up", claims.speed)):
        yield f"rank correlation of the claim with {what}: {_correlation(found)}"


def _correlation(found: Correlation) -> str:
    programs = f"{found.programs} programs"
    if found.rho is None:
        return f"not defined ({programs}; at least three, not all equal, are needed)"
    return f"{found.rho:+.2f} [{found.low:+.2f}, {found.high:+.2f}] ({programs})"


def record(claims: Claims) -> dict[str, Any]:
    """The same as JSON values."""
    return {
        "score": claims.name,
        "programs": [
            {
                "number": entry.number,
                "id": entry.claimed.id if entry.claimed else "",
                "claimed": claim(entry, claims.name),
            }
            for entry in claims.entries
        ],
        "pairs": [_pair_record(pair) for pair in claims.pairs],
        "equal": claims.equal,
        "counts": {result: claims.count(result) for result in _RESULTS},
        "rank_correlation": {"quality": _of(claims.quality), "speedup": _of(claims.speed)},
    }


def _of(found: Correlation) -> dict[str, Any]:
    known = found.rho is not None
    interval = {"low": found.low, "high": found.high} if known else {"low": None, "high": None}
    return {"programs": found.programs, "rho": found.rho, **interval}


def _pair_record(pair: Pair) -> dict[str, Any]:
    return {
        "child": pair.child.number,
        "parent": pair.parent.number,
        "claimed": pair.claimed,
        "gain": jsonl.gain_record(change_of_quality(pair.child, pair.parent)),
        "times_as_fast": None if pair.gain is None else pair.gain.times,
        "result": pair.result,
    }
