"""The errors of a config, in words.

Owns: turning validation errors into lines that name the place, the key, what was expected, what was found, and the
nearest known key. Does not know: what any key is for.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from harness.config.document import SECRET_KEY, ConfigError, Document, Step, described, key_path

NO_SECRETS = (
    "never write a secret in a config, since the config is stored with the run: put it into an environment variable, "
    "and name the variable in api_key_env"
)

_EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "string_type": "a text",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "dict_type": "a mapping",
    "finite_number": "a finite number",
    "datetime_from_date_parsing": "a date and time such as 2030-01-31 18:00:00+00:00",
    "datetime_parsing": "a date and time such as 2030-01-31 18:00:00+00:00",
    "datetime_type": "a date and time such as 2030-01-31 18:00:00+00:00",
}
_FORMS = {r"^(auto|cpu|cuda(:\d+)?)$": "auto, cpu, cuda or cuda:N"}
"""Patterns of the schema, in words."""


def _variants(annotation: Any) -> Iterator[Any]:
    """Every section class that a field may hold, through unions, tuples and annotations."""
    origin = get_origin(annotation)
    if origin is Annotated or origin is tuple or origin is Union or type(annotation).__name__ == "UnionType":
        for part in get_args(annotation):
            yield from _variants(part)
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation


def _known(model: type[BaseModel], steps: tuple[Step, ...] = ()) -> Iterator[tuple[Step, ...]]:
    """Every key path of a schema, without list indices."""
    for own, field in model.model_fields.items():
        name = field.alias or own
        yield (*steps, name)
        for variant in _variants(field.annotation):
            yield from _known(variant, (*steps, name))


def _nearest(steps: tuple[Step, ...], model: type[BaseModel]) -> str:
    """Advice on an unknown key: the nearest key of its section, else the same key in another section, else all keys."""
    names = tuple(step for step in steps if isinstance(step, str))
    section, key = names[:-1], names[-1]
    paths = list(dict.fromkeys(_known(model)))
    siblings = [str(path[-1]) for path in paths if path[:-1] == section]
    near = difflib.get_close_matches(key, siblings, n=1, cutoff=0.6)
    if near:
        return f"did you mean `{key_path((*steps[:-1], near[0]))}`?"
    elsewhere = {key_path(path): str(path[-1]) for path in paths if path[:-1] != section}
    moved = [path for path, name in elsewhere.items() if name == key]
    moved = moved or [p for p, name in elsewhere.items() if difflib.SequenceMatcher(None, key, name).ratio() > 0.8]
    if moved:
        return f"did you mean `{moved[0]}`?"
    return f"the keys here are {', '.join(siblings)}"


def _steps(error: ErrorDetails, tree: Any) -> tuple[Step, ...]:
    """The key path of an error: its location without the schema's names of union members."""
    steps: list[Step] = []
    here: Any = tree
    location = error["loc"]
    step: Any
    for at, step in enumerate(location):
        if isinstance(here, dict) and step not in here and error["type"] == "missing" and at == len(location) - 1:
            steps.append(step)
        elif (isinstance(here, dict) and step in here) or (isinstance(here, list) and isinstance(step, int)):
            steps.append(step)
            here = here[step]
    return tuple(steps)


def _expected(error: ErrorDetails) -> str:
    context = error.get("ctx", {})
    bounds = {"greater_than": "gt", "greater_than_equal": "ge", "less_than": "lt", "less_than_equal": "le"}
    signs = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}
    kind = error["type"]
    if kind in bounds:
        return f"a number {signs[bounds[kind]]} {context[bounds[kind]]}"
    if kind == "literal_error":
        return f"one of {context['expected']}"
    if kind == "union_tag_invalid":
        return f"one of {context['expected_tags']}"
    if kind in ("too_short", "string_too_short"):
        return "something that is not empty"
    if kind == "string_pattern_mismatch":
        return _FORMS.get(context["pattern"], f"a text of the form {context['pattern']}")
    return _EXPECTED.get(kind, error["msg"])


def _line(error: ErrorDetails, document: Document, model: type[BaseModel]) -> str:
    steps = _steps(error, document.tree)
    path = key_path(steps) or "the config"
    where = document.where(steps)
    kind = error["type"]
    if kind == "extra_forbidden" and SECRET_KEY.search(path):
        return f"{where}: unknown key `{path}`; {NO_SECRETS}"
    if kind == "extra_forbidden":
        return f"{where}: unknown key `{path}`; {_nearest(steps, model)}"
    if kind == "missing":
        return f"{where}: the key `{path}` is required and missing"
    if kind == "union_tag_not_found":
        return f"{where}: the key `{path}.kind` is required and missing"
    if kind == "union_tag_invalid":
        return f"{where}: {path}.kind: expected {_expected(error)}, found {described(error['ctx']['tag'])}"
    if kind == "value_error":
        expected, _, actual = str(error["ctx"]["error"]).partition("|")
        return f"{where}: {path}: expected {expected}, found {actual}"
    return f"{where}: {path}: expected {_expected(error)}, found {described(error['input'])}"


def _line_number(text: str) -> int:
    match = re.match(r"[^:]*:(\d+):", text)
    return int(match[1]) if match else 0


def explained(error: ValidationError, document: Document, model: type[BaseModel]) -> ConfigError:
    """All validation errors of a document, one a line."""
    lines = dict.fromkeys(_line(detail, document, model) for detail in error.errors())
    return ConfigError("\n".join(sorted(lines, key=_line_number)))
