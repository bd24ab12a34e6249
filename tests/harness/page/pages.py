"""A real page on the loopback interface for tests: runs of the toy program, a server in a thread, a client that sends
any header.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluator import TASKS
from harness.archive import Archive
from harness.archive.feed import Feed
from harness.cli.answering import Verbs
from harness.config import load
from harness.page.app import Page
from harness.page.run import Run, Subject
from harness.page.serving import Place, Server, door_of, listen
from tests.harness.archive.archives import family
from tests.harness.builders import PROGRAM

PATIENCE_S = 20.0


def new(path: Path, **changes: Any) -> Archive:
    """An archive with the config of a search, as a page needs it, but for these changes."""
    config = {**load("configs/quickstart.yaml").resolved(), **changes}
    return Archive.create(path, seed_source=PROGRAM, config=config)


def small(path: Path) -> Path:
    """A run with a seed, two children, a crossover and a refused reply."""
    with new(path) as archive:
        family(archive)
    return path


def followed(path: Path, place: int = 0, for_s: float = PATIENCE_S) -> Run:
    """The run as a page follows it, read once for about `for_s` seconds."""
    run = Run(Subject(folder=path, name=path.name, task=TASKS[next(iter(TASKS))]({})), Feed(path), place)
    run.poll(for_s=for_s)
    assert run.problem == ""
    return run


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """An answer: its status, its headers, its body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        assert self.headers["content-type"].startswith("application/json"), self.headers
        return json.loads(self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Asks the page at a place; `host` is the Host header that it sends."""

    place: Place
    token: str

    @property
    def host(self) -> str:
        return f"{self.place.host}:{self.place.port}"

    def __call__(self, path: str, *, method: str = "GET", body: bytes | None = None, **headers: str | None) -> Answered:
        """Ask for a path; headers given as None are left out."""
        connection = http.client.HTTPConnection(self.place.host, self.place.port, timeout=PATIENCE_S)
        sent = {"host": self.host, **{name.replace("_", "-"): value for name, value in headers.items()}}
        with closing(connection):
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in sent.items():
                if value is not None:
                    connection.putheader(name, value)
            if body is not None and "content-length" not in sent:
                connection.putheader("content-length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            return Answered(
                status=answer.status,
                headers={name.lower(): value for name, value in answer.getheaders()},
                body=answer.read(),
            )

    def post(self, path: str, values: object, **headers: str | None) -> Answered:
        """Send JSON as the page's own script does, but for these headers."""
        usual: dict[str, str | None] = {
            "origin": f"http://{self.host}",
            "content_type": "application/json",
            "x_packsmith": "1",
        }
        body = values if isinstance(values, bytes) else json.dumps(values).encode()
        return self(path, method="POST", body=body, **{**usual, **headers})

    @contextmanager
    def events(self, have: str = "", **headers: str) -> Iterator[Iterator[tuple[str, Any]]]:
        """The events of the page, each with its data."""
        connection = http.client.HTTPConnection(self.place.host, self.place.port, timeout=PATIENCE_S)
        with closing(connection):
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request("GET", f"/api/events?have={have}", headers={"Host": self.host, **sent})
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
            assert answer.headers["content-type"].startswith("text/event-stream")

            def read() -> Iterator[tuple[str, Any]]:
                name = ""
                for line in answer:
                    field, _, value = line.decode().rstrip("\n").partition(": ")
                    if field == "event":
                        name = value
                    elif field == "data":
                        yield name, json.loads(value)

            yield read()


@contextmanager
def served(
    runs: Sequence[Run], *, token: bool = False, names: frozenset[str] = frozenset(), readonly: bool = False
) -> Iterator[Client]:
    """A page of these runs, on a free port, until the block ends."""
    place = listen("127.0.0.1", 0)
    door = door_of(place, token=token, names=names, readonly=readonly)
    with closing(Verbs()) as verbs:
        server = Server(Page(runs=runs, actions=verbs, door=door, version="0"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [place.socket]})
        thread.start()
        try:
            end = time.monotonic() + PATIENCE_S
            while not server.started and time.monotonic() < end:
                time.sleep(0.005)
            yield Client(place=place, token=door.token)
        finally:
            server.should_exit = True
            thread.join(PATIENCE_S)
            place.socket.close()
            assert not thread.is_alive()
