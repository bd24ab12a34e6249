"""A task is one folder: nothing else of the judge, and nothing of the harness, knows its name or its other words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from evaluator import TASKS
from evaluator.tasks import eplb

DISTINCTIVE = re.compile(r"[^A-Za-z]")
"""A word of letters alone has other meanings (`even`, `triple`); any other, and the name, is the task's."""


def own_words(name: str) -> set[str]:
    """What a task alone may say: its name, entry point, columns, programs, and its options with their choices."""
    task, kind = TASKS[name]({}), TASKS[name]
    options = (*kind.options, *(kind.loads.options if kind.loads else ()))
    words = {name, task.entry_point, Path(task.reference).stem}
    for column in task.columns:
        words |= {column.key, column.heading.replace("\n", " "), column.heading.replace("\n", "\\n")}
    if task.ladder is not None:
        words |= {task.ladder.metric, *(Path(program).name for program in task.ladder.programs)}
    words |= {option.flag for option in options} | {choice for option in options for choice in option.choices}
    return {name, *(word for word in words if DISTINCTIVE.search(word))}


def lines_outside(root: Path) -> Iterator[tuple[str, str]]:
    """Every line of our code outside `evaluator/tasks/`, with where it stands."""
    tasks = root / "evaluator" / "tasks"
    for path in (*sorted((root / "evaluator").rglob("*.py")), *sorted((root / "harness").rglob("*.py"))):
        if not path.is_relative_to(tasks):
            for number, line in enumerate(path.read_text().splitlines(), start=1):
                yield f"{path.relative_to(root)}:{number}", line


@pytest.mark.parametrize("name", TASKS)
def test_no_code_outside_a_task_folder_names_the_task(root: Path, name: str) -> None:
    whole = "|".join(re.escape(word) for word in sorted(own_words(name)))
    words = re.compile(rf"(?<![\w-])({whole})(?![\w-])", re.IGNORECASE)
    found = [f"{where}: {line.strip()}" for where, line in lines_outside(root) if words.search(line)]
    assert not found, "\n".join(found)


def test_the_words_searched_for_occur_in_the_task_folder() -> None:
    """So the search above would find them elsewhere."""
    folder = Path(eplb.__file__).parent
    text = "\n".join(path.read_text() for path in folder.glob("*.py"))
    words = own_words("eplb")
    assert {"eplb", "phy2log", "same_window_balance", "rebalance_experts", "--form", "snake.py"} <= words
    assert {word for word in words if word not in text} == {"same window"}, "which is broken into two lines there"
