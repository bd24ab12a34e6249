"""A judge in a process of its own on this machine: its Python code waits for no other judge's.

Owns: this process, the channel to it, and how its end is noticed on both sides. Does not know: what the messages say.

The process is started afresh, with an environment from an allow-list, in a session of its own: Ctrl-C reaches the
command alone, which then stops its judges. When the command ends, for any reason, the channel closes, and the process
ends with all that is below it; when the process ends, its supervisor notices and kills what is below.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import IO

from evaluator.remote.messages import Event, JudgeSpec, dumps, loads
from evaluator.remote.serving import Serving
from evaluator.types import JudgeLost

_PASSED_ON = frozenset(
    {
        *("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV"),
        *("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "CUDA_HOME", "CUDA_PATH", "NVIDIA_VISIBLE_DEVICES"),
        *("NVIDIA_DRIVER_CAPABILITIES", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR"),
    }
)
_CODE = "import sys; sys.path[:] = {path!r}; from evaluator.remote.process import main; main({descriptor})"
_LENGTH = struct.Struct(">Q")
_PATIENCE_S = 8.0


class ProcessLine:
    """The way to a judge in a process of its own. `place` says what it measures on: "core 1"."""

    elsewhere = False

    def __init__(self, place: str) -> None:
        self.shown = f"the judge of {place}"
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        self._errors: IO[bytes] | None = None
        self._writing = threading.Lock()

    def open(self, spec: JudgeSpec) -> None:
        """Start the process; it makes its judge meanwhile."""
        ours, theirs = socket.socketpair()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed by `close`)
        path = [entry or str(Path.cwd()) for entry in sys.path]
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _CODE.format(path=path, descriptor=theirs.fileno())],
                env={name: value for name, value in os.environ.items() if name in _PASSED_ON},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._errors,
                start_new_session=True,
                pass_fds=(theirs.fileno(),),
            )
        self._channel = ours
        self.post(dumps(spec))

    def arrive(self, patience_s: float = 0.0) -> None:
        """It was started here and now."""

    def post(self, order: bytes) -> None:
        channel = self._channel
        if channel is None:
            raise JudgeLost(f"{self.shown} is not at work")
        try:
            with self._writing:
                send(channel, order)
        except OSError:
            raise self._lost() from None

    def events(self) -> list[Event]:
        assert self._channel is not None, "the judge is used outside its `with`"
        try:
            data = receive(self._channel)
        except OSError:
            data = None
        if data is None:
            raise self._lost()
        event: Event = loads(data)
        return [event]

    def close(self) -> None:
        """End the process, and wait for that."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        if self._process is not None:
            try:
                self._process.wait(_PATIENCE_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        if self._errors is not None:
            self._errors.close()
            self._errors = None

    def _lost(self) -> JudgeLost:
        """How the process ended, as an error."""
        assert self._process is not None and self._errors is not None
        try:
            code = self._process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            return JudgeLost(f"{self.shown} closed its channel")
        if code < 0:
            return JudgeLost(f"{self.shown} was ended by signal {-code} ({signal.strsignal(-code)})")
        self._errors.seek(0)
        told = self._errors.read()[-1500:].decode("utf-8", "replace").strip()
        return JudgeLost(f"{self.shown} ended with exit code {code}{': ' + told if told else ''}")


def send(channel: socket.socket, message: bytes) -> None:
    """Send one message. Raises OSError."""
    channel.sendall(_LENGTH.pack(len(message)) + message)


def receive(channel: socket.socket) -> bytes | None:
    """Receive one message; None at the end. Raises OSError."""
    head = _exactly(channel, _LENGTH.size)
    return None if head is None else _exactly(channel, _LENGTH.unpack(head)[0])


def _exactly(channel: socket.socket, size: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < size:
        part = channel.recv(min(size - len(parts), 1 << 20))
        if not part:
            return None
        parts += part
    return bytes(parts)


def main(descriptor: int) -> None:
    """The process: a judge that serves this channel until it closes."""
    with socket.socket(fileno=descriptor) as channel:
        data = receive(channel)
        if data is None:
            return
        serving = Serving(loads(data))
        telling = threading.Thread(target=_tell, args=(channel, serving), name="events", daemon=True)
        telling.start()
        with contextlib.suppress(OSError):
            while (order := receive(channel)) is not None:
                serving.post(loads(order))
        serving.close()


def _tell(channel: socket.socket, serving: Serving) -> None:
    """Send what happens, until the judge has ended: then, or after a bug, nobody must wait for more."""
    with contextlib.suppress(OSError):
        try:
            while happened := serving.events():
                for event in happened:
                    send(channel, dumps(event))
        finally:
            channel.shutdown(socket.SHUT_RDWR)
