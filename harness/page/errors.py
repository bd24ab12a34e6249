"""Errors of a request, as the page is told them.

Owns: the shape of an error in JSON, and which status an error of ours gets. Does not know: routes.
"""

from __future__ import annotations

import re
from typing import Any

from harness.page.words import whole
from harness.types import HarnessError

_LONGEST = 8000
_SENTENCE = re.compile(r"expected (?P<expected>.+?), found (?P<found>.+)", re.DOTALL)


class PageError(Exception):
    """A request that cannot be answered: its HTTP status, what was expected, what was found, where, and what to do."""

    def __init__(self, status: int, expected: str, found: str = "", *, where: str = "", do: str = "") -> None:
        super().__init__(f"expected {expected}, found {found}")
        self.status = status
        self.record = error_record(expected, found, where=where, do=do)


def error_record(expected: str, found: str = "", *, where: str = "", do: str = "") -> dict[str, Any]:
    """The body of every answer that is an error."""
    parts = {"expected": expected, "found": found, "where": where, "do": do}
    return {"error": {name: whole(text, _LONGEST) for name, text in parts.items()}}


def told(error: HarnessError) -> dict[str, Any]:
    """An error of the archive or of a verb, whose sentence mostly says what was expected and found."""
    parts = _SENTENCE.fullmatch(str(error))
    if parts is None:
        return error_record("a request that can be done now", str(error))
    return error_record(parts["expected"], parts["found"])
