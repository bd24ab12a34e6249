"""Frames over a socket, with a time limit for each.

Owns: sending and receiving whole frames. Does not know: what is in them.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

from evaluator.task_file.values import SIZES_BYTES, sizes, value_of
from evaluator.types import Case


class Closed(Exception):
    """The other side hung up."""


def send(channel: socket.socket, frame: bytes, limit_s: float | None = None) -> None:
    """Send a frame. Raises Closed, and TimeoutError where nobody takes it within the limit."""
    channel.settimeout(limit_s)
    try:
        channel.sendall(frame)
    except (BrokenPipeError, ConnectionResetError) as error:
        raise Closed from error


def receive(channel: socket.socket, held: Callable[[int], Case] | None = None, limit_s: float | None = None) -> Any:
    """The value of the next frame. Raises Closed, NotSent, and TimeoutError where it does not come within the limit."""
    end = None if limit_s is None else time.monotonic() + limit_s
    text, arrays = sizes(bytes(_exactly(channel, SIZES_BYTES, end)))
    body = memoryview(_exactly(channel, text + arrays, end))
    return value_of(body[:text], body[text:], held)


def _exactly(channel: socket.socket, count: int, end: float | None) -> bytearray:
    whole = bytearray(count)
    view, got = memoryview(whole), 0
    while got < count:
        channel.settimeout(None if end is None else max(1e-3, end - time.monotonic()))
        try:
            some = channel.recv_into(view[got:])
        except ConnectionResetError:
            some = 0
        if not some:
            raise Closed
        got += some
    return whole
