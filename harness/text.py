"""Texts of others, made fit for a terminal, a table and a file's name. Pure.

Owns: what becomes of characters that would steer a terminal, break a line or name another folder.
Does not know: where a text comes from, nor where it goes.

Names, descriptions and programs come from models, and a whole run may come from a stranger.
"""

from __future__ import annotations

import re
import unicodedata

_ELLIPSIS = "…"
_SLUG = 40


def _unseen(character: str) -> bool:
    """Whether it is a control, half of a surrogate pair, an invisible formatting character or an odd line end."""
    return unicodedata.category(character)[0] == "C" or character in "\u2028\u2029"


def one_line(text: str, limit: int) -> str:
    """Printable characters on one line, runs of white space as one blank, cut at `limit`."""
    cut = text[: 4 * limit]
    if not cut.isprintable():
        cut = "".join(" " if _unseen(one) else one for one in cut)
    line = " ".join(cut.split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + _ELLIPSIS


def visible(line: str) -> str:
    """A line of a program as it is, but for what would steer a terminal: that becomes `?`."""
    return line if line.isprintable() else "".join("?" if one != "\t" and _unseen(one) else one for one in line)


def slug(name: str, otherwise: str) -> str:
    """A part of a file's name: small letters, digits, `_` and `-` alone; `otherwise` where nothing is left."""
    return re.sub(r"[^a-z0-9_]+", "-", name[: 4 * _SLUG].lower())[:_SLUG].strip("-_") or otherwise
