"""Charts as SVG and PNG: well-formed whatever a text holds, ticks that fit their axis, and both formats alike."""

from __future__ import annotations

import struct
import sys
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.figures import png, svg
from harness.figures.chart import SHAPES, Axis, Chart, Line, Panel, Point, Points, Rule, spanning
from harness.figures.drawing import Label
from harness.figures.layout import draw
from harness.figures.ticks import ticks
from harness.text import visible

SPACE = "{http://www.w3.org/2000/svg}"
HOSTILE = "</text><script>alert(1)</script>&\"'\x1b[2J\u202e\ud800"


def chart(label: str = "12", *, many: int = 0) -> Chart:
    marks = (
        Rule(value=0.905, label="ceiling"),
        *(
            Points(
                name=f"{shape} points",
                tone="a",
                shape=shape,
                points=(
                    Point(
                        x=0.1 + at / 9,
                        y=0.9 + at / 900,
                        x_range=(0.1, 1.0),
                        y_range=(0.9, 0.91),
                        label=label,
                        hint=label,
                    ),
                ),
            )
            for at, shape in enumerate(SHAPES)
        ),
        Points(name="many", tone="muted", shape="dot", points=tuple(Point(x=0.5, y=0.9) for _ in range(many))),
        Line(
            name="line",
            tone="b",
            points=((0.1, 0.9), (1.0, 0.91)),
            band=((0.9, 0.902), (0.905, 0.91)),
            stairs=True,
            dash=1,
        ),
    )
    panel = Panel(
        x=spanning("speed-up", [0.1, 1.2], log=True, unit="x"), y=spanning(label, [0.9, 0.91]), marks=marks, title=label
    )
    return Chart(title=label, description=label, rows=((panel, panel),))


@given(st.text())
def test_any_text_gives_well_formed_svg_that_shows_it(text: str) -> None:
    for written in (svg.file(draw(chart(text))), svg.inline(draw(chart(text)))):
        root = ElementTree.fromstring(written)
        shown = {element.text or "" for element in root.iter() if element.tag in (f"{SPACE}title", f"{SPACE}desc")}
        assert visible(text) in shown


def test_a_standalone_file_is_whole_and_acts_on_nothing() -> None:
    written = svg.file(draw(chart(HOSTILE)))
    root = ElementTree.fromstring(written.encode())
    tags = {element.tag.removeprefix(SPACE) for element in root.iter()}
    assert tags == {"svg", "title", "desc", "rect", "path", "circle", "text"}
    names = {name for element in root.iter() for name in element.attrib}
    assert not any("href" in name or name.startswith("on") or name == "style" for name in names)
    assert root.attrib["font-family"] == "sans-serif" and "url(" not in written
    assert (int(root.attrib["width"]), root.attrib["viewBox"].split()[2]) == (760, "760")


def test_series_differ_in_more_than_colour() -> None:
    root = ElementTree.fromstring(svg.file(draw(chart())))
    dashed = [element for element in root.iter(f"{SPACE}path") if "stroke-dasharray" in element.attrib]
    legend = [element.text for element in root.iter(f"{SPACE}text") if (element.text or "").endswith(" points")]
    assert len(legend) == len(SHAPES) and dashed


def test_many_points_stay_small() -> None:
    small, large = (len(svg.file(draw(chart(many=count)))) for count in (0, 10_000))
    assert (large - small) / 20_000 < 20, "bytes of a point, in two panels"


@given(
    low=st.floats(-1e6, 1e6),
    span=st.floats(1e-4, 1e6),
    most=st.integers(2, 12),
    log=st.booleans(),
)
def test_ticks_are_few_in_order_and_within_the_axis(low: float, span: float, most: int, log: bool) -> None:
    axis = Axis(title="", low=abs(low) + 1e-3, high=abs(low) + 1e-3 + span, log=log)
    values = [value for value, _ in ticks(axis, most)]
    assert values == sorted(set(values)) and len(values) <= most + 1
    slack = (axis.high - axis.low) * 1e-6
    assert all(axis.low - slack <= value <= axis.high + slack for value in values)
    texts = [text for _, text in ticks(axis, most)]
    assert log or len(set(texts)) == len(texts)


def test_ticks_are_round() -> None:
    assert [text for _, text in ticks(Axis(title="", low=0.9, high=0.91), 5)] == [
        *("0.900", "0.902", "0.904", "0.906", "0.908", "0.910")
    ]
    logs = [text for _, text in ticks(Axis(title="", low=0.009, high=1.3, log=True, unit="x"), 8)]
    assert logs == ["0.01x", "0.02x", "0.05x", "0.1x", "0.2x", "0.5x", "1x"]
    wide = [text for _, text in ticks(Axis(title="", low=2e-5, high=4e4, log=True), 4)]
    assert wide == ["1e-04", "0.01", "1", "100", "10,000"], "some of the powers of ten"
    assert [text for _, text in ticks(Axis(title="", low=0, high=3, whole=True), 9)] == ["0", "1", "2", "3"]


def test_labels_do_not_cover_each_other() -> None:
    points = tuple(Point(x=0.5, y=0.9, label=f"label {at}") for at in range(30))
    panel = Panel(
        x=spanning("x", [0.0, 1.0]),
        y=spanning("y", [0.89, 0.91]),
        marks=(Points(name="", tone="a", shape="dot", points=points),),
    )
    drawn = draw(Chart(title="", description="", rows=((panel,),)))
    places = [item.place for item in drawn.items if isinstance(item, Label) and item.text.startswith("label")]
    assert 2 <= len(places) < 30 and len({round(y) for _, y in places}) > 1


def test_a_png_has_the_drawing_s_proportions() -> None:
    drawing = draw(chart(HOSTILE, many=50))
    written = png.picture(drawing)
    assert written.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", written[16:24]) == (2 * drawing.width, 2 * drawing.height)


def test_without_pillow_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(png.PillowMissing, match=r"pip install 'packsmith\[figures\]'"):
        png.picture(draw(chart()))


@pytest.mark.parametrize(("low", "high", "log"), [(1.0, 1.0, False), (0.0, 1.0, True), (float("nan"), 1.0, False)])
def test_an_axis_needs_a_range(low: float, high: float, log: bool) -> None:
    with pytest.raises(ValueError, match="expected a"):
        Axis(title="x", low=low, high=high, log=log)
