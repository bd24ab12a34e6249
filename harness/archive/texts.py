"""Programs and replies, read from a repository.

Owns: an LRU cache of programs, and the contents of objects that are not on disk yet.
Does not know: which attempt a text belongs to.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator

from harness.archive.commits import ArchiveError
from harness.git import Repository
from harness.text import decode

_KEPT_BYTES = 4_000_000
"""LRU size, in characters of programs."""


class Texts:
    """The texts of a repository. Reading is thread-safe."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._kept: OrderedDict[str, str] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()
        self.unsettled: dict[str, bytes] = {}
        """Contents by name of objects in an unfinished batch, which git cannot read yet."""

    def program(self, blob: str, what: str) -> str:
        """A program by its blob id. Raises ArchiveError, which names it `what`."""
        with self._lock:
            if blob in self._kept:
                self._kept.move_to_end(blob)
                return self._kept[blob]
        text = self.text(self.read(blob, what), what)
        self.keep(blob, text)
        return text

    def keep(self, blob: str, text: str) -> None:
        """Cache a program: a new one is used again soon."""
        with self._lock:
            if blob in self._kept:
                return
            self._kept[blob] = text
            self._size += len(text)
            while self._size > _KEPT_BYTES and len(self._kept) > 1:
                self._size -= len(self._kept.popitem(last=False)[1])

    def has(self, blob: str) -> bool:
        """Whether a program is cached."""
        return blob in self._kept

    def read(self, name: str, what: str) -> bytes:
        """An object's content by its name. Raises ArchiveError, which names it `what`."""
        if name in self.unsettled:
            return self.unsettled[name]
        blob = self._repository.read(name)
        if blob.problem:
            raise ArchiveError(f"{self._repository.path}: {what} is {blob.problem}; `git fsck` there lists all damage")
        return blob.data

    def read_all(self, names: Iterable[str]) -> Iterator[bytes | None]:
        """The contents of objects by name, in one pass; None for one that cannot be read."""
        return (None if blob.problem else blob.data for blob in self._repository.read_all(names))

    def text(self, data: bytes, what: str) -> str:
        """The text of these bytes. Raises ArchiveError, which names it `what`, if they are not UTF-8."""
        try:
            return decode(data)
        except UnicodeDecodeError as error:
            where = self._repository.path
            raise ArchiveError(f"{where}: expected UTF-8 in {what}, which packsmith writes: {error}") from error
