"""Deltas between texts, in git's format. Pure.

Owns: finding the lines that two texts share, and encoding a delta. Does not know: packs, which text is a delta base.

A delta is the two sizes, then instructions: copy a range of the base, or insert literal bytes. The format is that of
git's gitformat-pack(5). Lines are matched greedily, each with the line of the base after the previous match or with its
first occurrence. A patch changes few places, so this finds nearly every match.
"""

from __future__ import annotations

_MOST_COPIED = 0xFFFFFF
_MOST_INSERTED = 127


def delta(base: bytes, target: bytes) -> bytes:
    """The delta that makes `target` from `base`."""
    out = bytearray(_size(len(base)) + _size(len(target)))
    start = _common_start(base, target)
    end = _common_end(base, target, min(len(base), len(target)) - start)
    _copy(out, 0, start)
    _lines(out, base, target[start : len(target) - end])
    _copy(out, len(base) - end, end)
    return bytes(out)


def _lines(out: bytearray, base: bytes, middle: bytes) -> None:
    """Encode the part between the common start and end, line by line."""
    if not middle:
        return
    places: dict[bytes, int] = {}
    at = 0
    for line in base.splitlines(keepends=True):
        places.setdefault(line, at)
        at += len(line)
    inserted, copied_from, copied_to = bytearray(), 0, 0
    for line in middle.splitlines(keepends=True):
        if copied_to > copied_from and base.startswith(line, copied_to):
            copied_to += len(line)
            continue
        place = places.get(line)
        if place is None:
            _copy(out, copied_from, copied_to - copied_from)
            copied_from = copied_to = 0
            inserted += line
            continue
        _insert(out, inserted)
        inserted.clear()
        _copy(out, copied_from, copied_to - copied_from)
        copied_from, copied_to = place, place + len(line)
    _insert(out, inserted)
    _copy(out, copied_from, copied_to - copied_from)


def _copy(out: bytearray, offset: int, size: int) -> None:
    while size > 0:
        part = min(size, _MOST_COPIED)
        places = [(1 << bit, offset >> 8 * bit & 0xFF) for bit in range(4)]
        places += [(16 << bit, part >> 8 * bit & 0xFF) for bit in range(3)]
        kept = [(flag, byte) for flag, byte in places if byte]
        out.append(0x80 | sum(flag for flag, _ in kept))
        out += bytes(byte for _, byte in kept)
        offset, size = offset + part, size - part


def _insert(out: bytearray, data: bytearray) -> None:
    for at in range(0, len(data), _MOST_INSERTED):
        part = data[at : at + _MOST_INSERTED]
        out.append(len(part))
        out += part


def _size(number: int) -> bytes:
    """Seven bits per byte, lowest first; the highest bit says that more follow."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _common_start(base: bytes, target: bytes) -> int:
    """The length of the common prefix of two texts, in bytes."""
    low, high = 0, min(len(base), len(target))
    while low < high:
        middle = (low + high + 1) // 2
        if base[low:middle] == target[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _common_end(base: bytes, target: bytes, most: int) -> int:
    """The length of the common suffix of two texts, in bytes, at most `most`."""
    low, high = 0, max(0, most)
    while low < high:
        middle = (low + high + 1) // 2
        if base[len(base) - middle : len(base) - low] == target[len(target) - middle : len(target) - low]:
            low = middle
        else:
            high = middle - 1
    return low
