"""The only code that touches git: the command, durable objects, refs, and repositories."""

from harness.git.command import GitError, GitObject, merge_file, python_process, run_git
from harness.git.locks import RefLock, Sheet
from harness.git.repository import PENDING, WRITERS_LOCK, Repository
from harness.git.store import Batch, Passing
from harness.git.upkeep import Group, Pace, Read, Upkeep, usual_pace

__all__ = [
    "PENDING",
    "WRITERS_LOCK",
    "Batch",
    "GitError",
    "GitObject",
    "Group",
    "Pace",
    "Passing",
    "Read",
    "RefLock",
    "Repository",
    "Sheet",
    "Upkeep",
    "merge_file",
    "python_process",
    "run_git",
    "usual_pace",
]
