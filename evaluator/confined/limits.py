"""The total resource use of a confined process, for confinement levels at which the kernel does not limit it.

Owns: counting a process's threads and the contents of its scratch folder. Does not know: which process is killed for
exceeding a limit.

In its own namespaces (L2) a process has a scratch folder of bounded size and a bounded number of processes. Without
them, resource limits bound each file and each process, but not their number, which we check every LOOK_S seconds.
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
    """A process, the folder it may write to, and the number of bytes that folder may hold."""

    pid: int
    scratch: str
    scratch_bytes: int


def _entries(folder: str) -> Iterator[os.DirEntry[str]]:
    """Everything below a folder, without following links; skips what vanishes or is unreadable meanwhile."""
    todo = [folder]
    while todo:
        try:
            entries = list(os.scandir(todo.pop()))
        except OSError:
            continue
        yield from entries
        todo += [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]


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
    """Which limit the process exceeds, as text; "" if none (also if the process has ended)."""
    try:
        threads = len(list(os.scandir(f"/proc/{watched.pid}/task")))
    except OSError:
        return ""
    if threads > MOST_THREADS:
        return f"more than {MOST_THREADS} threads"
    return _scratch_excess(watched)
