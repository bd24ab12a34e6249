"""Confined processes that outlive a judge: the next judge goes on with them.

To start them costs a second of processor time, most of it for importing torch. Every worker is a process of its own all
the same, forked for one judge under that judge's settings. For tests of verdicts; those of how a judge starts, stops
and cleans up start their own.
"""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from evaluator.confined.scratch import remove_tree
from evaluator.executors import EXECUTORS, LocalExecutor, Ready
from evaluator.settings import JudgeSettings

KEPT = "kept"
"""What `Judge(executor=...)` is told."""
Processes = tuple[str, subprocess.Popen[bytes] | None, socket.socket | None, Ready]


class Store(Protocol):
    """Where processes are between two judges. `take` gives None if it has none, `put` tells whether it keeps them."""

    def take(self) -> Processes | None: ...
    def put(self, processes: Processes) -> bool: ...


class KeptExecutor(LocalExecutor):
    """Takes processes from a store, if it has any, and leaves its own there."""

    def __init__(self, settings: JudgeSettings, store: Store) -> None:
        super().__init__(settings)
        self._store = store

    def _start(self) -> None:
        taken = self._store.take()
        if taken is None:
            super()._start()
        else:
            self._folder, self._process, self._control, self._ready = taken
            self._asking = False

    def _stop(self) -> None:
        used = self._ready is not None
        if used and not self._asking and not self._workers and self._store.put(self.processes()):
            self._ready = self._process = self._control = None
        else:
            if self._process is None:  # a fork's, which are told to end: another process holds the socket too
                super().abort()
            super()._stop()

    def abort(self) -> None:
        """What has hung up is not kept."""
        super().abort()
        self._asking = True

    def processes(self) -> Processes:
        """Its processes, once they are ready."""
        return self._folder, self._process, self._control, self.ready


class Several:
    """The processes of one test process, as many as its judges needed at once."""

    def __init__(self) -> None:
        self._left: list[Processes] = []

    def take(self) -> Processes | None:
        return self._left.pop() if self._left else None

    def put(self, processes: Processes) -> bool:
        self._left.append(processes)
        return True

    def finish(self) -> None:
        """End all of them."""
        for folder, process, control, _ in self._left:
            assert process is not None and control is not None
            control.close()
            process.wait()
            remove_tree(Path(folder))


class Spare:
    """The processes of one executor, for the forks of the process that started it: one fork after the other has them,
    the others start their own. So does every later one, if a fork was killed or interrupted while it had them.
    """

    def __init__(self) -> None:
        self._owner = LocalExecutor(JudgeSettings(require="L0"))
        self._owner._start()
        self._file = Path(self._owner._folder, "taken")
        self._lock = -1

    def wait(self) -> None:
        """Until they can be used."""
        _ = self._owner.ready

    def take(self) -> Processes | None:
        if self._lock >= 0:
            return None
        try:  # opened in each fork, since what a fork inherits would not exclude another
            lock = os.open(self._file, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:  # a fork had to end them
            return None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.pread(lock, 1, 0):
                raise BlockingIOError
        except BlockingIOError:
            os.close(lock)
            return None
        os.pwrite(lock, b"!", 0)
        self._lock = lock
        return self._owner._folder, None, self._owner._control, self._owner.ready

    def put(self, processes: Processes) -> bool:
        if processes[0] != self._owner._folder:
            return False
        os.ftruncate(self._lock, 0)
        os.close(self._lock)
        self._lock = -1
        return True


@contextmanager
def kept(name: str = KEPT) -> Iterator[None]:
    """Such an executor has this name meanwhile."""
    store, before = Several(), dict(EXECUTORS)
    EXECUTORS[name] = lambda settings: KeptExecutor(settings, store)
    try:
        yield
    finally:
        EXECUTORS.clear()
        EXECUTORS.update(before)
        store.finish()
