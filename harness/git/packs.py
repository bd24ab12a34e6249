"""Packs: many objects in one file.

Owns: writing a pack of loose objects, and merging packs into one. Does not know: which objects belong together, when.

A pack is handed to `git index-pack`, which reads every object of it, works out its id and checks the whole, before the
pack gets its name; git syncs both of its files. Only then are the loose objects removed that it holds, each of which
was hashed when it was read: a damaged one is left where it lies, for `git fsck` to tell.
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
from harness.git.store import is_id, sync

DEPTH = 50
"""So many deltas stand on one another at most, as in git's own packs."""
_BASES = 400
"""So many texts are kept for others to be made from: those that were last of use."""
_KINDS = {b"commit": 1, b"tree": 2, b"blob": 3}
_OFFSET_DELTA = 6
_INDEX = b"\xfftOc\0\0\0\2"
_INDEX_NAMES = 8 + 256 * 4
"""Where the names begin in the index of a pack, after counts of those up to each first byte."""


@dataclass(frozen=True, slots=True)
class Loose:
    """A loose object as read."""

    id: str
    kind: bytes
    data: bytes


@dataclass(frozen=True, slots=True)
class _Placed:
    """An object that others in the pack may be deltas of."""

    offset: int
    data: bytes
    depth: int


def read_loose(objects: str, object_id: str) -> Loose | None:
    """A loose object of a folder; None where it is none (any more), or is not whole."""
    if not is_id(object_id):  # an object of a foreign hand may name anything
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
    """Objects on their way into a pack. Texts that others are made from are kept meanwhile (`base`)."""

    def __init__(self, spool: Path) -> None:
        """`spool`: a file of ours, for the objects until their number is known."""
        self._spool = spool
        self._file = spool.open("w+b")
        self._offset = 12
        self._bases: OrderedDict[str, _Placed] = OrderedDict()
        self.ids: list[str] = []

    def add(self, loose: Loose, base: str = "", *, keep: bool = False) -> None:
        """Add an object, as a delta of an earlier one where that was kept and saves something; `keep` it for others."""
        kind, data, head, depth = _KINDS[loose.kind], loose.data, b"", 0
        placed = self._bases.get(base)
        if placed is not None:
            self._bases.move_to_end(base)
        if placed is not None and placed.depth < DEPTH:
            changes = delta(placed.data, data)
            if len(changes) < len(data) // 2:
                kind, data, depth = _OFFSET_DELTA, changes, placed.depth + 1
                head = _distance(self._offset - placed.offset)
        found = _head(kind, len(data)) + head + zlib.compress(data)
        self._file.write(found)
        if keep:
            self._bases[loose.id] = _Placed(self._offset, loose.data, depth)
            if len(self._bases) > _BASES:
                self._bases.popitem(last=False)
        self.ids.append(loose.id)
        self._offset += len(found)

    def has(self, object_id: str) -> bool:
        """Whether deltas can be made of an object."""
        return object_id in self._bases

    def finish(self, repository: Path, kept_open: int) -> None:
        """Have git make it a pack of the repository. Raises GitError.

        `kept_open` is a descriptor that git keeps as long as it works.
        """
        digest = hashlib.sha1(usedforsecurity=False)
        process = git_process("index-pack", "--stdin", repository=repository, kept_open=kept_open)
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        with process.stdin as given, contextlib.suppress(BrokenPipeError):  # it says why
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
        finally:  # what a full disk did not take, that raises here
            self._spool.unlink(missing_ok=True)


def remove_loose(objects: str, ids: Iterable[str]) -> None:
    """Remove loose objects that are in a pack."""
    for object_id in ids:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{objects}/{object_id[:2]}/{object_id[2:]}")  # noqa: PTH108 (as in `store`)


def object_count(index: Path) -> int:
    """How many objects a pack holds, by its index; 0 where that cannot be read."""
    try:
        with index.open("rb") as file:
            head = file.read(_INDEX_NAMES)
    except OSError:
        return 0
    return int.from_bytes(head[-4:], "big") if head.startswith(_INDEX) and len(head) == _INDEX_NAMES else 0


def packed_ids(index: Path) -> frozenset[bytes]:
    """The objects of a pack, by its index; none where that cannot be read."""
    if not (count := object_count(index)):
        return frozenset()
    data = index.read_bytes()
    return frozenset(data[at : at + 20] for at in range(_INDEX_NAMES, _INDEX_NAMES + 20 * count, 20))


def merge_packs(repository: Path, indices: list[Path], kept_open: int) -> None:
    """Make one pack of several, their deltas as they are, and remove them. Raises GitError."""
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
    # It names packs that are to go; git makes it again when it is told to.
    for path in folder.glob("multi-pack-index*"):
        path.unlink(missing_ok=True)
    merged = frozenset[bytes]().union(*(packed_ids(folder / f"pack-{name}.idx") for name in made))
    for index in indices:
        if index.stem.removeprefix("pack-") in made or not packed_ids(index) <= merged:
            continue
        for ending in (".idx", ".pack", ".rev", ".bitmap", ".mtimes"):
            index.with_suffix(ending).unlink(missing_ok=True)


def _head(kind: int, size: int) -> bytes:
    """Kind and size: four bits of the size, then seven a byte."""
    found, byte, size = bytearray(), kind << 4 | size & 0xF, size >> 4
    while size:
        found.append(byte | 0x80)
        byte, size = size & 0x7F, size >> 7
    found.append(byte)
    return bytes(found)


def _distance(number: int) -> bytes:
    """How far back the base lies: seven bits a byte, the highest first, each further byte one less."""
    found = [number & 0x7F]
    number >>= 7
    while number:
        number -= 1
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(reversed(found))
