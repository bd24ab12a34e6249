"""The page of config keys says what the schema says."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from pydantic import BaseModel

from evaluator.tasks.eplb.task import OPTIONS
from harness.config.model_schema import ModelSection
from harness.config.schema import BudgetSection, JudgeSection, Settings, TaskSection
from tests.config_page import BEGIN, PAGE, rows, sections_in, tables, written


def test_the_committed_page_is_the_generated_one() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == written(page), "write it anew: python -m tests.config_page"


def test_every_section_and_every_key_is_in_the_tables() -> None:
    """Walked here by another way than the generator's: by names in the schema's own JSON form."""
    text = tables()
    schema = Settings.model_json_schema()
    for name, definition in {"Settings": schema, **schema["$defs"]}.items():
        for key, held in definition.get("properties", {}).items():
            if "const" in held:
                continue
            assert f"| `{key}` |" in text, f"{name}.{key}"


def test_a_row_says_type_bounds_default_and_meaning() -> None:
    found = {row[0]: row for row in rows(BudgetSection)}
    assert found["`usd`"] == ("`usd`", "number > 0", "none", "Dollars for models, reserved before each call.")
    assert sections_in(Settings.model_fields["task"].annotation) == [TaskSection]


def test_a_row_of_a_section_says_where_it_stands_and_what_it_is_by_default() -> None:
    found = {key: (kind, default) for key, kind, default, _ in (*rows(Settings), *rows(JudgeSection))}
    assert found["`task`"] == found["`budget`"] == ("section, below", "required")
    assert found["`models`"] == found["`lanes`"] == ("list of sections, below", "empty")
    assert found["`objective`"] == ("section, below", "`kind: pareto`")
    assert found["`timing`"] == ("section, below", "its defaults")
    assert {key: default for key, _, default, _ in rows(ModelSection)}["`price`"] == "none"


def keys_below(section: type[BaseModel]) -> Iterator[str]:
    for name, field in section.model_fields.items():
        yield field.alias or name
        for inner in sections_in(field.annotation):
            yield from keys_below(inner)


def test_the_config_with_every_key_names_each_in_the_block_of_its_section() -> None:
    """Blocks are divided by empty lines; a key may stand in a comment, but as a key: with a colon behind it."""
    blocks = (PAGE.parent / "eplb.yaml").read_text(encoding="utf-8").split("\n\n")
    for name, field in Settings.model_fields.items():
        [block] = [block for block in blocks if re.search(rf"^{name}:", block, re.MULTILINE)]
        below = [key for inner in sections_in(field.annotation) for key in keys_below(inner)]
        missing = [key for key in below if not re.search(rf"(?<!\w){key}:", block)]
        assert not missing, name
        if name == "task":
            assert not [key for key in OPTIONS if not re.search(rf"(?<!\w){key}:", block)]


def test_the_options_of_the_task_are_all_told() -> None:
    static = PAGE.read_text(encoding="utf-8").partition(BEGIN)[0].partition("## Options of the task `eplb`")[2]
    told = re.findall(r"^\| `(\w+)` \|", static, re.MULTILINE)
    assert sorted([*told, "traces", "gate_traces", "final_traces"]) == sorted(OPTIONS)


def test_a_page_without_a_place_for_the_tables_is_refused() -> None:
    with pytest.raises(ValueError, match="in the page"):
        written("# A page\n")
