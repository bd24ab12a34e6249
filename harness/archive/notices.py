"""What users tell a running search: advice for the prompts, and requests to stop.

Owns: `refs/advice/000001` and the file `stop`. Does not know: searches, prompts.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from pathlib import Path

from harness.archive.opening import disk_advice, repository_at, root_of
from harness.git import Repository
from harness.git.disk import write_file
from harness.text import decode, encode

ADVICE = "refs/advice"
STOP = "stop"


class Notices:
    """The notices of an open archive. Checking for a new one costs one look-up of a file name."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._advice: tuple[str, ...] = ()
        self._stop = self._stop_now()

    def advise(self, text: str) -> int:
        """Store a piece of advice durably; returns its number, from 1."""
        with self._repository.batch() as batch:
            number = len(self.advice()) + 1
            while (lock := self._repository.reserve(_ref(number))) is None:
                number += 1
            batch.put(batch.keep(lock), batch.add("blob", encode(text)))
        return number

    def advice(self) -> tuple[str, ...]:
        """All advice, oldest first; an unreadable piece is an empty text."""
        while object_id := self._repository.ref(_ref(len(self._advice) + 1)):
            blob = self._repository.read(object_id)
            try:
                text = "" if blob.problem else decode(blob.data)
            except UnicodeDecodeError:
                text = ""
            self._advice = (*self._advice, text)
        return self._advice

    def ask_to_stop(self) -> None:
        """Ask every search on this run to start nothing new, finish what is in progress, and end."""
        write_file(self._repository.path / STOP, f"{secrets.token_hex(8)}\n".encode())

    def listen(self) -> None:
        """Ignore requests to stop that were made before now."""
        self._stop = self._stop_now()

    def stop_asked(self) -> bool:
        """Whether a stop was requested since the archive was opened, or since `listen`."""
        return self._stop_now() != self._stop

    def _stop_now(self) -> bytes:
        try:
            return (self._repository.path / STOP).read_bytes()
        except FileNotFoundError:
            return b""


@contextlib.contextmanager
def notices_of(path: Path) -> Iterator[Notices]:
    """The notices of the run at `path`, without its attempts. Raises ArchiveError, also for an OSError in the block."""
    repository = repository_at(path)
    try:
        root_of(repository)
        with disk_advice(path, "the notice", "all attempts are safe"):
            yield Notices(repository)
    finally:
        repository.close()


def _ref(number: int) -> str:
    return f"{ADVICE}/{number:06d}"
