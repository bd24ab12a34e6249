"""The only code that touches git: the command, durable objects, refs, and repositories."""

from harness.git.command import GitError, GitObject, python_process, run_git
from harness.git.locks import RefLock, Sheet
from harness.git.merging import Conflict, Piece, merge_file, merge_pieces
from harness.git.repository import PENDING, WRITERS_LOCK, Repository
from harness.git.store import Batch, Passing
from harness.git.upkeep import Group, Pace, Read, Upkeep, usual_pace

__all__ = [
    "PENDING",
    "WRITERS_LOCK",
    "Batch",
    "Conflict",
    "GitError",
    "GitObject",
    "Group",
    "Pace",
    "Passing",
    "Piece",
    "Read",
    "RefLock",
    "Repository",
    "Sheet",
    "Upkeep",
    "merge_file",
    "merge_pieces",
    "python_process",
    "run_git",
    "usual_pace",
]
