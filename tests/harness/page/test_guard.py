"""Who is let in: each rule by a request that breaks it alone, at a real server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.page.guard import HEADERS, Door
from harness.page.run import Run
from harness.page.serving import PORT, ServingError, door_of, listen
from tests.harness.page.pages import Client, followed, served, small

PATHS = ("/", "/api/runs", "/api/runs/0/attempts/1", "/static/index.html", "/nowhere")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    found = followed(small(tmp_path_factory.mktemp("runs") / "small"))
    yield found
    found.close()


@pytest.fixture(scope="module")
def client(run: Run) -> Iterator[Client]:
    with served([run]) as page:
        yield page


@pytest.fixture(scope="module")
def locked(run: Run) -> Iterator[Client]:
    """A page with a token."""
    with served([run], token=True) as page:
        yield page


class TestHost:
    @pytest.mark.parametrize("path", PATHS)
    @pytest.mark.parametrize(
        "host", ["attacker.example", "attacker.example:8765", "127.0.0.1.attacker.example", "", None]
    )
    def test_a_strange_name_gets_nothing(self, client: Client, path: str, host: str | None) -> None:
        answer = client(path, host=host)
        assert answer.status in (400, 403) and b"small" not in answer.body

    def test_our_names_with_any_port_are_let_in(self, client: Client) -> None:
        for host in (client.host, "localhost:1", "LOCALHOST:9000", "[::1]:9000", "127.0.0.2"):
            assert client("/api/runs", host=host).status == 200, host

    def test_a_name_may_be_allowed(self, run: Run) -> None:
        with served([run], names=frozenset({"Gpu-Box.lan"})) as page:
            assert page("/api/runs", host="gpu-box.lan:80").status == 200
            assert page("/api/runs", host="gpu-box.lan.attacker.example").status == 403

    @given(st.text(max_size=30))
    def test_no_text_is_taken_for_us_by_mistake(self, text: str) -> None:
        assert not Door().knows(f"{text}.example") and not Door(any_address=True).knows(f"{text}.example")

    def test_an_address_is_let_in_only_where_we_listen_to_others(self) -> None:
        assert not Door().knows("192.0.2.7:8765")
        away = Door(any_address=True)
        assert away.knows("192.0.2.7:8765") and away.knows("[2001:db8::1]:1") and not away.knows("box:8765")


class TestOrigin:
    @pytest.mark.parametrize("path", ["/api/runs", "/api/events", "/api/runs/0/search?q=a", "/"])
    @pytest.mark.parametrize("origin", ["http://attacker.example", "null", "http://127.0.0.1:1", "file://"])
    def test_a_strange_origin_gets_nothing(self, client: Client, path: str, origin: str) -> None:
        assert client(path, origin=origin).status == 403

    def test_another_site_behind_a_fetch_gets_nothing(self, client: Client) -> None:
        for site in ("cross-site", "same-site"):
            assert client("/api/runs", sec_fetch_site=site).status == 403
            assert client("/api/events", sec_fetch_site=site, sec_fetch_mode="no-cors").status == 403
        opened = {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate"}
        assert client("/", **opened, sec_fetch_dest="document").status == 200
        assert client("/", **opened, sec_fetch_dest="iframe").status == 403

    @pytest.mark.parametrize(
        ("headers", "status"),
        [
            ({"origin": None}, 403),
            ({"origin": "http://attacker.example"}, 403),
            ({"origin": "null"}, 403),
            ({"x_packsmith": None}, 403),
            ({"content_type": "text/plain"}, 415),
            ({"content_type": "application/x-www-form-urlencoded"}, 415),
            ({"content_type": None}, 415),
            ({"host": "attacker.example", "origin": "http://attacker.example"}, 403),
        ],
    )
    def test_a_post_of_another_site_does_nothing(
        self, client: Client, run: Run, headers: dict[str, str | None], status: int
    ) -> None:
        answer = client.post("/api/runs/0/stop", {}, **headers)
        assert answer.status == status and answer.json["error"]["expected"]
        assert not (run.subject.folder / "stop").exists()

    def test_what_other_methods_ask_is_refused(self, client: Client) -> None:
        assert client("/api/runs/0/stop").status == 405
        assert client("/api/runs", method="OPTIONS", origin="http://attacker.example").status == 403
        assert client("/api/runs/0/stop", method="DELETE").status == 403

    def test_a_page_that_only_shows(self, run: Run) -> None:
        with served([run], readonly=True) as page:
            assert page("/api/runs").json["readonly"] is True
            assert "--read-only" in page.post("/api/runs/0/stop", {}).json["error"]["do"]


class TestToken:
    @pytest.mark.parametrize("path", [*PATHS, "/?token=", "/?token=wrong", "/api/runs?token=wrong"])
    def test_without_it_nothing_is_shown(self, locked: Client, path: str) -> None:
        answer = locked(path)
        assert answer.status == 401 and b"small" not in answer.body and locked.token.encode() not in answer.body

    def test_the_token_is_no_use_in_any_other_url(self, locked: Client) -> None:
        assert locked(f"/api/runs?token={locked.token}").status == 401

    def test_the_url_gives_a_cookie_that_opens_everything(self, locked: Client) -> None:
        entered = locked(f"/?token={locked.token}")
        cookie, *flags = entered.headers["set-cookie"].split("; ")
        assert entered.status == 200 and {"HttpOnly", "Path=/", "SameSite=strict"} <= set(flags)
        assert entered.headers["referrer-policy"] == "no-referrer" and entered.headers["cache-control"] == "no-store"
        assert locked("/api/runs", cookie=cookie).status == 200
        assert locked("/api/runs", cookie=f"a=b; {cookie}").status == 200
        assert locked("/api/runs", cookie=f"{cookie}x").status == 401
        assert locked.post("/api/runs/0/stop", {}, origin="http://attacker.example", cookie=cookie).status == 403

    def test_a_program_may_send_it_as_a_header(self, locked: Client) -> None:
        assert locked("/api/runs", authorization=f"Bearer {locked.token}").status == 200
        assert locked("/api/runs", authorization="Bearer").status == 401

    def test_off_the_loopback_interface_there_always_is_one(self) -> None:
        with listen("0.0.0.0", 0).socket as held:
            place = listen("127.0.0.1", 0)
            place.socket.close()
            assert held and door_of(place, token=False, names=frozenset(), readonly=False).token == ""
        away = listen("0.0.0.0", 0)
        away.socket.close()
        door = door_of(away, token=False, names=frozenset(), readonly=False)
        assert len(door.token) >= 32 and f"?token={door.token}" in away.url(door.token)


class TestHeaders:
    @pytest.mark.parametrize("path", [*PATHS, "/api/runs/0/attempts/77"])
    def test_every_answer_forbids_what_the_page_does_not_need(self, client: Client, path: str) -> None:
        for answer in (client(path), client(path, host="attacker.example")):
            assert {name.lower(): value for name, value in HEADERS.items()}.items() <= answer.headers.items()
            assert "cache-control" in answer.headers
        policy = HEADERS["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy and "*" not in policy

    def test_files_have_fixed_types_and_tags(self, client: Client) -> None:
        page = client("/")
        assert page.status == 200 and page.headers["content-type"] == "text/html; charset=utf-8"
        assert client("/", if_none_match=page.headers["etag"]).status == 304


class TestPort:
    def test_a_port_in_use_is_an_error_and_the_usual_one_makes_room(self) -> None:
        with listen("127.0.0.1", 0).socket as taken, pytest.raises(ServingError, match="--port"):
            listen("127.0.0.1", taken.getsockname()[1])
        first = listen("127.0.0.1", None)
        second = listen("127.0.0.1", None)
        with first.socket, second.socket:
            assert PORT <= first.port < second.port

    def test_an_address_of_another_machine_is_an_error(self) -> None:
        with pytest.raises(ServingError, match="--host"):
            listen("192.0.2.1", 0)
