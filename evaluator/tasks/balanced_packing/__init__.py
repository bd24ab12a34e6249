"""Packing weighted items into packs of equally many: the task, its cases and its bounds, in one folder."""

from evaluator.task_protocol import TaskKind
from evaluator.tasks.balanced_packing.about import OPTIONS
from evaluator.tasks.balanced_packing.task import BalancedPacking

KIND = TaskKind(build=BalancedPacking.from_options, options=OPTIONS)

__all__ = ["KIND", "BalancedPacking"]
