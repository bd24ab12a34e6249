"""An endpoint on loopback that speaks `/chat/completions` and `/responses`, well, badly or not at all.

Owns: the HTTP server (one thread, or one process of its own), what it answers, and the record of what it was asked and
what it bills. Does not know: packsmith.

    with Stub(Reply(text="hello"), latency_s=2.0) as stub:
        ...  # stub.base_url, stub.asked, stub.bill(input_usd_per_million=1, output_usd_per_million=4)

Replies are one `Reply` for everybody, a sequence (in order; the last one then for everybody who comes later), or a
function from what was asked to a `Reply`. `spawned(...)` runs the same server in a process of its own, so that a
benchmark does not pay for it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Fail = Literal["", "drop", "drop_after_headers", "drop_midway", "stall", "stall_midway", "trickle"]
"""What goes wrong with a reply's transport, after its latency: the connection is dropped before anything is sent, after
the headers, or in the middle of the body (a stream: half of its chunks); or it is left open and silent, before the
headers or in the middle of the body; or the body comes a byte every 50 ms.
"""
REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 429: "Too Many Requests"}
DROPS = ("drop", "drop_after_headers", "drop_midway")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the stub answers.

    `usage`: "honest" counts a token for every four bytes; None leaves it out; a mapping is sent as it is, whatever it
    claims. `body` is sent instead of a completion, `error` is the message of one with a `status` above 399.
    `finish` is in the words of chat completions. `chunks` is the number of pieces where a stream is asked for.
    """

    text: str = "hello"
    status: int = 200
    finish: str = "stop"
    refusal: str | None = None
    choices: bool = True
    usage: Mapping[str, Any] | Literal["honest"] | None = "honest"
    error: str = "it went wrong"
    body: bytes | None = None
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    latency_s: float | None = None
    chunks: int = 4
    fail: Fail = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request as it came: its number from 0, when (monotonic seconds), and the parsed body ({} where it is none)."""

    number: int
    at_s: float
    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]

    @property
    def streamed(self) -> bool:
        return bool(self.body.get("stream"))

    @property
    def responses(self) -> bool:
        return self.path.partition("?")[0].endswith("/responses")

    @property
    def messages(self) -> list[Mapping[str, Any]]:
        """The conversation, in either of the two forms."""
        given = self.body.get("input" if self.responses else "messages")
        return list(given) if isinstance(given, list) else [{"role": "user", "content": given or ""}]

    @property
    def text(self) -> str:
        return "\n".join(str(message.get("content", "")) for message in self.messages)

    @property
    def input_tokens(self) -> int:
        """An honest count: four bytes a token."""
        return -(-len(self.text.encode("utf-8", "replace")) // 4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Billed:
    """What one request really costs, whatever its reply says: 0 where the status says that it was not served."""

    input_tokens: int
    output_tokens: int


Replies = Reply | Sequence[Reply] | Callable[[Asked], Reply]


def output_tokens(reply: Reply) -> int:
    return -(-len((reply.text + (reply.refusal or "")).encode("utf-8", "replace")) // 4)


class Stub:
    """The server. `key`: other keys get 401 and see their own in the error, as some endpoints do; `models`: others
    get 404.
    """

    def __init__(
        self,
        replies: Replies = Reply(),
        *,
        latency_s: float = 0.0,
        key: str | None = None,
        models: Sequence[str] | None = None,
        port: int = 0,
    ) -> None:
        self.latency_s = latency_s
        self.asked: list[Asked] = []
        self.billed: list[Billed] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self.port = port
        self._replies, self._key, self._models = replies, key, models
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="stub", daemon=True)
        self._open: set[_Connection] = set()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def bill(self, *, input_usd_per_million: float, output_usd_per_million: float) -> float:
        """What all requests so far really cost, in dollars."""
        return sum(
            (b.input_tokens * input_usd_per_million + b.output_tokens * output_usd_per_million) / 1e6
            for b in list(self.billed)
        )

    def __enter__(self) -> Stub:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *error: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(
            self._loop.create_server(lambda: _Connection(self), "127.0.0.1", self.port, backlog=1024)
        )
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for connection in list(self._open):
            connection.abort()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    def answer(self, path: str, headers: Mapping[str, str], raw: bytes) -> tuple[Asked, Reply]:
        """Record a request and choose its reply."""
        try:
            body = json.loads(raw or b"{}")
        except ValueError:
            body = {}
        asked = Asked(
            number=len(self.asked),
            at_s=time.monotonic(),
            path=path,
            headers=headers,
            body=body if isinstance(body, dict) else {},
        )
        self.asked.append(asked)
        reply = self._chosen(asked)
        served = reply.status == 200
        self.billed.append(
            Billed(
                input_tokens=asked.input_tokens if served else 0,
                output_tokens=output_tokens(reply) if served else 0,
            )
        )
        return asked, reply

    def _chosen(self, asked: Asked) -> Reply:
        sent = asked.headers.get("authorization", "").removeprefix("Bearer ") or asked.headers.get("api-key", "")
        model = asked.body.get("model")
        if self._key is not None and sent != self._key:
            return Reply(status=401, error=f"Incorrect API key provided: {sent}.")
        if asked.path.partition("?")[0] not in ("/v1/chat/completions", "/v1/responses"):
            return Reply(status=404, error=f"no such page: {asked.path}")
        if self._models is not None and model not in self._models:
            return Reply(status=404, error=f"The model `{model}` does not exist or you do not have access to it.")
        if callable(self._replies):
            return self._replies(asked)
        if isinstance(self._replies, Reply):
            return self._replies
        return self._replies[min(asked.number, len(self._replies) - 1)]

    def entered(self, connection: _Connection) -> None:
        self._open.add(connection)

    def left(self, connection: _Connection) -> None:
        self._open.discard(connection)

    def counted(self, change: int) -> None:
        self.in_flight += change
        self.most_in_flight = max(self.most_in_flight, self.in_flight)


class _Connection(asyncio.Protocol):
    """One connection: reads requests, one after the other, and sends each its reply after the latency."""

    def __init__(self, stub: Stub) -> None:
        self._stub = stub
        self._data = bytearray()
        self._busy = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._stub.entered(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._done()
        self._transport = None
        self._stub.left(self)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _done(self) -> None:
        if self._busy:
            self._busy = False
            self._stub.counted(-1)

    def data_received(self, data: bytes) -> None:
        self._data += data
        end = self._data.find(b"\r\n\r\n")
        if self._busy or end < 0:
            return
        first, *lines = bytes(self._data[:end]).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", "0"))
        if len(self._data) < end + 4 + length:
            return
        raw = bytes(self._data[end + 4 : end + 4 + length])
        del self._data[: end + 4 + length]
        self._busy = True
        self._stub.counted(1)
        method, path, _ = first.split(" ")
        if method == "GET":
            self._stats()
            return
        asked, reply = self._stub.answer(path, headers, raw)
        latency_s = self._stub.latency_s if reply.latency_s is None else reply.latency_s
        asyncio.get_running_loop().call_later(latency_s, self._send, asked, reply)

    def _stats(self) -> None:
        """What `spawned` reads."""
        facts = {
            "asked": len(self._stub.asked),
            "most_in_flight": self._stub.most_in_flight,
            "input_tokens": sum(b.input_tokens for b in self._stub.billed),
            "output_tokens": sum(b.output_tokens for b in self._stub.billed),
        }
        self._write(_head(200, "application/json", len(body := json.dumps(facts).encode())) + body)
        self._done()

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def _send(self, asked: Asked, reply: Reply) -> None:
        if reply.fail == "drop":
            self.abort()
            return
        if reply.fail == "stall" or self._transport is None:
            return
        stream = asked.streamed and reply.status == 200 and reply.body is None
        pieces = _stream(asked, reply) if stream else [_body(asked, reply)]
        if stream:
            head = _head(200, "text/event-stream", None, reply.headers)
            pieces = [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces] + [b"0\r\n\r\n"]
        else:
            head = _head(reply.status, reply.content_type, len(pieces[0]), reply.headers)
        if not stream and reply.fail in ("drop_midway", "stall_midway"):
            pieces = [pieces[0][: len(pieces[0]) // 2]]
        elif reply.fail in ("drop_midway", "stall_midway"):
            pieces = pieces[: len(pieces) // 2]
        self._write(head)
        if reply.fail == "trickle":
            self._trickle(b"".join(pieces))
        elif reply.fail != "drop_after_headers":
            for piece in pieces:
                self._write(piece)
        if reply.fail in DROPS:
            assert self._transport is not None
            self._transport.close()
        if not reply.fail:
            self._done()

    def _trickle(self, rest: bytes) -> None:
        self._write(rest[:1])
        if rest and self._transport is not None:
            asyncio.get_running_loop().call_later(0.05, self._trickle, rest[1:])


def _head(status: int, content_type: str, length: int | None, more: Sequence[tuple[str, str]] = ()) -> bytes:
    size = "transfer-encoding: chunked" if length is None else f"content-length: {length}"
    lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}", f"content-type: {content_type}", size]
    return ("\r\n".join([*lines, *(f"{name}: {value}" for name, value in more)]) + "\r\n\r\n").encode()


def _usage(asked: Asked, reply: Reply) -> Mapping[str, Any] | None:
    if reply.usage != "honest":
        return reply.usage
    mine, theirs = asked.input_tokens, output_tokens(reply)
    names = ("input_tokens", "output_tokens") if asked.responses else ("prompt_tokens", "completion_tokens")
    return {names[0]: mine, names[1]: theirs, "total_tokens": mine + theirs}


def _with_usage(tree: dict[str, Any], asked: Asked, reply: Reply) -> dict[str, Any]:
    usage = _usage(asked, reply)
    return tree if usage is None else {**tree, "usage": dict(usage)}


def _body(asked: Asked, reply: Reply) -> bytes:
    if reply.body is not None:
        return reply.body
    if reply.status >= 400:
        return json.dumps({"error": {"message": reply.error, "type": "error", "code": None}}).encode()
    return json.dumps(_response(asked, reply) if asked.responses else _completion(asked, reply)).encode()


def _completion(asked: Asked, reply: Reply) -> dict[str, Any]:
    message = {"role": "assistant", "content": reply.text, "refusal": reply.refusal}
    choices = [{"index": 0, "message": message, "finish_reason": reply.finish, "logprobs": None}]
    tree = {
        "id": f"chatcmpl-{asked.number}",
        "object": "chat.completion",
        "created": 0,
        "model": asked.body.get("model", ""),
        "choices": choices if reply.choices else [],
    }
    return _with_usage(tree, asked, reply)


def _response(asked: Asked, reply: Reply) -> dict[str, Any]:
    content: list[dict[str, Any]] = [{"type": "output_text", "text": reply.text, "annotations": []}]
    if reply.refusal is not None:
        content = [{"type": "refusal", "refusal": reply.refusal}]
    message = {"type": "message", "id": "msg", "role": "assistant", "status": "completed", "content": content}
    reasons = {"length": "max_output_tokens", "content_filter": "content_filter"}
    tree = {
        "id": f"resp-{asked.number}",
        "object": "response",
        "created_at": 0,
        "model": asked.body.get("model", ""),
        "status": "incomplete" if reply.finish in reasons else "completed",
        "incomplete_details": {"reason": reasons[reply.finish]} if reply.finish in reasons else None,
        "error": None,
        "output": [message] if reply.choices else [],
        "parallel_tool_calls": False,
        "tool_choice": "auto",
        "tools": [],
    }
    return _with_usage(tree, asked, reply)


def _stream(asked: Asked, reply: Reply) -> list[bytes]:
    """The events of a streamed reply, its text cut into `chunks` pieces."""
    size = max(1, -(-len(reply.text) // reply.chunks))
    texts = [reply.text[at : at + size] for at in range(0, len(reply.text), size)] if reply.choices else []
    events: list[dict[str, Any]]
    if asked.responses:
        events = [
            {"type": "response.output_text.delta", "item_id": "msg", "output_index": 0, "content_index": 0, "delta": t}
            for t in texts
        ]
        last = _response(asked, reply)
        events.append({"type": f"response.{last['status']}", "response": last})
        for number, event in enumerate(events):
            event["sequence_number"] = number
        return [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events]
    common = {"id": f"chatcmpl-{asked.number}", "object": "chat.completion.chunk", "created": 0, "model": "stub"}

    def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        return {**common, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

    events = [chunk({"content": text}) for text in texts]
    if reply.refusal is not None:
        events.append(chunk({"refusal": reply.refusal}))
    if reply.choices:
        events.append(chunk({}, reply.finish))
    if asked.body.get("stream_options", {}).get("include_usage"):
        events.append(_with_usage({**common, "choices": []}, asked, reply))
    return [*(f"data: {json.dumps(event)}\n\n".encode() for event in events), b"data: [DONE]\n\n"]


@dataclass(slots=True)
class Spawned:
    """A stub in a process of its own, which answers everybody alike."""

    base_url: str
    process: subprocess.Popen[str] = field(repr=False)

    def stats(self) -> dict[str, int]:
        """How many requests came, the most at once, and the tokens billed."""
        with urllib.request.urlopen(f"{self.base_url}/stats", timeout=10) as answer:
            return dict(json.load(answer))


@contextlib.contextmanager
def spawned(*, latency_s: float = 0.0, replies: Sequence[Path] = (), key: str | None = None) -> Iterator[Spawned]:
    """The server in a process of its own; `replies` are files with the texts, taken in turn, round and round."""
    arguments = ["--latency", str(latency_s), *(str(path) for path in replies), *(["--key", key] if key else [])]
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).resolve()), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield Spawned(base_url=process.stdout.readline().strip(), process=process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(10)


def main() -> None:
    """Serve until standard input ends; the first line of output is the base URL."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("replies", nargs="*", type=Path, help="files with the texts to answer, in turn")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each reply")
    parser.add_argument("--key", help="the only key that is taken")
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    texts = [path.read_bytes().decode("utf-8", "surrogateescape") for path in options.replies] or ["hello"]
    replies = [Reply(text=text) for text in texts]
    with Stub(
        lambda asked: replies[asked.number % len(replies)],
        latency_s=options.latency,
        key=options.key,
        port=options.port,
    ) as stub:
        print(stub.base_url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
