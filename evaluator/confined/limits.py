"""What a confined process uses in all, for levels of confinement at which the kernel does not limit it.

Owns: counting a process's threads and what lies in its scratch folder. Does not know: who is killed for it.

In namespaces of its own (L2) a process has a scratch folder of bounded size and a bounded number of processes. Without
them, resource limits bound each file and each process, but not how many there are: that is looked at every LOOK_S.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

LOOK_S = 0.05
MOST_THREADS = 512
MOST_FILES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A process, the folder it may write to, and how many bytes may lie there."""

    pid: int
    scratch: str
    scratch_bytes: int


def _entries(folder: str) -> Iterator[os.DirEntry[str]]:
    """Everything below a folder, nothing behind links; what vanishes or is closed to us meanwhile is left out."""
    todo = [folder]
    while todo:
        try:
            found = list(os.scandir(todo.pop()))
        except OSError:
            continue
        yield from found
        todo += [entry.path for entry in found if entry.is_dir(follow_symlinks=False)]


def _scratch_excess(watched: Watched) -> str:
    held = 0
    for count, entry in enumerate(_entries(watched.scratch), 1):
        try:
            held += entry.stat(follow_symlinks=False).st_blocks * 512
        except OSError:
            continue
        if held > watched.scratch_bytes:
            return f"more than {watched.scratch_bytes >> 20} MB in its scratch folder"
        if count > MOST_FILES:
            return f"more than {MOST_FILES} files in its scratch folder"
    return ""


def excess(watched: Watched) -> str:
    """What the process has too much of, in words; "" where nothing is (also where it has ended)."""
    try:
        threads = len(list(os.scandir(f"/proc/{watched.pid}/task")))
    except OSError:
        return ""
    if threads > MOST_THREADS:
        return f"more than {MOST_THREADS} threads"
    return _scratch_excess(watched)
