"""`check-task` as a verb, on files that break the contract; one that keeps it is checked by the tutorial's test."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.cli import run as packsmith
from tests.evaluator.task_file.hosts import edited


def test_a_broken_file_ends_with_1_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("task.py").write_text(edited(("version = 1", "version = 0")))
    assert packsmith(["check-task", "task.py"]) == 1
    lines = capfd.readouterr().out.splitlines()
    assert lines[1:4] == [
        "FAILED    members    task.py: `version`: expected a whole number of at least 1,",
        "                     found 0",
        "                     to do: correct the task file there",
    ]
    assert lines[-1] == "1 of 12 clauses are kept: correct the file, and check again"
    assert all(line.startswith("not tried ") for line in lines[4:-1])
    Path("task.py").write_text("import helpers\n")
    assert packsmith(["check-task", "task.py", "--json"]) == 1
    found = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [each["state"] for each in found] == ["FAILED", *["not tried"] * 11] and found[0]["clause"] == "import"
    assert found[0]["said"].startswith("task.py:1: No module named 'helpers'; a task is one file")
    assert packsmith(["check-task", "nothing.py"]) == 1
    assert "error: nothing.py: cannot read the task file" in capfd.readouterr().err
