"""`packsmith dashboard` as a user runs it: a page beside a run, an answer from the page, and how it ends."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.cli.asking import change
from tests.cli.conftest import Searched
from tests.cli.runs import Cli, command, environment

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


def judged(url: str, ticket: int, answer: object) -> dict[str, Any]:
    """Answer a ticket, and wait until the page's stream says what came of it."""
    where = urlsplit(url)
    stream = HTTPConnection(where.netloc, timeout=PATIENCE_S)
    stream.request("GET", "/api/events", headers={"Authorization": f"Bearer {where.query.removeprefix('token=')}"})
    lines = iter(stream.getresponse())
    assert ask(url, f"/api/runs/0/tickets/{ticket}/answer", answer)["state"] == "judging"
    for line in lines:
        if line == b"event: job\n":
            job: dict[str, Any] = json.loads([next(lines), next(lines)][1].removeprefix(b"data: "))
            if job["state"] != "judging":
                stream.close()
                return job
    raise AssertionError("the stream ended")


@pytest.mark.slow
def test_a_ticket_is_answered_from_the_page_and_ctrl_c_ends_it(own_run: Path) -> None:
    cli = Cli(cwd=own_run.parent)
    first, second = (cli("ask", own_run, "--kind", "patch", "--json").records[0]["ticket"] for _ in range(2))
    with dashboard(own_run.parent, own_run.name, "--port", 0, "--token") as (process, url):
        assert urlsplit(url).hostname == "127.0.0.1"
        state = ask(url, "/api/runs/0")
        assert [(ticket["ticket"], ticket["state"]) for ticket in state["tickets"]] == [
            (first, "asked"),
            (second, "asked"),
        ]
        assert "PLACED_WELL" in ask(url, f"/api/runs/0/tickets/{first}")["prompt"]
        job = judged(url, first, {"reply": change(1), "model": "me"})
        assert (job["state"], job["number"], job["outcome"]) == ("done", state["count"], "scored")
        unchanged = ask(url, f"/api/runs/0/tickets/{second}")["program"]
        job = judged(url, second, {"program": unchanged})
        assert job["state"] == "refused" and "still open" in job["words"]
        attempt = ask(url, f"/api/runs/0/attempts/{state['count']}")
        assert (attempt["model"], attempt["name"], attempt["ticket"]) == ("me", "change_1", first)
        assert [ticket["ticket"] for ticket in ask(url, "/api/runs/0")["tickets"]] == [second]
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
