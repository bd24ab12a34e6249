"""Expert-parallel load balancing (EPLB): the task, its workloads and its metrics, in one folder."""

from evaluator.task_protocol import TaskKind
from evaluator.tasks.eplb.about import OPTIONS
from evaluator.tasks.eplb.engines import ENGINES
from evaluator.tasks.eplb.task import Eplb

KIND = TaskKind(build=Eplb.from_options, options=OPTIONS, engines=ENGINES)

__all__ = ["KIND", "Eplb"]
