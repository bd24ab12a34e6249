"""A model as it is configured, and what a call to it may cost and did cost.

Owns: the settings of a model, its key and how that is masked, its prices, the most that one try of a call may cost, and
whether the usage an endpoint reports can be true. Pure. Does not know: HTTP, budgets, how a call is tried again.
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
"""Bytes of UTF-8 in a token, at least and on average at most: the bounds between which a reported usage is believed."""
MESSAGE_TOKENS, CALL_TOKENS = 16, 64
"""Tokens of the chat template that no text shows: for each message, and for the call."""
SECRET_FROM = 8
"""Keys shorter than this are placeholders of local servers ("EMPTY", "ollama"): replies may hold such a word."""


class Secret:
    """A text that prints masked."""

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
        raise TypeError("a key is not to be stored")


def masked(text: str, secrets: Iterable[Secret]) -> str:
    """The text with every key in it replaced."""
    for secret in secrets:
        if len(secret.reveal()) >= SECRET_FROM:
            text = text.replace(secret.reveal(), "***")
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """Dollars per million tokens; `cached_input` None is as dear as other input."""

    input: float = 0.0
    cached_input: float | None = None
    output: float = 0.0

    def usd(self, usage: Usage) -> float:
        cached = self.input if self.cached_input is None else self.cached_input
        fresh = usage.input_tokens - usage.cached_tokens
        return (fresh * self.input + usage.cached_tokens * cached + usage.output_tokens * self.output) / 1e6

    @property
    def usd_most(self) -> float:
        """The dearest of its prices."""
        return max(self.dearest_input, self.output)

    @property
    def dearest_input(self) -> float:
        return max(self.input, self.cached_input or 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model behind an endpoint.

    `name` is what requests and the archive call it, `model` what the endpoint does. `base_url` ends before
    `/chat/completions`. `timeout_s` bounds one try from its first byte to its last; `stall_s` the silence within a
    stream. `tries` counts the first one. `kinds` and `context_tokens` are for whoever writes the requests.
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
    """The parameter that limits the output of a chat completion; "" is what the endpoint is known to take."""
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
        """OpenAI's newer models refuse `max_tokens`, and some servers know nothing else."""
        newer = self.azure or self.host == "api.openai.com"
        return self.limit_key or ("max_completion_tokens" if newer else "max_tokens")

    def key_path(self, key: str) -> str:
        """A key of its section, as the user addresses it."""
        return f"{self.where}.{key}" if self.where else key


def output_limit(model: Model, request: Request) -> int | None:
    """The most tokens that a reply to the request may have: the smaller one of the two limits."""
    limits = [limit for limit in (model.max_output_tokens, request.max_output_tokens) if limit is not None]
    return min(limits, default=None)


def text_bytes(messages: Iterable[Message]) -> int:
    return sum(len(message.text.encode("utf-8", "replace")) for message in messages)


def most_input_tokens(messages: tuple[Message, ...]) -> int:
    """No tokenizer makes more of these messages: a token is at least one byte."""
    return text_bytes(messages) // SMALLEST_TOKEN + MESSAGE_TOKENS * len(messages) + CALL_TOKENS


def most_usage(model: Model, request: Request) -> Usage:
    """The most that one try may be billed; without an output limit, that of the input."""
    return Usage(input_tokens=most_input_tokens(request.messages), output_tokens=output_limit(model, request) or 0)


def bound(model: Model, request: Request) -> Bound:
    """The most that one try of a request may cost; dollars are 0 where the model has no price."""
    most = most_usage(model, request)
    price = model.price or Price()
    usd = (most.input_tokens * price.dearest_input + most.output_tokens * price.output) / 1e6
    return Bound(usd=usd, tokens=most.input_tokens + most.output_tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """What is booked for a try; `note` says why it is not what the endpoint reported."""

    usd: float = 0.0
    usage: Usage = field(default_factory=Usage)
    note: str = ""

    @property
    def tokens(self) -> int:
        return self.usage.input_tokens + self.usage.output_tokens


def charge(model: Model, request: Request, text: str, reported: Usage | None) -> Charge:
    """What to book for a reply: the price of the reported usage where that can be true, else the most it may cost."""
    limit = output_limit(model, request)
    written = len(text.encode("utf-8", "replace"))
    doubt = _doubt(reported, request, written, limit)
    if reported is None or doubt:
        most = most_usage(model, request)
        usage = most if limit is not None else Usage(input_tokens=most.input_tokens, output_tokens=written)
        return _capped(model, request, usage, f"{doubt}: booked at the most that it may cost")
    return _capped(model, request, reported, "")


def most_charge(model: Model, request: Request, note: str) -> Charge:
    """What to book for a try that may have been billed and gave nothing to count."""
    return _capped(model, request, most_usage(model, request), note)


def _capped(model: Model, request: Request, usage: Usage, note: str) -> Charge:
    usd = (model.price or Price()).usd(usage)
    # Rounding may lift a price a hair above the bound of the same figures.
    capped = min(usd, bound(model, request).usd) if output_limit(model, request) is not None else usd
    return Charge(usd=capped, usage=usage, note=note)


def _doubt(reported: Usage | None, request: Request, written: int, limit: int | None) -> str:
    """Why a reported usage is not believed; "" where it is."""
    if reported is None:
        return "the endpoint reported no usage"
    found = (
        f"{reported.input_tokens:,} tokens in ({reported.cached_tokens:,} cached) and {reported.output_tokens:,} out"
    )
    if not 0 <= reported.cached_tokens <= reported.input_tokens:
        return f"the endpoint reported {found}, which cannot be"
    if reported.input_tokens > most_input_tokens(request.messages):
        return f"the endpoint reported {found}, for a prompt of {text_bytes(request.messages):,} bytes"
    if limit is not None and reported.output_tokens > limit:
        return f"the endpoint reported {found}, and no more than {limit:,} were allowed (does it heed the limit?)"
    if reported.input_tokens * LARGEST_TOKEN < text_bytes(request.messages):
        return f"the endpoint reported {found}, for a prompt of {text_bytes(request.messages):,} bytes"
    if reported.output_tokens * LARGEST_TOKEN < written:
        return f"the endpoint reported {found}, for a reply of {written:,} bytes"
    return ""


class Unbounded(HarnessError):
    """A budget that could be overrun, because nothing says what a call may cost."""


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
