"""The tasks the judge knows, by name. A new task is a folder and a line here: see `README.md`."""

from __future__ import annotations

from evaluator.task_protocol import TaskKind
from evaluator.tasks import balanced_packing, eplb

TASKS: dict[str, TaskKind] = {
    "eplb": eplb.KIND,
    "balanced_packing": balanced_packing.KIND,
}

DEFAULT_TASK, *_ = TASKS
"""The task of a command line that names none: the first."""
