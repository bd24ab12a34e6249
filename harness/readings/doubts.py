"""What in a run's results is open to doubt. Pure.

Owns: which facts are doubts, and the limits from which an interval is wide or samples are few. Does not know: archives,
how doubts are worded.

Intervals come from the scatter of rounds, each in fresh processes: of very few, some agree by luck, and their interval
is too narrow. A search keeps those that read best.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from evaluator.types import Environment, Rejected
from harness.readings.lineage import larger_half
from harness.types import Entry, Unjudged

FEW_ROUNDS, FEW_PAIRS = 5, 10
"""A measurement of fewer rounds, or of fewer pairs of calls in a case, rests on little."""
WIDE_SPEED, WIDE_QUALITY = 0.10, 0.005
"""Half-widths of a 95 % interval from which it is wide: a share of the speed-up, and quality."""

Kind = Literal[
    "undecided",
    "failed",
    "elsewhere",
    "noisy",
    "few",
    "early",
    "wide speed",
    "wide quality",
    "disputed",
    "reworked",
    "twins",
    "unjudged",
]
Samples = Callable[[Entry], tuple[int, int]]
"""The fewest rounds and the fewest pairs of calls that a case of a scored entry was measured with; 0 where samples are
not stored.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """A doubt of one kind: the attempts it concerns, by number, and for some kinds what is to be said of them.

    `detail`: the warning of a noisy machine; how conditions differ; the largest half-width; the fewest samples.
    """

    kind: Kind
    attempts: tuple[int, ...]
    detail: str = ""


def doubts(
    entries: Sequence[Entry], shown: Iterable[Entry], place: Environment | None, samples: Samples
) -> list[Doubt]:
    """The doubts of a run. `shown` are the entries whose figures are read closely: the front and the champion's chain;
    `place` is where the champion was measured.
    """
    close = sorted({entry.id: entry for entry in shown if entry.scored is not None}.values(), key=lambda e: e.number)
    return [
        *_of(entries, "undecided", _undecided),
        *_of(entries, "failed", lambda entry: any(held.duel is None for held in entry.confirmations)),
        *_elsewhere(entries, place),
        *_noisy(entries),
        *_few(close, samples),
        *_of(close, "early", lambda entry: entry.scored is not None and bool(entry.scored.score.decided)),
        *_wide(close),
        *_of(entries, "disputed", _disputed),
        *_of(entries, "reworked", lambda entry: bool(entry.warnings)),
        *_of(entries, "twins", lambda entry: bool(entry.same_as)),
        *_of(entries, "unjudged", lambda entry: isinstance(entry.verdict, Unjudged)),
    ]


def _of(entries: Iterable[Entry], kind: Kind, holds: Callable[[Entry], bool], detail: str = "") -> list[Doubt]:
    numbers = tuple(entry.number for entry in entries if holds(entry))
    return [Doubt(kind=kind, attempts=numbers, detail=detail)] if numbers else []


def _undecided(entry: Entry) -> bool:
    """Whether its claim to the champion's place was contested and nothing was decided."""
    duels = [held.duel for held in entry.confirmations if held.duel is not None]
    return any(duel.comparison == "undecided" and duel.quality_comparison == "undecided" for duel in duels)


def _disputed(entry: Entry) -> bool:
    """Whether the clock or the quality of its measurement was disputed."""
    verdict = entry.verdict
    return isinstance(verdict, Rejected) and verdict.stage == "measure" and verdict.reason.endswith("_disputed")


def _elsewhere(entries: Iterable[Entry], place: Environment | None) -> list[Doubt]:
    """Attempts measured under other conditions than the champion, together by how these differ."""
    apart: dict[tuple[str, ...], list[int]] = {}
    known: dict[int, tuple[str, ...]] = {}  # entries share environments: 10,000 of them hold a few
    for entry in entries if place is not None else ():
        if entry.scored is None or place is None:
            continue
        where = entry.scored.environment
        if id(where) not in known:
            known[id(where)] = place.differences(where)
        if known[id(where)]:
            apart.setdefault(known[id(where)], []).append(entry.number)
    return [
        Doubt(kind="elsewhere", attempts=tuple(numbers), detail="; ".join(words)) for words, numbers in apart.items()
    ]


def _noisy(entries: Iterable[Entry]) -> list[Doubt]:
    warned = [entry for entry in entries if entry.scored is not None and entry.scored.environment.warnings]
    if not warned:
        return []
    last = warned[-1].scored
    assert last is not None
    return [Doubt(kind="noisy", attempts=tuple(e.number for e in warned), detail="; ".join(last.environment.warnings))]


def _few(close: Iterable[Entry], samples: Samples) -> list[Doubt]:
    counted = {entry.number: samples(entry) for entry in close}
    few = {
        number: (rounds, pairs)
        for number, (rounds, pairs) in counted.items()
        if 0 < rounds < FEW_ROUNDS or 0 < pairs < FEW_PAIRS
    }
    if not few:
        return []
    rounds, pairs = (min(counts) for counts in zip(*few.values(), strict=True))
    least = f"{rounds} {'round' if rounds == 1 else 'rounds'}, {pairs} {'pair' if pairs == 1 else 'pairs'}"
    return [Doubt(kind="few", attempts=tuple(few), detail=least)]


def _wide(close: Iterable[Entry]) -> list[Doubt]:
    speed: dict[int, float] = {}
    quality: dict[int, float] = {}
    for entry in close:
        assert entry.scored is not None
        score = entry.scored.score
        speed[entry.number] = larger_half(score.speedup) / score.speedup.median
        quality[entry.number] = larger_half(score.quality_interval)
    return [*_wider(speed, WIDE_SPEED, "wide speed"), *_wider(quality, WIDE_QUALITY, "wide quality")]


def _wider(halves: dict[int, float], limit: float, kind: Kind) -> list[Doubt]:
    wide = {number: half for number, half in halves.items() if half > limit}
    return [Doubt(kind=kind, attempts=tuple(wide), detail=f"{max(wide.values()):.6g}")] if wide else []
