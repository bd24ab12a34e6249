"""A run of a task of one's own: its config, what it stores, and opening it without the files it was started from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evaluator import EvaluatorError, FileTask
from harness import HarnessError, Run, starts
from harness.config import PROMPTS, ConfigError, difference, load, restored
from harness.runs.judges import judge_of
from harness.runs.opened import begun, opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in starts.files(starts.OWN).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_a_config_names_a_task_file(folder: Path) -> None:
    config = load(folder / "config.yaml")
    assert isinstance(config.task, FileTask) and config.task.name == "makespan"
    assert config.reference.text() == (folder / "reference.py").read_text() and config.reference.name == "reference.py"
    stored = config.resolved()["task"]
    assert stored["name"] == "makespan" and stored["file"] == {"file": "task.py", "sha256": config.task.digest}
    assert stored["identity"]["task_file_sha256"] == config.task.digest and "/" not in json.dumps(stored)
    (folder / "task.py").write_text((folder / "task.py").read_text() + "# changed\n")
    assert [
        line.partition(":")[0] for line in difference(config.resolved(), load(folder / "config.yaml").resolved())
    ] == ["task.task_file_sha256"]


def test_a_run_that_judged_nothing_may_be_deleted_when_its_task_changes(folder: Path) -> None:
    with begun(folder / "mine", load(folder / "config.yaml")):
        pass
    (folder / "task.py").write_text((folder / "task.py").read_text() + "# changed\n")
    again = begun(folder / "mine", load(folder / "config.yaml"))
    with pytest.raises(HarnessError, match=r"Nothing was judged in it yet: .* delete the folder .*mine"), again:
        pass
    with pytest.raises(HarnessError, match=r"no such folder, did you mean .*/mine"), opened(folder / "mnie"):
        pass


@pytest.mark.parametrize("left", ["nothing", "an empty folder"])
def test_no_run_begins_without_the_prompts_that_it_shall_store(folder: Path, left: str) -> None:
    (folder / "prompts/tasks/makespan.j2").unlink()
    if left == "nothing":
        (folder / "prompts/tasks").rmdir()
        (folder / "prompts").rmdir()
    with pytest.raises(HarnessError, match="prompt templates"), begun(folder / "mine", load(folder / "config.yaml")):
        pass
    assert not (folder / "mine").exists()


@pytest.mark.parametrize(
    ("task", "text"),
    [
        ("task: nothing.py", "config.yaml:1: task.name: no such file: nothing.py"),
        ("task: {name: seed.py}", "config.yaml:1: seed.py: expected TASK, an object"),
        ("task: nothing", "a .py file of your own"),
    ],
)
def test_a_config_with_a_task_file_that_cannot_be_used(folder: Path, task: str, text: str) -> None:
    config = (folder / "config.yaml").read_text().replace("task: task.py", task)
    (folder / "config.yaml").write_text(config[config.index(task) :])
    with pytest.raises(ConfigError, match=r"config\.yaml:1") as error:
        load(folder / "config.yaml")
    assert text in str(error.value)


def test_a_task_file_has_no_shipped_name(folder: Path) -> None:
    (folder / "task.py").write_text((folder / "task.py").read_text().replace('name = "makespan"', 'name = "eplb"'))
    with pytest.raises(ConfigError, match="expected another name than that of a shipped task, found eplb"):
        load(folder / "config.yaml")


def test_a_run_needs_none_of_the_files_that_it_was_started_from(folder: Path) -> None:
    run = folder / "runs" / "first"
    with begun(run, load(folder / "config.yaml")) as made:
        digest = made.config.resolved()["task"]["file"]["sha256"]
    for name in ("config.yaml", "task.py", "reference.py", "seed.py", "prompts/tasks/makespan.j2"):
        (folder / name).unlink()
    with Run.open(run) as read:
        assert (read.task.name, read.task.quality_key, read.task.columns[0].key) == ("makespan", "evenness", "idle")
        with pytest.raises(EvaluatorError, match="has names only"):
            read.task.cases(0)
    with opened(run) as read_again:
        config = read_again.config
        assert isinstance(config.task, FileTask) and config.task.digest == digest
        assert [case.name for case in judge_of(config).cases] == ["few", "many"]
        assert "jobs on machines" in config.proposer_options.templates["tasks/makespan.j2"]
        assert list(json.loads(read_again.archive.file(PROMPTS) or "")) == ["tasks/makespan.j2"]


def test_the_task_file_of_a_run_from_elsewhere_is_not_executed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is code: only a config of the user's own, which names the same file, makes it run."""
    run = folder / "runs" / "first"
    monkeypatch.setenv("HOME", str(tmp_path / "sender"))
    with begun(run, load(folder / "config.yaml")):
        pass
    with opened(run) as read:
        assert read.config.task.name == "makespan", "the sender named the file himself"
    monkeypatch.setenv("HOME", str(tmp_path / "receiver"))  # the whole folder is the same: a copy proves nothing
    with opened(run) as read:
        assert read.task.quality_key == "evenness"
        with pytest.raises(HarnessError, match=r"came from elsewhere with its task file task\.py.*show seed:task"):
            _ = read.config
    with opened(run, str(folder / "config.yaml")) as read:
        assert read.config.task.name == "makespan"
        stored = dict(read.archive.config)
    file = str(folder / "task.py")
    for named, text in (
        ({"name": file}, "expected one of eplb"),
        ({"name": "eplb", "options": {"name": file}}, "differ"),
    ):
        del (held := stored["task"] | named)["file"]
        with pytest.raises(ConfigError, match=text):
            restored({**stored, "task": held}, program="", reference="", folder=folder)
