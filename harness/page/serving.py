"""The page's server: its socket, its address, its end.

Owns: which port is taken, and how the server runs until a signal ends it. Does not know: routes, runs.
"""

from __future__ import annotations

import asyncio
import errno
import secrets
import socket
from dataclasses import dataclass
from types import FrameType

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from harness.page.app import App, Page
from harness.page.guard import Door, is_loopback
from harness.types import HarnessError

PORT = 8765
"""The port, unless one is given; the next free one if it is taken."""
HEAD_S = 15.0
"""Seconds that the head of a request may take to come."""
_TRIED = 20


class ServingError(HarnessError):
    """An address that cannot be listened on: says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the page is: a listening socket, and the address that a browser opens."""

    socket: socket.socket
    host: str
    port: int

    def url(self, token: str = "") -> str:
        host = socket.gethostname() if self.host in ("0.0.0.0", "::") else self.host
        named = f"[{host}]" if ":" in host else host
        return f"http://{named}:{self.port}/{f'?token={token}' if token else ''}"


def listen(host: str, port: int | None) -> Place:
    """A socket that listens on this port; without one, on `PORT` or the next free one. Raises ServingError."""
    ports = [port] if port is not None else range(PORT, PORT + _TRIED)
    for each in ports:
        try:
            family = socket.getaddrinfo(host, each, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
            made = socket.create_server((host, each), family=family, backlog=128)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                continue
            raise ServingError(
                f"expected an address of this machine that can be listened on, found {host}, port {each}: "
                f"{error.strerror or error}; name others with --host and --port"
            ) from error
        except OverflowError as error:
            raise ServingError(f"expected a port up to 65535, found {each}") from error
        return Place(socket=made, host=host, port=made.getsockname()[1])
    found = f"port {port}" if port is not None else f"ports {PORT} to {PORT + _TRIED - 1}"
    raise ServingError(f"expected a free port on {host}, found {found} in use: name another with --port, or 0 for any")


def door_of(place: Place, *, token: bool, names: frozenset[str], readonly: bool) -> Door:
    """What the page at this place lets in. Off the loopback interface it always demands a token."""
    away = not is_loopback(place.host)
    known = {name.lower() for name in names} | ({socket.gethostname().lower(), place.host.lower()} if away else set())
    return Door(
        token=secrets.token_urlsafe(24) if token or away else "",
        names=frozenset(known),
        any_address=away,
        cookie=f"packsmith-{place.port}",
        readonly=readonly,
    )


class _Hasty(H11Protocol):
    """Hangs up on whoever connects and does not finish the head of a request: the places are few."""

    _due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    def _watch(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            self._forget()
        elif self._due is None:
            self._due = self.loop.call_later(HEAD_S, self.transport.close)

    def _forget(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None


class Server(uvicorn.Server):
    """Ends the streams of events first, which would otherwise keep it from ending. `run` it with a place's socket."""

    def __init__(self, page: Page) -> None:
        self._app = App(page)
        config = uvicorn.Config(
            self._app.asgi,
            http=_Hasty,
            ws="none",
            loop="asyncio",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=3,
            limit_concurrency=256,
        )
        super().__init__(config)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._app.hub.close()
        super().handle_exit(sig, frame)


def serve(page: Page, place: Place) -> None:
    """Serve the page until SIGINT or SIGTERM, which is then raised again for whoever handled it before."""
    Server(page).run(sockets=[place.socket])
