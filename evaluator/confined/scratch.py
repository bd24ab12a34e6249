"""Removing what an untrusted program left on the disk.

Owns: the removal of a folder, whatever its depth and its modes. Does not know: who created it.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def remove_tree(folder: Path) -> None:
    """Remove a folder that no process uses any more; leave what cannot be removed.

    Not recursive: a program creates a chain of thousands of folders in milliseconds, and such a chain overflows the
    stack and exceeds the longest path. So we empty each folder by moving its subfolders up to the top.
    """
    count = 0
    with contextlib.suppress(OSError):
        while folders := [entry for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False)]:
            for top in folders:
                Path(top.path).chmod(0o700)
                for entry in list(os.scandir(top.path)):
                    if entry.is_dir(follow_symlinks=False):
                        count += 1
                        Path(entry.path).chmod(0o700)  # moving a folder rewrites its `..`
                        Path(entry.path).rename(folder / f".moved-{os.getpid()}-{count}")
                    else:
                        Path(entry.path).unlink()
                Path(top.path).rmdir()
        for entry in list(os.scandir(folder)):
            Path(entry.path).unlink()
        folder.rmdir()
