"""Read the bytes of an endpoint: a reply, or an error.

Owns: reading the bodies and event streams of `/chat/completions` and `/responses`, whatever they hold. Pure.
Does not know: HTTP, models, prices, how a reply that cannot be read is handled.

Servers differ: everything but the text is optional, and the type of every value is checked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.text import one_line
from harness.types import Finish, Usage

REFUSED = ("content_filter", "refusal", "safety", "content_policy_violation")
SHOWN = 300
"""The most characters of an endpoint's text that a message quotes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A reply. `usage` is as reported, None where it is missing or not numeric; `note` says what is unusual."""

    text: str
    finish: Finish = "stop"
    usage: Usage | None = None
    note: str = ""


class Unreadable(ValueError):
    """The bytes are not a reply; the message says what they are."""


class Embedded(ValueError):
    """An error that was sent with a success status; `status` is the one it should have had."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def quoted(text: str, most: int = SHOWN) -> str:
    """Untrusted text on one printable line of at most `most` characters."""
    return one_line(text, most, ellipsis="...")


def said(raw: bytes) -> str:
    """The message in an error's body, in any of the usual forms; else the beginning of the body."""
    text = raw[: 1 << 20].decode("utf-8", "replace")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return quoted(text)
    for key in ("error", "detail", "message"):
        while isinstance(value, Mapping) and value.get(key):
            value = value[key]
    return quoted(value if isinstance(value, str) else text)


def code(raw: bytes) -> str:
    """The machine-readable code in an error's body; "" if it has none."""
    error = _mapping(_loaded_or_none(raw[: 1 << 20]), "error")
    return str(error.get("code") or error.get("type") or "")


_NO = r"(?:not (?:be )?(?:support(?:ed)?|enabled|allowed|accepted|permitted)|unsupported|invalid|unexpected)\b"
_ITS = r"(?:system|developer)['\"`]? (?:role|message|instruction|prompt)s?\b"
_NO_SYSTEM = re.compile(
    "|".join(
        (
            rf"{_ITS}[^.\n]{{0,40}}?\b{_NO}",
            rf"\b{_NO}[^.\n]{{0,40}}?(?:{_ITS}|\brole:? ['\"`]?system\b)",
            rf"\brole\S{{0,4}} [^.\n]{{0,40}}?\b{_NO}[^.\n]{{0,20}}['\"`]system['\"`]",
            r"\bonly user and (?:assistant|model) roles are (?:supported|allowed)(?!, with the exception)",
            r"(?<!message, )\bconversation roles must alternate user/",
        )
    )
)
"""In lower case. A text that matches and means something else costs one more request that is refused."""


def refuses_system(raw: bytes) -> bool:
    """Whether an error's body says that a model, or its chat template, takes no system message.

    Such a template says so itself (Gemma: "System role not supported"), has no place for it (Mistral 7B: "Conversation
    roles must alternate user/assistant/..."), or its host does (Google: "Developer instruction is not enabled", OpenAI:
    "'messages[0].role' does not support 'system' with this model"). vLLM, llama.cpp, TGI and LiteLLM pass it on, with
    statuses from 400 to 500.
    """
    text = raw[: 1 << 16].decode("utf-8", "replace").replace('\\"', '"').lower()
    return _NO_SYSTEM.search(text) is not None


def body_answer(raw: bytes) -> Answer:
    """The reply in a complete body, of either interface. Raises Unreadable or Embedded."""
    tree = _loaded_or_none(raw)
    if not isinstance(tree, Mapping):
        raise Unreadable(f"expected a JSON object with the reply, found {_described(raw)}")
    if tree.get("error") and not tree.get("choices"):
        raise _embedded(tree["error"], 500)
    if tree.get("object") == "response" or "output" in tree:
        return _response(tree)
    if "choices" not in tree:
        raise Unreadable(f"expected a reply with `choices`, found {_described(raw)}")
    choices = tree["choices"]
    usage = _usage(tree.get("usage"))
    if not isinstance(choices, list) or not choices:
        return Answer(text="", finish="empty", usage=usage, note="the endpoint sent no choices")
    choice = choices[0] if isinstance(choices[0], Mapping) else {}
    if choice.get("error"):
        raise _embedded(choice["error"], 500)
    message = _mapping(choice, "message")
    return _answer(_text(message.get("content")), message.get("refusal"), choice.get("finish_reason"), usage)


class EventStream:
    """Folds server-sent events, fed in pieces of any size, into a reply."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._texts: list[str] = []
        self._refusals: list[str] = []
        self._finish: object = None
        self._usage: Usage | None = None
        self._whole: Answer | None = None
        self._ended = False

    def feed(self, data: bytes) -> None:
        """Add the next bytes. Raises Embedded for an error event, Unreadable for one that is not JSON."""
        self._rest += data
        *lines, rest = self._rest.split(b"\n")
        self._rest = bytearray(rest)
        for line in lines:
            name, _, value = bytes(line).partition(b":")
            if name.strip() == b"data":
                self._event(value.strip())

    def answer(self) -> Answer | None:
        """The reply; None where the stream ended early."""
        if self._whole is not None:
            return self._whole
        if not self._ended and self._finish is None:
            return None
        return _answer("".join(self._texts), "".join(self._refusals), self._finish, self._usage)

    def _event(self, data: bytes) -> None:
        if data == b"[DONE]":
            self._ended = True
            return
        tree = _loaded_or_none(data)
        if not isinstance(tree, Mapping):
            raise Unreadable(f"expected JSON in an event of the stream, found {len(data):,} bytes of something else")
        kind = tree.get("type")
        if kind == "error" or (tree.get("error") and not tree.get("choices")):
            raise _embedded(tree.get("error") or tree, 500)
        if kind in ("response.completed", "response.incomplete", "response.failed"):
            self._whole = _response(_mapping(tree, "response"))
        self._usage = _usage(tree.get("usage")) or self._usage
        choices = tree.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], Mapping) else {}
        delta = _mapping(choice, "delta")
        self._texts.append(_text(delta.get("content")))
        self._refusals.append(_text(delta.get("refusal")))
        self._finish = choice.get("finish_reason") or self._finish


def _answer(text: str, refusal: object, finish: object, usage: Usage | None) -> Answer:
    """A reply of chat completions. Servers have many finish reasons; an unknown one counts as `stop`."""
    if isinstance(refusal, str) and refusal:
        return Answer(text=refusal, finish="refusal", usage=usage)
    if finish in REFUSED:
        return Answer(text=text, finish="refusal", usage=usage, note=f"the endpoint ended it with `{finish}`")
    if finish == "length":
        return Answer(text=text, finish="length", usage=usage)
    if not text:
        return Answer(text="", finish="empty", usage=usage, note=f"no text (finish_reason: {quoted(str(finish))})")
    return Answer(text=text, usage=usage)


def _response(tree: Mapping[str, Any]) -> Answer:
    """A reply of the interface `responses`."""
    if tree.get("status") == "failed":
        raise _embedded(tree.get("error"), 500)
    output = tree.get("output")
    texts, refusals = [], []
    for item in output if isinstance(output, list) else ():
        content = item.get("content") if isinstance(item, Mapping) and item.get("type") == "message" else ()
        for part in content if isinstance(content, list) else ():
            if isinstance(part, Mapping):
                texts.append(_text(part.get("text")))
                refusals.append(_text(part.get("refusal")))
    finish: object = "stop"
    if tree.get("status") == "incomplete":
        reason = _mapping(tree, "incomplete_details").get("reason")
        finish = reason if reason in REFUSED else "length"
    return _answer("".join(texts), "".join(refusals), finish, _usage(tree.get("usage")))


def _embedded(error: object, status: int) -> Embedded:
    """An error object as an exception: its code is a status or the name of one."""
    fields = error if isinstance(error, Mapping) else {"message": error}
    number = fields.get("code") or fields.get("status")
    if isinstance(number, int) and 400 <= number < 600:
        status = number
    elif number in ("rate_limit_exceeded", "rate_limit_error"):
        status = 429
    return Embedded(status, str(fields.get("message") or error))


def _text(content: object) -> str:
    """A message's content: a text, or the texts in a list of parts."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else ()
    return "".join(_text(part.get("text")) for part in parts if isinstance(part, Mapping))


def _usage(fields: object) -> Usage | None:
    """The reported tokens, of either interface; None where they are not all integers."""
    if not isinstance(fields, Mapping):
        return None
    given = _number(fields, "prompt_tokens", "input_tokens")
    written = _number(fields, "completion_tokens", "output_tokens")
    details = fields.get("prompt_tokens_details") or fields.get("input_tokens_details") or {}
    cached = _number(details, "cached_tokens") if isinstance(details, Mapping) and details.get("cached_tokens") else 0
    if given is None or written is None or cached is None:
        return None
    return Usage(input_tokens=given, cached_tokens=cached, output_tokens=written)


def _number(fields: Mapping[str, Any], *names: str) -> int | None:
    value = next((fields[name] for name in names if name in fields), None)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _mapping(tree: object, key: str) -> Mapping[str, Any]:
    value = tree.get(key) if isinstance(tree, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def _loaded_or_none(raw: bytes) -> object:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None


def _described(raw: bytes) -> str:
    """A description of unexpected bytes, for a message."""
    if not raw.strip():
        return "an empty body"
    start = raw[:64].lstrip().lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        return f"a web page, which begins {quoted(raw[:200].decode('utf-8', 'replace'), 80)}"
    try:
        text = raw[:400].decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < 396:
            return f"{len(raw):,} bytes that are not text"
        text = raw[:400].decode("utf-8", "replace")
    return f"{len(raw):,} bytes that begin {quoted(text, 80)}"


def is_page(raw: bytes) -> bool:
    """Whether bytes are a web page: then the address is not that of a model's interface."""
    return raw[:64].lstrip().lower().startswith((b"<!doctype", b"<html"))
