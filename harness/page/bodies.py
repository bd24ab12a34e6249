"""What a page may send, checked field by field.

Owns: the sizes and the fields of POST bodies and of query parameters. Does not know: what is done with them.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from harness.page.errors import PageError
from harness.page.jobs import Answer
from harness.page.texts import MOST_QUERY

MOST_BODY, MOST_ANSWER = 100_000, 16_500_000
"""Bytes of a body; of one with an answer, which may be a whole program or a long reply."""
BODY_S = 60.0
"""Seconds that a body may take to come."""
_ANSWER: Mapping[str, type] = {
    **dict.fromkeys(("reply", "program", "name", "description", "model"), str),
    "usd": float,
    "tokens": int,
}
_MOST_SHORT, _HUGE = 4000, 10**15
_DRAINED = 2 * MOST_ANSWER


async def read_object(request: Request, most: int) -> dict[str, Any]:
    """The JSON object in the body of a POST of at most this many bytes. Raises PageError."""
    body, size = bytearray(), 0
    try:
        async with asyncio.timeout(BODY_S):
            async for part in request.stream():
                size += len(part)
                if size > _DRAINED:
                    break
                if size <= most:
                    body += part
    except TimeoutError as error:
        raise PageError(408, f"a whole body within {BODY_S:g} seconds", f"{size:,} bytes") from error
    # Read on a little, or the connection would end before the answer is read.
    if size > most:
        raise PageError(413, f"a body of at most {most:,} bytes", f"{size:,} or more")
    try:
        values = json.loads(body.decode("utf-8"), parse_constant=_no_constant)
    except RecursionError as error:
        raise PageError(400, "a JSON object", "one that is nested too deeply") from error
    except ValueError as error:
        found = "a number of too many digits" if "digits" in str(error) else str(error)
        raise PageError(400, "a JSON object", found) from error
    if not isinstance(values, dict):
        raise PageError(400, "a JSON object", f"a {type(values).__name__}")
    return values


def text_of(values: Mapping[str, Any], most: int) -> str:
    """The field `text`, and no other, of at most this many characters. Raises PageError."""
    text = _fields(values, {"text": str}).get("text", "").strip()
    if not text:
        raise PageError(400, "some words in `text`", "none")
    if len(text) > most:
        raise PageError(400, f"at most {most:,} characters in `text`", f"{len(text):,}", do="be brief")
    return sound_text("text", text)


def nothing(values: Mapping[str, Any]) -> None:
    """Raises PageError if there is any field."""
    _fields(values, {})


def answer_of(values: Mapping[str, Any]) -> Answer:
    """An answer to a ticket. Raises PageError."""
    given = _fields(values, _ANSWER)
    answer = Answer(**given)
    if bool(answer.reply.strip()) == bool(answer.program.strip()):
        raise PageError(400, "either `reply` or `program`", "both" if answer.reply.strip() else "neither")
    if answer.reply and (answer.name or answer.description):
        raise PageError(400, "`name` and `description` with `program` only", "a reply, which has its own")
    for field in ("name", "description", "model"):
        text = getattr(answer, field)
        if len(text) > _MOST_SHORT:
            raise PageError(400, f"at most {_MOST_SHORT:,} characters in `{field}`", f"{len(text):,}")
    for field in ("reply", "program", "name", "description", "model"):
        sound_text(field, getattr(answer, field))
    if not (math.isfinite(answer.usd) and answer.usd >= 0 and 0 <= answer.tokens < 10**12):
        raise PageError(400, "what the answer cost, at least 0", f"usd {answer.usd}, tokens {answer.tokens}")
    return answer


def query_of(request: Request) -> str:
    """What is searched for. Raises PageError."""
    query = request.query_params.get("q", "").strip()
    if not 1 <= len(query) <= MOST_QUERY:
        raise PageError(400, f"`q` of 1 to {MOST_QUERY} characters", str(len(query)))
    return query


def number_of(request: Request, name: str, otherwise: int, *, most: int = 2**53) -> int:
    """A whole number of at least 0 among the query parameters. Raises PageError."""
    text = request.query_params.get(name)
    if text is None:
        return otherwise
    if not (text.isascii() and text.isdecimal() and len(text) < 17 and int(text) <= most):
        raise PageError(400, f"`{name}` from 0 to {most}", text)
    return int(text)


def sound_text(field: str, text: str) -> str:
    """The text itself. Raises PageError if it holds what is no text."""
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise PageError(400, f"text in `{field}`", "a null or half a character")
    return text


def _fields(values: Mapping[str, Any], kinds: Mapping[str, type]) -> dict[str, Any]:
    unknown = values.keys() - kinds.keys()
    if unknown:
        raise PageError(400, f"the fields {', '.join(kinds) or 'of an empty object'}", ", ".join(sorted(unknown)))
    given = {}
    for name, value in values.items():
        kind = kinds[name]
        if type(value) not in ((int, float) if kind is float else (kind,)):
            raise PageError(400, f"`{name}` of type {kind.__name__}", type(value).__name__)
        if kind in (int, float) and not -_HUGE < value < _HUGE:
            raise PageError(400, f"`{name}` below {_HUGE:,}", "a larger number, or none")
        given[name] = value
    return given


def _no_constant(name: str) -> None:
    raise ValueError(f"expected a finite number, found {name}")
