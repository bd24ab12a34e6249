"""Removing what a stranger left on the disk.

Owns: the removal of a folder, whatever its depth and its modes. Does not know: who made it.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def remove_tree(folder: Path) -> None:
    """Remove a folder in which nothing is at work any more; what cannot be removed is left.

    Not recursive: a chain of thousands of folders, which takes a program milliseconds to make, is deeper than a stack
    and longer than a path may be. Folders are emptied by moving those below them up to the top.
    """
    count = 0
    with contextlib.suppress(OSError):
        while folders := [entry for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False)]:
            for top in folders:
                Path(top.path).chmod(0o700)
                for entry in list(os.scandir(top.path)):
                    if entry.is_dir(follow_symlinks=False):
                        count += 1
                        Path(entry.path).chmod(0o700)  # moving a folder writes its `..`
                        Path(entry.path).rename(folder / f".moved-{os.getpid()}-{count}")
                    else:
                        Path(entry.path).unlink()
                Path(top.path).rmdir()
        for entry in list(os.scandir(folder)):
            Path(entry.path).unlink()
        folder.rmdir()
