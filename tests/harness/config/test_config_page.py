"""The page of config keys says what the schema says."""

from __future__ import annotations

import re

import pytest

from evaluator.tasks.eplb.task import OPTIONS
from harness.config.schema import BudgetSection, Settings, TaskSection
from tests.config_page import BEGIN, PAGE, rows, sections_in, tables, written


def test_the_committed_page_is_the_generated_one() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == written(page), "write it anew: python -m tests.config_page"


def test_every_section_and_every_key_is_in_the_tables() -> None:
    """Walked here by another way than the generator's: by names in the schema's own JSON form."""
    text = tables()
    for name, definition in Settings.model_json_schema()["$defs"].items():
        for key, held in definition.get("properties", {}).items():
            if "$ref" in str(held) or "const" in held:
                continue
            assert f"| `{key}` |" in text, f"{name}.{key}"


def test_a_row_says_type_bounds_default_and_meaning() -> None:
    found = {row[0]: row for row in rows(BudgetSection)}
    assert found["`usd`"] == ("`usd`", "number > 0", "none", "Dollars for models, reserved before each call.")
    assert sections_in(Settings.model_fields["task"].annotation) == [TaskSection]


def test_the_options_of_the_task_are_all_told() -> None:
    static = PAGE.read_text(encoding="utf-8").partition(BEGIN)[0].partition("## Options of the task `eplb`")[2]
    told = re.findall(r"^\| `(\w+)` \|", static, re.MULTILINE)
    assert sorted([*told, "traces"]) == sorted(OPTIONS)


def test_a_page_without_a_place_for_the_tables_is_refused() -> None:
    with pytest.raises(ValueError, match="in the page"):
        written("# A page\n")
