"""A document as a value: headings, sentences, tables, figures and code, which every format writes. Pure.

Owns: what a document consists of, and the difference between our words and quoted ones. Does not know: HTML, Markdown,
runs.

All text is plain: a format escapes whatever it has a meaning for. `Quoted` text comes from a model, a candidate or a
file, and is also shown as such. So no text can add a heading, a link or a row to a document.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from harness.figures.chart import Chart


@dataclass(frozen=True, slots=True, kw_only=True)
class Quoted:
    """Text from a stranger within a line."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Strong:
    """Our own words, set off."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """A command of ours within a line, as it is typed."""

    text: str


Part = str | Quoted | Strong | Typed
Line = str | tuple[Part, ...]
"""A line of text: our own words, or parts in order."""


def parts(line: Line) -> tuple[Part, ...]:
    return (line,) if isinstance(line, str) else line


def plain(line: Line) -> str:
    """The text of a line alone."""
    return "".join(part if isinstance(part, str) else part.text for part in parts(line))


def said(text: str) -> tuple[Part, ...]:
    """A line that is quoted as a whole."""
    return (Quoted(text=text),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """The heading of a section; `anchor` is a word that links within the document use."""

    text: str
    anchor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Subheading:
    """A heading within a section."""

    line: Line


@dataclass(frozen=True, slots=True, kw_only=True)
class Paragraph:
    """A paragraph; a `note` is less prominent, `lead` more."""

    line: Line
    look: Literal["plain", "note", "lead"] = "plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A figure that is seen first: what it is, its value, and what qualifies it."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiles:
    tiles: tuple[Tile, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a table; `right`: numbers, ranged right."""

    heading: str
    right: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row with a cell for each column."""

    cells: tuple[Line, ...]
    strong: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table. Raises ValueError for a row with more or fewer cells than columns."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    caption: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row.cells) != len(self.columns):
                raise ValueError(f"expected {len(self.columns)} cells in every row, found {len(row.cells)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Items:
    """A list of lines."""

    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A chart with its caption. A format without pictures writes its description."""

    chart: Chart
    caption: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prose:
    """Text of a stranger in lines of its own, such as the description of a patch."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """Lines of code, of a command, or of a unified diff."""

    text: str
    language: Literal["sh", "yaml", "diff"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """Blocks that are shown on demand, under a summary that says what they are."""

    summary: Line
    blocks: tuple[Block, ...]


Block = Heading | Subheading | Paragraph | Tiles | Table | Items | Picture | Prose | Code | Fold


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A title, a line below it, and blocks in order."""

    title: str
    subtitle: Line
    blocks: Sequence[Block] = field(default=())

    @property
    def headings(self) -> tuple[Heading, ...]:
        return tuple(block for block in self.blocks if isinstance(block, Heading))


def columns(*headings: str, left: int = 1) -> tuple[Column, ...]:
    """Columns of which the first `left` hold words and the others numbers."""
    return tuple(Column(heading=heading, right=at >= left) for at, heading in enumerate(headings))
