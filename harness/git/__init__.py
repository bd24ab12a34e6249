"""The only code that touches git: the command, durable objects, refs, and repositories."""

from harness.git.command import GitError, GitObject, merge_file, python_process, run_git
from harness.git.repository import WRITERS_LOCK, Repository
from harness.git.store import Batch, RefLock
from harness.git.upkeep import Group, Pace, Read, Upkeep, usual_pace

__all__ = [
    "WRITERS_LOCK",
    "Batch",
    "GitError",
    "GitObject",
    "Group",
    "Pace",
    "Read",
    "RefLock",
    "Repository",
    "Upkeep",
    "merge_file",
    "python_process",
    "run_git",
    "usual_pace",
]
