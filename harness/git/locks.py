"""Locks of refs: `<ref>.lock` files as git makes them, which become the refs.

Owns: how a lock is taken, filled, renamed to its ref or released, and when that of a dead writer is broken.
Does not know: which refs there are, objects, batches.

Making a file is the most expensive thing that a search asks of a disk: 0.4 ms on ext4 with many files removed shortly
before, where one more name for a file takes 0.03 ms. So locks that end in the same way share one file (`Sheet`), with
one name for each lock. A lock is still taken by making its name, which fails if the name exists.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from typing import Self

from harness.git.disk import folder_of, sync

_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV)
"""What a file system answers that has no second names for files, or no more of them."""


class Sheet:
    """A file that is the lock of many refs, which all get the same id or are only released."""

    def __init__(self, path: str) -> None:
        """`path` is where the file is made, on the file system of the refs, once it is needed."""
        self._path = path
        self._descriptor = -1
        self._filled = ""

    def link(self, lock: str) -> None:
        """Take the lock file of this name. Raises FileExistsError if it is held, FileNotFoundError without its folder,
        and OSError with an errno of `_NO_LINKS`.
        """
        if self._descriptor < 0:
            self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        try:
            os.link(self._path, lock)
        except FileNotFoundError:
            if os.path.exists(self._path):  # noqa: PTH110 (as in `store`)
                raise
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), self._path) from None  # somebody removed the sheet

    def fill(self, object_id: str) -> None:
        """Write the id into all locks on the sheet; the same one each time. Raises OSError on a full disk."""
        if self._filled not in ("", object_id):
            raise ValueError(f"expected one id for all locks on a sheet, found {self._filled} and {object_id}")
        if not self._filled:
            _write_id(self._descriptor, object_id, self._path)
            self._filled = object_id

    def close(self) -> None:
        """Remove the sheet's own name; locks that became refs keep the file."""
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path)  # noqa: PTH108 (as in `store`)


class RefLock:
    """A held `<ref>.lock`: `fill`, sync and `commit` set the ref; leaving the block without them releases the lock.

    The file itself is also locked with `flock`, which the kernel releases when the process ends in any way.
    """

    def __init__(self, path: str, sheet: Sheet | None = None) -> None:
        """Take the lock of the ref at `path`, on a sheet if given. Raises FileExistsError if it is held, and
        FileNotFoundError without its folder.
        """
        self.path = path
        self.lock = path + ".lock"
        self._sheet: Sheet | None = None
        self._descriptor = -1
        self._held = True
        if sheet is not None:
            try:
                sheet.link(self.lock)
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
            else:
                self._sheet = sheet
                return
        self._descriptor = os.open(self.lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    @property
    def folder(self) -> str:
        return folder_of(self.path)

    def fill(self, object_id: str) -> None:
        """Write the ref's new id into the lock file. Raises OSError on a full disk."""
        if self._sheet is not None:
            self._sheet.fill(object_id)
        else:
            _write_id(self._descriptor, object_id, self.lock)

    def commit(self) -> None:
        """Rename the lock file to the ref; the caller syncs the folder."""
        os.rename(self.lock, self.path)  # noqa: PTH104
        self._close()

    def write(self, object_id: str) -> None:
        """Fill, sync and commit: the ref is durable when this returns."""
        self.fill(object_id)
        sync(self.lock)
        self.commit()
        sync(self.folder)

    @property
    def descriptor(self) -> int:
        """The descriptor of a lock file that is not on a sheet."""
        assert self._sheet is None
        return self._descriptor

    def release(self) -> None:
        if self._held:
            self._close()
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.lock)  # noqa: PTH108

    def _close(self) -> None:
        self._held = False
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def lock_state(path: str) -> tuple[int, int]:
    """The identity of a ref's current lock, unique over time; (0, 0) if it is not locked."""
    try:
        stat = os.stat(f"{path}.lock")  # noqa: PTH116
    except FileNotFoundError:
        return 0, 0
    return stat.st_ino, stat.st_ctime_ns


def break_lock(path: str, state: tuple[int, int]) -> bool:
    """Remove this lock of a ref unless its writer is known to live; returns whether it was removed. Plain git takes no
    `flock`, so its locks count as dead.
    """
    with contextlib.suppress(FileNotFoundError, BlockingIOError):
        descriptor = os.open(f"{path}.lock", os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if lock_state(path) == state:  # no other process removes it now
                os.unlink(f"{path}.lock")  # noqa: PTH108
                return True
        finally:
            os.close(descriptor)
    return False


def _write_id(descriptor: int, object_id: str, path: str) -> None:
    line = f"{object_id}\n".encode()
    if os.write(descriptor, line) != len(line):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
