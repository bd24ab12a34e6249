"""Whether the head of a Ray cluster is there.

Owns: the look at it, again and again, and when it counts as lost. Does not know: actors, judges.

Ray's library ends a process whose head has not answered for 60 seconds, from C++: no exception, no `finally`. Calls
that need the head wait for it until then. So we look ourselves, and give up sooner, with a reason.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from typing import Self, TypeVar

Outcome = TypeVar("Outcome")

LOST_AFTER_S = 30.0
"""A head that comes back sooner, as one with a store of its own does, goes on; Ray itself waits for 60 s."""
EVERY_S = 2.0
_PATIENCE_S = 3.0


class Head:
    """A thread that connects to the head every few seconds. A context manager."""

    def __init__(self, address: str, *, lost_after_s: float = LOST_AFTER_S, every_s: float = EVERY_S) -> None:
        """`address`: HOST:PORT of its global control service. `every_s`: how long it waits between two looks."""
        self.address = address
        host, _, port = address.rpartition(":")
        self._place = (host.strip("[]"), int(port))
        self._lost_after_s, self._every_s = lost_after_s, every_s
        self._lost, self._closed = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._watch, name="ray-head", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._closed.set()
        self._thread.join()

    def wait_for(self, call: Callable[[], Outcome], lost: Callable[[str], Exception]) -> Outcome:
        """What a call returns or raises that may wait for the head. Raises `lost` with the reason where the head is
        lost meanwhile; the call is left to itself then.
        """
        pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ray-call")
        try:
            future = pool.submit(call)
            while not wait([future], timeout=self._every_s).done:
                if why := self.lost:
                    raise lost(why)
            return future.result()
        finally:
            pool.shutdown(wait=False)

    @property
    def lost(self) -> str:
        """Why the head counts as lost; "" while it does not."""
        if not self._lost.is_set():
            return ""
        return (
            f"the head of the Ray cluster at {self.address} has not answered for {self._lost_after_s:.0f} s: "
            f"start the cluster again, then the same command continues"
        )

    def _watch(self) -> None:
        answered_s = time.monotonic()
        while not self._closed.wait(self._every_s):
            if self._answers():
                answered_s = time.monotonic()
                self._lost.clear()
            elif time.monotonic() - answered_s > self._lost_after_s:
                self._lost.set()

    def _answers(self) -> bool:
        try:
            with closing(socket.create_connection(self._place, timeout=_PATIENCE_S)):
                return True
        except OSError:
            return False
