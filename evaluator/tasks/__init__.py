"""The problems the judge knows, by name. Adding one is a folder and a line here; `README.md` says how."""

from __future__ import annotations

from evaluator.task_protocol import TaskKind
from evaluator.tasks import eplb

TASKS: dict[str, TaskKind] = {
    "eplb": eplb.KIND,
}

DEFAULT_TASK, *_ = TASKS
"""What the command line takes for the task where none is named: the first."""
