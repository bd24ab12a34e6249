"""Whether the head of a cluster is there: against real sockets, without Ray."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable

import pytest

from evaluator.remote.ray_head import Head
from evaluator.types import JudgeLost


def until(holds: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)


def listening(port: int = 0) -> socket.socket:
    return socket.create_server(("127.0.0.1", port))


def address(server: socket.socket) -> str:
    return "{}:{}".format(*server.getsockname())


def test_a_head_that_closes_is_lost_and_may_come_back() -> None:
    with listening() as server:
        place = address(server)
        head = Head(place, lost_after_s=0.1, every_s=0.01)
        with head:
            time.sleep(0.2)
            assert head.lost == ""
            server.close()
            until(lambda: head.lost)
            assert f"the head of the Ray cluster at {place} has not answered" in head.lost
            with listening(int(place.split(":")[1])):
                until(lambda: not head.lost)


def test_a_call_that_waits_for_a_lost_head_is_given_up_and_others_answer() -> None:
    release = threading.Event()
    with listening() as server, Head(address(server), lost_after_s=0.1, every_s=0.01) as head:
        assert head.wait_for(lambda: 7, JudgeLost) == 7
        with pytest.raises(TimeoutError, match="its own"):
            head.wait_for(lambda: _raise(TimeoutError("its own")), JudgeLost)
        server.close()
        with pytest.raises(JudgeLost, match="start the cluster again"):
            head.wait_for(release.wait, JudgeLost)
        release.set()


def _raise(error: Exception) -> None:
    raise error
