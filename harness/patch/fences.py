"""The marks of the patch format in a line: fences of blocks, tags, fences of code.

Owns: what one line of a reply is, seen alone. Does not know: the lines around it.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.patch.lines import BLANKS

SHORTEST = 7
"""The least number of characters in a fence."""

WORDS = {"<": " SEARCH", "=": "", ">": " REPLACE"}
ELEMENTS = ("<NAME>", "<DESCRIPTION>")
TICKS = ("`", "~")


@dataclass(frozen=True, slots=True)
class Fence:
    """A fence of a block: its character (`<`, `=` or `>`), how many of them, and the blanks before them."""

    character: str
    length: int
    indent: str


def run_length(body: str) -> int:
    """The length of the run of the first character at the start."""
    return len(body) - len(body.lstrip(body[:1])) if body else 0


def fence_of(line: str) -> Fence | None:
    text = line.rstrip(BLANKS)
    body = text.lstrip(" \t")
    character = body[:1]
    if character not in WORDS:
        return None
    length = run_length(body)
    if length < SHORTEST or body[length:] != WORDS[character]:
        return None
    return Fence(character, length, text[: len(text) - len(body)])


def tag_of(line: str) -> str:
    """The tag that the line begins with; "" if it begins with none."""
    body = line.lstrip(" \t")
    return next((tag for tag in (*ELEMENTS, "<DIFF>", "</DIFF>") if body.startswith(tag)), "")
