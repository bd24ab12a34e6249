"""Durable writes to a repository: a kill or a power cut loses nothing that was reported.

Owns: how objects, refs and small files reach the disk: written under a temporary name, synced, renamed, then the
folders synced, in batches. Does not know: which refs there are, or what an object means.

Paths are plain strings here: a batch has hundreds, and `Path` takes ten times as long.

The order of a batch: write objects and refs under temporary names, sync; rename the objects, sync; rename the refs,
sync. So no ref names an object that is not on disk, and a batch of any size waits for the disk three times.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import time
from collections.abc import Collection, Iterable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Literal, Self

from gitdb import IStream
from gitdb.db import LooseObjectDB
from gitdb.stream import ZippedStoreShaWriter

IDENTITY = "packsmith <packsmith@localhost>"
TEMPORARY = "tmp_obj_"
"""Git's own prefix, so that `git prune` removes leftovers too."""
_FEW = 4
"""More files than this are synced by one `syncfs`: 0.4 ms for 16 files, where `fsync` of each took 2.7 ms. Fewer files
use `fsync`, so as not to wait for what other programs write."""


class RefLock:
    """A held `<ref>.lock`: `fill`, sync and `commit` set the ref; leaving the block without them releases the lock.

    The file itself is also locked with `flock`, which the kernel releases when the process ends in any way.
    """

    def __init__(self, path: str, descriptor: int) -> None:
        self.path = path
        self.lock = path + ".lock"
        self._descriptor = descriptor
        fcntl.flock(descriptor, fcntl.LOCK_EX)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    @property
    def folder(self) -> str:
        return _folder(self.path)

    def fill(self, object_id: str) -> None:
        """Write the ref's new id into the lock file. Raises OSError on a full disk."""
        line = f"{object_id}\n".encode()
        if os.write(self._descriptor, line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self.lock)

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

    def release(self) -> None:
        if self._descriptor >= 0:
            self._close()
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.lock)  # noqa: PTH108

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
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


class Batch:
    """Objects and refs to be written together: none has its final name before `flush`, all are durable after it."""

    def __init__(self, store: LooseObjectDB) -> None:
        self._store = store
        self._root: str = store.root_path()
        self._pending: dict[str, str] = {}
        self._present: set[str] = set()
        self._added: dict[tuple[str, bytes], str] = {}
        self._stem = f"{self._root}/{TEMPORARY}{os.getpid():x}_{time.monotonic_ns():x}_"
        self._refs: dict[RefLock, str] = {}
        self._locks: list[RefLock] = []

    def add(self, kind: Literal["blob", "tree", "commit"], data: bytes) -> str:
        """Add an object; returns its id."""
        if (kind, data) not in self._added:  # a program is added for its id, and again in the tree
            self._added[kind, data] = self._add(kind, data)
        return self._added[kind, data]

    def _add(self, kind: str, data: bytes) -> str:
        writer = ZippedStoreShaWriter()
        self._store.set_ostream(writer)
        istream = self._store.store(IStream(kind.encode(), len(data), BytesIO(data)))
        writer.close()
        object_id = str(istream.hexsha, "ascii")
        target = f"{self._root}/{object_id[:2]}/{object_id[2:]}"
        if target not in self._pending and not self._holds(target, writer.getvalue()):
            self._pending[target] = self._temporary(writer.getvalue())
        return object_id

    def tree(self, files: Mapping[str, bytes]) -> str:
        """Add a tree of plain files, and their blobs; returns its id."""
        rows = [(name.encode("ascii"), bytes.fromhex(self.add("blob", data))) for name, data in sorted(files.items())]
        return self.add("tree", b"".join(b"100644 %s\0%s" % row for row in rows))

    def commit(self, tree: str, parents: Iterable[str], message: str, when_s: int) -> str:
        """Add a commit at this Unix time; returns its id."""
        who = f"{IDENTITY} {when_s} +0000"
        lines = [f"tree {tree}", *(f"parent {parent}" for parent in parents), f"author {who}", f"committer {who}"]
        return self.add("commit", "\n".join([*lines, "", message]).encode("utf-8", "replace"))

    def keep(self, lock: RefLock) -> RefLock:
        """Release a lock when the batch ends, in any case."""
        self._locks.append(lock)
        return lock

    def put(self, lock: RefLock, object_id: str) -> None:
        """Set a ref, locked by this batch, when it ends. Refs are renamed in the order of these calls."""
        self._refs[lock] = object_id

    def flush(self) -> None:
        """Write everything durably. Raises OSError."""
        for lock, object_id in self._refs.items():
            lock.fill(object_id)
        # An object that exists already may be another writer's, not synced yet.
        settle([*self._pending.values(), *self._present, *(lock.lock for lock in self._refs)], self._root)
        folders = {_folder(target) for target in self._present}
        for target, temporary in self._pending.items():
            if _rename_into(temporary, target):
                folders.add(self._root)
            folders.add(_folder(target))
        self._pending.clear()
        settle(folders, self._root)
        for lock in self._refs:
            lock.commit()
        settle({lock.folder for lock in self._refs}, self._root)
        self.release()

    def discard(self) -> None:
        """Drop everything and release the locks."""
        for temporary in self._pending.values():
            with contextlib.suppress(OSError):
                os.unlink(temporary)  # noqa: PTH108
        self.release()

    def release(self) -> None:
        for lock in self._locks:
            with contextlib.suppress(OSError):
                lock.release()

    def _holds(self, target: str, packed: bytes) -> bool:
        """Whether the object exists with exactly these bytes; a torn one is written again."""
        try:
            with open(target, "rb") as file:  # noqa: PTH123
                same = file.read() == packed
        except OSError:
            return False
        if same:
            self._present.add(target)
        return same

    def _temporary(self, packed: bytes) -> str:
        name = f"{self._stem}{len(self._pending)}"
        descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(packed)
        except OSError:
            os.unlink(name)  # noqa: PTH108
            raise
        return name


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


def is_id(text: str) -> bool:
    """Whether a text is a whole object id, 40 hex digits."""
    return len(text) == 40 and not text.strip("0123456789abcdef")


def _sync_all(folder: str) -> bool:
    """`syncfs` the file system of a folder; False if this machine has no such call."""
    library = ctypes.CDLL(None, use_errno=True)
    if not hasattr(library, "syncfs"):
        return False
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        if library.syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), folder)
    finally:
        os.close(descriptor)
    return True


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


def _rename_into(temporary: str, target: str) -> bool:
    """Move an object to its place; True if its folder had to be created: `git prune-packed` may remove it meanwhile."""
    made = False
    while True:
        try:
            os.rename(temporary, target)  # noqa: PTH104
            return made
        except FileNotFoundError:
            if not os.path.exists(temporary):  # noqa: PTH110
                raise
            Path(target).parent.mkdir(exist_ok=True)
            made = True
