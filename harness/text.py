"""Text as bytes and back, and text from strangers made safe to show. Pure.

Owns: the one encoding of programs and replies, and what becomes of characters that would control a terminal, break a
line or leave a folder. Does not know: where a text comes from, nor where it goes.

Names, descriptions and programs come from models, and a whole run may come from a stranger.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable

_SLUG = 40


def encode(text: str) -> bytes:
    """Any str to bytes, and by `decode` back to the same str: lone surrogates included, line ends untouched."""
    return text.encode("utf-8", "surrogatepass")


def decode(data: bytes) -> str:
    """The str of bytes made by `encode`. Raises UnicodeDecodeError for other bytes."""
    return data.decode("utf-8", "surrogatepass")


def invisible(character: str) -> bool:
    """Whether it is a control, a lone surrogate, an invisible formatting character or an unusual line end."""
    return unicodedata.category(character)[0] == "C" or character in "\u2028\u2029"


def printable(text: str) -> str:
    """The text with a blank for each character that cannot be seen, line ends included."""
    if text.isprintable():  # nearly all texts are, and the loop below is slow
        return text
    return "".join(" " if invisible(character) else character for character in text)


def meant(word: str, words: Iterable[str]) -> str:
    """`, did you mean X?` with the nearest of the words, to follow what was found instead; "" if none is near."""
    near = difflib.get_close_matches(word, list(words), n=1, cutoff=0.7)
    return f", did you mean {near[0]}?" if near else ""


def one_line(text: str, limit: int, *, ellipsis: str = "…") -> str:
    """Printable characters on one line, each run of white space as one blank, at most `limit` characters."""
    line = " ".join(printable(text[: 4 * limit]).split())
    return line if len(line) <= limit else line[: max(0, limit - len(ellipsis))].rstrip() + ellipsis


def visible(line: str) -> str:
    """A line of a program as it is, with `?` for each character that would control a terminal."""
    if line.isprintable():
        return line
    return "".join("?" if character != "\t" and invisible(character) else character for character in line)


def slug(name: str, otherwise: str) -> str:
    """A part of a file name: lower-case letters, digits, `_` and `-` only; `otherwise` where nothing is left."""
    return re.sub(r"[^a-z0-9_]+", "-", name[: 4 * _SLUG].lower())[:_SLUG].strip("-_") or otherwise
