"""Programs and replies, read from a repository.

Owns: the few programs that are kept in memory, and those that are still on their way to the disk.
Does not know: which attempt is which.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

from harness.archive.commits import ArchiveError
from harness.git import Repository
from harness.text import decode

_KEPT_BYTES = 4_000_000


class Texts:
    """The texts of a repository. Reading is safe in any thread."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._kept: OrderedDict[str, str] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()
        self.unsettled: dict[str, bytes] = {}
        """Names and contents of what is being written and cannot be read yet."""

    def program(self, blob: str, what: str) -> str:
        """A text by its blob. Raises ArchiveError, which calls it `what`."""
        with self._lock:
            if blob in self._kept:
                self._kept.move_to_end(blob)
                return self._kept[blob]
        text = self.text(self.read(blob, what), what)
        self._keep(blob, text)
        return text

    def read(self, name: str, what: str) -> bytes:
        """Raises ArchiveError."""
        if name in self.unsettled:
            return self.unsettled[name]
        found = self._repository.read(name)
        if found.problem:
            raise ArchiveError(
                f"{self._repository.path}: {what} is {found.problem}; `git fsck` there lists all that is damaged"
            )
        return found.data

    def text(self, data: bytes, what: str) -> str:
        """Raises ArchiveError."""
        try:
            return decode(data)
        except UnicodeDecodeError as error:
            where = self._repository.path
            raise ArchiveError(f"{where}: expected UTF-8 in {what}, which packsmith writes: {error}") from error

    def _keep(self, blob: str, text: str) -> None:
        with self._lock:
            if blob in self._kept:
                return
            self._kept[blob] = text
            self._size += len(text)
            while self._size > _KEPT_BYTES and len(self._kept) > 1:
                self._size -= len(self._kept.popitem(last=False)[1])
