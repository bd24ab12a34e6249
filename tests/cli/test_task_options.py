"""The options of tasks on the command line, with a second task beside the shipped one."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import typer

from evaluator import DEFAULT_TASK, TASKS, TaskFileError, file_kind
from evaluator.types import WorkloadError
from harness.cli import run as packsmith
from harness.cli.commands import evaluate as verb
from harness.cli.console import UserError
from harness.cli.judge_options import JudgeOptions, takes_judge_options
from harness.cli.own_options import named_file, with_own_options
from harness.cli.task_options import config_values, given, task_parameters
from tests.evaluator.task_file.hosts import WITH_OPTIONS, edited, in_thread
from tests.evaluator.tasks.toy import KIND

QUICK = ("--device", "cpu", "--budget", "0.05")
Command = Callable[..., list[str]]


@pytest.fixture
def evaluate(shared_processes: None, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
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


def test_a_task_file_adds_its_options(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = str(tmp_path / "task.py")
    Path(path).write_text(WITH_OPTIONS)
    assert packsmith(["evaluate", "--help", f"--task={path}"]) == 0
    text = " ".join(capfd.readouterr().out.split())
    assert "--jobs N Jobs of the small case." in text and "A case: few or many. (task" in text
    assert text.index("--jobs") < text.index("--dispatch") < text.index("--device")
    kinds = {path: file_kind(path, in_thread), **TASKS}
    options = JudgeOptions(task=path, given={"--jobs": "30", "--case": ["few"]}, kinds=kinds)
    assert options.build_task().cases(0)[0].data.shape == (8, 30)
    with pytest.raises(WorkloadError, match=r"task.py: --jobs many: invalid literal for int"):
        JudgeOptions(task=path, given={"--jobs": "many"}, kinds=kinds).build_task()
    assert packsmith(["evaluate", "x.py", "--task", path, "--form", "triple"]) == 1
    assert "--form: is an option of the task eplb, and not of " in capfd.readouterr().err


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ('flag="--jobs"', 'flag="--seed"', "--seed is an option of packsmith itself"),
        ('flag="--jobs"', 'flag="jobs"', "`OPTIONS`: expected a flag such as --jobs"),
        ('flag="--jobs"', 'flag="--case"', "`OPTIONS`: expected options with different flags"),
        ("OPTIONS = (", "OPTIONS = 3 or (", "`OPTIONS`: expected a tuple of TaskOption, found 3"),
        ("def task(", "def tusk(", "`OPTIONS`: expected a function task"),
    ],
)
def test_options_that_no_file_may_declare(before: str, after: str, why: str, tmp_path: Path) -> None:
    path = str(tmp_path / "task.py")
    Path(path).write_text(edited((before, after), source=WITH_OPTIONS))
    with pytest.raises((UserError, TaskFileError), match=why):
        with_own_options(verb.evaluate, ["evaluate", "--task", path], partial(file_kind, start=in_thread))


def test_the_last_task_that_a_line_names_counts() -> None:
    assert named_file(["evaluate", "--task", "a.py", "x.py", "--task=b.py"]) == "b.py"
    assert named_file(["evaluate", "a.py", "--task", "eplb", "--task"]) == named_file(["--", "--task=b.py"]) == ""
    assert with_own_options(verb.evaluate, ["evaluate", "x.py"]) is verb.evaluate


def test_tasks_may_share_a_flag() -> None:
    kinds = {**TASKS, "toy": KIND, "other": KIND}
    names = [parameter.name for parameter in task_parameters(kinds)]
    assert names[:6] == ["case", "trace", "steps_per_window", "form", "dispatch", "tokens_per_rank"]
    assert names[-1] == "spread" and len(set(names)) == len(names)
    values = dict.fromkeys(names) | {"spread": "even", "case": ["a", "b=1"]}
    assert given(values, kinds) == {"--case": ["a", "b=1"], "--spread": "even"}
    for task in ("toy", "other"):
        assert config_values(task, {"--spread": "even"}, kinds) == {"spread": "even"}
    assert config_values("eplb", {"--case": ["a", "b=1"]}, kinds) == {"cases": ["a", {"b": 1}]}
