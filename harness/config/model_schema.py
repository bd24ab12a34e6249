"""The keys of a model in a config, and the base class of every section.

Owns: which keys an entry of `models` has, their types and defaults, and that no secret is among them.
Does not know: files, YAML, the environment, or how models are called.
"""

from __future__ import annotations

import re
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator, model_validator

from harness.llm.model import Model
from harness.types import Kind

ENVIRONMENT_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
"""Capitals only: so that an API key, written here by mistake, is not accepted as a name."""
OURS = (
    *(
        "model",
        "messages",
        "input",
        "stream",
        "stream_options",
        "temperature",
        "top_p",
        "reasoning_effort",
        "reasoning",
    ),
    *("max_tokens", "max_completion_tokens", "max_output_tokens", "n", "best_of", "store", "tools", "background"),
)
"""Parameters that `extra` must not hold: other keys set them, or they change a call's cost or the form of its reply."""
_MODEL = Model(name="defaults")


class Section(BaseModel):
    """A section of the config."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


def checked_url(url: str) -> str:
    """An endpoint's address, without a trailing slash. Raises ValueError("expected|found")."""
    try:
        parts = urlsplit(url)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError:
        raise ValueError(f"an address such as http://localhost:8000/v1|{url!r}") from None
    if parts.username is not None or parts.password is not None:
        raise ValueError("an address without a user or a password (name a variable in api_key_env)|one with them")
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_fine or not url.isascii():
        raise ValueError(f"an address such as http://localhost:8000/v1|{url!r}")
    if " " in url or not url.isprintable() or parts.fragment:
        raise ValueError(f"an address such as http://localhost:8000/v1|{url!r}")
    if {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)} - {"api-version"}:
        raise ValueError("an address without parameters other than api-version|other parameters")
    if parts.path.rstrip("/").endswith(("/chat/completions", "/responses")):
        raise ValueError(f"the part of the address before /chat/completions or /responses|{url!r}")
    return parts._replace(path=parts.path.rstrip("/")).geturl()


class PriceSection(Section):
    """Dollars per million tokens."""

    input: float = Field(ge=0)
    """Tokens of the prompt."""
    cached_input: float | None = Field(default=None, ge=0)
    """Those that the endpoint had cached; none is `input`."""
    output: float = Field(ge=0)
    """Tokens of the reply."""


class ModelSection(Section):
    """A model behind an endpoint."""

    name: str | None = Field(default=None, min_length=1)
    """What requests and the run call it; unique."""
    model: str | None = Field(default=None, min_length=1)
    """The endpoint's name, where `name` is your own."""
    base_url: str | None = None
    """The address before `/chat/completions`; none is OpenAI."""
    api_key_env: str | None = None
    """The variable that holds the key; `OPENAI_API_KEY` without `base_url`."""
    weight: float = Field(default=1.0, gt=0)
    """How often it is asked, relative to the others."""
    kinds: tuple[Kind, ...] = ()
    """All but `seed` and `import`; empty is all of those."""
    price: PriceSection | None = None
    """What its tokens cost; needed for `usd`."""
    context_tokens: int | None = Field(default=None, ge=1000)
    """Its largest prompt; none is `proposer.context_tokens`."""
    max_output_tokens: int | None = Field(default=None, ge=1)
    """The longest reply; needed for `usd` and `tokens`."""
    limit_key: Literal["max_tokens", "max_completion_tokens"] | None = None
    """Which parameter limits the reply; none is by endpoint."""
    api: Literal["chat", "responses"] = "chat"
    """Chat completions, or OpenAI's responses."""
    stream: bool = False
    """For proxies that cut silent connections."""
    stall_s: float | None = Field(default=None, gt=0)
    """Silence in a stream that ends a try, in seconds."""
    temperature: float | None = Field(default=None, ge=0)
    """Sent where it is set."""
    top_p: float | None = Field(default=None, gt=0, le=1)
    """Sent where it is set."""
    reasoning_effort: str | None = Field(default=None, min_length=1)
    """Sent where it is set."""
    extra: dict[str, JsonValue] = Field(default_factory=dict)
    """Further parameters, sent as they are."""
    timeout_s: float = Field(default=_MODEL.timeout_s, gt=0)
    """Seconds that one try may take."""
    tries: int = Field(default=_MODEL.tries, ge=1, le=20)
    """How often a call is tried, the first included."""

    @field_validator("base_url")
    @classmethod
    def _address(cls, url: str | None) -> str | None:
        return None if url is None else checked_url(url)

    @field_validator("api_key_env")
    @classmethod
    def _variable(cls, name: str | None) -> str | None:
        if name is not None and not ENVIRONMENT_NAME.fullmatch(name):
            # The value is not shown: it may be the key itself.
            raise ValueError("the name of an environment variable, in capitals, which holds the key|something else")
        return name

    @field_validator("kinds")
    @classmethod
    def _asked(cls, kinds: tuple[Kind, ...]) -> tuple[Kind, ...]:
        for kind in ("seed", "import"):
            if kind in kinds:
                raise ValueError(f"kinds of patch, rewrite, crossover and repair|{kind!r}")
        return kinds

    @field_validator("extra")
    @classmethod
    def _further(cls, extra: dict[str, Any]) -> dict[str, Any]:
        taken = [name for name in extra if name in OURS or re.search(r"(^|[_-])(key|secret|password)$", name.lower())]
        if taken:
            raise ValueError(f"parameters that packsmith does not set itself, and no secrets|{', '.join(taken)}")
        return extra

    @model_validator(mode="after")
    def _together(self) -> ModelSection:
        if self.stall_s is not None and not self.stream:
            raise ValueError("stall_s beside stream: true|stall_s without it")
        if self.limit_key is not None and self.api != "chat":
            raise ValueError("limit_key beside api: chat|api: responses, whose limit has one name only")
        return self
