"""Rows of data as CSV and Parquet.

Owns: both formats, and that Parquet needs pyarrow, an optional dependency. Does not know: which rows.

CSV is UTF-8 with a header and `\\n` line ends. Its text cells come from `harness.report.flat.text_cell`: a text that a
spreadsheet would take for a formula has an apostrophe before it. Parquet is typed, and its texts are as they are.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from harness.report.flat import Cell
from harness.types import HarnessError


class PyarrowMissing(HarnessError):
    """pyarrow is not installed."""


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return out.getvalue()


def check() -> None:
    """Raises PyarrowMissing if pyarrow is missing: before a long run is read for nothing."""
    try:
        import pyarrow.parquet  # noqa: F401 (whether it is there)
    except ImportError as error:
        raise PyarrowMissing(
            "Parquet files need pyarrow, which is not installed: pip install 'packsmith[parquet]', or write a .csv"
        ) from error


def write_parquet(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    """Write a Parquet file; a column's type is that of its values, text without any. Raises PyarrowMissing."""
    check()
    import pyarrow
    from pyarrow import parquet

    held = list(rows)
    table = {}
    for at, column in enumerate(columns):
        values = [row[at] for row in held]
        table[column] = pyarrow.array(values, type=_type(values, pyarrow))
    parquet.write_table(pyarrow.table(table), path)


def _type(values: Sequence[Cell], pyarrow: Any) -> Any:
    """Whole numbers, numbers, or texts: the narrowest that holds all values."""
    known = [value for value in values if value is not None]
    if known and all(isinstance(value, int) for value in known):
        return pyarrow.int64()
    if known and all(isinstance(value, int | float) for value in known):
        return pyarrow.float64()
    return pyarrow.string()
