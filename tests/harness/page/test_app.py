"""The page's answers, from a real server on the loopback interface: their shapes, paging, search, events, actions."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from harness.archive import Archive
from harness.archive.owners import ASK
from harness.page import bodies, serving
from harness.turns import open_ticket
from harness.types import Message, Request
from tests.harness.archive.archives import family, git, raw
from tests.harness.page.pages import PATIENCE_S, Client, followed, new, served, small

GOLDEN = Path(__file__).resolve().parents[2] / "data" / "page"
VOLATILE = frozenset({"id", "epoch", "path", "when", "started", "newest", "t"})


@pytest.fixture(scope="module")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small(tmp_path_factory.mktemp("runs") / "small")


@pytest.fixture(scope="module")
def client(small_run: Path) -> Iterator[Client]:
    """A page of a finished run that nothing changes."""
    run = followed(small_run)
    with served([run]) as page:
        yield page
    run.close()


@pytest.fixture
def growing(tmp_path: Path) -> Iterator[Archive]:
    with new(tmp_path / "growing") as archive:
        family(archive)
        yield archive


def steady(value: Any) -> Any:
    """JSON values with a word for what differs from one run to the next."""
    if isinstance(value, dict):
        return {key: "…" if key in VOLATILE else steady(part) for key, part in value.items()}
    return [steady(part) for part in value] if isinstance(value, list) else value


class TestShapes:
    @pytest.mark.parametrize(
        ("name", "path"),
        [
            ("runs", "/api/runs"),
            ("attempts", "/api/runs/0/attempts"),
            ("crossover", "/api/runs/0/attempts/3"),
            ("refused", "/api/runs/0/attempts/4"),
            ("way", "/api/runs/0/way/3"),
            ("diff", "/api/runs/0/diff?a=0&b=3"),
            ("verdicts", "/api/runs/0/verdicts"),
            ("spend", "/api/runs/0/spend"),
            ("tickets", "/api/runs/0/tickets"),
        ],
    )
    def test_an_answer_is_as_recorded(self, client: Client, name: str, path: str) -> None:
        """What the front end reads. After a change that is meant: delete the file, and run this test twice."""
        answer = client(path)
        assert answer.status == 200
        text = json.dumps(steady(answer.json), indent=1, ensure_ascii=False) + "\n"
        file = GOLDEN / f"{name}.json"
        if not file.exists():
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)
            pytest.fail(f"{file} was written: look at it, and run again")
        assert text == file.read_text()

    def test_state_is_the_one_in_the_list(self, client: Client) -> None:
        assert client("/api/runs/0").json == client("/api/runs").json["runs"][0]

    @pytest.mark.parametrize(
        ("path", "status", "found"),
        [
            ("/api/runs/1", 404, "1"),
            ("/api/runs/0/attempts/77", 404, "no attempt 77"),
            ("/api/runs/0/attempts/x", 404, "GET /api/runs/0/attempts/x"),
            ("/api/runs/0/attempts?since=-1", 400, "-1"),
            ("/api/runs/0/search?q=", 400, "0"),
            ("/api/runs/0/search?q=a&where=mind", 400, "mind"),
            (f"/api/runs/0/search?q={'a' * 201}", 400, "201"),
            ("/api/runs/0/tickets/3", 404, "no open ticket 3"),
            ("/static/../app.py", 404, ""),
            ("/static/%2e%2e/app.py", 404, ""),
            ("/elsewhere", 404, "GET /elsewhere"),
        ],
    )
    def test_errors_say_what_was_expected_and_found(self, client: Client, path: str, status: int, found: str) -> None:
        answer = client(path)
        error = answer.json["error"]
        assert answer.status == status and error["expected"] and found in error["found"]
        assert set(error) == {"expected", "found", "where", "do"} and "expected" not in error["found"]


class TestRows:
    def test_rows_since_any_row(self, client: Client) -> None:
        all_ = client("/api/runs/0/attempts").json
        some = client("/api/runs/0/attempts?since=3").json
        assert (some["from"], some["count"], some["epoch"]) == (3, 5, all_["epoch"])
        assert some["blocks"][0]["n"] == [3, 4] and some["blocks"][0]["merged"] == {"0": [2]}
        none = client("/api/runs/0/attempts?since=99").json
        assert (none["from"], none["count"], none["blocks"]) == (5, 5, [])

    def test_a_new_attempt_is_there_at_once(self, growing: Archive) -> None:
        run = followed(growing.path)
        with served([run]) as page:
            assert page("/api/runs/0").json["count"] == 5
            growing.append(raw(5, growing.entries[0].id, name="<img src=x onerror=alert(1)>\ud800"))
            run.poll()
            answer = page("/api/runs/0/attempts?since=5").json
            assert answer["blocks"][0]["name"] == ["<img src=x onerror=alert(1)>\ufffd"]
        run.close()


class TestReading:
    def test_a_long_run_is_read_while_the_page_is_open(self, growing: Archive) -> None:
        whole, run = followed(growing.path), followed(growing.path, for_s=-1)
        begun = json.loads(run.state)
        assert (begun["count"], begun["reading"]) == (1, {"read": 1, "of": 5})
        with served([run]) as page:
            end = time.monotonic() + PATIENCE_S
            while run.reading and time.monotonic() < end:
                time.sleep(0.01)
            assert {**page("/api/runs/0").json, "epoch": whole.epoch} == json.loads(whole.state)
            assert page("/api/runs/0/attempts").json["count"] == 5
        for each in (run, whole):
            each.close()


class TestSearch:
    def test_names_descriptions_and_reasons(self, client: Client) -> None:
        found = client("/api/runs/0/search?q=BOTH").json
        assert [(hit["number"], hit["field"]) for hit in found["hits"]] == [(3, "name")]
        found = client("/api/runs/0/search?q=change&limit=1").json
        assert found["total"] == 3 and len(found["hits"]) == 1 and found["next"] is None
        assert [hit["number"] for hit in client("/api/runs/0/search?q=patch:").json["hits"]] == [4]

    def test_code_that_an_attempt_brought(self, client: Client) -> None:
        found = client("/api/runs/0/search?q=slack&where=code").json
        # The crossover has the line too, and its first parent does not.
        assert [(hit["number"], hit["line"]) for hit in found["hits"]] == [(3, 4), (2, 4), (0, 4)]
        assert found["looked"] == 5 and found["next"] is None
        rest = client("/api/runs/0/search?q=slack&where=code&before=2").json
        assert [hit["number"] for hit in rest["hits"]] == [0]


class TestEvents:
    def test_a_listener_is_told_what_it_lacks_and_what_is_new(self, growing: Archive) -> None:
        run = followed(growing.path)
        with served([run]) as page, page.events(f"0:{run.epoch}:3") as events:
            (first, rows), (second, state) = islice(events, 2)
            assert (first, rows["from"], rows["count"]) == ("attempts", 3, 5)
            assert (second, state["count"]) == ("state", 5)
            growing.append(raw(5, growing.entries[0].id, name="newcomer"))
            (third, rows), (fourth, state) = islice(events, 2)
            assert (third, rows["from"], rows["blocks"][0]["name"]) == ("attempts", 5, ["newcomer"])
            assert (fourth, state["attempts"]) == ("state", 5)
        run.close()

    def test_a_listener_with_rows_of_another_server_begins_anew(self, client: Client) -> None:
        with client.events("0:another:3") as events:
            (name, data), (after, _) = islice(events, 2)
            assert (name, data["run"], after) == ("reset", 0, "state")

    def test_the_last_event_of_a_lost_stream_counts(self, client: Client) -> None:
        epoch = client("/api/runs/0").json["epoch"]
        with client.events("0:x:0", last_event_id=f"0:{epoch}:4") as events:
            name, rows = next(events)
            assert (name, rows["from"]) == ("attempts", 4)

    def test_a_run_that_goes_away_is_said_and_the_rest_stays(self, tmp_path: Path) -> None:
        run = followed(small(tmp_path / "run"))
        with served([run]) as page:
            (tmp_path / "run").rename(tmp_path / "elsewhere")
            assert run.poll()
            state = page("/api/runs/0").json
            assert "no run any more" in state["problem"] and state["count"] == 5
        run.close()


class TestSlowness:
    def test_who_never_ends_a_request_loses_the_connection(
        self, growing: Archive, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(serving, "HEAD_S", 0.05)
        monkeypatch.setattr(bodies, "BODY_S", 0.05)
        run = followed(growing.path)
        with served([run]) as page:
            with socket.create_connection((page.place.host, page.place.port), timeout=PATIENCE_S) as head:
                head.sendall(b"GET / HTTP/1.1\r\nHo")
                assert head.recv(100) == b""
            answer = page.post("/api/runs/0/advise", b"{", content_length="100")
            assert answer.status == 408 and "1 bytes" in answer.json["error"]["found"]
            assert page("/api/runs/0").status == 200
        run.close()


class TestActions:
    def test_advice_and_stop_reach_the_run(self, growing: Archive) -> None:
        run = followed(growing.path)
        with served([run]) as page:
            assert page.post("/api/runs/0/advise", {"text": " Look for speed. "}).json == {"number": 1}
            assert page("/api/runs/0").json["advice"] == ["Look for speed."]
            assert growing.advice() == ("Look for speed.",) and not growing.stop_asked()
            assert page.post("/api/runs/0/stop", {}).json == {"asked": True}
            assert growing.stop_asked()
        run.close()

    @pytest.mark.parametrize(
        ("path", "values", "status"),
        [
            ("advise", {"text": ""}, 400),
            ("advise", {"text": 7}, 400),
            ("advise", {"text": "a" * 4001}, 400),
            ("advise", {"text": "a", "more": 1}, 400),
            ("advise", {"text": "half \ud800"}, 400),
            ("advise", b"[1]", 400),
            ("advise", b'{"text": NaN}', 400),
            ("advise", b"[" * 90_000, 400),
            ("advise", b" " * 200_000, 413),
            ("stop", {"now": True}, 400),
            ("tickets/1/answer", {"reply": "x"}, 404),
            ("tickets/1/answer", {"reply": "x", "program": "y"}, 400),
            ("tickets/1/answer", {"reply": "x", "usd": -1}, 400),
            ("tickets/1/answer", {"reply": "x", "tokens": 1.5}, 400),
            ("tickets/1/answer", {"reply": "x", "usd": 10**4000}, 400),
            ("tickets/1/answer", b'{"tokens": ' + b"9" * 5000 + b"}", 400),
        ],
    )
    def test_what_cannot_be_taken_changes_nothing(
        self, client: Client, small_run: Path, path: str, values: object, status: int
    ) -> None:
        refs = git(small_run, "for-each-ref")
        answer = client.post(f"/api/runs/0/{path}", values)
        assert answer.status == status and answer.json["error"]["expected"]
        assert git(small_run, "for-each-ref") == refs and not (small_run / "stop").exists()

    def test_a_ticket_shows_its_prompt(self, growing: Archive) -> None:
        seed = growing.entries[0]
        messages = (Message(role="system", text="Be brief."), Message(role="user", text="<b>Improve</b>"))
        request = Request(kind="patch", parents=(seed.id,), model="", messages=messages)
        with growing.writing() as writing:
            writing.put(pending := open_ticket(writing.ticket(), request, proposer=ASK))
        run = followed(growing.path)
        with served([run]) as page:
            [short] = page("/api/runs/0/tickets").json["tickets"]
            record = page(f"/api/runs/0/tickets/{pending.ticket}").json
            assert record == {
                **short,
                "prompt": "Be brief.\n\n<b>Improve</b>\n",
                "messages": [{"role": "system", "text": "Be brief."}, {"role": "user", "text": "<b>Improve</b>"}],
                "program": growing.source(seed.id),
                "turns": [],
                "job": None,
            }
        run.close()


class TestConfigs:
    @pytest.mark.parametrize(
        "broken", [{"objective": {"kind": "best"}}, {"seed": "x"}, {"judge": None}, {"objective": 1}]
    )
    def test_a_config_that_no_search_wrote_is_found_at_once(self, tmp_path: Path, broken: dict[str, Any]) -> None:
        with new(tmp_path / "run", **broken) as archive:
            family(archive)
        with pytest.raises((KeyError, TypeError, ValueError)):
            followed(tmp_path / "run")

    def test_other_strange_values_are_left_out(self, tmp_path: Path) -> None:
        strange = {"budget": ["a"], "models": [{"name": 7}, "x", {"name": "m"}], "proposer": None}
        with new(tmp_path / "run", **strange) as archive:
            family(archive)
        run = followed(tmp_path / "run")
        state = json.loads(run.state)
        assert (state["budget"], state["models"], state["proposer"]) == ({}, ["m"], "")
        run.close()
