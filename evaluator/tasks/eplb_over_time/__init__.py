"""Expert placement over time: a new placement has to pay for the weights that it moves; in one folder."""

from evaluator.task_protocol import TaskKind
from evaluator.tasks.eplb_over_time.about import OPTIONS
from evaluator.tasks.eplb_over_time.task import EplbOverTime

KIND = TaskKind(build=EplbOverTime.from_options, options=OPTIONS)

__all__ = ["KIND", "EplbOverTime"]
