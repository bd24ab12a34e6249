"""Calls to a real endpoint on loopback: replies, bookings, and messages about faults."""

from __future__ import annotations

import json
import queue
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from email.utils import formatdate
from typing import Any

import pytest

from harness.accounts import Booked
from harness.llm import Model, ModelFailure, Models, Price, Retries, Secret, booked
from harness.llm.endpoint import CALLS_A_CLIENT, MOST_BYTES, retry_after_s
from harness.llm.ledger import Bound, Ledger, OverBudget
from harness.types import HarnessError, Message, Request, Turn, Usage
from tests.stub import Asked, Fail, Reply, Stub

KEY = "sk-secret-0123456789abcdef"
PROMPT = "Make it faster, please. " * 40
REQUEST = Request(
    kind="patch",
    parents=("a",),
    model="m",
    messages=(Message(role="system", text="You write patches."), Message(role="user", text=PROMPT)),
)
QUICK = Retries(first_s=0.01, most_s=0.05, most_asked_s=0.5)
PRICE = Price(input=1.0, cached_input=0.1, output=10.0)


def model(stub: Stub, **changes: Any) -> Model:
    settings: dict[str, Any] = {
        "name": "m",
        "base_url": stub.base_url,
        "key": Secret(KEY),
        "key_env": "MY_KEY",
        "where": "models[0]",
        "price": PRICE,
        "max_output_tokens": 100,
        "timeout_s": 5.0,
        "tries": 3,
    }
    return Model(**{**settings, **changes})


def outcomes(
    stub: Stub, *requests: Request, ledger: Ledger | None = None, retries: Retries = QUICK, **changes: Any
) -> list[Turn | ModelFailure]:
    """The outcomes of requests that are made one after another."""
    found: list[Turn | ModelFailure] = []
    arrived: queue.SimpleQueue[Turn | ModelFailure] = queue.SimpleQueue()
    with Models([model(stub, **changes)], ledger or Ledger(), retries=retries, rng=random.Random(1)) as models:
        for ticket, request in enumerate(requests or (REQUEST,)):
            models.submit(ticket, request, lambda _, outcome: arrived.put(outcome))
            found.append(arrived.get(timeout=20))
    return found


def turn(stub: Stub, **options: Any) -> Turn:
    [found] = outcomes(stub, **options)
    assert isinstance(found, Turn), found
    return found


def failure(stub: Stub, **options: Any) -> str:
    [found] = outcomes(stub, **options)
    assert isinstance(found, ModelFailure), found
    assert KEY not in str(found) and KEY not in repr(found)
    return str(found)


def most(stub: Stub, **changes: Any) -> Bound:
    """The bound of one try of REQUEST."""
    return Models([model(stub, **changes)], Ledger()).bound(REQUEST)


both = pytest.mark.parametrize("api", ["chat", "responses"])
streamed = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


class TestAnswers:
    @both
    @streamed
    def test_text_usage_and_price(self, api: str, stream: bool) -> None:
        with Stub(Reply(text="a patch\nof two lines", chunks=3), key=KEY) as stub:
            ledger = Ledger()
            found = turn(stub, ledger=ledger, api=api, stream=stream)
            assert (found.text, found.finish, found.tries, found.note) == ("a patch\nof two lines", "stop", 1, "")
            [billed] = stub.billed
            usage = Usage(input_tokens=billed.input_tokens, output_tokens=billed.output_tokens)
            assert found.usage == usage
            assert found.usd == pytest.approx(PRICE.usd(usage))
            assert ledger.spent == Booked(usd=found.usd, tokens=usage.input_tokens + usage.output_tokens, calls=1)
            assert stub.asked[0].text.endswith(PROMPT)
            assert bool(stub.asked[0].body.get("stream")) == stream

    @both
    @streamed
    def test_truncated(self, api: str, stream: bool) -> None:
        with Stub(Reply(text="half a", finish="length")) as stub:
            assert turn(stub, api=api, stream=stream).finish == "length"

    @both
    @streamed
    def test_refusal(self, api: str, stream: bool) -> None:
        with Stub(Reply(text="", refusal="I will not.")) as stub:
            found = turn(stub, api=api, stream=stream)
            assert (found.finish, found.text) == ("refusal", "I will not.")

    @both
    @streamed
    def test_no_choices(self, api: str, stream: bool) -> None:
        with Stub(Reply(choices=False)) as stub:
            found = turn(stub, api=api, stream=stream)
            assert (found.finish, found.text, len(stub.asked)) == ("empty", "", 1)

    @streamed
    def test_no_text(self, stream: bool) -> None:
        with Stub(Reply(text="")) as stub:
            found = turn(stub, stream=stream)
            assert found.finish == "empty" and "no text" in found.note

    def test_filtered(self) -> None:
        with Stub(Reply(text="so far", finish="content_filter")) as stub:
            found = turn(stub)
            assert (found.finish, found.text) == ("refusal", "so far")

    def test_content_in_parts(self) -> None:
        content = [{"type": "text", "text": "one "}, {"type": "text", "text": "two"}, 5]
        with Stub(Reply(body=json.dumps({"choices": [{"message": {"content": content}}]}).encode())) as stub:
            assert turn(stub).text == "one two"

    @streamed
    def test_ten_megabytes(self, stream: bool) -> None:
        text = "0123456789" * 1_000_000
        with Stub(Reply(text=text, chunks=50)) as stub:
            found = turn(stub, stream=stream, timeout_s=30.0)
            assert found.text == text
            assert "over the limit of 100" in found.note
            assert found.usd == most(stub).usd

    def test_any_unicode(self) -> None:
        text = "π ≤ 4 \U0001f600 \x00 \r\n\ttab"
        with Stub(Reply(text=text)) as stub:
            assert turn(stub, stream=True).text == text

    def test_what_is_sent(self) -> None:
        with Stub() as stub:
            turn(stub, temperature=0.5, top_p=0.9, reasoning_effort="low", extra={"seed": 7}, model="theirs")
            body = dict(stub.asked[0].body)
            assert [message["role"] for message in body.pop("messages")] == ["system", "user"]
            sampling = {"temperature": 0.5, "top_p": 0.9, "reasoning_effort": "low", "seed": 7}
            assert body == {"model": "theirs", "max_tokens": 100, **sampling}
            assert stub.asked[0].headers["authorization"] == f"Bearer {KEY}"

    def test_what_is_sent_to_responses(self) -> None:
        with Stub() as stub:
            turn(stub, api="responses", reasoning_effort="low")
            body = dict(stub.asked[0].body)
            assert len(body.pop("input")) == 2
            assert body == {"model": "m", "max_output_tokens": 100, "reasoning": {"effort": "low"}, "store": False}

    def test_unset_parameters_are_not_sent(self) -> None:
        with Stub() as stub:
            turn(stub, key=Secret(""), max_output_tokens=None)
            assert set(stub.asked[0].body) == {"model", "messages"}

    def test_the_smaller_limit_of_output_is_sent(self) -> None:
        with Stub() as stub:
            outcomes(stub, replace(REQUEST, max_output_tokens=7), replace(REQUEST, max_output_tokens=700))
            assert [asked.body["max_tokens"] for asked in stub.asked] == [7, 100]

    def test_prompt_with_lone_surrogates_can_be_sent(self) -> None:
        with Stub() as stub:
            outcomes(stub, replace(REQUEST, messages=(Message(role="user", text="a\udc80b" + PROMPT),)))
            assert stub.asked[0].text.startswith("a?b")

    def test_azure_gets_its_header_and_version(self) -> None:
        settings = Model(name="m", base_url="https://x.openai.azure.com/openai/deployments/d?api-version=2024-10-21")
        assert settings.azure and settings.sent_limit_key == "max_completion_tokens"
        with Stub() as stub:
            turn(stub, base_url=f"{stub.base_url}?api-version=1")
            assert stub.asked[0].path == "/v1/chat/completions?api-version=1"


FATAL = {
    "wrong key": (Reply(status=401), "set the environment variable MY_KEY to a valid key"),
    "no right": (Reply(status=403), "the key in MY_KEY has no permission"),
    "no credit": (Reply(status=402), "no credit left"),
    "unknown model": (Reply(status=404, error="no model m"), "check models[0].name (here `m`"),
    "bad parameter": (
        Reply(status=400, error="temperature is not supported"),
        "not every endpoint accepts all",
    ),
    "unprocessable": (Reply(status=422), "check models[0].name and its parameters"),
    "too long": (Reply(status=400, error="maximum context length is 8192"), "lower proposer.context_tokens"),
    "name of the limit": (Reply(status=400, error="Unsupported: 'max_tokens'"), "set models[0].limit_key to max_compl"),
    "too large": (Reply(status=413, body=b"", content_type="text/plain"), "answered 413 (no message)"),
    "quota": (Reply(status=429, body=b'{"error": {"message": "no", "code": "insufficient_quota"}}'), "no credit left"),
    "web page": (
        Reply(body=b"<!DOCTYPE html><title>Hi</title>", content_type="text/html"),
        "set models[0].base_url to the address of the API",
    ),
}


class TestFatalFaults:
    @pytest.mark.parametrize(("reply", "words"), FATAL.values(), ids=FATAL)
    def test_message_says_what_to_do_after_one_try_that_costs_nothing(self, reply: Reply, words: str) -> None:
        with Stub(reply) as stub:
            ledger = Ledger(usd=1.0)
            text = failure(stub, ledger=ledger)
            assert words in text and text.startswith("m: 127.0.0.1:")
            assert len(stub.asked) == 1
            assert ledger.spent == Booked(calls=1) and ledger.held == Booked()

    def test_without_a_key(self) -> None:
        with Stub(key=KEY) as stub:
            text = failure(stub, key=Secret(""), key_env="")
            assert "no key was sent: set models[0].api_key_env to the environment variable" in text

    @both
    def test_wrong_key_that_is_echoed(self, api: str) -> None:
        with Stub(key="another") as stub:
            assert "Incorrect API key provided: ***." in failure(stub, api=api)

    @both
    def test_wrong_address(self, api: str) -> None:
        with Stub() as stub:
            address = stub.base_url.removesuffix("/v1")
            assert f"models[0].base_url (here {address}; it ends before" in failure(stub, base_url=address, api=api)

    @both
    def test_unknown_model(self, api: str) -> None:
        with Stub(models=["theirs"]) as stub:
            text = failure(stub, api=api)
            assert "The model `m` does not exist" in text and "check models[0].name (here `m`" in text
            assert turn(stub, api=api, model="theirs").text == "hello"

    def test_error_body_of_ten_megabytes_is_quoted_briefly(self) -> None:
        with Stub(Reply(status=400, body=b"x" * 10_000_000, content_type="text/plain")) as stub:
            assert len(failure(stub)) < 1000

    def test_content_filter_is_a_refusal_of_this_prompt_alone(self) -> None:
        body = b'{"error": {"message": "filtered", "code": "content_filter"}}'
        with Stub(Reply(status=400, body=body)) as stub:
            found = turn(stub)
            assert (found.finish, found.usd) == ("refusal", 0.0) and "filtered" in found.note

    def test_after_a_try_that_may_have_been_billed_it_is_a_turn_that_books_it(self) -> None:
        with Stub([Reply(fail="drop"), Reply(status=401)]) as stub:
            found = turn(stub)
            assert (found.finish, found.tries) == ("no_reply", 2)
            assert found.usd == most(stub).usd and "MY_KEY" in found.note


PASSING = {str(status): Reply(status=status, error="busy") for status in (408, 409, 429, 500, 502, 503, 529)}


class TestEnvironment:
    @pytest.mark.parametrize(
        ("name", "value"),
        [("SSL_CERT_FILE", "/nowhere/certs.pem"), ("HTTPS_PROXY", "gopher://proxy"), ("ALL_PROXY", "socks5://proxy:1")],
    )
    def test_unusable_setting_is_named_in_the_message(
        self, name: str, value: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(name, value)
        with Stub() as stub:
            text = failure(stub, base_url="http://model.invalid/v1")
        assert "no connection can be set up" in text and name in text

    def test_proxy_is_not_used_for_local_servers(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        monkeypatch.setenv("NO_PROXY", "")
        with Stub() as stub:
            assert turn(stub).text == "hello"

    def test_unknown_host_is_tried_again_and_costs_nothing(self) -> None:
        with Stub() as stub:
            found = turn(stub, base_url="http://model.invalid/v1", tries=2)
        assert (found.finish, found.tries, found.usd) == ("no_reply", 2, 0.0)
        assert "no connection to model.invalid" in found.note


class TestTransientFaults:
    @pytest.mark.parametrize("reply", PASSING.values(), ids=PASSING)
    def test_a_status_is_tried_again_and_costs_nothing(self, reply: Reply) -> None:
        with Stub([reply, reply, Reply(text="at last")]) as stub:
            ledger = Ledger(usd=1.0)
            found = turn(stub, ledger=ledger)
            assert (found.text, found.tries, found.note) == ("at last", 3, "failed tries before it: 2")
            [_, _, billed] = stub.billed
            assert found.usage.input_tokens == billed.input_tokens
            assert ledger.spent.calls == 3 and ledger.spent.usd == found.usd

    def test_tries_are_bounded(self) -> None:
        with Stub(Reply(status=503, error="overloaded")) as stub:
            found = turn(stub)
            assert (found.finish, found.text, found.tries, found.usd) == ("no_reply", "", 3, 0.0)
            assert "answered 503 (overloaded)" in found.note and "all 3 tries failed" in found.note
            assert len(stub.asked) == 3

    @pytest.mark.parametrize("fail", ["drop", "drop_after_headers", "drop_midway"])
    @streamed
    def test_a_dropped_connection_is_booked_at_the_most_it_may_cost(self, fail: Fail, stream: bool) -> None:
        with Stub([Reply(fail=fail), Reply(text="at last")]) as stub:
            found = turn(stub, stream=stream)
            assert (found.text, found.tries) == ("at last", 2)
            assert found.usd == pytest.approx(most(stub).usd + PRICE.usd(turn(stub, stream=stream).usage))

    @pytest.mark.parametrize("fail", ["stall", "stall_midway"])
    @streamed
    def test_the_deadline_bounds_the_whole_call(self, fail: Fail, stream: bool) -> None:
        with Stub(Reply(fail=fail)) as stub:
            begun = time.monotonic()
            found = turn(stub, stream=stream, timeout_s=0.3, tries=2)
            assert 0.6 <= time.monotonic() - begun < 3.0
            assert (found.finish, found.tries) == ("no_reply", 2)
            assert "within 0.3 s (models[0].timeout_s)" in found.note
            assert found.usd == pytest.approx(2 * most(stub).usd)

    @streamed
    def test_a_trickle_does_not_extend_the_deadline(self, stream: bool) -> None:
        with Stub(Reply(fail="trickle")) as stub:
            begun = time.monotonic()
            assert turn(stub, timeout_s=0.5, tries=1, stream=stream).finish == "no_reply"
            assert time.monotonic() - begun < 3.0

    def test_a_stalled_stream_ends_before_the_deadline(self) -> None:
        with Stub([Reply(fail="stall_midway"), Reply(text="at last")]) as stub:
            found = turn(stub, stream=True, stall_s=0.2, timeout_s=30.0)
            assert found.text == "at last" and found.seconds < 5.0

    def test_a_stream_that_ends_early_is_no_reply(self) -> None:
        event = b'data: {"choices": [{"delta": {"content": "half"}}]}\n\n'
        with Stub(Reply(body=event, content_type="text/event-stream")) as stub:
            found = turn(stub, stream=True, tries=1)
            assert found.finish == "no_reply" and "ended in the middle" in found.note

    def test_a_refused_connection_costs_nothing(self) -> None:
        with Stub() as stub:
            address = stub.base_url
        ledger = Ledger(usd=1.0)
        found = turn(stub, base_url=address, ledger=ledger)
        assert (found.finish, found.tries, found.usd) == ("no_reply", 3, 0.0)
        assert "no connection to 127.0.0.1" in found.note

    def test_an_error_sent_as_a_success(self) -> None:
        error = Reply(body=b'{"error": {"code": 429, "message": "slow down"}}')
        with Stub([error, Reply(text="at last")]) as stub:
            found = turn(stub)
            assert (found.text, found.tries) == ("at last", 2)
            assert found.usage.input_tokens == stub.billed[1].input_tokens

    def test_waits_grow_and_differ(self) -> None:
        rng = random.Random(3)
        waits = [Retries().wait_s(failed, rng) for failed in (1, 2, 3, 20)]
        for wait_s, longest in zip(waits, (1.0, 2.0, 4.0, 60.0), strict=True):
            assert longest / 2 <= wait_s <= longest
        assert Retries().wait_s(1, rng) != Retries().wait_s(1, rng)


class TestRetryAfter:
    def test_retry_after_is_honoured(self) -> None:
        with Stub([Reply(status=429, headers=(("Retry-After", "0.4"),)), Reply()]) as stub:
            turn(stub)
            first, second = stub.asked
            assert 0.4 <= second.at_s - first.at_s < 2.0

    def test_without_it_the_wait_is_the_default(self) -> None:
        with Stub([Reply(status=429), Reply()]) as stub:
            turn(stub)
            assert stub.asked[1].at_s - stub.asked[0].at_s < 0.4

    def test_applies_to_all_calls_of_the_endpoint(self) -> None:
        arrived: queue.SimpleQueue[Turn | ModelFailure] = queue.SimpleQueue()
        with Stub([Reply(status=429, headers=(("Retry-After", "0.5"),)), Reply()]) as stub:
            with Models([model(stub)], Ledger(), retries=QUICK) as models:
                models.submit(0, REQUEST, lambda _, outcome: arrived.put(outcome))
                while not stub.asked:
                    time.sleep(0.01)
                time.sleep(0.2)
                models.submit(1, REQUEST, lambda _, outcome: arrived.put(outcome))
                assert all(isinstance(arrived.get(timeout=10), Turn) for _ in range(2))
            assert all(asked.at_s - stub.asked[0].at_s >= 0.45 for asked in stub.asked[1:])

    def test_too_long_a_wait_ends_the_call(self) -> None:
        with Stub(Reply(status=429, headers=(("Retry-After", "3600"),))) as stub:
            found = turn(stub)
            assert (found.finish, found.tries) == ("no_reply", 1)
            assert "asks to wait 3,600 s" in found.note

    @pytest.mark.parametrize(
        ("headers", "wait_s"),
        [
            ({"retry-after": "7"}, 7.0),
            ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
            ({"retry-after": formatdate(1030.0, usegmt=True)}, 30.0),
            ({"retry-after": formatdate(900.0, usegmt=True)}, 0.0),
            ({"retry-after": "-3"}, None),
            ({"retry-after": "nan"}, None),
            ({"retry-after": "soon"}, None),
            ({}, None),
        ],
    )
    def test_every_form_of_retry_after_is_read(self, headers: dict[str, str], wait_s: float | None) -> None:
        assert retry_after_s(headers, now_s=1000.0) == wait_s


GARBAGE = {
    "binary": (b"\x00\xff\xfe\x80" * 100, "400 bytes that are not text"),
    "malformed": (b'{"choices": [{"message"', "that begin {"),
    "empty": (b"", "an empty body"),
    "a list": (b"[1, 2]", "that begin [1, 2]"),
    "another interface": (b'{"response": "hi", "done": true}', "expected a reply with `choices`"),
    "too deep": (b"[" * 100_000, "that begin [[["),
    "a huge number": (b'{"choices": ' + b"9" * 10_000 + b"}", "that begin"),
}


class TestGarbage:
    @pytest.mark.parametrize(("body", "words"), GARBAGE.values(), ids=GARBAGE)
    def test_is_no_reply_and_booked_at_the_most_it_may_cost(self, body: bytes, words: str) -> None:
        with Stub(Reply(body=body)) as stub:
            found = turn(stub)
            assert (found.finish, found.text, found.tries) == ("no_reply", "", 1)
            assert words in found.note and found.usd == most(stub).usd

    @pytest.mark.parametrize(
        "body",
        [
            {"choices": 5},
            {"choices": [5]},
            {"choices": [{"message": None}]},
            {"choices": [{"message": {"content": {"a": 1}}}]},
            {"object": "response", "output": 5},
            {"object": "response", "output": [{"type": "message", "content": [7]}]},
        ],
    )
    def test_other_types_than_expected_are_an_empty_reply(self, body: object) -> None:
        with Stub(Reply(body=json.dumps(body).encode())) as stub:
            assert turn(stub).finish == "empty"

    def test_events_that_are_not_json(self) -> None:
        with Stub(Reply(body=b"data: what\n\n", content_type="text/event-stream")) as stub:
            assert "expected JSON in an event" in turn(stub, stream=True).note

    def test_an_endless_body_is_not_read_on(self) -> None:
        with Stub(Reply(body=b"x" * (MOST_BYTES + 1))) as stub:
            assert "sent more than 32 MB" in turn(stub, timeout_s=30.0).note


LIES: dict[str, object] = {
    "missing": None,
    "no numbers": {"prompt_tokens": "many", "completion_tokens": None},
    "zero": {"prompt_tokens": 0, "completion_tokens": 0},
    "negative": {"prompt_tokens": -5, "completion_tokens": -5},
    "huge": {"prompt_tokens": 10**12, "completion_tokens": 3},
    "over the limit": {"prompt_tokens": 300, "completion_tokens": 101},
    "more cached than there is": {
        "prompt_tokens": 300,
        "completion_tokens": 3,
        "prompt_tokens_details": {"cached_tokens": 301},
    },
    "true": {"prompt_tokens": True, "completion_tokens": True},
}


class TestImplausibleUsage:
    @pytest.mark.parametrize("usage", LIES.values(), ids=LIES)
    @streamed
    def test_books_the_most_it_may_cost(self, usage: Any, stream: bool) -> None:
        with Stub(Reply(usage=usage)) as stub:
            found = turn(stub, stream=stream)
            assert found.text == "hello"
            assert found.usd == most(stub).usd
            assert "booked at the most it may cost" in found.note

    def test_cached_input_is_priced_apart(self) -> None:
        usage = {"prompt_tokens": 300, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 200}}
        with Stub(Reply(usage=usage)) as stub:
            assert turn(stub).usd == pytest.approx((100 * 1.0 + 200 * 0.1 + 3 * 10.0) / 1e6)

    def test_implausible_usage_without_a_limit_is_booked_by_the_text(self) -> None:
        with Stub(Reply(usage=None, text="12345678")) as stub:
            assert turn(stub, max_output_tokens=None).usage.output_tokens == 8

    @pytest.mark.parametrize("seed", range(3))
    def test_a_small_budget_holds_with_false_usage_and_frequent_failures(self, seed: int) -> None:
        rng = random.Random(seed)
        fails: Sequence[Fail] = ("drop", "drop_midway", "drop_after_headers", "")
        limit = 0.05

        def reply(asked: Asked) -> Reply:
            if rng.random() < 0.5:
                return rng.choice([Reply(status=500), Reply(status=429), *(Reply(fail=fail) for fail in fails)])
            usage: Any = rng.choice([*LIES.values(), "honest"])
            return Reply(text="x" * rng.randrange(300), usage=usage)

        with Stub(reply) as stub:
            ledger, arrived = Ledger(usd=limit), queue.SimpleQueue[Turn | ModelFailure]()
            turns: list[Turn] = []
            with Models([model(stub, tries=4)], ledger, retries=Retries(first_s=0.001), rng=rng) as models:
                open_, ended = 0, False
                while open_ or not ended:
                    while not ended and open_ < 8:
                        try:
                            models.submit(0, REQUEST, lambda _, outcome: arrived.put(outcome))
                            open_ += 1
                        except OverBudget as error:
                            if not open_:
                                ended = error.final
                            break
                    if open_:
                        outcome = arrived.get(timeout=20)
                        assert isinstance(outcome, Turn)
                        turns.append(outcome)
                        open_ -= 1
                    assert ledger.spent.usd + ledger.held.usd <= limit
            really = stub.bill(input_usd_per_million=PRICE.input, output_usd_per_million=PRICE.output)
            assert 0 < really <= ledger.spent.usd <= limit
            assert booked(turns).usd == pytest.approx(ledger.spent.usd)
            assert booked(turns).calls == ledger.spent.calls == len(stub.asked)


class TestBudget:
    def test_is_checked_before_the_endpoint_is_asked(self) -> None:
        with Stub() as stub, Models([model(stub)], Ledger(usd=1e-6)) as models:
            with pytest.raises(OverBudget, match=r"budget\.usd") as error:
                models.submit(0, REQUEST, lambda *_: None)
            assert error.value.final and not stub.asked

    def test_covers_each_try(self) -> None:
        with Stub(Reply(status=500)) as stub:
            ledger = Ledger(calls=2)
            found = turn(stub, ledger=ledger)
            assert (found.finish, found.tries, len(stub.asked)) == ("no_reply", 2, 2)
            assert "the budget does not allow another try: all 2 calls" in found.note

    @pytest.mark.parametrize(
        ("limits", "changes", "words"),
        [
            ({"usd": 1.0}, {"price": None}, "budget.usd needs prices, and m has none: add models[0].price"),
            ({"usd": 1.0}, {"max_output_tokens": None}, "add models[0].max_output_tokens"),
            ({"tokens": 5}, {"max_output_tokens": None}, "budget.tokens needs an upper bound"),
        ],
    )
    def test_model_without_an_upper_bound_is_refused(
        self, limits: dict[str, Any], changes: dict[str, Any], words: str
    ) -> None:
        with Stub() as stub, pytest.raises(HarnessError) as error:
            Models([model(stub, **changes)], Ledger(**limits))
        assert words in str(error.value)

    def test_a_bound_covers_the_prompt_byte_by_byte(self) -> None:
        with Stub() as stub:
            bound = most(stub)
        assert bound.tokens >= len(PROMPT.encode()) + 100
        assert bound.usd == pytest.approx(((bound.tokens - 100) * 1.0 + 100 * 10.0) / 1e6)

    def test_tries_after_a_billed_one_wait_until_their_bound_is_durable(self) -> None:
        noted: list[tuple[int, Bound]] = []
        release: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        arrived: queue.SimpleQueue[Turn | ModelFailure] = queue.SimpleQueue()

        def again(ticket: int, bound: Bound, go: Callable[[], None]) -> None:
            noted.append((ticket, bound))
            release.put(go)

        with Stub([Reply(fail="drop"), Reply(status=500), Reply()]) as stub:
            with Models([model(stub)], Ledger(), retries=QUICK) as models:
                models.submit(7, REQUEST, lambda _, outcome: arrived.put(outcome), again)
                go = release.get(timeout=10)
                time.sleep(0.2)
                assert len(stub.asked) == 1
                go()
                release.get(timeout=10)()
                assert isinstance(arrived.get(timeout=10), Turn)
            one = most(stub)
            assert noted == [(7, Bound(usd=2 * one.usd, tokens=2 * one.tokens))] * 2


class TestKey:
    def test_a_key_prints_masked(self) -> None:
        secret = Secret(KEY)
        with Stub() as stub:
            for text in (repr(secret), str(secret), f"{secret}", repr(model(stub)), repr([secret])):
                assert KEY not in text and "***" in text

    def test_a_key_is_not_pickled(self) -> None:
        import pickle

        with pytest.raises(TypeError, match="must not be stored"):
            pickle.dumps(Secret(KEY))

    @pytest.mark.parametrize("text", ["sk-1234 5678", "sk-1234\n", "sk-ключ", "sk\x00"])
    def test_invalid_key_is_refused_without_being_shown(self, text: str) -> None:
        with pytest.raises(ValueError, match="printable ASCII") as error:
            Secret(text)
        assert text not in str(error.value)

    @pytest.mark.parametrize("pad", [0, 280, 290, 1190, 3990])
    def test_echoed_in_an_error_is_masked_wherever_the_text_is_cut(self, pad: int) -> None:
        for reply in (
            Reply(status=400, error="x" * pad + KEY + " is what you sent"),
            Reply(status=500, error="x" * pad + KEY),
            Reply(body=b"x" * pad + KEY.encode() + b" and more"),
            Reply(body=json.dumps({"error": {"code": 400, "message": "x" * pad + KEY}}).encode()),
        ):
            with Stub(reply) as stub:
                [found] = outcomes(stub, tries=1)
                said = str(found)
                assert not any(KEY[:size] in said for size in range(9, len(KEY))), said

    @streamed
    def test_echoed_in_a_reply_is_masked(self, stream: bool) -> None:
        with Stub(lambda asked: Reply(text=f"you sent {asked.headers['authorization']}", chunks=7)) as stub:
            assert turn(stub, stream=stream).text == "you sent Bearer ***"

    def test_placeholder_of_a_local_server_is_not_masked(self) -> None:
        with Stub(Reply(text="ollama run")) as stub:
            assert turn(stub, key=Secret("ollama")).text == "ollama run"


class TestThread:
    def test_many_at_once_with_few_connections_each(self) -> None:
        arrived: queue.SimpleQueue[int] = queue.SimpleQueue()
        with Stub(latency_s=1.0) as stub, Models([model(stub)], Ledger()) as models:
            for ticket in range(3 * CALLS_A_CLIENT):
                models.submit(ticket, REQUEST, lambda ticket, _: arrived.put(ticket))
            tickets = [arrived.get(timeout=20) for _ in range(3 * CALLS_A_CLIENT)]
            assert sorted(tickets) == list(range(3 * CALLS_A_CLIENT))
            assert stub.most_in_flight == 3 * CALLS_A_CLIENT
            assert models.in_flight == 0

    def test_leaving_cancels_what_is_under_way(self) -> None:
        called: list[int] = []
        ledger = Ledger(usd=1.0)
        with Stub(Reply(fail="stall")) as stub:
            begun = time.monotonic()
            with Models([model(stub, timeout_s=60.0)], ledger) as models:
                models.submit(1, REQUEST, lambda ticket, _: called.append(ticket))
                while not stub.asked:
                    time.sleep(0.01)
            assert time.monotonic() - begun < 5.0
            assert not called
            assert ledger.held == Booked() and ledger.spent.usd == most(stub).usd

    def test_leaves_no_thread_behind(self) -> None:
        with Stub() as stub:
            before = set(threading.enumerate())
            turn(stub)
            assert set(threading.enumerate()) == before

    def test_done_is_called_in_the_models_thread(self) -> None:
        names: queue.SimpleQueue[str] = queue.SimpleQueue()
        with Stub() as stub, Models([model(stub)], Ledger()) as models:
            models.submit(0, REQUEST, lambda *_: names.put(threading.current_thread().name))
            assert names.get(timeout=10) == "models"

    def test_only_within_its_context(self) -> None:
        with Stub() as stub:
            models = Models([model(stub)], Ledger())
            with pytest.raises(RuntimeError, match="inside `with models:`"):
                models.submit(0, REQUEST, lambda *_: None)

    def test_unknown_model(self) -> None:
        with (
            Stub() as stub,
            Models([model(stub)], Ledger()) as models,
            pytest.raises(HarnessError, match="expected a model of m, found 'x' in a request"),
        ):
            models.submit(0, replace(REQUEST, model="x"), lambda *_: None)

    def test_two_models_with_one_name(self) -> None:
        with Stub() as stub, pytest.raises(HarnessError, match="different names"):
            Models([model(stub), model(stub)], Ledger())

    def test_a_bug_of_ours_ends_the_call_with_a_message(self) -> None:
        def wrong(ticket: int, bound: Bound, go: Callable[[], None]) -> None:
            raise KeyError("oh")

        arrived: queue.SimpleQueue[Turn | ModelFailure] = queue.SimpleQueue()
        ledger = Ledger(usd=1.0)
        with (
            Stub(Reply(fail="drop")) as stub,
            Models([model(stub)], ledger, retries=QUICK) as models,
        ):
            models.submit(0, REQUEST, lambda _, outcome: arrived.put(outcome), wrong)
            found = arrived.get(timeout=10)
        assert isinstance(found, ModelFailure) and "bug in packsmith" in str(found)
        assert isinstance(found.__cause__, KeyError) and ledger.held == Booked()
