"""The attempts of a run as a graph, beside git's drawing of it.

Owns: what is shown beside a commit in the graph. Does not know: how the graph is drawn, archives, the terminal.
"""

from __future__ import annotations

from dataclasses import dataclass

from rich.text import Text

from evaluator import Rejected, Task
from harness.gate import GatedStanding
from harness.readings.lineage import Find
from harness.report.attempts import change, half_width, origin, same, unjudged
from harness.report.tables import credited, ratio
from harness.text import one_line
from harness.types import Entry, Unjudged

_WIDEST = 24
"""The most columns of the drawing: a wider one is cut, so that rows stay readable."""
_NAMES = (10, 21)
"""The fewest and the most columns of a name: it gets what the drawing leaves of 80."""
_BESIDES = 61
"""Columns that a typical row takes besides the drawing and the name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphView:
    """Rows of a graph whose drawing takes `drawing` columns; the champion and the front of `standing` are marked."""

    drawing: int
    best: str
    front: frozenset[str]
    find: Find

    def heading(self, task: Task) -> str:
        place = " " * min(self.drawing, _WIDEST)
        columns = f"{'name':<{self._name}} {task.quality_key:<13} {'speed-up':<11} against parent"
        return f"{place}  {'#':>4} {'':<5} {columns}"

    def row(self, drawing: str, entry: Entry, *, cut: bool = False) -> Text:
        """An attempt: number, mark, name, scores, and what it changed against its parent. `cut`: a parent of it is not
        in the graph, so its parents are named.
        """
        mark = "best" if entry.id == self.best else "front" if entry.id in self.front else ""
        style = "bold" if mark == "best" else "dim" if entry.scored is None else ""
        text = Text(f"{self._cut(drawing)}  ")
        text.append(f"{entry.number:>4} {mark:<5} {one_line(entry.name, self._name):<{self._name}} ", style=style)
        if isinstance(entry.verdict, Rejected):
            text.append(f"{entry.verdict.stage}: {one_line(entry.verdict.reason, 40)}", style=style)
        elif isinstance(entry.verdict, Unjudged):
            text.append(unjudged(entry), style="dim")
        else:
            score = entry.verdict.score
            speed = f"{ratio(score.speedup.median)} {half_width(score.speedup)}"
            quality = credited(score)
            text.append(f"{quality:<13} {speed:<11} {change(entry, self.find)}", style=style)
        text.rstrip()
        if cut:
            text.append(f"  (from {origin(entry, self.find)})", style="dim")
        if entry.same_as:
            text.append(f"  {same(entry, self.find)}", style="dim")
        return text

    def other(self, drawing: str, words: str = "") -> Text:
        """A line of the graph without an attempt."""
        text = Text(self._cut(drawing))
        text.append(f"  {words}", style="dim")
        text.rstrip()
        return text

    @property
    def _name(self) -> int:
        least, most = _NAMES
        return max(least, min(most, 80 - _BESIDES - min(self.drawing, _WIDEST)))

    def _cut(self, drawing: str) -> str:
        width = min(self.drawing, _WIDEST)
        return f"{drawing:<{width}}" if len(drawing) <= width else f"{drawing[: width - 1]}…"


def graph_view(result: GatedStanding, find: Find, drawing: int) -> GraphView:
    """The view of a run with this standing."""
    best = "" if result.best is None else result.best.id
    return GraphView(drawing=drawing, best=best, front=frozenset(entry.id for entry in result.front), find=find)
