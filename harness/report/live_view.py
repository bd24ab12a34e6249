"""The panel below the attempts of a search that runs on a terminal: from its state to lines.

Owns: which facts it shows, and how they are laid out in a given width and height. Does not know: where the facts come
from, the clock, the terminal.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len
from rich.text import Text

from evaluator import Interval
from harness.gate import GatedStanding
from harness.report.attempts import half_width
from harness.report.stats_table import dollars, tokens
from harness.report.tables import credited, ratio, ratio_interval
from harness.text import one_line
from harness.types import Entry

WIDEST = 100
"""Columns that the panel uses at most: longer lines are hard to read, and wrap when a window is made smaller."""
LEAST_HEIGHT = 4
"""In a terminal of fewer lines the panel is one line."""
_LABEL = 10
_NAME, _FRONT_NAME, _FRONT_ROWS = 40, 16, 5
_BAR = 20
_MANY_S = 100 * 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A limit of the budget, with how much of it is used, by all and since this search began."""

    name: str
    limit: float
    used: float
    lately: float = 0.0

    @property
    def share(self) -> float:
        """How much of it is used, from 0 to 1."""
        return min(1.0, max(0.0, self.used / self.limit)) if self.limit > 0 else 1.0

    def seconds_left(self, elapsed_s: float) -> float:
        """How long it lasts at the rate since the search began; infinite where nothing was used since."""
        left = max(0.0, self.limit - self.used)
        return left * elapsed_s / self.lately if self.lately > 0 else math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """The state of a search that is shown while it runs. Names in it are untrusted.

    `rejected` counts by stage; `made` are the attempts since the search began, without the seed program. `now` says
    what judges are doing. `models`: models are asked; then `asked` are calls under way, and `waiting` are proposals
    without a verdict.
    """

    run: str
    quality: str
    reference: str
    standing: GatedStanding
    scored: int = 0
    known: int = 0
    unjudged: int = 0
    rejected: Mapping[str, int] = field(default_factory=dict)
    made: int = 0
    elapsed_s: float = 0.0
    usd: float = 0.0
    tokens: int = 0
    calls: int = 0
    judge_s: float = 0.0
    limits: Sequence[Limit] = ()
    now: Sequence[str] = ()
    models: bool = False
    asked: int = 0
    waiting: int = 0

    @property
    def attempts(self) -> int:
        """All attempts of the run, without the seed program."""
        return self.scored + self.known + self.unjudged + sum(self.rejected.values())


def panel(state: Live, width: int, height: int) -> list[Text]:
    """The lines of the panel, each of at most `width` columns and all of at most `height` lines.

    Where the height does not suffice, the front goes first, then what is least needed to judge how the search does.
    """
    width = max(1, min(width, WIDEST))
    now = _flow("now", _now(state), width)
    if height < LEAST_HEIGHT:
        return _cut(now[: max(0, min(height, 1))], width)
    parts = [
        [_rule(state, width)],
        _flow("attempts", _attempts(state), width),
        _flow("best", _best(state), width),
        _front(state, width),
        _flow("spent", _spent(state), width),
        _flow("rate", _rate(state), width),
        _budget(state, width),
        now,
    ]
    for dropped in (3, 6, 4, 5, 1, 2, 0):
        if sum(map(len, parts)) <= height:
            break
        parts[dropped] = []
    return _cut([line for part in parts for line in part][-height:], width)


def _cut(lines: list[Text], width: int) -> list[Text]:
    for line in lines:
        line.no_wrap = True
        line.truncate(width, overflow="ellipsis")
    return lines


def _rule(state: Live, width: int) -> Text:
    head = f"── {one_line(state.run, 50)} · {_clock(state.elapsed_s)} "
    return Text(head + "─" * max(0, width - 1 - cell_len(head)), style="dim")


def _flow(label: str, phrases: Sequence[str], width: int) -> list[Text]:
    """Phrases one after the other in as many lines as they need, under a label."""
    lines: list[str] = []
    for phrase in phrases:
        longer = f"{lines[-1]}, {phrase}" if lines else phrase
        if lines and cell_len(longer) + _LABEL < width:
            lines[-1] = longer
        else:
            lines[-1:] = [f"{lines[-1]},", phrase] if lines else [phrase]
    return [Text.assemble((f"{'' if at else label:<{_LABEL}}", "bold"), line) for at, line in enumerate(lines)]


def _attempts(state: Live) -> list[str]:
    phrases = [f"{state.attempts:,} made", f"{state.scored:,} scored"]
    if rejected := sum(state.rejected.values()):
        stages = ", ".join(f"{one_line(stage, 10)} {count:,}" for stage, count in sorted(state.rejected.items()))
        phrases.append(f"{rejected:,} rejected ({stages})")
    phrases += [f"{state.known:,} known already"] if state.known else []
    return [*phrases, f"{state.unjudged:,} not judged"] if state.unjudged else phrases


def _best(state: Live) -> list[str]:
    """The champion with its intervals, and how many times as fast as the seed program it is."""
    champion, seed = state.standing.best, state.standing.seed
    if champion is None or champion.scored is None:
        return ["none yet: the seed program comes first"]
    score = champion.scored.score
    phrases = [
        f"{champion.number} {one_line(champion.name, _NAME)}",
        f"{one_line(state.quality, 20)} {credited(score)}",
        f"{ratio_interval(score.speedup)} over {one_line(state.reference, 30)}",
    ]
    if seed is not None and seed.scored is not None and seed.id != champion.id:
        times = times_as_fast(score.speedup, seed.scored.score.speedup)
        phrases += [] if times is None else [f"{ratio_interval(times)} as fast as the seed program"]
    return phrases


def times_as_fast(mine: Interval, other: Interval) -> Interval | None:
    """The ratio of two speed-ups over one reference, bounded by the outer ends of both intervals; None where a damaged
    record gives no ratio.
    """
    if other.low <= 0:
        return None
    return Interval(median=mine.median / other.median, low=mine.low / other.high, high=mine.high / other.low)


def _front(state: Live, width: int) -> list[Text]:
    """The front, fastest first; of a long one the first rows, and always the champion's."""
    front, champion = state.standing.shown, state.standing.best
    if len(front) < 2:
        return []
    shown = list(front[:_FRONT_ROWS])
    if champion is not None and champion.id not in {entry.id for entry in shown} and champion in front:
        shown[-1] = champion
    lines = [_front_row(entry, first=not at, best=entry is champion, width=width) for at, entry in enumerate(shown)]
    more = len(front) - len(shown)
    return [*lines, Text(f"{'':<{_LABEL}}and {more:,} more", style="dim")] if more else lines


def _front_row(entry: Entry, *, first: bool, best: bool, width: int) -> Text:
    assert entry.scored is not None, "a front holds scored programs only"
    score = entry.scored.score
    name = one_line(entry.name, _FRONT_NAME)
    name += " " * max(0, _FRONT_NAME - cell_len(name))
    row = f"{entry.number:>4} {name} {credited(score):<13} "
    speed = ratio_interval(score.speedup)
    if _LABEL + cell_len(row + speed) > width:
        speed = f"{ratio(score.speedup.median)} {half_width(score.speedup)}"
    row += speed
    star = " best" if best and _LABEL + cell_len(row) + 5 <= width else ""
    return Text.assemble(
        (f"{'front' if first else '':<{_LABEL}}", "bold"), (row + star, "green" if best else ""), overflow="ellipsis"
    )


def _spent(state: Live) -> list[str]:
    phrases = []
    if state.models or state.calls or state.usd:
        calls = "1 call" if state.calls == 1 else f"{state.calls:,} calls"
        limit = next((each.limit for each in state.limits if each.name == "usd"), None)
        of = "" if limit is None else f" of {dollars(limit)}"
        phrases += [f"{dollars(state.usd)}{of} spent", calls, f"{tokens(state.tokens)} tokens"]
        phrases += [f"{state.asked:,} in flight"] if state.asked else []
        phrases += [f"{state.waiting:,} to judge"] if state.waiting > 1 else []
    return [*phrases, f"{duration(state.judge_s)} of judging"]


def _rate(state: Live) -> list[str]:
    """How fast attempts come, and when the first limit will be met if that goes on."""
    if state.made == 0 or state.elapsed_s <= 0:
        return ["not known yet"]
    rate = state.made / state.elapsed_s
    phrases = [f"{rate:,.1f} attempts a second" if rate >= 2 else f"{60 * rate:,.1f} attempts a minute"]
    first = _first_limit(state)
    return phrases if first is None else [*phrases, f"about {duration(first[1])} left"]


def _first_limit(state: Live) -> tuple[Limit, float] | None:
    """The limit that will end the search, and the seconds until then; None while nothing tells."""
    found = [(limit, limit.seconds_left(state.elapsed_s)) for limit in state.limits]
    known = [(limit, seconds) for limit, seconds in found if seconds < _MANY_S]
    return min(known, key=lambda pair: pair[1], default=None)


def _budget(state: Live, width: int) -> list[Text]:
    """A bar for the limit that is used up most."""
    limit = max(state.limits, key=lambda limit: limit.share, default=None)
    if limit is None:
        return []
    full = int(limit.share * _BAR)
    bar = "█" * full + "░" * (_BAR - full)
    words = _of(limit)
    return [Text.assemble((f"{'budget':<{_LABEL}}", "bold"), (bar, "green"), f" {words}")]


def _of(limit: Limit) -> str:
    """How much of a limit is used, with its unit."""
    used, most = limit.used, limit.limit
    match limit.name:
        case "usd":
            return f"{dollars(used)} of {dollars(most)}"
        case "tokens":
            return f"{tokens(int(used))} of {tokens(int(most))} tokens"
        case "minutes":
            return f"{duration(60 * used)} of {duration(60 * most)}"
        case "judge_s":
            return f"{duration(used)} of {duration(most)} of judging"
        case "patience":
            return f"{used:,.0f} of {most:,.0f} attempts without a better program"
        case name:
            return f"{used:,.0f} of {most:,.0f} {name}"


def _now(state: Live) -> list[str]:
    """What judges do; if they do nothing, what is waited for."""
    if state.now:
        return [one_line(what, 80) for what in state.now]
    if state.models and state.asked:
        return ["waiting for 1 answer" if state.asked == 1 else f"waiting for {state.asked:,} answers"]
    return ["proposing" if state.made else "starting"]


def _clock(seconds: float) -> str:
    """A time as on a clock: 0:07, 12:30, 1:02:03."""
    minutes, rest = divmod(int(max(0.0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def duration(seconds: float) -> str:
    """A time in words, with one or two units: `8 s`, `3 min`, `1 h 20 min`, `2 days`."""
    return next(_durations(max(0.0, seconds)))


def _durations(seconds: float) -> Iterator[str]:
    if seconds < 99.5:
        yield f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 100:
        yield f"{minutes} min"
    if minutes < 48 * 60:
        yield f"{minutes // 60} h" + (f" {minutes % 60} min" if minutes % 60 else "")
    yield f"{minutes / 1440:,.0f} days"
