"""Real processes for tests that kill them."""

from __future__ import annotations

import contextlib
import os
import signal
import traceback
from collections.abc import Callable, Iterator

Report = Callable[[int], None]


@contextlib.contextmanager
def child(work: Callable[[Report], None]) -> Iterator[tuple[int, int]]:
    """A forked process that does `work`, which reports numbers; its id, and the pipe to read them from."""
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        status = 1
        try:
            os.close(reading)
            work(lambda number: os.write(writing, b"%d\n" % number) and None)
            status = 0
        except BaseException:
            traceback.print_exc()
            raise
        finally:
            os._exit(status)
    os.close(writing)
    try:
        yield process, reading
    finally:
        os.close(reading)
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(process, 0)


def reported(reading: int, data: bytes = b"") -> list[int]:
    """All numbers that came through; a line cut by the kill was not printed."""
    while chunk := os.read(reading, 65536):
        data += chunk
    return [int(line) for line in data.decode().split("\n")[:-1]]
