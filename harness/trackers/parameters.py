"""A run's config as the parameters of a tracker: flat, short, and without secrets. Pure.

Owns: which keys may leave the run, and the form of their values. Does not know: trackers, what a key is for.

A config holds no secret: its schema refuses them. A run may have been written by another tool, though, and parameters
are copied to where others read them. So whatever is called a key, a token, a header or the like is left out here too,
with the name of a variable that holds a key, and users and queries in addresses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from harness.text import one_line

Value = str | int | float | bool

_SECRET = frozenset(
    (
        *("key", "keys", "apikey", "token", "secret", "secrets", "password", "passwords", "passwd", "signature"),
        *("auth", "authorization", "header", "headers", "cookie", "cookies", "credential", "credentials", "bearer"),
    )
)
"""Words of which a key must have none. Numbers of `tokens` are fine."""
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_USER, _QUERY = re.compile(r"//[^/@\s]*@"), re.compile(r"(://[^\s?#]*)[?#]\S*")
_NOT_A_NAME = re.compile(r"[^A-Za-z0-9_.\-]")
_MOST, _LONGEST, _LONGEST_NAME, _DEEPEST = 500, 250, 200, 20


def parameters(config: Mapping[str, Any]) -> dict[str, Value]:
    """The parameters of a resolved config by dotted key, as in `models.0.name`; keys without a value are left out.

    At most 500 of them, each text on one line of at most 250 characters, so that every tracker takes them.
    """
    found: dict[str, Value] = {}
    for name, value in _leaves(config, ()):
        if len(found) == _MOST:
            break
        found.setdefault(name[:_LONGEST_NAME], value)
    return found


def _leaves(value: Any, steps: tuple[str, ...]) -> Iterator[tuple[str, Value]]:
    if len(steps) > _DEEPEST or (steps and _is_secret(steps[-1])):
        return
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, (*steps, str(key)))
    elif isinstance(value, list | tuple):
        for at, inner in enumerate(value):
            yield from _leaves(inner, (*steps, str(at)))
    elif isinstance(value, str):
        yield _named(steps), one_line(_QUERY.sub(r"\1", _USER.sub("//", value)), _LONGEST)
    elif isinstance(value, bool | int | float):
        yield _named(steps), value


def _is_secret(key: str) -> bool:
    words = [word.lower() for word in _WORDS.findall(key)]
    return not _SECRET.isdisjoint(words) or "apikey" in key.lower()


def _named(steps: tuple[str, ...]) -> str:
    return _NOT_A_NAME.sub("_", ".".join(steps))
