"""A drawing as SVG: a file of its own, or a part of an HTML page. Pure.

Owns: the text of the SVG. Does not know: charts, runs, files.

Colours are attributes, so that the file looks the same in any viewer, word processor or TeX tool; each is a class too,
by which a page gives it the colours of its own light or dark look, since styles take precedence over attributes. Text
is text, in the generic family `sans-serif`: it can be searched and edited, no font is embedded, and the viewer's face
decides how wide it is, for which the layout leaves room.
"""

from __future__ import annotations

from html import escape

from harness.figures.drawing import DASHES, PALETTE, Colour, Dots, Drawing, Item, Label, Place, Stroke, Symbol, outline
from harness.text import visible

_NAMESPACE = "http://www.w3.org/2000/svg"


def file(drawing: Drawing) -> str:
    """A standalone SVG document with a ground, in UTF-8 and without scripts, styles or references."""
    width, height = drawing.width, drawing.height
    ground = f'<rect width="{width}" height="{height}" {_paint("ground", "fill")}/>\n'
    size = f' width="{width}" height="{height}"'
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{_svg(drawing, ground, size)}\n'


def inline(drawing: Drawing) -> str:
    """An element for an HTML page, as wide as the page allows, on the page's own ground."""
    return _svg(drawing, "", "")


def _svg(drawing: Drawing, ground: str, size: str) -> str:
    body = "\n".join(_item(item) for item in drawing.items)
    return (
        f'<svg xmlns="{_NAMESPACE}" viewBox="0 0 {drawing.width} {drawing.height}"{size} role="img" '
        f'font-family="sans-serif">\n<title>{quoted(drawing.title)}</title>\n<desc>{quoted(drawing.description)}'
        f"</desc>\n{ground}{body}\n</svg>"
    )


def quoted(text: str) -> str:
    """Any text as the text of an element or the value of an attribute."""
    return escape(visible(text))


def _paint(colour: Colour, what: str) -> str:
    return f'class="{what[0]}-{colour}" {what}="{PALETTE[colour]}"'


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _path(places: tuple[Place, ...]) -> str:
    return "M" + "L".join(f"{_number(x)} {_number(y)}" for x, y in places)


def _item(item: Item) -> str:
    match item:
        case Stroke():
            return _stroke(item)
        case Dots():
            steps = "".join(f"M{_number(x)} {_number(y)}h0" for x, y in item.places)
            return (
                f'<path {_paint(item.colour, "stroke")} d="{steps}" fill="none" stroke-linecap="round" '
                f'stroke-width="{_number(2 * item.radius)}"{_opacity(item.opacity)}/>'
            )
        case Symbol():
            return _symbol(item)
        case Label():
            return _label(item)


def _opacity(value: float) -> str:
    return "" if value == 1 else f' opacity="{value:g}"'


def _stroke(item: Stroke) -> str:
    path = _path(item.places) + ("Z" if item.fill else "")
    names = [f"f-{item.fill}"] if item.fill else []
    names += [f"s-{item.colour}"] if item.colour else []
    dash = " ".join(f"{length:g}" for length in DASHES[item.dash % len(DASHES)])
    parts = [f'class="{" ".join(names)}"', f'd="{path}"', f'fill="{PALETTE[item.fill] if item.fill else "none"}"']
    if item.colour:
        parts += [f'stroke="{PALETTE[item.colour]}"', f'stroke-width="{item.width:g}"', 'stroke-linejoin="round"']
    if dash and item.colour:
        parts.append(f'stroke-dasharray="{dash}"')
    return f"<path {' '.join(parts)}{_opacity(item.opacity)}/>"


def _symbol(item: Symbol) -> str:
    (x, y), colour = item.place, PALETTE[item.colour]
    inside = f"<title>{quoted(item.hint)}</title>" if item.hint else ""
    look = f'class="f-{item.colour} s-{item.colour}" fill="{colour}" stroke="{colour}" stroke-width="1.2"'
    if item.shape == "dot":
        return f'<circle {look} cx="{_number(x)}" cy="{_number(y)}" r="{item.radius:g}">{inside}</circle>'
    return f'<path {look} d="{_path(outline(item.shape, item.place, item.radius))}Z">{inside}</path>'


def _label(item: Label) -> str:
    x, y = (_number(part) for part in item.place)
    place = f'x="{x}" y="{y}"' + (f' transform="rotate(-90 {x} {y})"' if item.turned else "")
    weight = ' font-weight="bold"' if item.bold else ""
    return (
        f'<text {place} {_paint(item.colour, "fill")} font-size="{item.size:g}" '
        f'text-anchor="{item.anchor}"{weight}>{quoted(item.text)}</text>'
    )
