"""Small packs: the objects of one batch in one file, with its index.

Owns: encoding a pack of whole objects and its index, and reading such a pack.
Does not know: which objects are in one batch, when a file is synced or renamed, packs of deltas (`packs`).

A search at full speed makes a hundred objects in a batch. As files of their own they would take a hundred files to be
made and removed; here they take two. Upkeep puts them into larger packs, with deltas, and removes these.

Each has a `.keep` file: a plain `git repack -ad` drops packed objects that no ref leads to yet, unless their pack is
kept. What it must never see is an object in a kept pack and in one that is not kept, since it then drops the latter,
while we remove the former. So upkeep keeps the larger pack too until it has removed these.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import struct
import zlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

ROUND, PASSING = "round", "passing"
"""How the names of these packs begin: packs of objects that stay, and of objects that are removed soon. Git reads any
pack in `objects/pack` whatever its name."""
KINDS = {"commit": 1, "tree": 2, "blob": 3}
_NAMES = {number: name.encode() for name, number in KINDS.items()}
_HEAD = 12
_INDEX = b"\xfftOc\0\0\0\2"
NAMES_AT = 8 + 256 * 4
"""Offset of the object ids in a pack's index, after the fan-out table."""


@dataclass(frozen=True, slots=True)
class Packed:
    """An object to be packed: id (40 hex digits), kind and content."""

    id: str
    kind: str
    data: bytes


def pack(objects: Sequence[Packed], level: int) -> tuple[str, bytes, bytes]:
    """A pack's check sum (40 hex digits), its content and its index, compressed at a level from 0 to 9."""
    parts = [b"PACK" + (2).to_bytes(4, "big") + len(objects).to_bytes(4, "big")]
    places, offset = {}, _HEAD
    for each in objects:
        part = object_head(KINDS[each.kind], len(each.data)) + zlib.compress(each.data, level)
        places[bytes.fromhex(each.id)] = zlib.crc32(part), offset
        parts.append(part)
        offset += len(part)
    content = b"".join(parts)
    digest = hashlib.sha1(content, usedforsecurity=False).digest()
    return digest.hex(), content + digest, _index(places, digest)


def _index(places: Mapping[bytes, tuple[int, int]], digest: bytes) -> bytes:
    """The index of a pack with this check sum, from check sum and offset of each object; version 2 of git's
    gitformat-pack(5), for packs below 2 GiB.
    """
    ids = sorted(places)
    counts = Counter(object_id[0] for object_id in ids)
    sums, offsets = zip(*(places[object_id] for object_id in ids), strict=True)
    parts = [
        _INDEX,
        struct.pack(">256L", *accumulate(counts[first] for first in range(256))),
        *ids,
        struct.pack(f">{2 * len(ids)}L", *sums, *offsets),
        digest,
    ]
    content = b"".join(parts)
    return content + hashlib.sha1(content, usedforsecurity=False).digest()


class RoundPack:
    """A pack that `pack` made, on the disk."""

    def __init__(self, index: Path) -> None:
        """Raises OSError, and ValueError for the index of another pack or a torn one."""
        self.index = index
        self._data = index.with_suffix(".pack").read_bytes()
        names = index.read_bytes()
        count = object_count(names)
        if not count or len(names) < NAMES_AT + 28 * count + 40:
            raise ValueError(f"expected the index of a pack at {index}, found something else")
        ids = [names[at : at + 20].hex() for at in range(NAMES_AT, NAMES_AT + 20 * count, 20)]
        offsets = struct.unpack_from(f">{count}L", names, NAMES_AT + 24 * count)
        ordered = sorted(offsets)
        ends = dict(zip(ordered, [*ordered[1:], len(self._data) - 20], strict=True))
        self._places = {object_id: (offset, ends[offset]) for object_id, offset in zip(ids, offsets, strict=True)}

    @property
    def ids(self) -> Set[str]:
        """The ids of its objects."""
        return self._places.keys()

    @property
    def commits(self) -> Iterator[str]:
        """The ids of its commits."""
        for object_id, (start, _) in self._places.items():
            if self._data[start : start + 1] and self._data[start] >> 4 & 7 == KINDS["commit"]:
                yield object_id

    def read(self, object_id: str) -> tuple[bytes, bytes] | None:
        """Kind and content of an object; None if it is not here, or damaged."""
        start, end = self._places.get(object_id, (0, 0))
        raw = self._data[start:end]
        try:
            kind = _NAMES[raw[0] >> 4 & 7]
            head = next(at for at, byte in enumerate(raw) if not byte & 0x80) + 1
            data = zlib.decompress(raw[head:])
        except (LookupError, StopIteration, zlib.error):
            return None
        return (kind, data) if object_hash(kind, data) == object_id else None


def hold_pack(file: str, target: str) -> None:
    """Make the `.keep` file of the pack that is about to be named `target`: another name of any `file`, since what it
    holds does not matter. Raises OSError.
    """
    keep = f"{target.removesuffix('.pack')}.keep"
    try:
        os.link(file, keep)
    except FileExistsError:
        pass
    except OSError:  # a file system without links
        os.close(os.open(keep, os.O_WRONLY | os.O_CREAT, 0o444))


def sweep_passing(folder: Path, named: Collection[str]) -> None:
    """Remove the packs of passing objects of which none is `named`; only while nothing writes."""
    for path in folder.glob(f"{PASSING}-*.pack"):
        index = path.with_suffix(".idx")
        with contextlib.suppress(OSError, ValueError):
            if not index.exists() or RoundPack(index).ids.isdisjoint(named):
                for each in (index, path, path.with_suffix(".keep")):
                    each.unlink(missing_ok=True)


def object_count(index: bytes) -> int:
    """The number of objects in a pack, from the head of its index; 0 if that is not one."""
    return int.from_bytes(index[NAMES_AT - 4 : NAMES_AT], "big") if index.startswith(_INDEX) else 0


def object_hash(kind: bytes, data: bytes) -> str:
    """The id of an object."""
    return hashlib.sha1(b"%s %d\0" % (kind, len(data)) + data, usedforsecurity=False).hexdigest()


def object_head(kind: int, size: int) -> bytes:
    """Kind and size of an object in a pack: four bits of the size, then seven per byte."""
    out, byte, size = bytearray(), kind << 4 | size & 0xF, size >> 4
    while size:
        out.append(byte | 0x80)
        byte, size = size & 0x7F, size >> 7
    out.append(byte)
    return bytes(out)
