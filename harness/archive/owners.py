"""Which of the processes that work on a run are alive.

Owns: one lock file per process, in the run's folder. Does not know: what a process works on.

A process holds an exclusive lock on a file of its own while it lives. The kernel releases the lock when the process
ends in any way, so a process that can take the lock knows that the owner is dead.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from pathlib import Path

ASK = "ask"
"""The owner of a ticket that is open until an answer is given: no process."""
FOLDER = "owners"


class Owner:
    """This process as an owner of tickets, identified by a token."""

    def __init__(self, run: Path) -> None:
        self._folder = run / FOLDER
        self._token = ""
        self._descriptor = -1

    @property
    def token(self) -> str:
        """A unique token. The first access takes the lock and removes the files of dead processes. Raises OSError."""
        while not self._token:
            self._folder.mkdir(exist_ok=True)
            for path in self._folder.iterdir():
                _remove_if_dead(path)
            path = self._folder / secrets.token_hex(8)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if path.exists():
                self._token, self._descriptor = path.name, descriptor
            else:  # another process removed it before we had the lock
                os.close(descriptor)
        return self._token

    def has(self, token: str) -> bool:
        """Whether a token is this process's; needs no write permission."""
        return token != "" and token == self._token

    def is_alive(self, token: str) -> bool:
        """Whether the process of a token lives."""
        if not token or token == ASK:
            return False
        if token == self._token:
            return True
        try:
            descriptor = os.open(self._folder / Path(token).name, os.O_RDONLY)
        except FileNotFoundError:
            return False
        except PermissionError:  # we cannot tell
            return True
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def living(self) -> int:
        """How many other processes that own tickets are alive."""
        try:
            tokens = [path.name for path in self._folder.iterdir()]
        except OSError:
            return 0
        return sum(token != self._token and self.is_alive(token) for token in tokens)

    def close(self) -> None:
        if self._token:
            with contextlib.suppress(OSError):
                (self._folder / self._token).unlink(missing_ok=True)
            os.close(self._descriptor)
            self._token, self._descriptor = "", -1


def _remove_if_dead(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError, BlockingIOError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)
        finally:
            os.close(descriptor)
