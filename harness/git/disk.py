"""Waiting for the disk: files and folders that are synced.

Owns: `fsync`, `syncfs`, and which of them is cheaper. Does not know: git, what a file holds.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Callable, Collection
from functools import cache
from pathlib import Path

_FEW = 4
"""More files than this are synced by one `syncfs`: 0.4 ms for 16 files, where `fsync` of each took 2.7 ms. Fewer files
use `fsync`, so as not to wait for what other programs write."""


def write_file(path: Path, data: bytes) -> None:
    """Replace a small file atomically and durably. Raises OSError."""
    temporary = path.with_name(f"{path.name}.tmp")
    temporary.write_bytes(data)
    sync(temporary)
    temporary.rename(path)
    sync(path.parent)


def sync(path: Path | str) -> None:
    """`fsync` a file or a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def settle(paths: Collection[str], folder: str) -> None:
    """Sync files and folders, all on the file system of `folder`."""
    if len(paths) <= _FEW or not _sync_all(folder):
        for path in paths:
            # Upkeep and plain git may meanwhile pack objects, and remove them and their empty folders.
            with contextlib.suppress(FileNotFoundError):
                sync(path)


def folder_of(path: str) -> str:
    return path.rpartition("/")[0]


def _sync_all(folder: str) -> bool:
    """`syncfs` the file system of a folder; False if this machine has no such call."""
    syncfs = _syncfs()
    if syncfs is None:
        return False
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        if syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), folder)
    finally:
        os.close(descriptor)
    return True


@cache
def _syncfs() -> Callable[[int], int] | None:
    library = ctypes.CDLL(None, use_errno=True)
    return getattr(library, "syncfs", None)
