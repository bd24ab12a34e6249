"""Prepare untrusted text for a prompt: clean it, fence it, shorten it, estimate its tokens.

Owns: how data is kept from being read as instructions. Does not know: what a prompt says.
"""

from __future__ import annotations

import re

from harness.text import one_line

BYTES_A_TOKEN = 3
"""Less than tokenisers reach on code and English, so that estimates are above the real number of tokens."""

_UNWRITABLE = re.compile("[\0\ud800-\udfff]")
_TICKS = re.compile("`+")


def tokens(text: str) -> int:
    """An upper estimate of the tokens of a text."""
    return -(-len(text.encode("utf-8", "replace")) // BYTES_A_TOKEN)


def clean(text: str) -> str:
    """The text with characters that endpoints refuse (NUL, lone surrogates) replaced by U+FFFD."""
    return _UNWRITABLE.sub("\ufffd", text)


def fenced(text: str, language: str = "") -> str:
    """The text between two fences of backticks, longer than any run of them in it: nothing in it can end the fence."""
    body = clean(text)
    ticks = "`" * max([3, *(len(run) + 1 for run in _TICKS.findall(body))])
    end = "" if body.endswith("\n") or not body else "\n"
    return f"{ticks}{language}\n{body}{end}{ticks}"


def data_line(text: str, longest: int = 100) -> str:
    """The text on one line of at most `longest` characters; backticks become quotes."""
    return one_line(text, longest, ellipsis="...").replace("`", "'")


def shortened(text: str, longest: int) -> str:
    """About `longest` bytes of the text: its beginning, its end, and a line that says how much is left out."""
    data = text.encode("utf-8", "replace")
    if len(data) <= longest:
        return text
    head, tail = longest * 2 // 3, longest - longest * 2 // 3
    left_out = len(data) - head - tail
    first = data[:head].decode("utf-8", "ignore")
    last = data[len(data) - tail :].decode("utf-8", "ignore")
    return f"{first}\n[... {left_out:,} bytes are left out here ...]\n{last}"
