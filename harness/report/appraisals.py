"""What a plan is worth, as tables that fit a terminal of 80 columns.

Owns: how the grids and facts of an appraisal are laid out. Does not know: what they mean.
"""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from evaluator import Appraisal, Grid
from harness.report.tables import figures, named, plain_table, titled
from harness.text import one_line

_NAME, _FACT = 40, 400


def appraisal_view(appraisal: Appraisal) -> RenderableType:
    """All grids, then all facts."""
    facts = Table.grid(padding=(0, 2, 0, 0))
    for word, text in appraisal.facts:
        if text:
            facts.add_row(Text(word, style="bold"), Text(one_line(text, _FACT)))
    return Group(*map(_grid, appraisal.grids), facts)


def _grid(grid: Grid) -> RenderableType:
    first, *others = grid.headings
    table = figures(named(plain_table(), first), *(_heading(heading) for heading in others))
    for name, *cells in grid.rows:
        table.add_row(Text(one_line(name, _NAME)), *cells)
    return titled(grid.title, table, grid.note)


def _heading(heading: str) -> str:
    """A heading of several lines, each safe to print."""
    return "\n".join(one_line(line, _NAME) for line in heading.split("\n"))
