"""A drawing: strokes, symbols and texts at places in pixels, which SVG and PNG both draw. Pure.

Owns: what can be drawn, the palette, the shapes. Does not know: charts, files.

The letters' colours are those of Okabe and Ito (Color Universal Design, 2008), which people with any colour vision tell
apart; the yellow, too faint on white, is left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from harness.figures.chart import Shape, Tone

Colour = Tone | Literal["ground", "grid"]
PALETTE: Mapping[Colour, str] = MappingProxyType(
    {
        "ground": "#ffffff",
        "grid": "#e3e5e8",
        "ink": "#1b1f24",
        "muted": "#6b7480",
        "a": "#0072b2",
        "b": "#d55e00",
        "c": "#009e73",
        "d": "#cc79a7",
        "e": "#e69f00",
        "f": "#56b4e9",
    }
)
DASHES: tuple[tuple[float, ...], ...] = ((), (7, 3), (2, 3), (9, 3, 2, 3), (12, 4), (4, 2, 1, 2))
"""Lengths of strokes and gaps, in pixels."""

Place = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stroke:
    """A line through places. `fill` closes it and fills it; without `colour` it has no outline."""

    places: tuple[Place, ...]
    colour: Colour | None = "ink"
    width: float = 1.0
    dash: int = 0
    fill: Colour | None = None
    opacity: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Dots:
    """Many round dots of one look."""

    places: tuple[Place, ...]
    colour: Colour
    radius: float
    opacity: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Symbol:
    """A shape at a place, with the text that a pointer over it shows."""

    place: Place
    shape: Shape
    colour: Colour
    radius: float
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A line of text; its baseline begins, ends or is centred at a place. `turned`: it runs upward."""

    place: Place
    text: str
    anchor: Literal["start", "middle", "end"] = "start"
    colour: Colour = "ink"
    size: float = 12.0
    bold: bool = False
    turned: bool = False


Item = Stroke | Dots | Symbol | Label


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A drawing of `width` by `height` pixels, the bottom item first."""

    width: int
    height: int
    title: str
    description: str
    items: tuple[Item, ...]


def outline(shape: Shape, place: Place, radius: float) -> tuple[Place, ...]:
    """The corners of a shape; () for a dot, which is a circle."""
    x, y = place
    match shape:
        case "square":
            s = radius * 0.88
            return (x - s, y - s), (x + s, y - s), (x + s, y + s), (x - s, y + s)
        case "diamond":
            s = radius * 1.25
            return (x, y - s), (x + s, y), (x, y + s), (x - s, y)
        case "triangle":
            s = radius * 1.2
            corners = [(math.pi * (4 * at - 3) / 6) for at in range(3)]
            return tuple((x + s * math.cos(angle), y + s * math.sin(angle)) for angle in corners)
        case "dot":
            return ()


def text_width(text: str, size: float) -> float:
    """About how wide a text is in a common sans-serif face; no face is at hand to measure it with."""
    return sum(0.32 if letter in " .,:;'|!ijl[]()" else 0.62 for letter in text) * size
