"""Writing to a repository's folder so that a kill or a power cut loses nothing that was reported.

Owns: how objects and small files reach the disk: written by gitdb in this process under a temporary name, synced,
renamed, their folders synced. Does not know: refs, or what an object means.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Literal

from gitdb import IStream
from gitdb.db import LooseObjectDB
from gitdb.stream import ZippedStoreShaWriter

IDENTITY = "packsmith <packsmith@localhost>"
TEMPORARY = "tmp_obj_"
"""As git names them, so that `git prune` clears strays too."""


class Batch:
    """Objects on their way to the disk: nothing is in the repository before `flush`, and all of it is durable after."""

    def __init__(self, store: LooseObjectDB) -> None:
        self._store = store
        self._root = Path(store.root_path())
        self._pending: dict[Path, Path] = {}
        self._present: set[Path] = set()

    def add(self, kind: Literal["blob", "tree", "commit"], data: bytes) -> str:
        writer = ZippedStoreShaWriter()
        self._store.set_ostream(writer)
        istream = self._store.store(IStream(kind.encode(), len(data), BytesIO(data)))
        writer.close()
        object_id = str(istream.hexsha, "ascii")
        target = self._root / object_id[:2] / object_id[2:]
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

    def flush(self) -> None:
        """Sync the objects' data, then give them their names, then sync the folders those stand in."""
        for temporary in self._pending.values():
            sync(temporary)
        folders = {target.parent for target in self._present}
        for target, temporary in self._pending.items():
            if _rename_into(temporary, target):
                folders.add(self._root)
            folders.add(target.parent)
        self._pending.clear()
        for folder in folders:
            sync(folder)

    def discard(self) -> None:
        for temporary in self._pending.values():
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)

    def _holds(self, target: Path, packed: bytes) -> bool:
        """Whether the object is there in these very bytes; a torn one is not, and is written again."""
        try:
            found = target.read_bytes() == packed
        except OSError:
            return False
        if found:
            self._present.add(target)
        return found

    def _temporary(self, packed: bytes) -> Path:
        descriptor, name = tempfile.mkstemp(prefix=TEMPORARY, dir=self._root)
        try:
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(descriptor, 0o444)
                file.write(packed)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise
        return Path(name)


def write_file(path: Path, data: bytes) -> None:
    """Replace a small file whole and durably."""
    temporary = path.with_name(f"{path.name}.tmp")
    temporary.write_bytes(data)
    sync(temporary)
    temporary.rename(path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Have a file's data, or a folder's names, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _rename_into(temporary: Path, target: Path) -> bool:
    """Move an object to its place; True where its folder had to be made. `git prune-packed` may remove it meanwhile."""
    made = False
    while True:
        try:
            temporary.rename(target)
            return made
        except FileNotFoundError:
            if not temporary.exists():
                raise
            target.parent.mkdir(exist_ok=True)
            made = True
