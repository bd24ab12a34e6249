"""Circle packing: disjoint circles in a rectangle with the largest sum of radii, checked exactly; in one folder."""

from evaluator.task_protocol import TaskKind
from evaluator.tasks.circle_packing.task import OPTIONS, CirclePacking

KIND = TaskKind(build=CirclePacking.from_options, options=OPTIONS)

__all__ = ["KIND", "CirclePacking"]
