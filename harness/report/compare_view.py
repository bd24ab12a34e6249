"""A comparison of runs in 80 columns, and as JSON values.

Owns: how it is laid out and worded. Does not know: which runs compare, archives, the terminal itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from evaluator import Interval
from harness.readings.checkpoints import State, states
from harness.readings.contrast import Contestant, Level
from harness.readings.course import EFFORTS, Effort
from harness.readings.lineage import larger_half
from harness.report import jsonl
from harness.report.attempts import half_width
from harness.report.stats_table import dollars
from harness.report.tables import figures, named, plain_table, ratio, titled, with_half_width
from harness.text import one_line

_RUN, _LONGEST = 18, 400
MIXED = "programs of its front were measured under other conditions: "
UNITS = {"attempts": "attempts", "minutes": "minutes", "dollars": "dollars", "judged": "seconds of judging"}


def view(levels: Sequence[Level], effort: Effort) -> RenderableType:
    """The tables of every group of runs that compare."""
    parts: list[RenderableType] = []
    for number, level in enumerate(levels, 1):
        if len(levels) > 1:
            parts.append(Text(apart(level, number), style="bold"))
        parts += _group(level, effort)
    return Group(*parts)


def apart(level: Level, number: int) -> str:
    """Which runs a group holds, and why they are not compared with the first group's."""
    names = ", ".join(one_line(run.name, _RUN) for run in level.members)
    if not level.differs:
        return f"Group {number}: {names}"
    return one_line(f"Group {number}, not compared with group 1: {names}. They differ: {'; '.join(level.differs)}", 600)


def _group(level: Level, effort: Effort) -> Iterator[RenderableType]:
    found = list(states(level, effort))
    several = len(level.members) > 1
    title = f"Best after equal {UNITS[effort]}, and at the end" if several else "Best on the way and at the end"
    yield titled(title, _best(found, effort, level), _notes(level))
    if several and all(state.end for state in found):
        yield Text(f"One of these runs spent no {UNITS[effort]}: see --by\n", style="dim")
    yield titled("Spent in all", _spent(level))


def _notes(level: Level) -> str:
    told = [meaning(level)]
    told += [f"{run.name}: {MIXED}{run.mixed[0]}" for run in level.members if run.mixed]
    return "\n".join(one_line(text, _LONGEST) for text in told)


def meaning(level: Level) -> str:
    """What the figures of a group mean, in our own words alone."""
    corner, quality = level.above, level.quality_key
    where = f"{100 * corner.quality:+.2f} points" if level.relative else f"{corner.quality:.4f}"
    told = [
        f"hypervolume: points of {quality} times doublings of speed that the front covers above "
        f"{quality} {where} and {ratio(corner.speedup)}; ±: between its programs' low and high ends"
    ]
    if level.relative:
        told.append(f"seeds differ, so loads do: {quality} is the gain over the reference, in points")
    return "; ".join(told)


def _best(found: Sequence[State], effort: Effort, level: Level) -> Table:
    table = plain_table(tight=True)
    figures(table, UNITS[effort])
    named(table, "run")
    figures(table, "best", level.quality_key, "speed-up", "hypervolume")
    last = ""
    for state in found:
        place = "end" if state.end else amount(state.at, effort)
        if place != last and last:
            table.add_section()
        table.add_row(place if place != last else "", _name(state.run), *cells(state, level))
        last = place
    return table


def _spent(level: Level) -> Table:
    table = named(plain_table(), "run")
    figures(table, "attempts", "minutes", "dollars", "seconds of judging")
    for run in level.members:
        table.add_row(_name(run), *(amount(run.course.total(kind), kind) for kind in EFFORTS))
    return table


def _name(run: Contestant) -> Text:
    return Text(one_line(run.name, _RUN))


def amount(value: float, effort: Effort) -> str:
    """An effort with three figures or as a whole number."""
    if effort == "dollars":
        return dollars(value)
    return f"{value:,.0f}" if effort == "attempts" or value >= 100 else f"{value:.1f}"


def cells(state: State, level: Level) -> tuple[str, str, str, str]:
    """The champion's number, quality and speed-up, and the hypervolume; empty before there was one."""
    if state.champion is None or state.quality is None or state.speedup is None or state.hypervolume is None:
        return "", "", "", ""
    speed = f"{ratio(state.speedup.median)} {half_width(state.speedup)}"
    return str(state.champion.number), quality_cell(state.quality, level), speed, volume(state.hypervolume)


def quality_cell(value: Interval, level: Level) -> str:
    """A quality with its half-width; a gain over the reference in points."""
    if level.relative:
        return f"{100 * value.median:+.2f} ±{100 * larger_half(value):.2f}"
    return with_half_width(value) if value.low < value.high else f"{value.median:.4f}"


def volume(value: Interval) -> str:
    """A hypervolume with the larger distance to its bounds."""
    return f"{value.median:.2f} ±{larger_half(value):.2f}"


def records(levels: Sequence[Level], effort: Effort) -> Iterator[dict[str, Any]]:
    """A record for each run at each shared effort, and at its end."""
    for number, level in enumerate(levels, 1):
        corner = {"quality": level.above.quality, "speedup": level.above.speedup}
        for state in states(level, effort):
            champion = state.champion
            yield {
                "run": state.run.name,
                "group": number,
                "differs": list(level.differs),
                "fingerprint": state.run.environment.fingerprint,
                "by": effort,
                "at": state.at,
                "end": state.end,
                "spent": {kind: state.spent(kind) for kind in EFFORTS},
                "champion": None if champion is None else champion.number,
                "quality_is": "gain" if level.relative else "quality",
                "quality": _interval(state.quality),
                "speedup": _interval(state.speedup),
                "hypervolume": _interval(state.hypervolume),
                "above": corner,
            }


def _interval(value: Interval | None) -> dict[str, float] | None:
    return None if value is None else jsonl.interval(value)
