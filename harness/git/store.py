"""Durable writes to a repository: a kill or a power cut loses nothing that was reported.

Owns: how objects and refs reach the disk: written under a temporary name, synced, renamed, then the folders synced, in
batches; and whether the objects of a batch become files of their own or one pack. Does not know: which refs there are,
or what an object means.

Paths are plain strings here: a batch has hundreds, and `Path` takes ten times as long.

The order of a batch: write objects and refs under temporary names, sync; rename the objects, sync; rename the refs,
sync. So no ref names an object that is not on disk, and a batch of any size waits for the disk three times.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Literal

from gitdb import IStream
from gitdb.db import LooseObjectDB
from gitdb.stream import ZippedStoreShaWriter

from harness.git.disk import folder_of, settle
from harness.git.locks import RefLock, Sheet
from harness.git.rounds import PASSING, ROUND, Packed, hold_pack, object_hash, pack

IDENTITY = "packsmith <packsmith@localhost>"
TEMPORARY = "tmp_obj_"
"""Git's own prefix, so that `git prune` removes leftovers too."""
MANY = 12
"""From this number of objects on, a batch puts them into one pack. A slow search, with an attempt or two in a batch,
has files of their own, since git looks an object up in each pack."""
_SEVERAL = 3
"""The same for objects that are removed soon: such a pack does not stay."""
_LEVEL, _PASSING_LEVEL = 1, 0
"""How much packs are compressed: upkeep compresses again what stays."""
_KEPT = 8192
"""How many ids of packed objects a process remembers, in order not to write a program again for each failed change of
it."""


class Passing:
    """Objects of one batch that are removed once none of their refs exists any more.

    `id`: what these refs name: the object, or a tree of all of them by the last part of the ref's name.
    """

    def __init__(self, refs: int) -> None:
        self.id = ""
        self.paths: tuple[str, ...] = ()
        self._left = refs
        self._stay = False

    def leave(self, *, stay: bool) -> bool:
        """One ref is gone or names another object; True if the files may be removed. They stay where one ref `stay`s:
        it may reappear.
        """
        self._left -= 1
        self._stay = self._stay or stay
        return self._left == 0 and not self._stay


class Batch:
    """Objects and refs to be written together: none has its final name before `flush`, all are durable after it."""

    def __init__(self, store: LooseObjectDB, packed: dict[str, None]) -> None:
        """`packed`: ids of objects that are surely in packs, oldest first; `flush` adds to it."""
        self._store = store
        self._root: str = store.root_path()
        self._packed = packed
        self._objects: dict[str, Packed] = {}
        self._held: dict[RefLock, Packed] = {}
        self._pending: dict[str, str] = {}
        self._present: set[str] = set()
        self._stem = f"{self._root}/{TEMPORARY}{os.getpid():x}_{time.monotonic_ns():x}_"
        self._refs: dict[RefLock, str] = {}
        self._locks: list[RefLock] = []
        self.sheet = Sheet(f"{self._stem}sheet")
        """For the locks of refs that are given to `hold`."""
        self._passing: Passing | None = None
        self._new: list[str] = []

    def add(self, kind: Literal["blob", "tree", "commit"], data: bytes) -> str:
        """Add an object; returns its id."""
        object_id = object_hash(kind.encode(), data)
        self._objects.setdefault(object_id, Packed(object_id, kind, data))
        return object_id

    def tree(self, files: Mapping[str, bytes]) -> str:
        """Add a tree of plain files, and their blobs; returns its id."""
        return self.add("tree", _tree({name: self.add("blob", data) for name, data in files.items()}))

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

    def hold(self, lock: RefLock, data: bytes) -> str:
        """Store a blob under a ref, locked on this batch's sheet, for a while; returns the blob's id. No other object
        may be equal to it.

        If a batch holds one blob, the ref names it; if it holds several, all their refs name a tree of them.
        """
        blob = Packed(object_hash(b"blob", data), "blob", data)
        self._held[lock] = blob
        self._refs[lock] = ""
        return blob.id

    @property
    def passing(self) -> Passing:
        """What `hold` was given, once the batch is durable."""
        assert self._passing is not None
        return self._passing

    def flush(self) -> None:
        """Write everything durably. Raises OSError."""
        self._write_held()
        self._write_lasting()
        for lock, object_id in self._refs.items():
            lock.fill(object_id)
        # An object that exists already may be another writer's, not synced yet.
        settle([*self._pending.values(), *self._present, *(lock.lock for lock in self._refs)], self._root)
        folders = {folder_of(target) for target in self._present}
        for target, temporary in self._pending.items():
            if target.endswith(".pack"):
                hold_pack(temporary, target)
            if _rename_into(temporary, target):
                folders.add(self._root)
            folders.add(folder_of(target))
        self._pending.clear()
        settle(folders, self._root)
        for lock in self._refs:
            lock.commit()
        settle({lock.folder for lock in self._refs}, self._root)
        self._remember()
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
        with contextlib.suppress(OSError):
            self.sheet.close()

    def _remember(self) -> None:
        self._packed.update(dict.fromkeys(self._new))
        while len(self._packed) > _KEPT:
            del self._packed[next(iter(self._packed))]

    def _write_held(self) -> None:
        if not self._held:
            return
        passing = self._passing = Passing(len(self._held))
        objects = list(self._held.values())
        if len(objects) > 1:
            data = _tree({lock.path.rpartition("/")[2]: blob.id for lock, blob in self._held.items()})
            objects.append(Packed(object_hash(b"tree", data), "tree", data))
        passing.id = objects[-1].id
        for lock in self._held:
            self._refs[lock] = passing.id
        if len(objects) >= _SEVERAL:
            passing.paths = self._write_pack(f"{PASSING}-{secrets.token_hex(20)}", objects, _PASSING_LEVEL)
        else:
            passing.paths = tuple(self._write_loose(each) for each in objects)

    def _write_lasting(self) -> None:
        if len(self._objects) < MANY:
            for each in self._objects.values():
                self._write_loose(each)
            return
        new = [each for each in self._objects.values() if each.id not in self._packed]
        if new:
            self._write_pack("", new, _LEVEL)
        self._new = [each.id for each in new]

    def _write_pack(self, name: str, objects: Sequence[Packed], level: int) -> tuple[str, ...]:
        """Write a pack and its index; returns the names they get. The pack gets its name first, and loses it last."""
        digest, content, index = pack(objects, level)
        stem = f"{self._root}/pack/{name or f'{ROUND}-{digest}'}"
        for target, data in ((f"{stem}.pack", content), (f"{stem}.idx", index)):
            self._temporary(target, data)
        return f"{stem}.idx", f"{stem}.pack", f"{stem}.keep"

    def _write_loose(self, each: Packed) -> str:
        """Write an object to a file of its own; returns the name it gets."""
        writer = ZippedStoreShaWriter()
        self._store.set_ostream(writer)
        self._store.store(IStream(each.kind.encode(), len(each.data), BytesIO(each.data)))
        writer.close()
        target = f"{self._root}/{each.id[:2]}/{each.id[2:]}"
        if target not in self._pending and not self._holds(target, writer.getvalue()):
            self._temporary(target, writer.getvalue())
        return target

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

    def _temporary(self, target: str, data: bytes) -> None:
        name = f"{self._stem}{len(self._pending)}"
        descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444)
        self._pending[target] = name
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)


def is_id(text: str) -> bool:
    """Whether a text is a whole object id, 40 hex digits."""
    return len(text) == 40 and not text.strip("0123456789abcdef")


def _tree(files: Mapping[str, str]) -> bytes:
    """The content of a tree of plain files, given their blobs by name."""
    rows = ((name.encode("ascii"), bytes.fromhex(blob)) for name, blob in sorted(files.items()))
    return b"".join(b"100644 %s\0%s" % row for row in rows)


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
