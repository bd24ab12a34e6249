"""Writing to a repository's folder so that a kill or a power cut loses nothing that was reported.

Owns: how objects, refs and small files reach the disk: each under another name first, synced, renamed, the folders
synced; as many at once as there are. Does not know: which refs there are, or what an object means.

Paths are plain texts here: a batch has hundreds, and `Path` takes ten times as long.

The order of a batch: objects and refs under their other names, sync; objects get their names, sync; refs get theirs,
sync. So no ref names what is not on the disk, and a batch of any size waits for the disk three times.
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
"""As git names them, so that `git prune` clears strays too."""
_FEW = 4
"""More files than this are synced by one call for the whole file system: measured at .4 ms for 16 files where syncing
each took 2.7 ms. A few are not, so as not to wait for what other programs are writing."""


class RefLock:
    """`<ref>.lock`, held: `fill`, sync and `commit` make the ref; leaving without that gives the name back.

    The file itself is locked as well: the kernel drops that with the process, however it ends.
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
        line = f"{object_id}\n".encode()
        if os.write(self._descriptor, line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self.lock)

    def commit(self) -> None:
        """Give the ref its new content; its folder is still to be synced."""
        os.rename(self.lock, self.path)  # noqa: PTH104
        self._close()

    def write(self, object_id: str) -> None:
        """All of it at once: the ref is durable when this returns."""
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
    """Which lock of a ref is there, unlike any other before or after; (0, 0) for none."""
    try:
        found = os.stat(f"{path}.lock")  # noqa: PTH116
    except FileNotFoundError:
        return 0, 0
    return found.st_ino, found.st_ctime_ns


def break_lock(path: str, state: tuple[int, int]) -> bool:
    """Remove this lock of a ref unless its writer is known to live; that of plain git cannot be told."""
    with contextlib.suppress(FileNotFoundError, BlockingIOError):
        descriptor = os.open(f"{path}.lock", os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if lock_state(path) == state:  # nobody else removes it now
                os.unlink(f"{path}.lock")  # noqa: PTH108
                return True
        finally:
            os.close(descriptor)
    return False


class Batch:
    """Objects and refs on their way to the disk: nothing has its name before `flush`, and all is durable after."""

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
        if (kind, data) not in self._added:  # a program is named for its entry, and is in the tree
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
        """The tree of plain files, their blobs added first."""
        rows = [(name.encode("ascii"), bytes.fromhex(self.add("blob", data))) for name, data in sorted(files.items())]
        return self.add("tree", b"".join(b"100644 %s\0%s" % row for row in rows))

    def commit(self, tree: str, parents: Iterable[str], message: str, when_s: int) -> str:
        who = f"{IDENTITY} {when_s} +0000"
        lines = [f"tree {tree}", *(f"parent {one}" for one in parents), f"author {who}", f"committer {who}"]
        return self.add("commit", "\n".join([*lines, "", message]).encode("utf-8", "replace"))

    def keep(self, lock: RefLock) -> RefLock:
        """Release a lock when the batch ends, whether or not something was put under it."""
        self._locks.append(lock)
        return lock

    def put(self, lock: RefLock, object_id: str) -> None:
        """Have a ref that is locked by this batch name an object when it ends; refs get their names in this order."""
        self._refs[lock] = object_id

    def flush(self) -> None:
        """Make all of it durable."""
        for lock, object_id in self._refs.items():
            lock.fill(object_id)
        # What was found here already may be another writer's, who did not yet sync it.
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
        for temporary in self._pending.values():
            with contextlib.suppress(OSError):
                os.unlink(temporary)  # noqa: PTH108
        self.release()

    def release(self) -> None:
        for lock in self._locks:
            with contextlib.suppress(OSError):
                lock.release()

    def _holds(self, target: str, packed: bytes) -> bool:
        """Whether the object is there in these very bytes; a torn one is not, and is written again."""
        try:
            with open(target, "rb") as file:  # noqa: PTH123
                found = file.read() == packed
        except OSError:
            return False
        if found:
            self._present.add(target)
        return found

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
    """Replace a small file whole and durably."""
    temporary = path.with_name(f"{path.name}.tmp")
    temporary.write_bytes(data)
    sync(temporary)
    temporary.rename(path)
    sync(path.parent)


def sync(path: Path | str) -> None:
    """Have a file's data, or a folder's names, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def settle(paths: Collection[str], folder: str) -> None:
    """Have files' data and folders' names on the disk; all of them lie on the file system of `folder`."""
    if len(paths) <= _FEW or not _sync_all(folder):
        for path in paths:
            # Upkeep and plain git pack objects meanwhile and remove these, and folders that became empty.
            with contextlib.suppress(FileNotFoundError):
                sync(path)


def is_id(text: str) -> bool:
    """Whether a text is the whole id of an object."""
    return len(text) == 40 and not text.strip("0123456789abcdef")


def _sync_all(folder: str) -> bool:
    """Have everything of a file system on the disk; False where this machine has no call for that."""
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
    """Move an object to its place; True where its folder had to be made. `git prune-packed` may remove it meanwhile."""
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
