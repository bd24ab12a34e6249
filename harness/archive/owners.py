"""Who is alive among the processes that work on a run.

Owns: one lock file a process, in the run's folder. Does not know: what a process works on.

A process holds an exclusive lock on a file of its own while it lives. The kernel drops the lock with the process,
however it ends, so that whoever can take it knows the owner for dead.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from pathlib import Path

ASK = "ask"
"""The owner of a ticket that is open until somebody tells its answer: no process."""
FOLDER = "owners"


class Owner:
    """This process, as the owner of tickets: a token that others can ask for."""

    def __init__(self, run: Path) -> None:
        self._folder = run / FOLDER
        self._token = ""
        self._descriptor = -1

    @property
    def token(self) -> str:
        """Unlike any other's. Asked for the first time, the lock is taken, and files of the dead are removed."""
        while not self._token:
            self._folder.mkdir(exist_ok=True)
            for path in self._folder.iterdir():
                _remove_if_dead(path)
            path = self._folder / secrets.token_hex(8)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if path.exists():
                self._token, self._descriptor = path.name, descriptor
            else:  # somebody took us for dead before we had the lock
                os.close(descriptor)
        return self._token

    def has(self, token: str) -> bool:
        """Whether a token is this process's; asking needs no right to write."""
        return token != "" and token == self._token

    def is_alive(self, token: str) -> bool:
        """Whether a token's process, another or this one, lives."""
        if not token or token == ASK:
            return False
        if token == self._token:
            return True
        try:
            descriptor = os.open(self._folder / Path(token).name, os.O_RDONLY)
        except FileNotFoundError:
            return False
        except PermissionError:  # it is not for us to say
            return True
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

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
