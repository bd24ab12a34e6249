"""Documents as files: the format of a file, its content, and where it goes.

Owns: choosing the format, the style sheet, and writing a file whole or printing it. Does not know: any one command,
what a document says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.console import emit_text
from harness.cli.new_files import check_free, new_file
from harness.document import html, markdown, tabular
from harness.document.blocks import Document
from harness.document.formats import Format, by_suffix
from harness.figures import png, svg
from harness.figures.chart import Chart
from harness.figures.layout import draw
from harness.report.flat import Cell
from harness.text import encode

OutputFile = Annotated[
    Path | None,
    typer.Option("-o", "--output", metavar="FILE", help="The new file; its suffix gives the format."),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What can be written, each made only if it is asked for. `rows` are called with whether texts are to stand as
    they are, rather than safe for a spreadsheet.
    """

    document: Callable[[], Document]
    chart: Callable[[], Chart]
    columns: Sequence[str]
    rows: Callable[[bool], Iterable[Sequence[Cell]]]


def chosen(file: Path | None, form: Format | None) -> Format | None:
    """The format of an output, from `--format` or else the file's suffix; None for neither file nor format.

    Raises a usage error for a suffix that names no format, and for a picture or Parquet file without a file; UserError
    for a file that exists, PillowMissing, PyarrowMissing.
    """
    if file is None:
        if form is not None and not form.is_text:
            raise typer.BadParameter(f"expected a file for {form}, which is no text: add -o FILE", param_hint="-o")
        return form
    if form is None and (form := by_suffix(file.name)) is None:
        raise typer.BadParameter(
            f"expected a suffix of .{', .'.join(Format)}, found {file.name!r}: rename it, or add --format",
            param_hint="-o",
        )
    check_free(file)
    if form == Format.PNG:
        png.check()
    if form == Format.PARQUET:
        tabular.check()
    return form


def write(contents: Contents, form: Format, file: Path | None) -> None:
    """Write the file whole, or print the text. Raises UserError, PillowMissing, PyarrowMissing."""
    if file is None:
        emit_text(_text(contents, form))
        return
    with new_file(file) as beside:
        if form == Format.PARQUET:
            tabular.write_parquet(beside, contents.columns, contents.rows(True))
        elif form == Format.PNG:
            beside.write_bytes(png.picture(draw(contents.chart())))
        else:
            beside.write_bytes(encode(_text(contents, form)))


def _text(contents: Contents, form: Format) -> str:
    match form:
        case Format.HTML:
            return html.page(contents.document(), Path(html.__file__).with_name("style.css").read_text("utf-8"))
        case Format.MD:
            return markdown.page(contents.document())
        case Format.CSV:
            return tabular.csv_text(contents.columns, contents.rows(False))
        case _:
            return svg.file(draw(contents.chart()))
