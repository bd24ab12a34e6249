"""Offline bin packing: all items of a list are known before the first is packed."""

from evaluator.task_protocol import TaskKind
from evaluator.tasks.bin_packing_offline.task import build
from evaluator.tasks.item_lists.choosing import OPTIONS

KIND = TaskKind(build=build, options=OPTIONS)

__all__ = ["KIND"]
