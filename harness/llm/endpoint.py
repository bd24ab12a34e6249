"""One try of a call to an endpoint: the request, and the reply or the fault.

Owns: the SDK's clients, the parameters of a request, which faults are transient, which may have been billed, and what
the user can do about the others. Does not know: budgets, retries, what the reply is for.

The SDK is used for its clients, not for its typed methods: validating what is sent and building models of what comes
back takes as long as the rest of the call. A client's connection pool scans all of its connections for every request,
so each client gets few.
"""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from harness.llm.answers import (
    Answer,
    Embedded,
    EventStream,
    Unreadable,
    body_answer,
    code,
    is_page,
    quoted,
    refuses_system,
    said,
)
from harness.llm.model import SECRET_FROM, Model, output_limit
from harness.types import Message, Request

if TYPE_CHECKING:
    import httpx2
    import openai

CALLS_A_CLIENT = 16
MOST_BYTES = 32 << 20
"""The most bytes of a body that are read."""
CONNECT_S = 20.0
FOLDED = "takes no system message: it is sent at the head of the first user message instead"
PASSING = (408, 409, 425, 429)
"""Statuses below 500 that are transient."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A try without a reply. `text` says what happened and, unless it is transient, what to do.

    `passing`: it is transient. `fatal`: no call to this model can succeed. `billed`: the endpoint may have billed it
    anyway. `refused`: the content was refused. `no_system`: the model takes no system message. `wait_s`: how long the
    endpoint asks us to wait.
    """

    text: str
    passing: bool = False
    fatal: bool = False
    billed: bool = False
    refused: bool = False
    no_system: bool = False
    wait_s: float | None = None


def parameters(model: Model, request: Request) -> dict[str, Any]:
    """The body of a call."""
    limit = output_limit(model, request)
    texts = [{"role": m.role, "content": _sendable(m.text)} for m in request.messages]
    body: dict[str, Any] = {"model": model.sent_name}
    if model.api == "chat":
        effort: object = model.reasoning_effort
        body |= {"messages": texts, model.sent_limit_key: limit, "reasoning_effort": effort}
    else:
        effort = {"effort": model.reasoning_effort} if model.reasoning_effort else None
        # The endpoint is not to store prompts.
        body |= {"input": texts, "max_output_tokens": limit, "reasoning": effort, "store": False}
    body |= {"temperature": model.temperature, "top_p": model.top_p, **model.extra}
    if model.stream:
        body["stream"] = True
        if model.api == "chat":
            body["stream_options"] = {"include_usage": True}
    return {name: value for name, value in body.items() if value is not None}


def folded(request: Request) -> Request:
    """The request with its system messages at the head of its first user message, for models that take none."""
    system = [message.text for message in request.messages if message.role == "system"]
    others = [message for message in request.messages if message.role != "system"]
    if not system:
        return request
    at = next((i for i, message in enumerate(others) if message.role == "user"), 0)
    head = "\n\n".join(system)
    if others and others[at].role == "user":
        others[at] = Message(role="user", text=f"{head}\n\n{others[at].text}")
    else:
        others.insert(0, Message(role="user", text=head))
    return replace(request, messages=tuple(others))


def _sendable(text: str) -> str:
    """A text without lone surrogates, which UTF-8 cannot encode."""
    return text.encode("utf-8", "replace").decode("utf-8")


class _Unusable(Exception):
    """No connection can be set up in this environment."""


@dataclass(slots=True)
class _Client:
    sdk: openai.AsyncOpenAI
    calls: int = 0


@dataclass(slots=True)
class Endpoint:
    """A model's endpoint, to be used within one event loop."""

    model: Model
    _clients: list[_Client] = field(default_factory=list)
    _tls: list[ssl.SSLContext] = field(default_factory=list)
    folds: bool = False
    """The model was found to take no system message."""

    def prepare(self) -> None:
        """Load the SDK and the certificates it needs, which is slow once. Never fails: the first call will instead."""
        with contextlib.suppress(_Unusable):
            self._clients.append(_Client(self._new_client()))

    async def close(self) -> None:
        for client in self._clients:
            await client.sdk.close()

    async def ask(self, request: Request) -> Answer | Fault:
        """Send the request once, within the model's deadline.

        A request that is refused for its system message, which costs nothing, is sent again with that message folded
        into the first user message. If that is accepted, all further requests are sent so, and the answer's note says
        it.
        """
        if self.folds:
            return await self._tried(folded(request))
        outcome = await self._tried(request)
        other = folded(request)
        if isinstance(outcome, Answer) or not outcome.no_system or other is request:
            return outcome
        again = await self._tried(other)
        if isinstance(again, Fault):
            return outcome if again.no_system else again
        if self.folds:  # another call found it out meanwhile
            return again
        self.folds = True
        return replace(again, note="; ".join(filter(None, (f"{self.model.name} {FOLDED}", again.note))))

    async def _tried(self, request: Request) -> Answer | Fault:
        import openai

        try:
            async with asyncio.timeout(self.model.timeout_s), self._client() as client:
                return await self._asked(client, request)
        except _Unusable as error:
            return Fault(text=str(error), fatal=True)
        except (TimeoutError, openai.APITimeoutError) as error:
            if _before_sending(error):
                return Fault(text=f"no connection to {self._host} within {CONNECT_S:g} s", passing=True)
            text = f"no complete answer from {self._host} within {self.model.timeout_s:g} s"
            return Fault(text=f"{text} ({self.model.key_path('timeout_s')})", passing=True, billed=True)
        except openai.APIStatusError as error:
            return self.refusal(error.status_code, error.response.content, error.response.headers)
        except openai.APIConnectionError as error:
            reason = quoted(str(error.__cause__ or error)) or type(error.__cause__ or error).__name__
            if _before_sending(error):
                return Fault(text=f"no connection to {self._host}: {reason}", passing=True)
            return Fault(text=f"the connection to {self._host} broke: {reason}", passing=True, billed=True)

    async def _asked(self, client: openai.AsyncOpenAI, request: Request) -> Answer | Fault:
        import httpx2
        import openai

        response = await client.post(
            "/chat/completions" if self.model.api == "chat" else "/responses",
            cast_to=httpx2.Response,
            body=parameters(self.model, request),
            stream=True,
            stream_cls=openai.AsyncStream[object],
        )
        assert isinstance(response, httpx2.Response)
        try:
            return await self._read(response)
        except Unreadable as error:
            return Fault(text=f"{self._host} sent something that is not a reply: {error}", billed=True)
        except Embedded as error:
            return self.refusal(error.status, str(error).encode(), {})
        except httpx2.TimeoutException:
            text = f"{self._host} began to answer, then stalled for {self.model.stall_s or self.model.timeout_s:g} s"
            return Fault(text=text, passing=True, billed=True)
        except httpx2.HTTPError as error:
            text = f"the connection to {self._host} broke during the answer: {quoted(str(error))}"
            return Fault(text=text, passing=True, billed=True)
        finally:
            await response.aclose()

    async def _read(self, response: httpx2.Response) -> Answer | Fault:
        streamed = "text/event-stream" in response.headers.get("content-type", "")
        events, body, read = EventStream(), bytearray(), 0
        async for piece in response.aiter_bytes():
            read += len(piece)
            if read > MOST_BYTES:
                return Fault(text=f"{self._host} sent more than {MOST_BYTES >> 20} MB; not read on", billed=True)
            if streamed:
                events.feed(piece)
            else:
                body += piece
        if not streamed:
            whole = self._clean(bytes(body))
            return self._page(whole) if is_page(whole) else body_answer(whole)
        answer = events.answer()
        return answer or Fault(text=f"the stream from {self._host} ended in the middle", passing=True, billed=True)

    def _page(self, body: bytes) -> Fault:
        url = self.model.key_path("base_url")
        return Fault(
            text=f"{self.model.name}: {self._host} answered with a web page ({said(body)[:80]}): set {url} to "
            f"the address of the API, as the endpoint's documentation gives it; it usually ends in /v1",
            fatal=True,
        )

    def _clean(self, raw: bytes) -> bytes:
        """The bytes with the key masked; done before anything is shortened, so that no part of a key is left."""
        key = self.model.key.reveal().encode()
        return raw.replace(key, b"***") if len(key) >= SECRET_FROM else raw

    @property
    def _host(self) -> str:
        port = urlsplit(self.model.base_url).port
        return f"{self.model.host}:{port}" if port else self.model.host

    def refusal(self, status: int, raw: bytes, headers: Mapping[str, str]) -> Fault:
        """What a status above 399 means. Nothing is billed for it."""
        raw = self._clean(raw)
        words = said(raw) or "no message"
        what = f"{self._host} answered {status} ({words})"
        lasting = status == 429 and code(raw) == "insufficient_quota"
        no_system = status not in PASSING and refuses_system(raw)
        if (status in PASSING or status >= 500) and not lasting:
            wait_s = retry_after_s(headers, time.time())
            return Fault(text=what, passing=True, no_system=no_system, wait_s=wait_s)
        if status in (400, 403) and code(raw) in ("content_filter", "content_policy_violation"):
            return Fault(text=what, refused=True)
        return Fault(
            text=f"{self.model.name}: {what}: {_advice(self.model, status, words, lasting)}",
            fatal=True,
            no_system=no_system,
        )

    @contextlib.asynccontextmanager
    async def _client(self) -> AsyncIterator[openai.AsyncOpenAI]:
        """A client with room for one more call, created if none has."""
        client = next((client for client in self._clients if client.calls < CALLS_A_CLIENT), None)
        if client is None:
            client = _Client(self._new_client())
            self._clients.append(client)
        client.calls += 1
        try:
            yield client.sdk
        finally:
            client.calls -= 1

    def _new_client(self) -> openai.AsyncOpenAI:
        """Raises _Unusable."""
        import httpx2
        import openai

        model = self.model
        parts = urlsplit(model.base_url)
        local = model.host in ("localhost", "127.0.0.1", "::1")
        try:
            if not self._tls:
                # A local server without TLS needs no certificates, which take longer to load than all the rest: if it
                # redirects to one with TLS, the call fails, because none is trusted.
                bare = local and parts.scheme == "http"
                self._tls.append(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if bare else httpx2.create_ssl_context())
            http = openai.DefaultAsyncHttpxClient(
                verify=self._tls[0],
                limits=httpx2.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=30.0),
                trust_env=not local,  # a proxy is not for local servers
            )
        except (OSError, ValueError, ImportError, httpx2.InvalidURL) as error:
            raise _Unusable(
                f"{model.name}: no connection can be set up: {quoted(str(error))}: check the environment variables "
                f"HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and SSL_CERT_FILE"
            ) from None
        silence_s = model.stall_s if model.stream and model.stall_s else model.timeout_s
        timeout = httpx2.Timeout(model.timeout_s, connect=min(CONNECT_S, model.timeout_s), read=silence_s)
        key = model.key.reveal() or "none"
        return openai.AsyncOpenAI(
            base_url=urlunsplit(parts._replace(query="", fragment="")),
            default_query=dict(parse_qsl(parts.query)),
            default_headers={"api-key": key} if model.azure else None,
            api_key=key,
            max_retries=0,
            timeout=timeout,
            http_client=http,
        )


def _before_sending(error: BaseException) -> bool:
    """Whether the fault occurred before anything reached the endpoint."""
    import httpx2

    return isinstance(error.__cause__, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout)


def retry_after_s(headers: Mapping[str, str], now_s: float) -> float | None:
    """How long a response asks us to wait: in milliseconds, in seconds, or until a date (`now_s` is Unix time)."""
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            wait_s = float(headers.get(name, "")) * scale
        except ValueError:
            continue
        if 0 <= wait_s < 1e9:
            return wait_s
    try:
        return max(0.0, email.utils.parsedate_to_datetime(headers.get("retry-after", "")).timestamp() - now_s)
    except (ValueError, TypeError, OverflowError):
        return None


def _advice(model: Model, status: int, words: str, out_of_credit: bool) -> str:
    """What the user can do about a status that is not transient."""
    lower = words.lower()
    if out_of_credit or status == 402:
        return "the account has no credit left: add credit, or use another key or model"
    if status == 401:
        if not model.key_env:
            return f"no key was sent: set {model.key_path('api_key_env')} to the environment variable that holds it"
        return f"set the environment variable {model.key_env} to a valid key of this endpoint"
    if status == 403:
        return f"the key in {model.key_env or 'use'} has no permission: check its rights, the model, and the region"
    if status in (404, 405):
        return (
            f"check {model.key_path('name')} (here `{model.sent_name}`; it must be this endpoint's name for "
            f"the model) and {model.key_path('base_url')} (here {model.base_url}; it ends before /chat/completions, "
            f"usually in /v1)"
        )
    if "max_completion_tokens" in lower or ("max_tokens" in lower and "unsupported" in lower):
        other = "max_tokens" if model.sent_limit_key == "max_completion_tokens" else "max_completion_tokens"
        return f"set {model.key_path('limit_key')} to {other}"
    if status == 413 or ("context" in lower and ("length" in lower or "window" in lower)) or "too long" in lower:
        return f"lower proposer.context_tokens or {model.key_path('max_output_tokens')}: both together must fit"
    return (
        f"the endpoint does not accept the request: check {model.key_path('name')} and its parameters (temperature, "
        f"top_p, reasoning_effort, limit_key, extra); not every endpoint accepts all of them"
    )
