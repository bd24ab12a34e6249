"""Prepare untrusted text for a prompt: clean it, fence it, shorten it, estimate its tokens.

Owns: how data is kept from being read as instructions, and how much of a program's own words a model reads.
Does not know: what a prompt says, who made a text. Pure.

Three rules, by what a text is:
- A name is letters, digits and underscores (`identifier`).
- A text of a model, of a person or of a program that fails loses every character that is not seen (`seen`): those of
  Unicode category C, bidirectional controls among them, and those that fonts draw as nothing. Every line end becomes
  "\n". What a program said while it ran is also short and ASCII (`error_text`), because the program has seen loads.
- Programs and patches keep their characters, because a model copies the lines of its SEARCH from them: only what
  endpoints refuse is replaced (`clean`). They were written before anything was run, and they are always fenced.
"""

from __future__ import annotations

import re

from evaluator.types import Rejected
from harness.text import invisible, one_line

BYTES_A_TOKEN = 3
"""Less than tokenisers reach on code and English, so that estimates are above the real number of tokens."""

_UNWRITABLE = re.compile("[\0\ud800-\udfff]")
_TICKS = re.compile("`+")
_DRAWN_AS_NOTHING = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]"
)
"""Characters outside category C that Unicode calls ignorable: fillers, and variation selectors, which carry bytes."""
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_]+")
LONGEST_NAME = 60
LONGEST_ERROR = 600
"""The most characters of what a program said while it ran. It chooses them, and they may tell of loads."""
_LONGEST_ERROR_LINE = 200
_MOST_READ = 8_000
_TEXT_STAGES = ("patch", "screen")
"""Stages at which nothing of the program has run: their texts are packsmith's, and quote the reply."""
_FRAME = re.compile(r"^ *line (\d{1,5}), in ", re.MULTILINE)
"""A line of the program in an error's text, as a worker writes it; five digits, because the program may forge it."""


def tokens(text: str) -> int:
    """An upper estimate of the tokens of a text."""
    return -(-len(text.encode("utf-8", "replace")) // BYTES_A_TOKEN)


def clean(text: str) -> str:
    """The text with characters that endpoints refuse (NUL, lone surrogates) replaced by U+FFFD."""
    return _UNWRITABLE.sub("\ufffd", text)


def seen(text: str) -> str:
    """The text with "\\n" for every kind of line end and without characters that are not seen; tabs are kept."""
    return "\n".join(map(_seen_line, f"{text}.".splitlines()))[:-1]


def _seen_line(line: str) -> str:
    if not line.isprintable():
        line = "".join(character for character in line if character == "\t" or not invisible(character))
    return _DRAWN_AS_NOTHING.sub("", line)


def identifier(name: str) -> str:
    """A name as letters, digits and underscores, at most `LONGEST_NAME`; "" for an empty one."""
    return (_NOT_IN_A_NAME.sub("_", name[: 4 * LONGEST_NAME]).strip("_")[:LONGEST_NAME] or "unnamed") if name else ""


def error_text(rejected: Rejected, *, in_full: bool) -> str:
    """The text of a rejection for a model: unchanged but for what is not seen where nothing of the program has run.

    Else what the program may have chosen: ASCII, others escaped, at most `LONGEST_ERROR` characters, long lines cut in
    the middle; without `in_full` only the innermost line number in it.
    """
    if rejected.stage in _TEXT_STAGES:
        return seen(rejected.detail)
    detail = seen(shortened(rejected.detail, _MOST_READ))
    if not in_full:
        lines = _FRAME.findall(detail)
        return f"line {int(lines[-1])} of the program" if lines else "the error's text is kept out of prompts"
    plain = detail.encode("ascii", "backslashreplace").decode("ascii")
    return _cut("\n".join(_cut(line, _LONGEST_ERROR_LINE) for line in plain.split("\n")), LONGEST_ERROR)


def _cut(text: str, longest: int) -> str:
    """At most `longest` characters: two thirds of them from the beginning, the others from the end."""
    if len(text) <= longest:
        return text
    tail = (longest - 5) // 3
    return f"{text[: longest - 5 - tail]} ... {text[len(text) - tail :]}"


def fenced(text: str, language: str = "") -> str:
    """The text between two fences of backticks, longer than any run of them in it: nothing in it can end the fence."""
    body = clean(text)
    ticks = "`" * max([3, *(len(run) + 1 for run in _TICKS.findall(body))])
    end = "" if body.endswith("\n") or not body else "\n"
    return f"{ticks}{language}\n{body}{end}{ticks}"


def data_line(text: str, longest: int = 100) -> str:
    """The text on one line of at most `longest` characters that are seen; backticks become quotes."""
    return one_line(seen(text[: 4 * longest]), longest, ellipsis="...").replace("`", "'")


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
