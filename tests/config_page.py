"""The tables of keys in `configs/README.md`, made from the config's schema.

Owns: how a section becomes a table, and where in the page the tables go. Does not know: what a key is used for.

`python -m tests.config_page` writes the page anew; `tests/harness/config/test_config_page.py` fails until it is done.
The meaning of a key is the text below it in the schema.
"""

from __future__ import annotations

import textwrap
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from harness.config.meanings import meanings, section_text
from harness.config.schema import Settings

PAGE = Path(__file__).resolve().parents[1] / "configs" / "README.md"
BEGIN = "<!-- begin: written by `python -m tests.config_page` -->"
END = "<!-- end -->"
_BOUNDS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
_NAMES = {int: "whole number", float: "number", str: "text", bool: "true or false"}


_MEANINGS = meanings()


def meaning(section: type[BaseModel], field: str) -> str:
    """The text below a key in the schema; "" where it has none."""
    return _MEANINGS.get((section.__name__, field), "")


def sections_in(annotation: Any) -> list[type[BaseModel]]:
    """The sections that a key's type holds: itself, the entries of its list, or its alternatives."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [section for inner in get_args(annotation) for section in sections_in(inner)]


def _type(annotation: Any) -> str:
    origin, inner = get_origin(annotation), get_args(annotation)
    if sections_in(annotation):
        return "list of sections, below" if origin is tuple else "section, below"
    if annotation in _NAMES:
        return _NAMES[annotation]
    if origin is Annotated:
        return _type(inner[0])
    if origin is Literal:
        return ", ".join(f"`{choice}`" for choice in inner)
    if origin in (Union, types.UnionType):
        return ", ".join(_type(one) for one in inner if one is not type(None))
    if origin is tuple:
        return f"list of {_type(inner[0])}"
    return {"datetime": "date and time", "dict": "mapping"}[(origin or annotation).__name__]


def _bounds(field: FieldInfo) -> str:
    found = [
        f"{sign} {getattr(bound, name):g}" if getattr(bound, name) < 2**31 else ""
        for bound in field.metadata
        for name, sign in _BOUNDS.items()
        if getattr(bound, name, None) is not None
    ]
    return ", ".join(text for text in found if text)


def _default(field: FieldInfo) -> str:
    value = field.default
    if isinstance(value, BaseModel):
        kinds = [f"`{name}: {_fixed(inner)}`" for name, inner in type(value).model_fields.items() if _fixed(inner)]
        return ", ".join(kinds) or "its defaults"
    if field.default_factory is not None or value == ():
        return "empty"
    if value is PydanticUndefined:
        return "required"
    if value is None:
        return "none"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _fixed(field: FieldInfo) -> str:
    """The one value that a key has, which tells sections of one place apart; "" for a key with a choice."""
    choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
    return str(choices[0]) if len(choices) == 1 else ""


def _listed(field: FieldInfo) -> bool:
    return get_origin(field.annotation) is tuple


def rows(section: type[BaseModel]) -> Iterator[tuple[str, str, str, str]]:
    """Key, type, default and meaning of every key but those in titles. Raises ValueError for one without a meaning."""
    for name, field in section.model_fields.items():
        if _fixed(field):
            continue
        told = meaning(section, name)
        if not told:
            raise ValueError(f"{section.__name__}.{name}: expected a text below the key that says what it means")
        kind = " ".join(part for part in (_type(field.annotation), _bounds(field)) if part)
        yield f"`{field.alias or name}`", kind, _default(field), told


def _table(section: type[BaseModel]) -> list[str]:
    found = [f"| {' | '.join(row)} |" for row in rows(section)]
    return ["| key | type | default | meaning |", "|---|---|---|---|", *found, ""] if found else []


def _part(path: str, section: type[BaseModel]) -> list[str]:
    fixed = [f"`{name}: {_fixed(field)}`" for name, field in section.model_fields.items() if _fixed(field)]
    title = " with ".join([f"`{path}`" if path else "Top level", *fixed])
    lines = [f"### {title}", "", textwrap.fill(section_text(section), 120), "", *_table(section)]
    for name, field in section.model_fields.items():
        listed = "[i]" if _listed(field) else ""
        for inner in sections_in(field.annotation):
            lines += _part(f"{path}.{field.alias or name}{listed}".lstrip("."), inner)
    return lines


def tables() -> str:
    """One part for each section, in the order of the schema."""
    return "\n".join(_part("", Settings)).rstrip() + "\n"


def written(page: str) -> str:
    """The page with its tables made anew. Raises ValueError where it has no place for them."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"expected {BEGIN} and {END} in the page")
    return f"{before}{BEGIN}\n\n{tables()}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
