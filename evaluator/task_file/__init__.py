"""Tasks of one's own: one Python file outside the package, answered for by a process of its own.

The file is code that its user wrote: it is trusted to be benign, and not to be correct.
"""

from evaluator.task_file.checking import Unfit
from evaluator.task_file.declared import file_kind
from evaluator.task_file.opening import identified, kind_of, open_task_file
from evaluator.task_file.process import TaskFileError
from evaluator.task_file.task import FileTask, is_task_file, stored_task

__all__ = [
    "FileTask",
    "TaskFileError",
    "Unfit",
    "file_kind",
    "identified",
    "is_task_file",
    "kind_of",
    "open_task_file",
    "stored_task",
]
