"""What the members of a task file may give: types, shapes and finite numbers.

Owns: these checks. Does not know: processes, where a value comes from. Pure.

Each check takes a value and returns it in its exact type, or raises Unfit with what was expected and found.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np

from evaluator.task_protocol import Column, Ladder
from evaluator.types import Call, Case, CaseQuality, HardCase, Plan

_CALL_KINDS = "biufc"
_FLAG = re.compile(r"--[a-z][a-z0-9]*(-[a-z0-9]+)*")
Fit = TypeVar("Fit")


class Unfit(Exception):
    """A value that a member may not give."""


def shown(value: object) -> str:
    """A value in a message, on one line."""
    if isinstance(value, np.ndarray):
        return f"an array {value.dtype} {list(value.shape)}"
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else f"{text[:77]}..."


def _expected(what: str, value: object) -> Unfit:
    return Unfit(f"expected {what}, found {shown(value)}")


def number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _expected("a finite number", value)
    return float(value)


def whole(least: int) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise _expected(f"a whole number of at least {least}", value)
        return value

    return check


def version(value: Any) -> int:
    return whole(1)(value)


def identifier(value: Any) -> str:
    if not isinstance(value, str) or not value.isidentifier() or not value.isascii():
        raise _expected("a word of letters, digits and _", value)
    return value


def text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _expected("a text", value)
    return value


def texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, tuple):
        raise _expected("a tuple of texts", value)
    return tuple(map(text, value))


def some_texts(value: Any) -> tuple[str, ...]:
    if not value:
        raise _expected("at least one text", value)
    return texts(value)


def fraction(value: Any) -> float:
    if not 0 < number(value) < 1:
        raise _expected("a number between 0 and 1", value)
    return float(value)


def columns(value: Any) -> tuple[Column, ...]:
    if not isinstance(value, tuple) or not all(isinstance(column, Column) for column in value):
        raise _expected("a tuple of Column, () for none", value)
    for column in value:
        identifier(column.key)
        if not all(0 < len(line) <= 12 and line.isprintable() for line in text(column.heading).split("\n")):
            raise _expected("a heading with lines of 1 to 12 printable characters", column.heading)
    if len({column.key for column in value}) < len(value):
        raise _expected("columns with different keys", [column.key for column in value])
    return value


def ladder(value: Any) -> Ladder | None:
    if value is None:
        return None
    if not isinstance(value, Ladder):
        raise _expected("a Ladder, or None", value)
    if len(texts(value.programs)) < 2 or number(value.step) <= 0:
        raise _expected("a Ladder with two programs or more and a step above 0", value)
    identifier(value.metric)
    text(value.note)
    return value


FACTS: Mapping[str, Callable[[Any], Any]] = {
    "name": identifier,
    "version": version,
    "entry_point": identifier,
    "quality_name": identifier,
    "quality_key": identifier,
    "columns": columns,
    "reference": text,
    "ladder": ladder,
    "resolution": fraction,
    "notes": texts,
    "plan_axes": some_texts,
}
"""The check of each member that is a value."""


def case(value: Any) -> Case:
    if not isinstance(value, Case):
        raise _expected("a Case", value)
    text(value.name)
    if not all(isinstance(size, int) and not isinstance(size, bool) for size in value.sizes.values()):
        raise _expected("whole numbers as sizes of a case", dict(value.sizes))
    return value


def cases(value: Any) -> tuple[Case, ...]:
    if not isinstance(value, tuple) or not value:
        raise _expected("one case or more, in a tuple", value)
    if len({case(one).name for one in value}) < len(value):
        raise _expected("cases with different names", [one.name for one in value])
    return value


def drawn(like: Case) -> Callable[[Any], Case]:
    """The check of a draw of a case."""

    def check(value: Any) -> Case:
        made = case(value)
        if made.name != like.name or dict(made.sizes) != dict(like.sizes):
            wanted = f"a case of the same name and sizes, {like.name} {dict(like.sizes)}"
            raise Unfit(f"expected {wanted}, found {made.name} {dict(made.sizes)}")
        return made

    return check


def call(value: Any) -> Call:
    if not isinstance(value, Call):
        raise _expected("a Call", value)
    for part in (*value.args, *value.offered.values()):
        plain = part is None or isinstance(part, int | float | str)
        if not plain and not (isinstance(part, np.ndarray) and part.dtype.kind in _CALL_KINDS):
            raise _expected("numbers, texts, None and arrays of numbers as arguments of a call", part)
    for name in value.offered:
        identifier(name)
    return value


def hard_cases(value: Any) -> tuple[HardCase, ...]:
    if not isinstance(value, tuple) or not value or not all(isinstance(hard, HardCase) for hard in value):
        raise _expected("one HardCase or more, in a tuple", value)
    for hard in value:
        case(hard.case)
        call(hard.call)
        text(hard.why)
    return value


def plan(value: Any) -> Plan:
    if not isinstance(value, np.ndarray) or value.dtype.kind not in _CALL_KINDS:
        raise _expected("a plan: one array of numbers", value)
    if value.dtype.kind in "fc" and not np.isfinite(value).all():
        raise Unfit("expected a plan of finite numbers, found NaN or an infinite one")
    return value


def quality(of: Case) -> Callable[[Any], CaseQuality]:
    """The check of what `score` gives for a case."""

    def check(value: Any) -> CaseQuality:
        if not isinstance(value, CaseQuality):
            raise _expected("a CaseQuality", value)
        if value.case != of.name:
            raise _expected(f"the quality of the case {of.name}", value.case)
        for name, figure in {"value": value.value, "ceiling": value.ceiling, **value.metrics}.items():
            try:
                number(figure)
            except Unfit as unfit:
                raise Unfit(f"{name}: {unfit}") from None
        return value

    return check


def identity(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise _expected("a mapping", value)
    return dict(plain(value))


def plain(value: Any) -> Any:
    """JSON values."""
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise Unfit(f"expected JSON values, found {error}") from None


def options(value: Any) -> list[dict[str, Any]]:
    """The fields of the options that a file declares, but for how they are parsed."""
    try:
        return _options(value)
    except Unfit as unfit:
        raise Unfit(f"`OPTIONS`: {unfit}") from None


def _options(value: Any) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = [dict(fields) for fields in value]
    for fields in made:
        if not _FLAG.fullmatch(str(fields["flag"])):
            raise _expected("a flag such as --jobs, of small letters, digits and -", fields["flag"])
        identifier(fields["key"])
        text(fields["help"])
        fields["choices"] = texts(fields["choices"])
        if not isinstance(fields["metavar"], str) or not isinstance(fields["repeated"], bool):
            raise _expected(f"a text as metavar of {fields['flag']}, and True or False as repeated", fields)
    for name in ("flag", "key"):
        if len({fields[name] for fields in made}) < len(made):
            raise _expected(f"options with different {name}s", [fields[name] for fields in made])
    return made
