"""Tasks other than the default one, driven by a model and from outside: their own prompt, patches and quality."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evaluator import TASKS, shipped
from harness.cli import run as packsmith
from tests.cli.asking import KEY, MODEL
from tests.cli.runs import QUICK
from tests.stub import Reply, Stub

Lines = Callable[..., list[dict[str, Any]]]
SMALL: dict[str, tuple[str, str, str]] = {
    "bin_packing": ("cases=[{kind: uniform, items: 60, capacity: 150, lists: 2}]", "brim_first", "keep_from_dust"),
    "circle_packing": ("circles=[5]", "shifted_rows", "gaps"),
}
"""By task: a small case, and the patches that the model and a stranger propose."""


@pytest.fixture
def lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Lines:
    """A command that has to end well, in a folder of its own; its records."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STUB_KEY", KEY)

    def run(*arguments: object) -> list[dict[str, Any]]:
        assert packsmith([*map(str, arguments), "--json"]) == 0, capfd.readouterr().err
        return [json.loads(line) for line in capfd.readouterr().out.splitlines()]

    return run


@pytest.mark.parametrize("task", SMALL)
def test_a_model_and_a_stranger_propose(task: str, lines: Lines, tmp_path: Path) -> None:
    case, first, second = SMALL[task]
    patches = [shipped(f"programs/{task}/patches/{name}.patch") for name in (first, second)]
    keys = [f"task.{case}", *QUICK, "proposer.kind=llm", f"models[0].name={MODEL}", "models[0].api_key_env=STUB_KEY"]
    with Stub(Reply(text=patches[0].read_text())) as stub:
        keys += [f"models[0].base_url={stub.base_url}", "budget.attempts=1"]
        found = lines("search", shipped(f"configs/{task}.yaml"), "--run", "run", *(f"-s{key}" for key in keys))
    [asked] = stub.asked
    assert TASKS[task]({}).entry_point in asked.messages[-1]["content"]
    seed, child = found[:2]
    assert (seed["name"], child["name"], child["verdict"]) == ("seed", first, "scored")
    key = TASKS[task]({}).quality_key
    assert child[key] == child["quality"]["value"]
    [ticket] = lines("ask", "run", "--kind", "patch")
    assert TASKS[task]({}).entry_point in ticket["prompt"] and f"{first}" in ticket["prompt"]
    [told] = lines("tell", "run", ticket["ticket"], patches[1])
    assert told["name"] == second and told["verdict"] in ("scored", "rejected")
