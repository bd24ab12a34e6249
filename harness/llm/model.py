"""The settings of a model, and the cost of a call to it.

Owns: the settings of a model, its key and how that is masked, its prices, the most that one try of a call may cost, and
whether a reported usage is plausible. Pure. Does not know: HTTP, budgets, retries.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from harness.llm.ledger import Bound
from harness.types import HarnessError, Message, Request, Usage

Api = Literal["chat", "responses"]
OPENAI_URL = "https://api.openai.com/v1"

SMALLEST_TOKEN, LARGEST_TOKEN = 1, 6
"""Bytes of UTF-8 in a token: the least, and the most on average. A reported usage is believed between these bounds."""
MESSAGE_TOKENS, CALL_TOKENS = 16, 64
"""Tokens that the chat template adds: for each message, and for the call."""
SECRET_FROM = 8
"""Shorter keys are placeholders of local servers ("EMPTY", "ollama"), not masked: a reply may hold such a word."""


class Secret:
    """A text that is printed as ***."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        if not (text.isascii() and text.isprintable() and " " not in text):
            raise ValueError("expected a key of printable ASCII characters without blanks")
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    def __str__(self) -> str:
        return "***"

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("a key must not be stored")


def masked(text: str, secrets: Iterable[Secret]) -> str:
    """The text with every key in it replaced."""
    for secret in secrets:
        if len(secret.reveal()) >= SECRET_FROM:
            text = text.replace(secret.reveal(), "***")
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """Dollars per million tokens; `cached_input` None is the price of other input."""

    input: float = 0.0
    cached_input: float | None = None
    output: float = 0.0

    def usd(self, usage: Usage) -> float:
        cached = self.input if self.cached_input is None else self.cached_input
        fresh = usage.input_tokens - usage.cached_tokens
        return (fresh * self.input + usage.cached_tokens * cached + usage.output_tokens * self.output) / 1e6

    @property
    def usd_most(self) -> float:
        """The highest of its prices."""
        return max(self.dearest_input, self.output)

    @property
    def dearest_input(self) -> float:
        return max(self.input, self.cached_input or 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model behind an endpoint.

    `name` is its name in requests and in the archive, `model` its name at the endpoint. `base_url` ends before
    `/chat/completions`. `timeout_s` limits one try from its first byte to its last, `stall_s` the silence within a
    stream. `tries` includes the first one.
    """

    name: str
    model: str = ""
    base_url: str = OPENAI_URL
    key: Secret = field(default_factory=lambda: Secret(""))
    key_env: str = ""
    """The environment variable the key came from, for messages."""
    where: str = ""
    """The key path of its section in the config, for messages."""
    api: Api = "chat"
    stream: bool = False
    stall_s: float | None = None
    price: Price | None = None
    max_output_tokens: int | None = None
    limit_key: str = ""
    """The parameter that limits the output of a chat completion; "" chooses it by the endpoint."""
    temperature: float | None = None
    top_p: float | None = None
    reasoning_effort: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Further parameters, sent as they are."""
    timeout_s: float = 600.0
    tries: int = 5

    def __post_init__(self) -> None:
        if not self.name or self.tries < 1 or self.timeout_s <= 0 or (self.max_output_tokens or 1) < 1:
            raise ValueError(f"expected a name, at least one try, and limits above 0, found {self}")

    @property
    def sent_name(self) -> str:
        return self.model or self.name

    @property
    def host(self) -> str:
        return urlsplit(self.base_url).hostname or ""

    @property
    def azure(self) -> bool:
        return self.host.endswith(".azure.com")

    @property
    def sent_limit_key(self) -> str:
        """OpenAI's newer models refuse `max_tokens`, while some servers accept nothing else."""
        newer = self.azure or self.host == "api.openai.com"
        return self.limit_key or ("max_completion_tokens" if newer else "max_tokens")

    def key_path(self, key: str) -> str:
        """The path of a key of its section in the config."""
        return f"{self.where}.{key}" if self.where else key


def output_limit(model: Model, request: Request) -> int | None:
    """The most tokens of a reply to the request: the smaller of the two limits."""
    limits = [limit for limit in (model.max_output_tokens, request.max_output_tokens) if limit is not None]
    return min(limits, default=None)


def text_bytes(messages: Iterable[Message]) -> int:
    return sum(len(message.text.encode("utf-8", "replace")) for message in messages)


def most_input_tokens(messages: tuple[Message, ...]) -> int:
    """An upper bound on the tokens of these messages for any tokeniser: a token is at least one byte."""
    return text_bytes(messages) // SMALLEST_TOKEN + MESSAGE_TOKENS * len(messages) + CALL_TOKENS


def most_usage(model: Model, request: Request) -> Usage:
    """The most usage one try may be billed for; without an output limit, that of the input alone."""
    return Usage(input_tokens=most_input_tokens(request.messages), output_tokens=output_limit(model, request) or 0)


def bound(model: Model, request: Request) -> Bound:
    """The most that one try of a request may cost; dollars are 0 where the model has no price."""
    most = most_usage(model, request)
    price = model.price or Price()
    usd = (most.input_tokens * price.dearest_input + most.output_tokens * price.output) / 1e6
    return Bound(usd=usd, tokens=most.input_tokens + most.output_tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """The charge that is booked for a try; `note` says why it differs from the reported usage."""

    usd: float = 0.0
    usage: Usage = field(default_factory=Usage)
    note: str = ""

    @property
    def tokens(self) -> int:
        return self.usage.input_tokens + self.usage.output_tokens


def charge(model: Model, request: Request, text: str, reported: Usage | None) -> Charge:
    """The charge for a reply: the price of the reported usage if that is plausible, else the most it may cost."""
    limit = output_limit(model, request)
    written = len(text.encode("utf-8", "replace"))
    doubt = _doubt(reported, request, written, limit)
    if reported is None or doubt:
        most = most_usage(model, request)
        usage = most if limit is not None else Usage(input_tokens=most.input_tokens, output_tokens=written)
        return _capped(model, request, usage, f"{doubt}: booked at the most it may cost")
    return _capped(model, request, reported, "")


def most_charge(model: Model, request: Request, note: str) -> Charge:
    """The charge for a try that may have been billed and returned no usage."""
    return _capped(model, request, most_usage(model, request), note)


def _capped(model: Model, request: Request, usage: Usage, note: str) -> Charge:
    usd = (model.price or Price()).usd(usage)
    # Rounding may raise a price slightly above the bound for the same usage.
    capped = min(usd, bound(model, request).usd) if output_limit(model, request) is not None else usd
    return Charge(usd=capped, usage=usage, note=note)


def _doubt(reported: Usage | None, request: Request, written: int, limit: int | None) -> str:
    """Why a reported usage is implausible; "" where it is plausible."""
    if reported is None:
        return "the endpoint reported no usage"
    figures = (
        f"{reported.input_tokens:,} tokens in ({reported.cached_tokens:,} cached) and {reported.output_tokens:,} out"
    )
    if not 0 <= reported.cached_tokens <= reported.input_tokens:
        return f"the endpoint reported {figures}, which is impossible"
    if reported.input_tokens > most_input_tokens(request.messages):
        return f"the endpoint reported {figures}, for a prompt of {text_bytes(request.messages):,} bytes"
    if limit is not None and reported.output_tokens > limit:
        return f"the endpoint reported {figures}, over the limit of {limit:,} (check whether it obeys the limit)"
    if reported.input_tokens * LARGEST_TOKEN < text_bytes(request.messages):
        return f"the endpoint reported {figures}, for a prompt of {text_bytes(request.messages):,} bytes"
    if reported.output_tokens * LARGEST_TOKEN < written:
        return f"the endpoint reported {figures}, for a reply of {written:,} bytes"
    return ""


class Unbounded(HarnessError):
    """A budget that could be exceeded, because the cost of a call has no upper bound."""


def check_bounded(models: Iterable[Model], *, usd: bool, tokens: bool) -> None:
    """Raises Unbounded where a budget of dollars or of tokens is set and a call to some model has no upper bound."""
    for model in models:
        if (usd or tokens) and model.max_output_tokens is None:
            limit = "usd" if usd else "tokens"
            raise Unbounded(
                f"budget.{limit} needs an upper bound on what a call costs, and {model.name} has none: add "
                f"{model.key_path('max_output_tokens')}, the most tokens one reply may have (16000 is usual)"
            )
        if usd and model.price is None:
            raise Unbounded(
                f"budget.usd needs prices, and {model.name} has none: add {model.key_path('price')}: "
                f"{{input: ..., cached_input: ..., output: ...}}, in dollars per million tokens (0 for a model of your "
                f"own), or limit budget.tokens or budget.calls instead"
            )
