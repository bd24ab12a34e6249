"""Untrusted texts: none controls a terminal, breaks a line or leaves a folder."""

from __future__ import annotations

from pathlib import PurePath

from hypothesis import given
from hypothesis import strategies as st

from harness.report.flat import text_cell
from harness.text import one_line, slug, visible


@given(st.text(max_size=80), st.integers(1, 40))
def test_one_line_is_printable_and_as_short_as_asked(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert len(line) <= limit and len(line.splitlines()) <= 1 and "\x1b" not in line
    assert one_line(line, limit) == line


@given(st.text(alphabet=st.characters(exclude_characters="\n")))
def test_a_visible_line_keeps_its_length_and_has_no_control_characters(line: str) -> None:
    shown = visible(line)
    assert len(shown) == len(line) and not set(shown) & set("\x1b\x07\x08\r\x9b\u202e\u2028")
    if line.isprintable():
        assert shown == line


@given(st.one_of(st.text(max_size=60), st.sampled_from(["../../etc/passwd", "", "-rf", "~", "a/b", "NUL\x00", "…"])))
def test_a_slug_is_one_plain_part_of_a_path(name: str) -> None:
    made = slug(name, "patch")
    assert PurePath(made).name == made and made.isascii() and 0 < len(made) <= 40
    assert made[0].isalnum() and set(made) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-")


@given(st.text(max_size=60) | st.sampled_from(["=1+1", "\t=1", "@x", "-2", " +3", "\r=x"]))
def test_no_cell_is_a_formula(text: str) -> None:
    cell = text_cell(text)
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n", " ")) and "\x1b" not in cell
