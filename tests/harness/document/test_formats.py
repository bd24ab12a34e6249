"""Documents as HTML and Markdown: no text gains a meaning, and every text can be read."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from harness.document import html, markdown, tabular
from harness.document.blocks import (
    Block,
    Code,
    Column,
    Document,
    Fold,
    Heading,
    Items,
    Paragraph,
    Prose,
    Quoted,
    Row,
    Strong,
    Subheading,
    Table,
    Tile,
    Tiles,
)
from harness.document.formats import Format, by_suffix
from harness.report.flat import plain_cell, text_cell
from harness.text import printable, visible

HOSTILE = [
    "# heading\n## another",
    "a | b\n--- | ---\n1 | 2",
    "[click](javascript:alert(1)) <img src=x onerror=alert(1)> ![x](y)",
    "`code` ``` more\n````\n</code></pre><script>alert(1)</script>",
    "https://example.org www.example.org a@example.org @someone #12",
    "trailing \\",
    "a\\|b|c\\",
    "- item\n1. item\n> quote\n===\n---",
    "\x1b[2J\x00\u202e\u2028\ud800\ufffe",
    "[x]: https://example.org\n\n[x]",
    "",
]
ANY = st.one_of(st.sampled_from(HOSTILE), st.text(), st.text(alphabet="`|\\[]()<>#*_ \n-=+1.a"))


def document(text: str) -> Document:
    """A document that shows the text in every place where quoted text may stand."""
    line = ("before ", Quoted(text=text), " after ", Strong(text="strong"))
    blocks: tuple[Block, ...] = (
        Heading(text="Section", anchor="section"),
        Subheading(line=line),
        Paragraph(line=(Quoted(text=text),)),
        Paragraph(line=line, look="note"),
        Tiles(tiles=(Tile(label="speed", value="1.0x [0.9, 1.1]", note="note"),)),
        Table(
            columns=(Column(heading="name"), Column(heading="value", right=True)),
            rows=(Row(cells=((Quoted(text=text),), "1"), strong=True), Row(cells=((Quoted(text=text), " x"), "2"))),
            caption="Caption",
            note="Note",
        ),
        Items(lines=(line, (Quoted(text=text),))),
        Prose(text=text),
        Code(text=text, language="diff"),
        Fold(summary=line, blocks=(Code(text=text, language="sh"),)),
    )
    return Document(title="Title", subtitle=line, blocks=blocks)


def parsed(text: str) -> ElementTree.Element:
    return ElementTree.fromstring(html.page(document(text), "body { color: red }\n"))


def texts(root: ElementTree.Element, tag: str) -> list[str]:
    return ["".join(found.itertext()) for found in root.iter(f"{{http://www.w3.org/1999/xhtml}}{tag}")]


def seen(text: str) -> str:
    """What is to be read of a text of several lines."""
    return "\n".join(map(visible, text.replace("\r\n", "\n").split("\n")))


@given(ANY)
def test_any_text_gives_well_formed_html_whose_text_equals_it(text: str) -> None:
    root = parsed(text)
    assert set(texts(root, "bdi")) == {visible(text)} and len(texts(root, "bdi")) == 9
    first, second = texts(root, "code")
    [prose] = ["".join(found.itertext()) for found in root.iter() if found.attrib.get("class") == "prose"]
    assert first == second == prose == seen(text)


def test_a_page_holds_nothing_that_acts_or_is_fetched() -> None:
    for text in HOSTILE:
        root = parsed(text)
        tags = {found.tag.rpartition("}")[2] for found in root.iter()}
        assert not tags & {"script", "img", "iframe", "object", "link", "form", "input", "base"}
        links = [found.attrib["href"] for found in root.iter() if "href" in found.attrib]
        assert links == ["#section"]
        assert not any(name.startswith("on") or name == "src" for found in root.iter() for name in found.attrib)
    assert "default-src 'none'" in html.page(document(""), "").replace("&#x27;", "'")


@given(ANY)
def test_any_text_stays_text_in_markdown(text: str) -> None:
    tokens = MarkdownIt("commonmark").enable("table").parse(markdown.page(document(text)))
    inner = [child for token in tokens for child in token.children or ()]
    kinds = [token.type for token in [*tokens, *inner]]
    assert [token.tag for token in tokens if token.type == "heading_open"] == ["h1", "h2", "h3"]
    assert not {"link_open", "image", "html_inline", "html_block", "blockquote_open", "hr"} & set(kinds)
    assert (kinds.count("table_open"), kinds.count("tr_open"), kinds.count("td_open")) == (1, 3, 4)
    assert (kinds.count("bullet_list_open"), kinds.count("ordered_list_open")) == (2, 0)
    assert kinds.count("list_item_open") == 3
    fences = [token.content for token in tokens if token.type == "fence"]
    assert len(fences) == 3 and "code_block" not in kinds
    shown = "\n".join(map(visible, text.replace("\r\n", "\n").rstrip("\n").split("\n")))
    assert {fence.removesuffix("\n") for fence in fences} == {shown}
    one = " ".join(printable(text).split())
    quoted = {child.content for child in inner if child.type == "code_inline"}
    assert quoted == ({one} if one else set()) or ("\\" in one and "|" in one)


@given(st.text(alphabet="`|\\[]()<>#*_~$&@ -=+:/1.ab"))
def test_our_own_words_gain_no_meaning_in_markdown(text: str) -> None:
    page = markdown.page(Document(title="T", subtitle=text, blocks=(Paragraph(line=text), Items(lines=(text,)))))
    tokens = MarkdownIt("commonmark").enable("table").parse(page)
    kinds = {token.type for token in tokens} | {child.type for token in tokens for child in token.children or ()}
    assert kinds <= {
        *("heading_open", "heading_close", "inline", "text", "paragraph_open", "paragraph_close", "text_special"),
        *("bullet_list_open", "bullet_list_close", "list_item_open", "list_item_close"),
    }
    shown = ["".join(child.content for child in token.children or ()) for token in tokens if token.type == "inline"]
    assert set(shown[1:]) <= {" ".join(text.split())}


def test_a_table_has_a_cell_for_each_column() -> None:
    with pytest.raises(ValueError, match="expected 1 cells"):
        Table(columns=(Column(heading="a"),), rows=(Row(cells=("1", "2")),))


@given(st.text())
def test_no_cell_of_a_spreadsheet_is_a_formula(text: str) -> None:
    cell = text_cell(text)
    assert not re.match(r"[=+\-@＝＋－＠\t\r\n]", cell)
    written = tabular.csv_text(("name", "n"), [(cell, 1), (None, 2.5)])
    assert written.startswith("name,n\n") and written.endswith("\n,2.5\n")


def test_parquet_is_typed_and_its_texts_are_as_they_are(tmp_path: Path) -> None:
    parquet: Any = pytest.importorskip("pyarrow.parquet")
    rows = [("=1+1", 1, 0.5, None), (plain_cell("b\nc"), None, 2, None)]
    tabular.write_parquet(tmp_path / "a.parquet", ("name", "n", "x", "nothing"), rows)
    table = parquet.read_table(tmp_path / "a.parquet")
    assert table.to_pydict() == {"name": ["=1+1", "b c"], "n": [1, None], "x": [0.5, 2.0], "nothing": [None, None]}
    assert [str(field.type) for field in table.schema] == ["string", "int64", "double", "string"]


def test_without_pyarrow_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(tabular.PyarrowMissing, match=r"pip install 'packsmith\[parquet\]'"):
        tabular.write_parquet(tmp_path / "a.parquet", ("n",), [(1,)])


def test_the_suffix_gives_the_format() -> None:
    names = ("r.html", "r.HTM", "a.b.md", "x.markdown", "x.csv", "x.pq", "x.svg", "x.png", "x.pdf", "x", ".svg")
    assert [by_suffix(name) for name in names] == [
        *(Format.HTML, Format.HTML, Format.MD, Format.MD, Format.CSV, Format.PARQUET, Format.SVG, Format.PNG),
        *(None, None, None),
    ]
