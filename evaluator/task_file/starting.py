"""Starting the process of a task file, and ending it with all that it started.

Owns: the session of such a process, its output on its way to ours, and its end. Does not know: what is asked.

The process leads a session of its own. What a task file forks stays in it and is killed with it. Such a child holds
copies of the socket and of the pipe, so neither says that the process ended: the kernel does, through its descriptor.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from evaluator.confined.supervisor import clean_environment

MOST_OUTPUT = 1 << 16
"""Bytes that the process of a task file may print; what is beyond is left out."""
_LEFT_OUT = b"\n... a task file prints more than %d bytes: the rest is left out\n" % MOST_OUTPUT
_PATIENCE_S = 2.0
_CODE = (
    "import sys; sys.path.insert(0, {root!r}); from evaluator.task_file.host import main; del sys.path[0]; "
    "main({descriptor})"
)
Started = tuple[socket.socket, Callable[[], str]]
"""A channel to a host, and what ends it and says how it ended."""


def start() -> Started:
    """A new process that serves a host. What it prints goes to our standard error."""
    ours, theirs = socket.socketpair()
    root = str(Path(__file__).resolve().parents[2])
    output, printed = os.pipe()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-I", "-c", _CODE.format(root=root, descriptor=theirs.fileno())],
            env=clean_environment(tempfile.gettempdir()),
            stdin=subprocess.DEVNULL,
            stdout=printed,  # what the task prints must not get among our results
            stderr=printed,
            pass_fds=(theirs.fileno(),),
            cwd="/",
            start_new_session=True,
        )
    os.close(printed)
    watched = os.pidfd_open(process.pid)
    watch = threading.Thread(target=_watch, args=(watched, output, ours), daemon=True)
    watch.start()

    def end() -> str:
        ours.close()
        poll = select.poll()
        poll.register(watched, select.POLLIN)
        by_itself = bool(poll.poll(_PATIENCE_S * 1000))
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)  # not reaped yet, so the number is still its own
        code = process.wait()
        watch.join()
        os.close(watched)
        return f"exit code {code}" if by_itself else "it had to be killed"

    return ours, end


def _watch(watched: int, output: int, channel: socket.socket) -> None:
    """Pass on what the process prints until it ends; then end the channel for whoever waits at it."""
    left = MOST_OUTPUT
    os.set_blocking(output, False)
    poll = select.poll()
    poll.register(watched, select.POLLIN)
    poll.register(output, select.POLLIN)
    ended = False
    while not ended:
        ended = watched in (descriptor for descriptor, _ in poll.poll())
        try:
            text = os.read(output, MOST_OUTPUT)
        except BlockingIOError:
            continue
        if not text and not ended:
            poll.unregister(output)  # nobody holds the other end
        _pass_on(text[: max(0, left)] + (_LEFT_OUT if left >= 0 and len(text) > left else b""))
        left -= len(text)  # below 0: it was said that the rest is left out
    os.close(output)
    with contextlib.suppress(OSError):
        channel.shutdown(socket.SHUT_RDWR)


def _pass_on(text: bytes) -> None:
    with contextlib.suppress(OSError):  # nobody reads our standard error any more
        while text:
            text = text[os.write(2, text) :]
