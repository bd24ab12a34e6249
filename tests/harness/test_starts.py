"""What `packsmith init` writes: configs that load, a contract in words, and a task that keeps the contract of tasks."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from jsonschema import Draft202012Validator

from configs.starts.new.task import TASK, Makespan
from evaluator import TASKS, JudgeSettings, TaskKind, shipped
from evaluator.screen import screen
from evaluator.task_protocol import Task
from evaluator.types import Answer, Call, Case
from harness import starts
from harness.config import json_schema, load
from harness.patch import apply_reply
from harness.prompt import Frame, TaskFacts, Templates, check, read_templates
from tests.evaluator.contracts import TaskContract
from tests.evaluator.replay import answer_of, entry_of

NEW = "configs/starts/new"
PATCHES = ("longest_first", "plain_numbers", "even_out")


def write(task: str, folder: Path) -> Path:
    for name, text in starts.files(task).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize("name", TASKS)
def test_a_named_task_starts_with_a_config_that_loads(name: str, tmp_path: Path) -> None:
    folder = write(name, tmp_path)
    config = load(folder / "config.yaml")
    assert config.task.name == name and config.kind == "catalogue" and config.budget.attempts == 20
    assert screen(config.program.text(), config.task.entry_point) is None
    contract = (folder / "CONTRACT.md").read_text()
    assert config.task.entry_point in contract and "{%" not in contract and "{{" not in contract
    assert (folder / "README.md").read_text().count("\npacksmith ") == 3


@pytest.mark.parametrize("task", [*TASKS, starts.OWN])
def test_an_editor_finds_the_schema_and_the_config_is_valid_under_it(task: str) -> None:
    files = starts.files(task)
    hint, _, text = files["config.yaml"].partition("\n")
    assert hint == f"# yaml-language-server: $schema={starts.SCHEMA}" and starts.SCHEMA in files
    validator = Draft202012Validator(json_schema())
    assert [error.message for error in validator.iter_errors(yaml.safe_load(text))] == []


def test_a_new_task_has_all_that_its_readme_names() -> None:
    files = starts.files(starts.OWN)
    shown = {"task.py", "seed.py", "reference.py", "CONTRACT.md", "README.md", "config.yaml", starts.SCHEMA}
    assert set(files) == {*shown, "prompts/tasks/makespan.j2", *(f"patches/{name}.patch" for name in PATCHES)}
    compile(files["task.py"], "task.py", "exec")


def test_an_unknown_task_is_not_started() -> None:
    with pytest.raises(KeyError):
        starts.files("nothing")


def shipped_task() -> Makespan:
    """The task with its reference as it is named in the repository, and without a ladder, which needs a judge."""
    task = Makespan()
    task.reference, task.ladder = f"{NEW}/reference.py", None  # type: ignore[assignment]
    return task


def solve(source: str, case: Case) -> float:
    """The quality of a program's plan on a case."""
    answer = answer_of(entry_of(source, TASK.entry_point), TASK.call(case, 0, ()))
    return TASK.step_quality(case, 0, TASK.read(case, answer))


class TestMakespan(TaskContract):
    """The task of `init --task new` keeps what the judge relies on."""

    def make(self) -> Task:
        return shipped_task()

    def kind(self) -> TaskKind:
        return TaskKind(build=lambda options: shipped_task())

    def answer(self, task: Task, case: Case, call: Call) -> Answer:
        """Longest first, to machines in turn, back and forth."""
        durations, machines = call.args
        assert isinstance(durations, np.ndarray) and isinstance(machines, int)
        turn = np.arange(len(durations))
        plan = np.empty(len(durations), dtype=np.int64)
        dealt = np.where(turn // machines % 2, machines - 1 - turn % machines, turn % machines)
        plan[np.argsort(-durations, kind="stable")] = dealt
        return (plan,)

    def test_its_command_line_options_are_options_of_its_config(self, tmp_path: Path) -> None:
        assert self.kind().options == (), "it has none"

    def test_the_judge_never_imports_torch(self) -> None:
        """Its imports are read here, where the whole judge is imported anyway."""
        source = shipped(f"{NEW}/task.py").read_text()
        imported = re.findall(r"^(?:from|import) (\w+)", source, re.MULTILINE)
        assert set(imported) == {"__future__", "collections", "typing", "numpy", "evaluator"}


def test_every_patch_improves_on_the_seed_program_and_all_apply_together() -> None:
    """In quality, but for the one that only makes it faster."""
    seed, whole = shipped(f"{NEW}/seed.py").read_text(), shipped(f"{NEW}/seed.py").read_text()
    cases = [case for number in range(3) for case in TASK.cases(number)]
    before = [solve(seed, case) for case in cases]
    for name in PATCHES:
        text = shipped(f"{NEW}/patches/{name}.patch").read_text()
        after = [solve(apply_reply(text, seed).source, case) for case in cases]
        assert after == before if name == "plain_numbers" else sum(after) > sum(before) + 0.5, name
        whole = apply_reply(text, whole).source
    reference = shipped(f"{NEW}/reference.py").read_text()
    assert sum(solve(whole, case) for case in cases) >= sum(solve(reference, case) for case in cases) > sum(before)


def test_the_prompt_of_the_new_task_renders() -> None:
    templates = Templates(read_templates(shipped(f"{NEW}/prompts")))
    frame = Frame(task=TaskFacts.of(shipped_task()), limits=JudgeSettings())
    check(frame, templates)
    brief = templates.render("tasks/makespan.j2", {"task": frame.task, "limits": frame.limits})
    assert "def schedule(durations, machines)" in brief and "few 24 and 6, many 300 and 16" in brief
