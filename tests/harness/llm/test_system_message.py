"""Models that take no system message, behind a real server on loopback: found out once, at no cost."""

from __future__ import annotations

import json
import queue
from typing import Any

import pytest

from harness.llm import ModelFailure, Models
from harness.llm.answers import refuses_system
from harness.llm.endpoint import folded
from harness.llm.ledger import Ledger
from harness.types import Message, Request, Turn
from tests.harness.llm.test_llm import PROMPT, QUICK, REQUEST, both, failure, model, outcomes, streamed, turn
from tests.stub import Asked, Reply, Stub

ALTERNATE = "Conversation roles must alternate user/assistant/user/assistant/..."
LLAMA_CPP = (
    "\n------------\nWhile executing CallExpression at line 1, column 69 in source:\n"
    "...em' %}{{ raise_exception('System role not supported') }}{% endif %}{% for messa...\n"
    "                                        ^\nError: Jinja Exception: System role not supported"
)
REFUSALS = {
    "vLLM, Gemma 2": (400, {"object": "error", "message": "System role not supported", "type": "BadRequestError"}),
    "vLLM, Mistral 7B": (400, {"error": {"message": f"{ALTERNATE} {ALTERNATE}", "type": "BadRequestError"}}),
    "llama.cpp": (500, {"error": {"code": 500, "message": LLAMA_CPP, "type": "server_error"}}),
    "llama-cpp-python": (500, {"error": {"message": "System role not supported", "type": "internal_server_error"}}),
    "TGI": (422, {"error": "Template error: invalid operation: System role not supported (in <string>:1)"}),
    "Mistral template": (400, {"message": "Only user and assistant roles are supported!"}),
    "Google": (
        400,
        [{"error": {"code": 400, "message": "Developer instruction is not enabled for models/gemma-3-27b-it"}}],
    ),
    "LiteLLM before Google": (
        400,
        {
            "error": {
                "message": 'litellm.BadRequestError: GeminiException - {\n  "error": {\n    "message": "Developer '
                'instruction is not enabled for models/gemma-3-27b-it"\n  }\n}'
            }
        },
    ),
    "OpenAI o1-mini": (
        400,
        {
            "error": {
                "message": "Unsupported value: 'messages[0].role' does not support 'system' with this model.",
                "type": "invalid_request_error",
                "param": "messages[0].role",
                "code": "unsupported_value",
            }
        },
    ),
}
OTHERS = [
    "After the optional system message, conversation roles must alternate user and assistant roles",
    "Only user, system and assistant roles are supported!",
    "Only user and assistant roles are supported, with the exception of an initial optional system message!",
    "System message must be at the beginning.",
    "temperature is not supported",
    "the operating system is not available",
]


def strict(status: int, body: Any) -> Any:
    """A server whose model takes no system message."""

    def answer(asked: Asked) -> Reply:
        if any(message["role"] == "system" for message in asked.messages):
            return Reply(status=status, body=json.dumps(body).encode())
        return Reply(text="a patch")

    return answer


@both
@streamed
@pytest.mark.parametrize("said", REFUSALS)
def test_the_message_is_folded_and_one_answer_is_booked(said: str, api: str, stream: bool) -> None:
    with Stub(strict(*REFUSALS[said])) as stub:
        ledger = Ledger(calls=2)
        first, second = outcomes(stub, REQUEST, REQUEST, ledger=ledger, api=api, stream=stream, tries=1)
        assert isinstance(first, Turn) and isinstance(second, Turn)
        assert (first.text, first.finish, first.tries) == ("a patch", "stop", 1)
        assert first.note == "m takes no system message: it is sent at the head of the first user message instead"
        assert (second.text, second.tries, second.note) == ("a patch", 1, "")
        assert first.usage == second.usage and first.usd == second.usd
        assert ledger.spent.calls == 2 and ledger.spent.usd == first.usd + second.usd
        roles = [[message["role"] for message in asked.messages] for asked in stub.asked]
        assert roles == [["system", "user"], ["user"], ["user"]]
        assert stub.asked[1].messages[0]["content"] == f"You write patches.\n\n{PROMPT}"


def test_it_is_said_once_for_many_calls_at_a_time() -> None:
    notices: list[str] = []
    with Stub(strict(*REFUSALS["vLLM, Gemma 2"]), latency_s=0.05) as stub:
        arrived: queue.SimpleQueue[Turn | ModelFailure] = queue.SimpleQueue()
        with Models([model(stub)], Ledger(), retries=QUICK, notice=notices.append) as models:
            for ticket in range(8):
                models.submit(ticket, REQUEST, lambda _, outcome: arrived.put(outcome))
            found = [arrived.get(timeout=20) for _ in range(8)]
        assert all(isinstance(each, Turn) and each.text == "a patch" for each in found)
        assert sum(bool(each.note) for each in found if isinstance(each, Turn)) == 1
        assert notices == ["m takes no system message: it is sent at the head of the first user message instead"]


def test_a_server_that_refuses_the_folded_message_too_is_a_failure() -> None:
    with Stub(Reply(status=400, error="System role not supported")) as stub:
        assert "System role not supported" in failure(stub)
        assert len(stub.asked) == 2


def test_the_fault_of_the_folded_message_counts() -> None:
    with Stub([Reply(status=400, error="System role not supported"), Reply(status=401)]) as stub:
        assert "set the environment variable MY_KEY" in failure(stub)


@pytest.mark.parametrize("said", OTHERS)
def test_other_refusals_are_left_alone(said: str) -> None:
    assert not refuses_system(json.dumps({"error": {"message": said}}).encode())
    with Stub(Reply(status=400, error=said)) as stub:
        failure(stub)
        assert len(stub.asked) == 1


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_thoughts_in_a_field_of_their_own_are_no_part_of_the_text(field: str) -> None:
    message = {"role": "assistant", field: "<<<<<<< SEARCH", "content": "a patch"}
    with Stub(Reply(body=json.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}).encode())) as stub:
        assert turn(stub).text == "a patch"
    deltas = [{field: "<<<<<<<"}, {field: " SEARCH", "content": None}, {"content": "a patch"}]
    events = [{"choices": [{"delta": delta}]} for delta in deltas] + [{"choices": [{"finish_reason": "stop"}]}]
    body = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)
    with Stub(Reply(body=body, content_type="text/event-stream")) as stub:
        assert turn(stub, stream=True).text == "a patch"


def messages(*given: tuple[Any, str]) -> Request:
    return Request(
        kind="patch", parents=("a",), model="m", messages=tuple(Message(role=role, text=text) for role, text in given)
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([("user", "u")], [("user", "u")]),
        ([("system", "s")], [("user", "s")]),
        (
            [("system", "s"), ("user", "u"), ("assistant", "a"), ("user", "v")],
            [("user", "s\n\nu"), ("assistant", "a"), ("user", "v")],
        ),
        ([("system", "s"), ("system", "t"), ("user", "u")], [("user", "s\n\nt\n\nu")]),
        ([("system", "s"), ("assistant", "a")], [("user", "s"), ("assistant", "a")]),
    ],
)
def test_folding(given: list[tuple[Any, str]], expected: list[tuple[Any, str]]) -> None:
    assert folded(messages(*given)) == messages(*expected)
