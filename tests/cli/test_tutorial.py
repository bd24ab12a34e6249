"""The tutorial, then the page of the Python API, typed by somebody who reads them in order: from `init` to a search.

In this process, on small loads that are measured briefly; everything else is as the pages say.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from evaluator import TASKS
from harness import Run
from harness.cli import run as packsmith
from tests.cli.runs import QUICKLY, SIZES
from tests.pages import ROOT, Page

TUTORIAL, API = (Page(path=ROOT / "harness" / name) for name in ("TUTORIAL.md", "API.md"))
TASKS_PAGE = Page(path=ROOT / "evaluator" / "tasks" / "README.md")
NUMBERS = {name: int(number) for name, number in (part.split("=") for part in SIZES.split(","))}


def prepare(folder: Path) -> None:
    """Give the config of `init` a small case, and write the files that the page says to write."""
    config = folder / "config.yaml"
    case = ", ".join(f"{name}: {number}" for name, number in NUMBERS.items())
    text, count = re.subn(r"cases: \[.*\]", f"cases: [{{name: tiny, {case}}}]", config.read_text())
    assert count == 1
    config.write_text(text)
    for name, text in TUTORIAL.files().items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)


def smaller(words: list[str]) -> list[str]:
    """The command on the small case: a search of two attempts, an evaluation of few pairs."""
    if words[0] == "search" and "--dry-run" not in words:
        if words[1:] == ["config.yaml"]:  # of the task of one's own, whose quality varies more from draw to draw
            return [*words, *QUICKLY, "-s", "judge.timing.min_pairs=8", "-s", "budget.attempts=1"]
        return [*words, *QUICKLY, "-s", "budget.attempts=2"]
    if words[0] == "evaluate":
        return [SIZES if word == "global-ep32" else word for word in words] + ["--budget", "0.01"]
    return words


def test_the_page_of_tasks_has_the_same_commands() -> None:
    """Those from an empty folder to a verdict on a task of one's own, so that the test below types them."""
    [block] = [block for block in TASKS_PAGE.blocks() if block[0][:2] == ["packsmith", "init"]]
    typed = TUTORIAL.commands()
    at = typed.index(block[0])
    assert len(block) == 6 and typed[at : at + 6] == block


def my_agent(prompt: str) -> str:
    """One who adds a comment, so that the program is known and not judged again."""
    assert "EVOLVE-BLOCK-START" in prompt
    edit = f"<<<<<<< SEARCH\nimport numpy as np\n=======\nimport numpy as np  # {len(prompt)}\n>>>>>>> REPLACE"
    return f"<NAME>\nnoted\n</NAME>\n<DESCRIPTION>\nA note.\n</DESCRIPTION>\n<DIFF>\n{edit}\n</DIFF>\n"


def test_init_overwrites_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A folder with anything in it is refused, and stays as it is."""
    folder = tmp_path / "mine"
    assert packsmith(["init", str(folder), "--json"]) == 0
    record = json.loads(capfd.readouterr().out)
    assert record["files"] == sorted(path.name for path in folder.iterdir()) and record["task"] == "eplb"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert packsmith(["init", str(folder), "--task", "new"]) == 1
    assert "expected a folder that is new or empty, found files in it: name another" in capfd.readouterr().err
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert packsmith(["init", str(tmp_path / "other"), "--task", "elpb"]) == 1
    assert f"no such task; known: {', '.join(sorted(TASKS))}, or new for your own" in capfd.readouterr().err
    assert not (tmp_path / "other").exists()
    assert packsmith(["schema"]) == 0
    assert capfd.readouterr().out.encode() == before["config.schema.json"]


@pytest.mark.slow
def test_the_tutorial_and_the_page_of_the_api(
    shared_processes: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "none-is-used")
    said = {}
    for program, *words in TUTORIAL.commands():
        if program == "cd":
            monkeypatch.chdir(Path.cwd() / words[0])
            continue
        assert program == "packsmith"
        code, printed = packsmith(smaller(words)), capfd.readouterr()
        said[words[0]] = printed.out + printed.err
        assert code == 0, (words, said[words[0]])
        if words == ["init", "packing"]:
            prepare(tmp_path / "packing")
    assert "deal: 1 block applied" in said["replay"] and (tmp_path / "packing" / "mine.py").exists()
    assert "12 of 12 clauses are kept: the task keeps the contract" in said["check-task"]
    assert re.search(r"makespan/1 [0-9a-f]{12} on cpu", said["evaluate"]) and "evenness" in said["show"]
    with Run.open(tmp_path / "own" / "runs" / "first", read_only=True) as run:
        assert len(run.attempts) == 2 and run.task.quality_key == "evenness"

    monkeypatch.chdir(tmp_path / "packing")
    with Run.open("runs/first", read_only=True) as run:
        assert [attempt.name for attempt in run.attempts][1:] == ["back_and_forth", "swaps"]
        qualities = [attempt.quality.median for attempt in run.attempts if attempt.quality is not None]
        assert len(qualities) == 3 and max(qualities[1:]) > qualities[0], "better than what it starts from"
        assert run.best is not None and run.best.program == Path("best.py").read_text()

    names: dict[str, Any] = {"my_agent": my_agent}
    for block in API.code():
        exec(compile(block, "<API.md>", "exec"), names)
    printed = capfd.readouterr()
    assert "1 back_and_forth Interval(" in printed.out and "\n4 noted Scored(" in printed.out
    frame = names["frame"]
    assert list(frame.index) == [0, 1, 2] and frame.loc[1, "quality"] == qualities[1]
    assert str(frame["same_as"].dtype) == "Int64" and frame["best"].sum() == 1
