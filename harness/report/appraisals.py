"""What a plan is worth, as tables that fit a terminal of 80 columns.

Owns: how the grids and facts of an appraisal are laid out. Does not know: what they mean.
"""

from __future__ import annotations

from textwrap import wrap

from rich.console import Group, RenderableType
from rich.text import Text

from evaluator import Appraisal, Grid
from harness.report.tables import figures, named, plain_table, titled
from harness.text import one_line

_NAME, _FACT, _WIDTH = 40, 400, 80


def appraisal_view(appraisal: Appraisal) -> RenderableType:
    """All grids, then all facts."""
    facts = [(word, one_line(text, _FACT)) for word, text in appraisal.facts if text]
    indent = 2 + max((len(word) for word, _ in facts), default=0)
    return Group(*map(_grid, appraisal.grids), *(_fact(word, text, indent) for word, text in facts))


def _fact(word: str, text: str, indent: int) -> Text:
    """A word, and what there is to say about it, in lines that begin below each other."""
    first, *others = wrap(text, _WIDTH - indent) or [""]
    lines = "\n".join([first, *(" " * indent + line for line in others)])
    return Text(f"{word:<{indent}}", style="bold").append(Text(lines, style="not bold"))


def _grid(grid: Grid) -> RenderableType:
    first, *others = grid.headings
    table = figures(named(plain_table(), first), *(_heading(heading) for heading in others))
    for name, *cells in grid.rows:
        table.add_row(Text(one_line(name, _NAME)), *cells)
    return titled(grid.title, table, grid.note)


def _heading(heading: str) -> str:
    """A heading of several lines, each safe to print."""
    return "\n".join(one_line(line, _NAME) for line in heading.split("\n"))
