"""A document as one HTML page: no script, no link to anything outside, charts as SVG within. Pure.

Owns: the page's markup. Does not know: runs, files, where the style comes from.

The page is well-formed XML, every text is escaped in one place, and a policy in its head forbids whatever it does not
hold itself. A character that cannot be seen, or that no page may hold, is shown as `?`.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from harness.document import blocks
from harness.document.blocks import Block, Document, Line, Quoted, Strong, Typed
from harness.figures import svg
from harness.figures.layout import draw
from harness.text import visible

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


def page(document: Document, style: str) -> str:
    """The page, in UTF-8 when it is written; `style` is its style sheet."""
    links = "".join(f'<a href="#{text(heading.anchor)}">{text(heading.text)}</a>\n' for heading in document.headings)
    return f"""<!DOCTYPE html>
<html lang="en" xmlns="http://www.w3.org/1999/xhtml">
<head>
<meta charset="utf-8"/>
<meta http-equiv="Content-Security-Policy" content="{text(_POLICY)}"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<meta name="color-scheme" content="light dark"/>
<title>{text(document.title)}</title>
<style>
{style}</style>
</head>
<body>
<header>
<h1>{text(document.title)}</h1>
<p class="note">{line(document.subtitle)}</p>
</header>
<nav aria-label="Sections">
{links}</nav>
<main>
{all_of(document.blocks)}</main>
</body>
</html>
"""


def text(value: str) -> str:
    """Any text as the text of an element, or as an attribute's value."""
    return escape(visible(value))


def lines(value: str) -> str:
    """Text of several lines, as the text of an element that keeps them apart."""
    return "\n".join(map(text, value.replace("\r\n", "\n").split("\n")))


def prose(value: str) -> str:
    """Text of several lines, which a browser may wrap elsewhere: an empty line, and one that begins with a sign or a
    blank as in a list, stay apart. All line ends are kept in the text itself.
    """
    found: list[str] = []
    apart = True
    for one in value.replace("\r\n", "\n").split("\n"):
        empty = not one.strip()
        found.append(("<br/>" if found and (apart or empty or not one[0].isalpha()) else "") + text(one))
        apart = empty
    return "\n".join(found)


def line(value: Line) -> str:
    return "".join(_part(part) for part in blocks.parts(value))


def _part(part: blocks.Part) -> str:
    match part:
        case Quoted():
            return f"<bdi>{text(part.text)}</bdi>"
        case Typed():
            return f"<code>{text(part.text)}</code>"
        case Strong():
            return f"<strong>{text(part.text)}</strong>"
        case str():
            return text(part)


def all_of(those: Iterable[Block]) -> str:
    return "".join(f"{_block(block)}\n" for block in those)


def _block(block: Block) -> str:
    match block:
        case blocks.Heading():
            return f'<h2 id="{text(block.anchor)}">{text(block.text)}</h2>'
        case blocks.Subheading():
            return f"<h3>{line(block.line)}</h3>"
        case blocks.Paragraph():
            look = "" if block.look == "plain" else f' class="{block.look}"'
            return f"<p{look}>{line(block.line)}</p>"
        case blocks.Tiles():
            return f'<div class="tiles">\n{"".join(map(_tile, block.tiles))}</div>'
        case blocks.Table():
            return _table(block)
        case blocks.Items():
            items = "".join(f"<li>{line(item)}</li>\n" for item in block.lines)
            return f"<ul>\n{items}</ul>"
        case blocks.Picture():
            caption = f"<figcaption>{text(block.caption)}</figcaption>" if block.caption else ""
            return f'<figure><div class="wide">{svg.inline(draw(block.chart))}</div>{caption}</figure>'
        case blocks.Prose():
            return f'<div class="prose" dir="auto">{prose(block.text)}</div>'
        case blocks.Code():
            return f'<pre class="wide"><code>{_code(block)}</code></pre>'
        case blocks.Fold():
            return f"<details><summary>{line(block.summary)}</summary>\n{all_of(block.blocks)}</details>"


def _tile(tile: blocks.Tile) -> str:
    note = f'<div class="note">{text(tile.note)}</div>' if tile.note else ""
    return (
        f'<div class="tile"><div class="value">{text(tile.value)}</div>'
        f'<div class="label">{text(tile.label)}</div>{note}</div>\n'
    )


def _table(table: blocks.Table) -> str:
    sides = [' class="r"' if column.right else "" for column in table.columns]
    heads = "".join(
        f'<th scope="col"{side}>{text(column.heading)}</th>' for column, side in zip(table.columns, sides, strict=True)
    )
    rows = "".join(_row(row, sides) for row in table.rows)
    caption = f"<caption>{text(table.caption)}</caption>\n" if table.caption else ""
    note = f'\n<p class="note">{text(table.note)}</p>' if table.note else ""
    return (
        f'<div class="wide"><table>\n{caption}<thead><tr>{heads}</tr></thead>\n'
        f"<tbody>\n{rows}</tbody>\n</table></div>{note}"
    )


def _row(row: blocks.Row, sides: list[str]) -> str:
    cells = "".join(f"<td{side}>{line(cell)}</td>" for cell, side in zip(row.cells, sides, strict=True))
    return f'<tr class="strong">{cells}</tr>\n' if row.strong else f"<tr>{cells}</tr>\n"


def _code(block: blocks.Code) -> str:
    if block.language != "diff":
        return lines(block.text)
    marked = []
    for one in block.text.replace("\r\n", "\n").split("\n"):
        kind = {"+": "add", "-": "del", "@": "at"}.get(one[:1], "")
        shown = text(one)
        marked.append(f'<span class="{kind}">{shown}</span>' if kind else shown)
    return "\n".join(marked)
