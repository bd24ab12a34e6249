"""What a task file does while it is imported, besides defining names.

Owns: which acts count, and where in the file they are. Does not know: tasks, whether an act matters.

Python reports files, sockets and processes to audit hooks, which cannot be taken off: one that is done is quiet.
"""

from __future__ import annotations

import io
import sys
import threading
from types import FrameType, TracebackType
from typing import Any, Self, TextIO

_ACTS = {
    "open": "opens a file",
    "os.listdir": "lists a folder",
    "os.scandir": "lists a folder",
    "os.mkdir": "makes a folder",
    "os.remove": "deletes a file",
    "os.rename": "moves a file",
    "socket.__new__": "opens a socket",
    "socket.getaddrinfo": "asks for an address",
    "subprocess.Popen": "starts a process",
    "os.system": "starts a process",
    "os.posix_spawn": "starts a process",
    "os.fork": "starts a process",
    "_thread.start_new_thread": "starts a thread",
}
_MOST = 10


class Watch:
    """Watches the import of one file, as a context manager. `found` then says what it did: a line and an act each."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._watching = False
        self._threads = 0
        self._streams: tuple[TextIO, TextIO] = sys.stdout, sys.stderr
        self.found: list[tuple[int, str]] = []

    def __enter__(self) -> Self:
        sys.addaudithook(self._heard)
        self._streams = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = _Told(self), _Told(self)
        self._threads, self._watching = threading.active_count(), True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watching = False
        sys.stdout, sys.stderr = self._streams
        if threading.active_count() > self._threads and not any("thread" in act for _, act in self.found):
            self.found.append((0, "starts a thread"))

    def _heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._watching or event not in _ACTS:
            return
        self.note(f"{_ACTS[event]} ({arguments[0]})" if event == "open" else _ACTS[event])

    def note(self, act: str) -> None:
        """Note an act of the file itself; importing another module, which reads files, is not one."""
        frame: FrameType | None = sys._getframe(2)
        while frame is not None and frame.f_code.co_filename != self._file:
            if "importlib" in frame.f_code.co_filename:
                return
            frame = frame.f_back
        if frame is not None and len(self.found) < _MOST and (frame.f_lineno, act) not in self.found:
            self.found.append((frame.f_lineno, act))


class _Told(io.StringIO):
    """A stream that notes that it was written to."""

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self._watch = watch

    def write(self, text: str) -> int:
        self._watch.note("prints")
        return len(text)
