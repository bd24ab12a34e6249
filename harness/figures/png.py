"""A drawing as a PNG picture.

Owns: drawing with Pillow, at several times the size and then reduced, for smooth edges. Does not know: charts, SVG.

Pillow is an optional dependency: one package of 7 MB with a face of its own, so that no font has to be installed.
"""

from __future__ import annotations

import io
import math
from itertools import pairwise
from typing import TYPE_CHECKING

from harness.figures.drawing import DASHES, PALETTE, Colour, Dots, Drawing, Item, Label, Place, Stroke, Symbol, outline
from harness.text import printable
from harness.types import HarnessError

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

_SCALE, _FINER = 2, 2
"""Pixels of the picture for each of the drawing's, and of the canvas for each of the picture's."""
Paint = tuple[int, int, int, int]
"""Red, green, blue and alpha, 0 to 255."""


class PillowMissing(HarnessError):
    """Pillow is not installed."""


def check() -> None:
    """Raises PillowMissing if Pillow is missing: before a long run is read for nothing."""
    try:
        import PIL.Image  # noqa: F401 (whether it is there)
    except ImportError as error:
        raise PillowMissing(
            "PNG pictures need Pillow, which is not installed: pip install 'packsmith[figures]', or write an .svg"
        ) from error


def picture(drawing: Drawing) -> bytes:
    """The PNG, twice as many pixels wide and high as the drawing. Raises PillowMissing."""
    check()
    from PIL import Image

    canvas = _Canvas(drawing.width, drawing.height)
    for item in drawing.items:
        canvas.draw(item)
    reduced = canvas.image.resize((drawing.width * _SCALE, drawing.height * _SCALE), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    reduced.save(out, "PNG", optimize=True, dpi=(96 * _SCALE, 96 * _SCALE))
    return out.getvalue()


class _Canvas:
    """A picture at `_SCALE * _FINER` times the drawing's size."""

    def __init__(self, width: int, height: int) -> None:
        from PIL import Image

        self._times = _SCALE * _FINER
        self.image: Image.Image = Image.new("RGB", (width * self._times, height * self._times), PALETTE["ground"])

    def _pen(self) -> ImageDraw.ImageDraw:
        from PIL import ImageDraw

        return ImageDraw.Draw(self.image, "RGBA")  # which blends what is drawn with what is there

    def draw(self, item: Item) -> None:
        match item:
            case Stroke():
                self._stroke(item)
            case Dots():
                colour = _paint(item.colour, item.opacity)
                for place in item.places:
                    self._circle(place, item.radius, colour)
            case Symbol():
                self._symbol(item)
            case Label():
                self._label(item)

    def _scaled(self, places: tuple[Place, ...]) -> list[tuple[float, float]]:
        return [(x * self._times, y * self._times) for x, y in places]

    def _stroke(self, item: Stroke) -> None:
        pen = self._pen()
        if item.fill:
            pen.polygon(self._scaled(item.places), fill=_paint(item.fill, item.opacity))
        if item.colour:
            width = max(1, round(item.width * self._times))
            for part in _dashed(item.places, DASHES[item.dash % len(DASHES)]):
                pen.line(self._scaled(part), fill=_paint(item.colour, item.opacity), width=width, joint="curve")

    def _circle(self, place: Place, radius: float, fill: Paint) -> None:
        x, y = (part * self._times for part in place)
        r = radius * self._times
        self._pen().ellipse((x - r, y - r, x + r, y + r), fill=fill)

    def _symbol(self, item: Symbol) -> None:
        if item.shape == "dot":
            self._circle(item.place, item.radius + 0.6, _paint(item.colour))
        else:
            corners = outline(item.shape, item.place, item.radius + 0.6)
            self._pen().polygon(self._scaled(corners), fill=_paint(item.colour))

    def _label(self, item: Label) -> None:
        from PIL import Image, ImageDraw, ImageFont

        face = ImageFont.load_default(size=item.size * self._times)
        anchor = {"start": "ls", "middle": "ms", "end": "rs"}[item.anchor]
        x, y = (part * self._times for part in item.place)
        text, colour, edge = printable(item.text), _paint(item.colour), round(item.bold * self._times * 0.25)
        if not item.turned:
            self._pen().text((x, y), text, fill=colour, font=face, anchor=anchor, stroke_width=edge)
            return
        wide, high = math.ceil(face.getlength(text)) + 8, math.ceil(item.size * self._times * 1.6)
        mask = Image.new("L", (wide, high), 0)
        ImageDraw.Draw(mask).text((wide / 2, high * 0.7), text, fill=255, font=face, anchor="ms", stroke_width=edge)
        turned = mask.rotate(90, expand=True)
        self.image.paste(colour, (round(x - high * 0.7), round(y - wide / 2)), turned)


def _paint(colour: Colour, opacity: float = 1.0) -> Paint:
    red, green, blue = (int(PALETTE[colour][at : at + 2], 16) for at in (1, 3, 5))
    return red, green, blue, round(255 * opacity)


def _dashed(places: tuple[Place, ...], dash: tuple[float, ...]) -> list[tuple[Place, ...]]:
    """The parts of a line that are drawn: all of it, or the dashes."""
    if not dash:
        return [places]
    lengths = dash if len(dash) % 2 == 0 else dash * 2
    parts: list[tuple[Place, ...]] = []
    at, left, on = 0, lengths[0], True
    current: list[Place] = [places[0]]
    for (x0, y0), (x1, y1) in pairwise(places):
        whole = math.hypot(x1 - x0, y1 - y0)
        gone = 0.0
        while whole - gone > left:
            gone += left
            place = (x0 + (x1 - x0) * gone / whole, y0 + (y1 - y0) * gone / whole)
            if on:
                parts.append((*current, place))
            current, on, at = [place], not on, (at + 1) % len(lengths)
            left = lengths[at]
        left -= whole - gone
        if on:
            current.append((x1, y1))
        else:
            current = [(x1, y1)]
    if on and len(current) > 1:
        parts.append(tuple(current))
    return parts
