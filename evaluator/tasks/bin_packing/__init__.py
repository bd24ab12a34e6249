"""Online bin packing: each item goes to the open bin to which a priority function gives the highest score."""

from evaluator.task_protocol import TaskKind
from evaluator.tasks.bin_packing.task import build
from evaluator.tasks.item_lists.choosing import OPTIONS

KIND = TaskKind(build=build, options=OPTIONS)

__all__ = ["KIND"]
