"""Tasks other than the default one, driven by a model and from outside: their own prompt, patches and quality."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evaluator import shipped
from harness.cli import run as packsmith
from tests.cli.asking import KEY, MODEL
from tests.cli.runs import QUICK
from tests.stub import Reply, Stub

Lines = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def lines(
    shared_processes: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Lines:
    """A command that has to end well, in a folder of its own; its records."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STUB_KEY", KEY)

    def run(*arguments: object) -> list[dict[str, Any]]:
        assert packsmith([*map(str, arguments), "--json"]) == 0, capfd.readouterr().err
        return [json.loads(line) for line in capfd.readouterr().out.splitlines()]

    return run


def searched(lines: Lines, task: str, *keys: str) -> list[dict[str, Any]]:
    options = (f"-s{key}" for key in (*keys, *QUICK, "budget.attempts=1"))
    return lines("search", shipped(f"configs/{task}.yaml"), "--run", "run", *options)


def patch_of(task: str, name: str) -> Path:
    return shipped(f"programs/{task}/patches/{name}.patch")


def test_a_model_changes_a_priority_function(lines: Lines) -> None:
    case = "task.cases=[{kind: uniform, items: 60, capacity: 150, lists: 2}]"
    model = (f"models[0].name={MODEL}", "models[0].api_key_env=STUB_KEY", "proposer.kind=llm")
    with Stub(Reply(text=patch_of("bin_packing", "keep_from_dust").read_text())) as stub:
        seed, child, *_ = searched(lines, "bin_packing", case, *model, f"models[0].base_url={stub.base_url}")
    [asked] = stub.asked
    assert "def priority(" in asked.messages[-1]["content"]
    assert (seed["name"], child["name"], child["verdict"]) == ("seed", "keep_from_dust", "scored")
    assert child["bound_share"] == child["quality"]["value"] and child["quality"]["name"] == "bound_over_bins"


def test_a_stranger_packs_circles(lines: Lines) -> None:
    searched(lines, "circle_packing", "task.circles=[5]", "proposer.kind=ask")
    [ticket] = lines("ask", "run", "--kind", "patch")
    assert "def pack_circles(n" in ticket["prompt"]
    [told] = lines("tell", "run", ticket["ticket"], patch_of("circle_packing", "shifted_rows"))
    assert (told["name"], told["verdict"], told["share"]) == ("shifted_rows", "scored", told["quality"]["value"])
