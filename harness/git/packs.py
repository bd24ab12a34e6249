"""Packs: many objects in one file.

Owns: writing a pack of loose objects, and merging packs. Does not know: which objects to pack together, and when.

`git index-pack` reads every object of a new pack, computes its id and checks the whole before the pack gets its name;
git syncs both of its files. Only then are the packed loose objects removed. Each was hashed when it was read: a damaged
one stays in place, where `git fsck` reports it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import zlib
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from harness.git.command import GitError, git_process, said
from harness.git.delta import delta
from harness.git.disk import sync
from harness.git.rounds import NAMES_AT, object_head
from harness.git.rounds import object_count as count_in
from harness.git.store import is_id

DEPTH = 50
"""Longest chain of deltas, as in git's own packs."""
_BASES = 400
"""LRU size of delta bases."""
OURS = "packsmith"
"""What a `.keep` file holds that upkeep removes; others stay."""
_KINDS = {b"commit": 1, b"tree": 2, b"blob": 3}
_OFFSET_DELTA = 6


@dataclass(frozen=True, slots=True)
class Loose:
    """A loose object as read."""

    id: str
    kind: bytes
    data: bytes


@dataclass(frozen=True, slots=True)
class _Placed:
    """A possible delta base in the pack."""

    offset: int
    data: bytes
    depth: int


def read_loose(objects: str, object_id: str) -> Loose | None:
    """A loose object of a folder; None if it is not loose (any more) or damaged."""
    if not is_id(object_id):  # an object of another tool may name anything
        return None
    try:
        with open(f"{objects}/{object_id[:2]}/{object_id[2:]}", "rb") as file:  # noqa: PTH123 (as in `store`)
            raw = zlib.decompress(file.read())
    except (OSError, zlib.error):
        return None
    if hashlib.sha1(raw, usedforsecurity=False).hexdigest() != object_id:
        return None
    head, _, data = raw.partition(b"\0")
    kind = head.partition(b" ")[0]
    return Loose(object_id, kind, data) if kind in _KINDS else None


class PackWriter:
    """Writes objects into a pack; recent texts stay in memory as delta bases."""

    def __init__(self, spool: Path) -> None:
        """`spool` is a temporary file for the objects until their number is known."""
        self._spool = spool
        self._file = spool.open("w+b")
        self._offset = 12
        self._bases: OrderedDict[str, _Placed] = OrderedDict()
        self.ids: list[str] = []

    def add(self, loose: Loose, base: str = "", *, keep: bool = False) -> None:
        """Add an object, as a delta of `base` if that is in memory and saves half; `keep` it as a base for others."""
        kind, data, head, depth = _KINDS[loose.kind], loose.data, b"", 0
        placed = self._bases.get(base)
        if placed is not None:
            self._bases.move_to_end(base)
        if placed is not None and placed.depth < DEPTH:
            changes = delta(placed.data, data)
            if len(changes) < len(data) // 2:
                kind, data, depth = _OFFSET_DELTA, changes, placed.depth + 1
                head = _distance(self._offset - placed.offset)
        packed = object_head(kind, len(data)) + head + zlib.compress(data)
        self._file.write(packed)
        if keep:
            self._bases[loose.id] = _Placed(self._offset, loose.data, depth)
            if len(self._bases) > _BASES:
                self._bases.popitem(last=False)
        self.ids.append(loose.id)
        self._offset += len(packed)

    def has(self, object_id: str) -> bool:
        """Whether an object is in memory as a delta base."""
        return object_id in self._bases

    def finish(self, repository: Path, kept_open: int) -> None:
        """Add the pack to the repository, durably, with a `.keep` file that holds `OURS`. Raises GitError.

        git inherits the descriptor `kept_open`, and so its lock, while it works.
        """
        digest = hashlib.sha1(usedforsecurity=False)
        process = git_process("index-pack", "--stdin", f"--keep={OURS}", repository=repository, kept_open=kept_open)
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        with process.stdin as given, contextlib.suppress(BrokenPipeError):  # its exit status says why
            self._file.seek(0)
            part = b"PACK" + (2).to_bytes(4, "big") + len(self.ids).to_bytes(4, "big")
            while part:
                digest.update(part)
                given.write(part)
                part = self._file.read(1 << 20)
            given.write(digest.digest())
            given.flush()
        with process.stdout, process.stderr as stderr:
            words = stderr.read()
        if process.wait() != 0:
            raise GitError(f"git index-pack failed in {repository}: {said(words)}")
        sync(repository / "objects/pack")

    def close(self) -> None:
        try:
            self._file.close()
        finally:  # closing flushes, which raises on a full disk
            self._spool.unlink(missing_ok=True)


def remove_loose(objects: str, ids: Iterable[str]) -> None:
    """Remove loose objects that are in a pack."""
    for object_id in ids:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{objects}/{object_id[:2]}/{object_id[2:]}")  # noqa: PTH108 (as in `store`)


def object_count(index: Path) -> int:
    """The number of objects in a pack, from its index; 0 if that is unreadable."""
    try:
        with index.open("rb") as file:
            head = file.read(NAMES_AT)
    except OSError:
        return 0
    return count_in(head)


def packed_ids(index: Path) -> frozenset[bytes]:
    """The object ids (20 bytes each) in a pack, from its index; empty if that is unreadable."""
    if not (count := object_count(index)):
        return frozenset()
    data = index.read_bytes()
    return frozenset(data[at : at + 20] for at in range(NAMES_AT, NAMES_AT + 20 * count, 20))


def merge_packs(repository: Path, indices: list[Path], kept_open: int) -> None:
    """Merge packs into one, reusing their deltas, and remove them. Raises GitError."""
    folder = repository / "objects/pack"
    process = git_process(
        *("pack-objects", "--stdin-packs", "--quiet", str(folder / "pack")),
        options=("-c", "pack.threads=1", "-c", "pack.window=0"),
        repository=repository,
        kept_open=kept_open,
    )
    names, words = process.communicate("".join(f"{index.stem}.pack\n" for index in indices).encode())
    if process.returncode != 0:
        raise GitError(f"git pack-objects failed in {repository}: {said(words)}")
    made = names.decode("ascii", "replace").split()
    sync(folder)
    # It names packs that are about to be removed; git can recreate it.
    for path in folder.glob("multi-pack-index*"):
        path.unlink(missing_ok=True)
    merged = frozenset[bytes]().union(*(packed_ids(folder / f"pack-{name}.idx") for name in made))
    for index in indices:
        if index.stem.removeprefix("pack-") in made or not packed_ids(index) <= merged:
            continue
        remove_pack(index)


def remove_pack(index: Path) -> None:
    """Remove a pack, its index first: git ignores a pack without one."""
    for ending in (".idx", ".pack", ".rev", ".bitmap", ".mtimes", ".keep"):
        index.with_suffix(ending).unlink(missing_ok=True)


def _distance(number: int) -> bytes:
    """The distance back to the base: seven bits per byte, highest first, each further byte less one."""
    out = [number & 0x7F]
    number >>= 7
    while number:
        number -= 1
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(reversed(out))
