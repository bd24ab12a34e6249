"""The tasks the judge knows, by name. A new task is a folder and a line here: see `README.md`."""

from __future__ import annotations

from evaluator.task_protocol import TaskKind
from evaluator.tasks import balanced_packing, bin_packing, bin_packing_offline, circle_packing, eplb, eplb_over_time

TASKS: dict[str, TaskKind] = {
    "eplb": eplb.KIND,
    "balanced_packing": balanced_packing.KIND,
    "bin_packing": bin_packing.KIND,
    "bin_packing_offline": bin_packing_offline.KIND,
    "circle_packing": circle_packing.KIND,
    "eplb_over_time": eplb_over_time.KIND,
}

DEFAULT_TASK, *_ = TASKS
"""The task of a command line that names none: the first."""
