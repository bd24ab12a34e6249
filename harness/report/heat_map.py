"""A matrix as a heat map of characters, for any terminal: it is read without colour, which only helps the eye.

Owns: which character stands for which value, and how rows and columns are binned to fit a width. Does not know: what
the rows and columns are called, where values come from. Pure.

Values are loads over the mean of their row, so that 1 is an even share. A bin shows its largest value, because one hot
cell among cold ones is what matters.

Shapes: L rows, E columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEVELS: tuple[tuple[float, str, str], ...] = (
    (0.0, " ", ""),
    (0.25, ".", "blue"),
    (0.5, ":", "blue"),
    (0.75, "-", "cyan"),
    (1.0, "=", "green"),
    (1.5, "+", "yellow"),
    (2.0, "*", "yellow"),
    (3.0, "#", "red"),
    (5.0, "%", "bold red"),
    (8.0, "@", "bold magenta"),
)
"""The least value of each character, and its style where there is colour."""
MOST_ROWS = 64
LEAST_CELLS = 8
_PEAK = 5
"""Characters of a value at the end of a row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatMap:
    """Lines of a map. `labels`, `cells` and `peaks` are as long as each other; `axis` stands below the cells. `columns`
    and `rows`: how many columns and rows of the matrix a cell shows.
    """

    labels: tuple[str, ...]
    cells: tuple[str, ...]
    peaks: tuple[str, ...]
    axis: str
    columns: int
    rows: int


def bin_size(count: int, most: int) -> int:
    """How many of `count` columns share a cell so that there are at most `most`: a divisor of `count` if one is less
    than twice what is needed, so that bins keep to blocks of columns.
    """
    needed = -(-count // most)
    divisors = (size for size in range(needed, min(count, 2 * needed - 1) + 1) if count % size == 0)
    return next(divisors, needed)


def heat_map(values_LE: Floats, numbers: Sequence[int], width: int, *, ordered: bool = False) -> HeatMap:
    """The map of values in `width` characters; `numbers` are the numbers of the rows. `ordered`: the values of each row
    from the largest to the smallest, which shows the shape of its distribution instead of places.
    """
    values_LE = -np.sort(-values_LE, axis=1) if ordered else values_LE
    label = max(len(str(number)) for number in numbers)
    rows = -(-len(values_LE) // MOST_ROWS)
    columns = bin_size(values_LE.shape[1], max(LEAST_CELLS, width - label - _PEAK - 4))
    binned = np.maximum.reduceat(values_LE, range(0, values_LE.shape[1], columns), axis=1)
    binned = np.maximum.reduceat(binned, range(0, len(values_LE), rows), axis=0)
    return HeatMap(
        labels=tuple(str(number).rjust(label) for number in numbers[::rows]),
        cells=tuple("".join(character(value) for value in row) for row in binned.tolist()),
        peaks=tuple(f"{value:.1f}".rjust(_PEAK) for value in binned.max(axis=1).tolist()),
        axis=_axis(binned.shape[1], columns),
        columns=columns,
        rows=rows,
    )


def character(value: float) -> str:
    """The character of a value."""
    return next(sign for least, sign, _ in reversed(LEVELS) if value >= least)


def style(sign: str) -> str:
    """The style of a character of the map."""
    return next(colour for _, known, colour in LEVELS if known == sign)


def legend() -> str:
    """What each character means, in fewer than 80 columns."""
    return "  ".join(f"{sign} {least:g}" for least, sign, _ in LEVELS[1:])


def _axis(cells: int, columns: int) -> str:
    """The number of the first column of every 16th cell."""
    marks = [str(cell * columns).ljust(16) for cell in range(0, cells, 16)]
    return "".join(marks)[: cells + _PEAK].rstrip()
