"""`packed-refs`: many refs in one sorted file.

Owns: binary search in the file, and moving loose refs into it.
Does not know: what refs are for, loose refs.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from harness.git.command import GitError
from harness.git.disk import sync
from harness.git.locks import RefLock, Sheet

_HEAD = b"# pack-refs with: peeled fully-peeled sorted \n"
_UNPEELED = b"# pack-refs with: sorted \n"
"""Header if a ref may name a tag object: our rows have no peeled ids, so git has to peel."""
_WHOLE = re.compile(rb"(?:[0-9a-f]{40} [^\n]++\n)*+")
_NAME = 41
"""Offset of the name in a line: after the id and a blank."""


class PackedRefs:
    """The packed refs of a repository. The file is read again when it changes."""

    def __init__(self, repository: Path) -> None:
        self._path = f"{repository}/packed-refs"
        self._signature: tuple[int, ...] = ()
        self._data, self._head = b"", _HEAD
        self._last = b""
        """The name in the last row. Most names that a search asks for come after it: they are newer, or of tickets."""

    def get(self, name: str) -> str | None:
        """The id of a ref; None if it is not packed. Raises GitError if the file is torn."""
        data, key = self._read(), name.encode("utf-8", "surrogateescape")
        if key > self._last:
            return None
        at = _place(data, key)
        end = data.find(b"\n", at)
        return data[at : at + 40].decode("ascii") if at < len(data) and data[at + _NAME : end] == key else None

    def under(self, prefix: str, since: str = "") -> Iterator[tuple[str, str]]:
        """Name and id of the refs in a folder, sorted, from the name `since` on if that is given. Raises GitError if
        the file is torn.
        """
        data, start = self._read(), f"{prefix}/".encode()
        at = _place(data, since.encode() or start)
        while at < len(data) and data.startswith(start, at + _NAME):
            end = data.index(b"\n", at)
            yield data[at + _NAME : end].decode("utf-8", "surrogateescape"), data[at : at + 40].decode("ascii")
            at = end + 1

    def add(self, refs: Mapping[str, str]) -> bool:
        """Add or replace these refs, durably; False if another process is writing the file."""
        try:
            lock = RefLock(self._path)
        except FileExistsError:
            return False
        with lock:
            rows = sorted((name.encode("utf-8", "surrogateescape"), id_.encode()) for name, id_ in refs.items())
            with open(lock.descriptor, "wb", closefd=False) as file:
                data = self._read()
                file.write(self._head)
                for part in _merged(data, rows):
                    file.write(part)
            sync(lock.lock)
            lock.commit()
            sync(lock.folder)
        return True

    @property
    def locked(self) -> bool:
        """Whether a process is writing the file: a loose ref removed meanwhile may reappear in it."""
        return os.path.exists(f"{self._path}.lock")  # noqa: PTH110 (asked often: see `store`)

    def _read(self) -> bytes:
        """The rows `<id> <name>\\n`, sorted by name. Raises GitError if the file is torn."""
        try:
            stat = os.stat(self._path)  # noqa: PTH116 (asked often: see `store`)
        except FileNotFoundError:
            self._signature, self._data, self._head, self._last = (), b"", _HEAD, b""
            return b""
        signature = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
        if self._signature != signature:
            data = Path(self._path).read_bytes()
            self._data, self._signature = _rows(data, self._path), signature
            self._last = _name(self._data[self._data.rfind(b"\n", 0, -1) + 1 :])
            self._head = _HEAD if data.startswith(_HEAD) and b"\n^" not in data else _UNPEELED
        return self._data


def prune(path: str, object_id: str, sheet: Sheet) -> bool:
    """Remove a loose ref that is packed; False if it changed or is locked, maybe by a dead process."""
    with (
        contextlib.suppress(FileExistsError, FileNotFoundError),
        RefLock(path, sheet),
        open(path, "rb") as file,  # noqa: PTH123
    ):
        if file.read(41).strip() == object_id.encode():
            os.unlink(path)  # noqa: PTH108
            return True
    return False


def _rows(data: bytes, path: str) -> bytes:
    """The sorted rows of the file without its header; a file that does not say that it is sorted is sorted here.

    An invalid row means that rows are lost, each of which may be an attempt: raises GitError.
    """
    head, _, rest = data.partition(b"\n") if data.startswith(b"#") else (b"", b"", data)
    if b" sorted" in head and _WHOLE.fullmatch(rest):
        return rest
    lines = rest.split(b"\n")
    rows = [line + b"\n" for line in lines[:-1] if not re.fullmatch(rb"\^[0-9a-f]{40}", line)]
    torn = [row for row in rows if not _WHOLE.fullmatch(row)]
    if torn or lines[-1] or not data:
        text = (torn or [lines[-1]])[0][:80].decode("utf-8", "backslashreplace")
        raise GitError(
            f"{path} is torn: expected lines of an id and the name of a ref, found {text!r}. The attempts are intact, "
            f"but their refs are lost: restore the file from a copy, a mirror or a bundle of this run. Without one, "
            f"move it away; `git cat-file --batch-all-objects --batch-check` then lists the commits, the message of "
            f"each gives its attempt number (the root's has none), and `git update-ref refs/attempts/000042 COMMIT` "
            f"restores attempt 42, `git update-ref refs/heads/seed COMMIT` the root"
        )
    rows.sort(key=_name)
    return b"".join(rows)


def _name(row: bytes) -> bytes:
    return row[_NAME:-1]


def _merged(data: bytes, rows: list[tuple[bytes, bytes]]) -> Iterator[bytes]:
    """The file's rows merged with new ones, which replace rows of the same name."""
    at = 0
    for name, id_ in rows:
        place = _place(data, name)
        if place > at:
            yield data[at:place]
        at = place
        if data.startswith(name + b"\n", place + _NAME):
            at = data.index(b"\n", place) + 1
        yield id_ + b" " + name + b"\n"
    yield data[at:]


def _place(data: bytes, name: bytes) -> int:
    """The offset of the first row whose name is not before `name` (binary search)."""
    low, high = 0, len(data)
    while low < high:
        at = data.rfind(b"\n", low, (low + high) // 2) + 1 or low
        end = data.index(b"\n", at)
        if data[at + _NAME : end] < name:
            low = end + 1
        else:
            high = at
    return low
