"""Ideas as lines for a model: which of them, in which order, and what is said of each.

Owns: the choice, the wording, and how long a line may be. Pure. Does not know: templates, how ideas are told apart.

Whatever the length of a search, no more ideas are told than the caller asks for, and few more are looked at. They come
in groups by what they bought. Within a group, ideas that were tried on the program of the prompt come first, then the
others, those that were tried last first; those of its ancestors come last, since it has them already.

Every figure is relative: what tries changed against the programs that they were applied to. None compares an idea with
the program of the prompt, except where the line says that it was tried on that.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, cycle, islice

from harness.knowledge.gains import Mean, sign
from harness.knowledge.ideas import BOUGHT, OTHER, Bought, Idea, Ideas
from harness.prompt import data_line, identifier

LONGEST_LINE = 360
_LONGEST_NAME, _LONGEST_DESCRIPTION, _LEAST_DESCRIPTION = 40, 120, 30
_MOST_REFUSALS = 2
_TURNS: tuple[Bought, ...] = ("better", "worse", "traded", "better", "unsure", "worse", "invalid")
"""Whose turn it is to add an idea, until enough are told: what helped and what was refuted has most of the room."""
_TITLES: dict[Bought, str] = {
    "better": "Surely better in quality or in speed, and not surely worse in the other",
    "traded": "Surely better in one of the two, surely worse in the other",
    "worse": "Refuted: surely worse in quality or in speed, and not surely better in the other",
    "unsure": "Measured without a sure change of either",
    "invalid": "Without any new program that was valid",
}
_COUNTED: dict[Bought, str] = {
    "better": "surely better",
    "traded": "with a trade",
    "worse": "refuted",
    "unsure": "without a sure change",
    "invalid": "without a new valid program",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Lines on the ideas of a search: how many there are in all, and those shown, in groups with a title each."""

    tally: str = ""
    groups: tuple[tuple[str, tuple[str, ...]], ...] = ()


def told(ideas: Ideas, *, above: Sequence[str], children: Sequence[str], most: int, quality: str) -> Told:
    """At most `most` ideas, for a prompt on a program.

    `above` are the ids of that program and its ancestors, `children` those of attempts applied to it, latest first;
    `quality` is what the task calls its quality.
    """
    counts = ideas.counts()
    if most < 1 or not ideas.tries:
        return Told()
    has = {idea.first.id for idea in map(ideas.of, above) if idea is not None}
    tried = {idea.first.id: idea for idea in map(ideas.of, children) if idea is not None}
    shown: dict[Bought, list[str]] = {bought: [] for bought in BOUGHT}
    left = {bought: _ordered(ideas, bought, tried, has, most) for bought in BOUGHT if counts[bought]}
    for bought in cycle(_TURNS):
        if not left or sum(map(len, shown.values())) == most:
            break
        idea = next(left[bought], None) if bought in left else None
        if idea is None:
            left.pop(bought, None)
        else:
            shown[bought].append(_line(idea, quality, on_it=idea.first.id in tried, in_it=idea.first.id in has))
    total = sum(counts.values())
    parts = ", ".join(f"{counts[bought]} {_COUNTED[bought]}" for bought in BOUGHT if counts[bought])
    return Told(
        tally=f"{total} {'idea' if total == 1 else 'ideas'} in {ideas.tries} tries: {parts}",
        groups=tuple((_TITLES[bought], tuple(lines)) for bought, lines in shown.items() if lines),
    )


def _ordered(ideas: Ideas, bought: Bought, tried: dict[str, Idea], has: set[str], most: int) -> Iterator[Idea]:
    """The ideas of a group in the order in which they are told; at most `most` beside those in `tried` and `has`."""
    first = [idea for idea in tried.values() if idea.bought == bought]
    looked_at = list(islice(ideas.latest(bought), most + len(tried) + len(has)))
    rest = [idea for idea in looked_at if idea.first.id not in tried]
    return iter(
        tuple(
            chain(
                first,
                (idea for idea in rest if idea.first.id not in has),
                (idea for idea in rest if idea.first.id in has),
            )
        )
    )


def _line(idea: Idea, quality: str, *, on_it: bool, in_it: bool) -> str:
    """What is known of an idea, on one line of at most `LONGEST_LINE` characters that are seen."""
    name = identifier(idea.best.name or idea.first.name)[:_LONGEST_NAME] or "without a name"
    once = "" if idea.tries == 1 else " at least once"
    marks = f", tried on the program above{once}" * on_it + ", in the lineage of the program above" * in_it
    counts = f"{idea.tries} {'try' if idea.tries == 1 else 'tries'}, {idea.valid} valid"
    if idea.repeats:
        counts += f", {idea.repeats} made a known program again"
    head = f"{name} (attempt {idea.best.number}, {idea.best.id[:7]}){marks}: {counts}"
    line = "; ".join(filter(None, (head, _speed(idea.speed), _quality(idea.quality, quality), _refusals(idea))))
    room = min(_LONGEST_DESCRIPTION, LONGEST_LINE - len(line) - 2)
    if idea.best.description and room >= _LEAST_DESCRIPTION:
        line += f". {data_line(idea.best.description, room)}"
    return data_line(line, LONGEST_LINE)


def _speed(mean: Mean) -> str:
    interval = mean.interval
    if interval is None:
        return ""
    low, middle, high = (f"{math.exp(value):.3g}" for value in (interval.low, interval.median, interval.high))
    return f"{middle} times as fast [{low}, {high}], {_sure(mean, 'faster', 'slower')}"


def _quality(mean: Mean, name: str) -> str:
    interval = mean.interval
    if interval is None:
        return ""
    low, middle, high = map(_difference, (interval.low, interval.median, interval.high))
    return f"{identifier(name)} {middle} [{low}, {high}], {_sure(mean, 'better', 'worse')}"


def _difference(value: float) -> str:
    if 1e-9 <= abs(value) < 1e-4:
        return f"{value:+.1e}"
    return f"{value:+.4f}" if abs(value) < 1e4 else f"{value:+.4g}"


def _sure(mean: Mean, better: str, worse: str) -> str:
    """What is sure of a mean, and of how many tries it is one where these are several."""
    words = {1: f"surely {better}", -1: f"surely {worse}", 0: "no sure change"}[sign(mean.interval)]
    if mean.count == 1:
        return words
    alone = [f"{count} surely {word}" for count, word in ((mean.better, better), (mean.worse, worse)) if count]
    return f"{words} (mean of {mean.count} tries{', of which ' + ' and '.join(alone) if alone else ''})"


def _refusals(idea: Idea) -> str:
    """Why tries were refused, the most frequent first."""
    if not idea.refusals:
        return ""
    counted = sorted(idea.refusals.items(), key=lambda each: (each[0] == OTHER, -each[1], each[0]))
    shown = [f"{count} {kind[0]} {identifier(kind[1])}" for kind, count in counted[:_MOST_REFUSALS] if kind != OTHER]
    more = sum(idea.refusals.values()) - sum(count for _, count in counted[: len(shown)])
    return f"refused: {', '.join([*shown, *([f'{more} otherwise'] if more else [])])}"
