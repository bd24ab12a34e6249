"""Standard input as lines for an event loop, which can stop waiting for the next one at any time.

Owns: reading in a thread of its own, the longest line, what becomes of half a character, and that no child process
inherits the stream. Does not know: what the lines say.
"""

from __future__ import annotations

import asyncio
import os
import re
import threading
from collections.abc import AsyncIterator

MOST_LINE = 100_000_000
"""Bytes of one message: the longest reply, with every character escaped."""
_AHEAD = 16
_ESCAPES = re.compile(
    r"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)
"""An escaped backslash, an escaped pair, or half of one."""


class Lines:
    """The lines of standard input, from now on; whoever reads it otherwise finds it at its end."""

    def __init__(self) -> None:
        self._stream = os.fdopen(os.dup(0), "rb")
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        self._free = threading.Semaphore(_AHEAD)

    async def __aiter__(self) -> AsyncIterator[str]:
        loop = asyncio.get_running_loop()
        ready: asyncio.Queue[str | None] = asyncio.Queue()
        threading.Thread(target=self._read, args=(loop, ready), name="standard input", daemon=True).start()
        while (line := await ready.get()) is not None:
            self._free.release()
            yield line

    def _read(self, loop: asyncio.AbstractEventLoop, ready: asyncio.Queue[str | None]) -> None:
        line: str | None = ""
        while line is not None:
            self._free.acquire()
            line = self._line()
            try:
                loop.call_soon_threadsafe(ready.put_nowait, line)
            except RuntimeError:  # the loop has ended
                return

    def _line(self) -> str | None:
        """The next line; None at the end. Of one that is too long only the beginning, which is no message."""
        try:
            line = self._stream.readline(MOST_LINE)
            rest = line
            while len(rest) == MOST_LINE and not rest.endswith(b"\n"):
                rest = self._stream.readline(MOST_LINE)
        except OSError:
            return None
        return sound(line.decode("utf-8", "replace")) if line else None


def sound(line: str) -> str:
    """JSON with U+FFFD for each escaped half of a character, which the SDK refuses without an answer: agents that are
    written in JavaScript send some.
    """
    if r"\ud" not in line.lower():
        return line
    return _ESCAPES.sub(lambda found: r"\ufffd" if found["half"] else found[0], line)
