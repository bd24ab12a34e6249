"""The JSON Schema of configs agrees with the code that reads them."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from evaluator import TASKS
from harness.config import json_schema
from harness.config.schema import Settings
from tests.pages import ROOT

SHIPPED = sorted(path for path in (ROOT / "configs").rglob("*.yaml") if path.stem != "study")
SMALL: dict[str, Any] = {"task": {"name": "eplb"}, "program": "seed.py", "budget": {"attempts": 20}}


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    made = json_schema()
    Draft202012Validator.check_schema(made)
    return Draft202012Validator(made)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_shipped_config_is_valid(validator: Draft202012Validator, path: Path) -> None:
    assert [error.message for error in validator.iter_errors(yaml.safe_load(path.read_text()))] == []


def test_there_are_shipped_configs() -> None:
    assert {"quickstart.yaml", "eplb.yaml"} <= {path.name for path in SHIPPED}


def changed(place: str, value: Any) -> dict[str, Any]:
    """The small config with one key set."""
    tree = copy.deepcopy(SMALL)
    *sections, key = place.split(".")
    here = tree
    for section in sections:
        here = here.setdefault(section, {})
    here[key] = value
    return tree


GOOD: tuple[tuple[str, Any], ...] = (
    ("task.name", "eplb"),
    ("task.windows", 4),
    ("task.form", "phy2log"),
    ("seed", 2**40),
    ("run", None),
    ("models", [{"name": "a", "price": {"input": 1, "output": 2.5}, "extra": {"seed": 7, "deep": [None, {}]}}]),
    ("budget", {"deadline": "2030-01-31 18:00:00"}),
    ("objective", {"kind": "constrained", "limit": "runtime", "min_speedup_over_seed": 20}),
    ("objective", {"kind": "constrained", "limit": "quality", "within": 0.01}),
    ("objective", {"kind": "weighted", "weights": {"quality": 100, "speed": 1}}),
    ("judge.lanes", [{"device": "cuda:0", "cpus": [1, 2]}, {}]),
    ("judge.timing.budget_s", 1),
    ("proposer.from", "runs/first"),
    ("proposer.mix", {"llm": 6, "catalogue": 0.5}),
    ("search.rule", "best"),
)
BAD: tuple[tuple[str, Any], ...] = (
    ("task", {}),
    ("task.name", "elpb"),
    ("task.name", 7),
    ("program", ""),
    ("device", "gpu"),
    ("seed", -1),
    ("seed", 1.5),
    ("budget", {}),
    ("budget.attempts", 0),
    ("budget.attempts", "20"),
    ("budget.atempts", 20),
    ("models", {"name": "a"}),
    ("models", [{"nmae": "a"}]),
    ("models", [{"name": "a", "price": {"input": 1}}]),
    ("models", [{"top_p": 1.5}]),
    ("objective", {}),
    ("objective", {"kind": "best"}),
    ("objective", {"kind": "constrained", "limit": "runtime"}),
    ("objective", {"kind": "constrained", "limit": "runtime", "min_speedup_over_seed": 2, "within": 1}),
    ("objective", {"kind": "constrained", "limit": "quality", "within": 0.1, "epsilon": 0.1}),
    ("objective", {"kind": "weighted"}),
    ("judge.threads", True),
    ("judge.sandbox.require", "L4"),
    ("judge.timing.min_pairs", 2),
    ("judge.lanes", [{"cpus": [-1]}]),
    ("proposer.from_", "runs/first"),
    ("proposer.kind", "oracle"),
    ("proposer.mix", {}),
    ("proposer.mix", {"ask": 1}),
    ("proposer.mix", {"llm": -1}),
    ("search.rule", "worst"),
    ("anything", 1),
)


@pytest.mark.parametrize(("place", "value"), GOOD)
def test_what_the_reader_takes_the_schema_takes(validator: Draft202012Validator, place: str, value: Any) -> None:
    tree = changed(place, value)
    Settings.model_validate_json(json.dumps(tree))
    assert [error.message for error in validator.iter_errors(tree)] == []


@pytest.mark.parametrize(("place", "value"), BAD)
def test_what_the_reader_refuses_the_schema_refuses(validator: Draft202012Validator, place: str, value: Any) -> None:
    tree = changed(place, value)
    with pytest.raises(ValidationError):
        Settings.model_validate_json(json.dumps(tree))
    assert not validator.is_valid(tree)


def test_every_key_says_what_it_means_and_has_its_default() -> None:
    made = json_schema()
    parts = {"Settings": made, **made["$defs"]}
    keys = [(name, key, held) for name, part in parts.items() for key, held in part.get("properties", {}).items()]
    assert len(keys) > 80
    untold = [(name, key) for name, key, held in keys if "description" not in held and "const" not in held]
    assert untold == [], "write a text below the key in the schema"
    assert all(part["description"] for name, part in parts.items() if name != "JsonValue")
    defaults = {(name, key): held["default"] for name, key, held in keys if "default" in held}
    assert defaults["JudgeSection", "timeout_s"] == Settings.model_fields["judge"].default.timeout_s
    assert defaults["ProposerSection", "from"] is None and ("BudgetSection", "attempts") in defaults


def test_the_options_of_a_task_are_described_where_it_is_named() -> None:
    each = json_schema()["$defs"]["TaskSection"]["allOf"]
    assert [chosen["if"]["properties"]["name"]["const"] for chosen in each] == list(TASKS)
    chosen = each[list(TASKS).index("eplb")]
    assert chosen["then"]["properties"]["form"]["enum"] == ["triple", "phy2log"]
    assert "traces" not in chosen["then"]["properties"]
