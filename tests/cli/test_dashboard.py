"""`packsmith dashboard` as a user runs it: a page beside a run, an answer from the page, and how it ends."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.cli.asking import change
from tests.cli.conftest import Searched
from tests.cli.runs import QUICK, Cli, command, environment, write_workshop

PATIENCE_S = 60.0


@contextmanager
def dashboard(folder: Path, *words: object) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command and the address it printed."""
    process = subprocess.Popen(
        [command(), "dashboard", *map(str, words)],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


def ask(url: str, path: str, values: object = None) -> Any:
    """What the page answers; a POST where there are values."""
    where = urlsplit(url)
    headers = {"Authorization": f"Bearer {where.query.removeprefix('token=')}"}
    if values is not None:
        headers |= {"Origin": f"http://{where.netloc}", "Content-Type": "application/json", "X-Packsmith": "1"}
    connection = HTTPConnection(where.netloc, timeout=PATIENCE_S)
    body = None if values is None else json.dumps(values)
    connection.request("GET" if values is None else "POST", path, body, headers)
    answer = connection.getresponse()
    found = json.loads(answer.read())
    connection.close()
    assert answer.status in (200, 202), found
    return found


def judged(url: str, ticket: int, answer: object, outcome: Callable[[], Any]) -> Any:
    """Answer a ticket, and wait for something true to come of it, which is returned."""
    assert ask(url, f"/api/runs/0/tickets/{ticket}/answer", answer)["state"] == "judging"
    end = time.monotonic() + PATIENCE_S
    while not (found := outcome()) and time.monotonic() < end:
        time.sleep(0.05)
    return found


def finished(job: dict[str, Any]) -> dict[str, Any] | None:
    return job if job["state"] != "judging" else None


@pytest.fixture
def asked(tmp_path: Path) -> Path:
    """A folder with a run that waits for answers to ticket 1 and 2."""
    folder = write_workshop(tmp_path / "asked")
    cli = Cli(cwd=folder)
    options = [part for key in (*QUICK, "proposer.kind=ask") for part in ("-s", key)]
    for words in (["search", "tiny.yaml", "--run", "run", *options], *(["ask", "run", "--kind", "patch"],) * 2):
        done = cli(*words)
        assert done.code == 0, done.err
    return folder


@pytest.mark.slow
def test_a_ticket_is_answered_from_the_page_and_ctrl_c_ends_it(asked: Path) -> None:
    with dashboard(asked, "run", "--port", 0, "--token") as (process, url):
        assert urlsplit(url).hostname == "127.0.0.1"
        assert [ticket["state"] for ticket in ask(url, "/api/runs/0")["tickets"]] == ["asked", "asked"]
        assert "PLACED_WELL" in ask(url, "/api/runs/0/tickets/1")["prompt"]
        done = judged(url, 1, {"reply": change(1), "model": "me"}, lambda: ask(url, "/api/runs/0")["count"] == 2)
        assert done is True
        unchanged = ask(url, "/api/runs/0/tickets/2")["program"]
        job = judged(url, 2, {"program": unchanged}, lambda: finished(ask(url, "/api/runs/0/tickets/2")["job"]))
        assert job["state"] == "refused" and "still open" in job["words"]
        attempt = ask(url, "/api/runs/0/attempts/1")
        assert (attempt["model"], attempt["name"], attempt["ticket"]) == ("me", "change_1", 1)
        assert [ticket["ticket"] for ticket in ask(url, "/api/runs/0")["tickets"]] == [2]
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 130, err
        assert out == "" and err.splitlines()[-1] == "interrupted" and "Traceback" not in err


class TestMistakes:
    def test_folders_without_a_run(self, cli: Cli, tmp_path: Path) -> None:
        assert "found no such folder" in cli.refused("dashboard", "nowhere")
        assert "expected a run" in cli.refused("dashboard", tmp_path)

    def test_a_broken_archive(self, cli: Cli, own_run: Path) -> None:
        (own_run / "refs/heads/seed").write_text("torn")
        assert "seed is torn. The attempts are intact" in cli.refused("dashboard", own_run)

    def test_a_port_in_use(self, cli: Cli, searched: Searched) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            said = cli.refused("dashboard", searched.run, "--port", port)
        assert f"port {port} in use" in said and "--port" in said

    def test_files_without_marks(self, cli: Cli, searched: Searched) -> None:
        marks = cli.cwd / "marks.jsonl"
        for text, found in (("{", "JSON"), ("[1]", "another JSON value"), ('{"verdict": "scored"}', "found no")):
            marks.write_text(text)
            assert found in cli.refused("dashboard", searched.run, "--marks", marks)
        marks.write_text('{"verdict": "rejected"}')
        assert "scored programs, found 0" in cli.refused("dashboard", searched.run, "--marks", marks)
