"""The formats that documents are written in, and which one a file's name asks for. Pure.

Owns: their names and suffixes. Does not know: what is written, how.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import PurePath


class Format(StrEnum):
    """HTML and MD are documents, CSV and PARQUET tables of data, SVG and PNG pictures of a chart."""

    HTML = "html"
    MD = "md"
    CSV = "csv"
    PARQUET = "parquet"
    SVG = "svg"
    PNG = "png"

    @property
    def is_text(self) -> bool:
        """Whether it can be printed."""
        return self not in (Format.PARQUET, Format.PNG)


_SUFFIXES = {"htm": Format.HTML, "markdown": Format.MD, "pq": Format.PARQUET}


def by_suffix(name: str) -> Format | None:
    """The format that a file's name asks for; None for another suffix or none."""
    suffix = PurePath(name).suffix.lower().removeprefix(".")
    return next((form for form in Format if form == suffix), _SUFFIXES.get(suffix))
