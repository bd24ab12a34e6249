"""The files of a new folder in which somebody starts: a config, a program, the contract, and what to do next.

Owns: which files these are, and what they are made of. Does not know: folders, any one task.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from evaluator import TASKS, JudgeSettings, shipped
from harness.config import json_schema
from harness.prompt import TaskFacts, Templates, read_templates

OWN = "new"
"""The word for a task that does not exist yet."""
CONFIG, PROGRAM, SCHEMA = "config.yaml", "seed.py", "config.schema.json"
_NAMED = ("CONTRACT.md", "README.md", CONFIG)
_FOLDERS = "configs/starts"
"""Where the templates are shipped: `named` for any task by its name, `new` with the files of a task to be written."""


def files(task: str) -> Mapping[str, str]:
    """The texts of the files by their path in the folder, for the name of a task or for OWN. Raises KeyError for
    another name.
    """
    made = _own() if task == OWN else _named(task)
    return {**made, SCHEMA: f"{json.dumps(json_schema(), indent=2, ensure_ascii=False)}\n"}


def _own() -> dict[str, str]:
    folder = shipped(f"{_FOLDERS}/{OWN}")
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(folder).as_posix(): _text(path) for path in paths}


def _named(name: str) -> dict[str, str]:
    task = TASKS[name]({})
    templates = Templates(read_templates(shipped(f"{_FOLDERS}/named")))
    values = {"task": TaskFacts.of(task), "limits": JudgeSettings()}
    made = {file: templates.render(f"{file}.j2", values) for file in _NAMED}
    return {**made, PROGRAM: _text(shipped(task.reference))}


def _text(path: Path) -> str:
    return path.read_bytes().decode()
