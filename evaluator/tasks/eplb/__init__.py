"""Expert-parallel load balancing (EPLB): the task, its workloads and its metrics, in one folder."""

from evaluator.tasks.eplb.task import Eplb

__all__ = ["Eplb"]
