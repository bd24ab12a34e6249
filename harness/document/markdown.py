"""A document as Markdown, in GitHub's dialect. Pure.

Owns: the Markdown. Does not know: runs, files.

Our own words are escaped where Markdown would give them a meaning. Quoted text becomes code, in a span or a block that
is fenced by more backticks than it holds: within code there are no headings, links, tables, mentions or HTML. Every
line of a table stays one line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from harness.document import blocks
from harness.document.blocks import Block, Document, Line, Quoted, Strong, Typed
from harness.text import printable, visible

_SPECIAL = re.compile(r"[\\`*_<>|&~$#]|\](?=[(:\[])|\[(?![-+0-9])|(?<=:)/(?=/)|@(?=\w)")
_BLOCK = re.compile(r"^(?:[-+=](?=[-+=\s]|$)|\d+(?P<sign>[.)])(?=\s|$))")
"""What begins a list or underlines a heading, at the beginning of a line."""
_RUN = re.compile(r"`+")


def page(document: Document) -> str:
    """The whole document; it ends with a line end."""
    body = [f"# {_own(document.title)}", line(document.subtitle), *_all(document.blocks)]
    return "\n\n".join(part for part in body if part) + "\n"


def _own(text: str) -> str:
    """Our own words as they are to be read, on one line."""
    one = " ".join(printable(text).split())
    return _SPECIAL.sub(lambda found: f"\\{found[0]}", one)


def line(value: Line) -> str:
    """A line in running text, which begins no list and underlines no heading."""
    made = inline(value)
    found = _BLOCK.match(made)
    if found is None:
        return made
    at = found.start("sign") if found["sign"] else 0
    return f"{made[:at]}\\{made[at:]}"


def inline(value: Line) -> str:
    """A line after something else, as in a heading."""
    return "".join(_part(part) for part in blocks.parts(value)).strip()


def _part(part: blocks.Part) -> str:
    match part:
        case Quoted() | Typed():
            return span(part.text)
        case Strong():
            return f"**{_own(part.text)}**" if part.text.strip() else ""
        case str():
            before, after = part[:1].isspace() * " ", (len(part) > 1 and part[-1:].isspace()) * " "
            return f"{before}{_own(part)}{after}"


def span(text: str) -> str:
    """Quoted text as a span of code on one line; "" for text that is not to be seen."""
    one = " ".join(printable(text).split())
    if not one:
        return ""
    fence = "`" * (max(map(len, _RUN.findall(one)), default=0) + 1)
    pad = " " if one.startswith("`") or one.endswith("`") else ""
    return f"{fence}{pad}{one}{pad}{fence}"


def cell(value: Line) -> str:
    """A line in a table's cell: a bar within code divides cells too, unless a backslash stands before it."""
    return "".join(_cell_part(part) for part in blocks.parts(value)).strip()


def _cell_part(part: blocks.Part) -> str:
    made = _part(part)
    # Backslashes are doubled: one that stood before the bar would take away the effect of ours.
    return made.replace("\\", "\\\\").replace("|", "\\|") if isinstance(part, Quoted | Typed) and "|" in made else made


def fenced(text: str, language: str = "") -> str:
    """Lines of any text as a block of code."""
    shown = "\n".join(map(visible, text.replace("\r\n", "\n").rstrip("\n").split("\n")))
    fence = "`" * max(3, max(map(len, _RUN.findall(shown)), default=0) + 1)
    return f"{fence}{language}\n{shown}\n{fence}"


def _all(those: Iterable[Block]) -> list[str]:
    return [_block(block) for block in those]


def _block(block: Block) -> str:
    match block:
        case blocks.Heading():
            return f"## {_own(block.text)}"
        case blocks.Subheading():
            return f"### {inline(block.line)}"
        case blocks.Paragraph():
            return line(block.line)
        case blocks.Tiles():
            return "\n".join(map(_tile, block.tiles))
        case blocks.Table():
            return _table(block)
        case blocks.Items():
            return "\n".join(f"- {line(item)}" for item in block.lines)
        case blocks.Picture():
            return "\n\n".join(filter(None, (_own(block.chart.description), _own(block.caption))))
        case blocks.Prose():
            return fenced(block.text, "text")
        case blocks.Code():
            return fenced(block.text, block.language)
        case blocks.Fold():
            return "\n\n".join([f"**{_own(blocks.plain(block.summary))}**", *_all(block.blocks)])


def _tile(tile: blocks.Tile) -> str:
    note = f" ({_own(tile.note)})" if tile.note else ""
    return f"- {_own(tile.label)}: **{_own(tile.value)}**{note}"


def _table(table: blocks.Table) -> str:
    heads = " | ".join(_own(column.heading) or " " for column in table.columns)
    rule = " | ".join("---:" if column.right else "---" for column in table.columns)
    rows = [_row(row) for row in table.rows]
    made = "\n".join([f"| {heads} |", f"| {rule} |", *rows])
    return "\n\n".join(filter(None, (_own(table.caption), made, _own(table.note))))


def _row(row: blocks.Row) -> str:
    cells = (cell(value) for value in row.cells)
    shown = (f"**{text}**" if row.strong and text and not text.startswith(("`", "**")) else text for text in cells)
    return f"| {' | '.join(shown)} |"
