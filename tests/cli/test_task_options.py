"""The options of tasks on the command line, with a second task beside the shipped one."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from evaluator import DEFAULT_TASK, TASKS
from harness.cli.commands import evaluate as verb
from harness.cli.console import UserError
from harness.cli.judge_options import takes_judge_options
from harness.cli.task_options import config_values, given, task_parameters
from tests.evaluator.tasks.toy import KIND

QUICK = ("--device", "cpu", "--budget", "0.05")
Command = Callable[..., list[str]]


@pytest.fixture
def evaluate(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """`packsmith evaluate` in an installation that has one task more; its lines."""
    monkeypatch.setitem(TASKS, "toy", KIND)
    monkeypatch.setenv("COLUMNS", "200")
    app = typer.Typer(rich_markup_mode=None)
    app.command()(takes_judge_options(inspect.unwrap(verb.evaluate)))

    def run(*arguments: object) -> list[str]:
        app(args=[str(argument) for argument in arguments], standalone_mode=False)
        return capfd.readouterr().out.splitlines()

    return run


def test_help_names_the_task_of_each_option(evaluate: Command) -> None:
    text = " ".join(" ".join(evaluate("--help")).split()).split(" Options: ")[1]
    options = ("--task", "--reference", "--case", "--trace", "--form", "--spread", "--device", "--seed", "--run")
    places = [text.index(f"{option} ") for option in options]
    assert places == sorted(places)
    assert "--spread <even|uneven> How unlike the items are. (task toy) --device" in text
    assert "all six standard cases. (task eplb) A standard case such as" in text, "each task says what it takes"
    assert "all standard cases. (task balanced_packing) --trace" in text
    assert f"[default: {DEFAULT_TASK}]" in text


@pytest.mark.slow
def test_a_second_task_is_evaluated(evaluate: Command, root: Path) -> None:
    programs = root / "tests" / "data" / "toy"
    options = ("--task", "toy", "--spread", "uneven", *QUICK, "--json")
    record, ladder = map(json.loads, evaluate(programs / "in_turn.py", "--ladder", *options))
    assert record["verdict"] == "scored" and record["task"] == "toy"
    assert list(record)[7:10] == ["quality", "evenness", "lightest_share"]
    assert record["cases"][0]["name"] == "uneven"
    assert record["environment"]["reference"].startswith("greedy.py ")
    assert ladder["ladder"] == "lightest_share" and list(ladder["rungs"]) == ["in_turn", "back_and_forth", "greedy"]


def test_an_option_of_another_task_is_refused_by_name(evaluate: Command, root: Path) -> None:
    program = root / "tests" / "data" / "toy" / "greedy.py"
    with pytest.raises(UserError, match="--form: is an option of the task eplb, and not of toy"):
        evaluate(program, "--task", "toy", "--form", "phy2log")
    with pytest.raises(UserError, match="--spread: is an option of the task toy, and not of eplb"):
        evaluate(program, "--spread", "even")


def test_tasks_may_share_a_flag() -> None:
    kinds = {**TASKS, "toy": KIND, "other": KIND}
    names = [parameter.name for parameter in task_parameters(kinds)]
    assert names == ["case", "trace", "steps_per_window", "form", "dispatch", "tokens_per_rank", "exact", "spread"]
    values = dict.fromkeys(names) | {"spread": "even", "case": ["a", "b=1"]}
    assert given(values, kinds) == {"--case": ["a", "b=1"], "--spread": "even"}
    for task in ("toy", "other"):
        assert config_values(task, {"--spread": "even"}, kinds) == {"spread": "even"}
    assert config_values("eplb", {"--case": ["a", "b=1"]}, kinds) == {"cases": ["a", {"b": 1}]}
