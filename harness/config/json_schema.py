"""The config as a JSON Schema (draft 2020-12), for editors: they check keys, complete them and show what they mean.

Owns: how the sections become a schema, and what a schema says beside their types. Does not know: editors, files.

The schema is made of the classes that read a config, so it knows the same keys, types, limits, defaults and texts. A
config that is read is always valid under it. Some that are not read are valid too: a schema cannot say that a file has
to exist, or that two numbers have to be in order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from evaluator import TaskKind
from evaluator.tasks import TASKS
from harness.config.meanings import Meanings, meanings, section_text
from harness.config.mix_schema import MixSection
from harness.config.schema import BudgetSection, ConstrainedSection, SearchSection, Settings, TaskSection
from harness.select import SELECTORS

DIALECT = "https://json-schema.org/draft/2020-12/schema"
TASK_FILE = r"\.py$"
"""A task's name that ends so is a file that defines the task."""


class _Untitled(GenerateJsonSchema):
    """Without titles, which only repeat the names of keys."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def json_schema() -> dict[str, Any]:
    """The schema of a config file, as JSON values."""
    made = Settings.model_json_schema(schema_generator=_Untitled)
    sections = {section.__name__: section for section in _sections(Settings)}
    made.pop("title")
    parts = {Settings.__name__: made, **{name: made["$defs"][name] for name in sections if name in made["$defs"]}}
    texts = meanings()
    for name, part in parts.items():
        part.pop("title", None)
        _describe(part, sections[name], texts)
    _require_kinds(parts)
    _narrow(parts)
    held = made.pop("$defs")
    return {
        "$schema": DIALECT,
        "title": "A search of packsmith",
        **made,
        "$defs": held,
    }


def _sections(section: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """A section and all in it."""
    yield section
    todo: list[Any] = [field.annotation for field in section.model_fields.values()]
    while todo:
        held = todo.pop()
        if isinstance(held, type) and issubclass(held, BaseModel):
            yield from _sections(held)
        else:
            todo += getattr(held, "__args__", ())


def _describe(part: dict[str, Any], section: type[BaseModel], texts: Meanings) -> None:
    """Say what a section and its keys mean."""
    part["description"] = section_text(section)
    names = {field.alias or name: name for name, field in section.model_fields.items()}
    for key, held in part["properties"].items():
        text = texts.get((section.__name__, names[key]), "")
        if text:
            held["description"] = text
        for choice in (held, *held.get("anyOf", ())):
            if choice.get("format") == "date-time":  # which JSON Schema writes otherwise than YAML
                del choice["format"]
                held["examples"] = ["2030-01-31 18:00:00"]


def _require_kinds(parts: Mapping[str, dict[str, Any]]) -> None:
    """A section that is one of several is told apart by its kind, which therefore has to be written."""
    for part in parts.values():
        for held in part["properties"].values():
            told = held.pop("discriminator", None)
            for place in told["mapping"].values() if told is not None else ():
                chosen = parts[place.rpartition("/")[2]]
                chosen["required"] = list(dict.fromkeys([told["propertyName"], *chosen.get("required", ())]))


def _narrow(parts: Mapping[str, dict[str, Any]]) -> None:
    """Add what the sections check in code."""
    task = parts[TaskSection.__name__]
    task["properties"]["name"] |= {"anyOf": [{"enum": list(TASKS)}, {"pattern": TASK_FILE}]}
    task["allOf"] = [_options_of(name, kind) for name, kind in TASKS.items()]
    parts[SearchSection.__name__]["properties"]["rule"]["enum"] = list(SELECTORS)
    parts[BudgetSection.__name__]["minProperties"] = 1
    parts[MixSection.__name__]["minProperties"] = 1
    parts[ConstrainedSection.__name__]["oneOf"] = [
        {
            "properties": {"limit": {"const": "runtime"}, "within": {"type": "null"}},
            "required": ["min_speedup_over_seed"],
        },
        {
            "properties": {
                "limit": {"const": "quality"},
                "min_speedup_over_seed": {"type": "null"},
                "epsilon": {"type": "null"},
            },
            "required": ["within"],
        },
    ]
    whole = parts[Settings.__name__]["properties"]
    section = whole["task"].pop("$ref")
    named = {"enum": list(TASKS)}
    file = {"type": "string", "pattern": r"/|\.ya?ml$|\.py$"}
    whole["task"] = {**whole["task"], "anyOf": [{"$ref": section}, named, file]}


def _options_of(name: str, kind: TaskKind) -> dict[str, Any]:
    """The options of one task that it describes to the command line; it checks all of them itself."""
    described: dict[str, Any] = {}
    for option in kind.options:
        if option.key in TaskSection.model_fields:
            continue
        described[option.key] = {"description": option.help}
        if option.choices and not option.repeated:
            described[option.key]["enum"] = list(option.choices)
    return {"if": {"properties": {"name": {"const": name}}}, "then": {"properties": described}}
