"""One text as another with changes: git's delta format. Pure.

Owns: finding the lines that two texts share, and the bytes that say so. Does not know: packs, which text is whose base.

A delta is the two sizes, then instructions: copy so many bytes of the base from there, or insert these. The format is
that of git's gitformat-pack(5). Lines are matched greedily, each with the first place in the base that it is found at
or that follows on the one before: a patch changes few places, so that this finds nearly all there is.
"""

from __future__ import annotations

_MOST_COPIED = 0xFFFFFF
_MOST_INSERTED = 127


def delta(base: bytes, target: bytes) -> bytes:
    """What makes `target` of `base`."""
    found = bytearray(_size(len(base)) + _size(len(target)))
    start = _common_start(base, target)
    end = _common_end(base, target, min(len(base), len(target)) - start)
    _copy(found, 0, start)
    _lines(found, base, target[start : len(target) - end])
    _copy(found, len(base) - end, end)
    return bytes(found)


def _lines(found: bytearray, base: bytes, middle: bytes) -> None:
    """What lies between, line by line."""
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
            _copy(found, copied_from, copied_to - copied_from)
            copied_from = copied_to = 0
            inserted += line
            continue
        _insert(found, inserted)
        inserted.clear()
        _copy(found, copied_from, copied_to - copied_from)
        copied_from, copied_to = place, place + len(line)
    _insert(found, inserted)
    _copy(found, copied_from, copied_to - copied_from)


def _copy(found: bytearray, offset: int, size: int) -> None:
    while size > 0:
        part = min(size, _MOST_COPIED)
        places = [(1 << bit, offset >> 8 * bit & 0xFF) for bit in range(4)]
        places += [(16 << bit, part >> 8 * bit & 0xFF) for bit in range(3)]
        kept = [(flag, byte) for flag, byte in places if byte]
        found.append(0x80 | sum(flag for flag, _ in kept))
        found += bytes(byte for _, byte in kept)
        offset, size = offset + part, size - part


def _insert(found: bytearray, data: bytearray) -> None:
    for at in range(0, len(data), _MOST_INSERTED):
        part = data[at : at + _MOST_INSERTED]
        found.append(len(part))
        found += part


def _size(number: int) -> bytes:
    """Seven bits a byte, the lowest first; the highest bit says that more follow."""
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)


def _common_start(one: bytes, other: bytes) -> int:
    """How many bytes two texts begin with alike."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _common_end(one: bytes, other: bytes, most: int) -> int:
    """How many bytes two texts end with alike, at most so many."""
    low, high = 0, max(0, most)
    while low < high:
        middle = (low + high + 1) // 2
        if one[len(one) - middle : len(one) - low] == other[len(other) - middle : len(other) - low]:
            low = middle
        else:
            high = middle - 1
    return low
