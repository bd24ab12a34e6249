"""Attempts of a run as lines and tables.

Owns: how an attempt, a front and the comparison with the seed are worded for people. Does not know: how they were made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean, geometric_mean

from rich.console import RenderableType
from rich.markup import escape
from rich.text import Text

from evaluator import Duel, Interval, Rejected, Task, combined_speedup
from harness.gate import GatedStanding
from harness.readings.claims import claim_words
from harness.readings.lineage import Find, Gain, first_parent, gain, unlike
from harness.report.tables import (
    NOT_JUDGED,
    credited,
    figures,
    headings,
    metric_cells,
    milliseconds,
    named,
    plain_table,
    points_interval,
    ratio,
    ratio_interval,
    titled,
)
from harness.text import one_line
from harness.types import Entry, Unjudged

_NAME = 15
_QUALITY = 13
_FRONT_NAME = 14
_DETAIL = 400
_REASON = 40
UNCERTAIN = "no sure change"


def heading(task: Task) -> str:
    """The heading over rows of attempts."""
    return f"{'#':>4}  {'name':<{_NAME}}  {'from':<6}  {task.quality_key:<{_QUALITY}}  {'speed-up':<13}  against parent"


def legend(reference: str) -> str:
    """What the columns of the rows mean."""
    return (
        f"speed-up: over {reference}; quality and speed-up with the half-width of their 95 % intervals; "
        "against parent: change of quality in points (hundredths) and of speed, each if it is certain"
    )


def origin(entry: Entry, find: Find) -> str:
    """The numbers of an attempt's parents, as in `2+1`."""
    if entry.kind == "seed":
        return ""
    return "+".join(str(parent.number) if (parent := find(id_)) else "?" for id_ in entry.parents)


def change(entry: Entry, find: Find) -> str:
    """What an attempt changed against its first parent: quality and speed, each only if it is certain."""
    bought = gain(entry, find(first_parent(entry)))
    return "" if bought is None else change_words(bought)


def change_words(bought: Gain) -> str:
    """A gain in words: points (hundredths) of quality, and times as fast; each only if it is certain."""
    points = "" if bought.points is None else f"{bought.points:+.2f}"
    speed = "run times not compared" if bought.not_compared else speed_words(bought)
    return ", ".join(filter(None, (points, speed))) or UNCERTAIN


def speed_words(bought: Gain) -> str:
    """A gain of speed in words; "" if no difference is certain."""
    if bought.not_compared:
        return f"run times not compared: {'; '.join(bought.not_compared)}"
    if bought.times is None:
        return ""
    return f"{ratio(bought.times)} faster" if bought.times > 1 else f"{ratio(1 / bought.times)} slower"


def same(entry: Entry, find: Find) -> str:
    """The earlier attempt with the same program, in words; "" for an attempt that was judged itself."""
    if not entry.same_as:
        return ""
    first = find(entry.same_as)
    return f"same program as {first.number if first else '?'}"


def verdict_origin(entry: Entry, find: Find) -> str:
    """Whose verdict an attempt has, for whoever takes its program out of a run; "" for one that was judged itself."""
    if not entry.same_as:
        return ""
    first = find(entry.same_as)
    if first is None:
        return "verdict taken over from an attempt that cannot be read"
    equal = "to the byte" if first.program_id == entry.program_id else "but for layout, comments and docstrings"
    return f"verdict taken over from attempt {first.number}: the same program, {equal}"


def unjudged(entry: Entry) -> str:
    """That an attempt has no verdict, and what is claimed of it."""
    if entry.claimed is None or not entry.claimed.scores:
        return NOT_JUDGED
    return f"{NOT_JUDGED}, claims {claim_words(entry.claimed)}"


def half_width(interval: Interval) -> str:
    """The larger distance from the median to an end of the 95 % interval, in percent of the median."""
    return f"±{100 * max(interval.high / interval.median - 1, 1 - interval.low / interval.median):.0f}%"


def row(entry: Entry, find: Find, width: int) -> Text:
    """One attempt as one line of at most `width` characters; `find` looks up its parents."""
    text = Text(f"{entry.number:>4}  {one_line(entry.name, _NAME):<{_NAME}}  {origin(entry, find):<6}  ")
    if isinstance(entry.verdict, Unjudged):
        text.append(unjudged(entry), style="dim")
    elif isinstance(entry.verdict, Rejected):
        text.append(f"{entry.verdict.stage}: {one_line(entry.verdict.reason, _REASON)}", style="red")
        text.append(f"  {same(entry, find) or one_line(entry.verdict.detail, _DETAIL)}", style="dim")
    else:
        score = entry.verdict.score
        speed = f"{ratio(score.speedup.median)} {half_width(score.speedup)}"
        text.append(f"{credited(score):<{_QUALITY}}  {speed:<13}  ")
        again = same(entry, find)
        words = again or change(entry, find)
        worse = words.startswith("-") or "slower" in words
        text.append(words, style="dim" if again or words == UNCERTAIN else "" if worse else "green")
    text.rstrip()
    text.truncate(width, overflow="ellipsis")
    return text


def front_table(result: GatedStanding, task: Task, reference: str) -> RenderableType:
    """The Pareto front, fastest first, with the seed program for comparison; the champion is marked."""
    table = plain_table(tight=True)
    table.add_column("#", justify="right", no_wrap=True)
    named(table, "name")
    figures(table, task.quality_key, "ceiling", *headings(task.columns), "ms", "speed-up")
    shown = list(result.shown)
    if result.seed is not None and result.seed not in shown:
        shown.append(result.seed)
    for entry in shown:
        scored = entry.scored
        assert scored is not None, "a front holds scored programs only"
        score = scored.score
        best = result.best is not None and entry.id == result.best.id
        table.add_row(
            f"best {entry.number}" if best else str(entry.number),
            escape(one_line(entry.name, _FRONT_NAME)),
            credited(score),
            f"{score.quality.ceiling:.4f}",
            *metric_cells(task.columns, score.metrics),
            milliseconds(score.runtime_ms),
            ratio_interval(score.speedup),
            style="bold" if best else "",
        )
    title = "Front, fastest first, with the seed program for comparison"
    note = f"speed-up over {reference} with its 95 % interval, {task.quality_key} with the half-width of its own"
    return titled(title, table, "; ".join([note, *_elsewhere(result, shown)]))


def _elsewhere(result: GatedStanding, shown: Sequence[Entry]) -> Iterator[str]:
    """A warning for each program that was measured under other conditions than the champion, as in runs that an
    earlier version continued on another machine.
    """
    champion = result.best.scored if result.best is not None else None
    for entry in shown if champion is not None else ():
        assert entry.scored is not None and champion is not None
        if apart := unlike(entry.scored.environment, champion.environment):
            reasons = one_line("; ".join(apart), _DETAIL)
            yield f"the speed of {entry.number} is not comparable with the best's: {reasons}"


def against_seed(direct: Duel, seed: Entry, champion: Entry, *, task: Task, name: str) -> RenderableType:
    """The champion and the seed program, measured side by side: two rows per case, the seed's first.

    Qualities and metrics are those of their scores; times and the gain those of the duel between the two.
    """
    table = named(plain_table(tight=True), "case")
    table.add_column("program", no_wrap=True)
    figures(table, task.quality_key, *headings(task.columns), "ms", "times as fast")

    def cells(quality: str, metrics: Mapping[str, float]) -> tuple[str, ...]:
        return quality, *metric_cells(task.columns, metrics)

    assert seed.scored is not None and champion.scored is not None
    first, last, times = seed.scored.score, champion.scored.score, []
    for old, new, samples in zip(first.cases, last.cases, direct.samples, strict=True):
        slow, fast = fmean(samples.reference_us) / 1000, fmean(samples.candidate_us) / 1000
        times.append((slow, fast))
        table.add_row(new.quality.case, "seed", *cells(credited(old), old.quality.metrics), milliseconds(slow))
        after = cells(credited(new), new.quality.metrics)
        speed = (milliseconds(fast), ratio_interval(combined_speedup([samples])))
        table.add_row("", "best", *after, *speed, style="bold", end_section=True)
    if len(times) > 1:
        slow, fast = (geometric_mean(of_one) for of_one in zip(*times, strict=True))
        table.add_row("all", "seed", *cells(credited(first), first.metrics), milliseconds(slow))
        after = cells(credited(last), last.metrics)
        table.add_row("", "best", *after, milliseconds(fast), ratio_interval(direct.speedup), style="bold")
    title = f"Best ({one_line(champion.name, _DETAIL)}) against seed ({name}), measured side by side"
    key, gain = task.quality_key, direct.gain
    note = "" if gain is None else f"gain in {key}: {points_interval(gain)} points (hundredths)"
    note += f"; gain and times are of these calls, {key} is that of the attempts" if note else ""
    return titled(title, table, note)
