"""The contract of tasks, tried on one task file: what must hold so that its scores can be believed."""

from evaluator.contract.answering import Programs, confined_programs
from evaluator.contract.check import CLAUSES, check_task_file
from evaluator.contract.findings import Finding

__all__ = ["CLAUSES", "Finding", "Programs", "check_task_file", "confined_programs"]
