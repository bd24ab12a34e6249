"""`packsmith mcp` over standard input and output: with the SDK's own client, and with messages written by hand."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, StdioServerParameters

from harness.cli import run
from tests.cli.conftest import Searched
from tests.cli.runs import PATIENCE_S, command, environment, git, patch, solver

QUICKER = patch("quicker", "Half the pause.", "PAUSE_S = 0.003\n", "PAUSE_S = 0.0015\n")
SLEEPS = """import time


def rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus):
    time.sleep(60)
"""


def left_behind(folder: str) -> list[str]:
    """The judge's processes whose folder of temporary files is this one."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            try:
                line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            found += [line] if "evaluator.confined" in line and folder in line else []
    return found


@pytest.mark.slow
def test_an_agent_looks_asks_tells_and_evaluates(searched: Searched, own_run: Path, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    server = StdioServerParameters(
        command=command(), args=["mcp", str(own_run)], cwd=tmp_path, env=environment(TMPDIR=str(temporary))
    )

    async def agent() -> None:
        async with Client(server, read_timeout_seconds=PATIENCE_S) as client:

            async def call(tool: str, **arguments: Any) -> dict[str, Any]:
                done = await client.call_tool(tool, arguments)
                assert not done.is_error, done.content
                found: dict[str, Any] = done.structured_content
                return found

            async def refusal(tool: str, **arguments: Any) -> str:
                done = await client.call_tool(tool, arguments)
                assert done.is_error and done.structured_content is None
                said: str = done.content[0].text  # type: ignore[union-attr]
                assert "Traceback" not in said
                return said

            tools = {tool.name: tool for tool in (await client.list_tools()).tools}
            assert {"status", "front", "attempt", "log", "search", "ask", "tell", "evaluate", "advise"} == set(tools)
            assert tools["tell"].output_schema and tools["tell"].input_schema["required"] == ["ticket"]
            assert (await call("status"))["best"]["number"] == searched.best["number"]

            asked = await call("ask", kind="rewrite")
            assert "rebalance_experts" in asked["prompt"]
            assert "expected an open ticket, found 99" in await refusal("tell", ticket=99, reply=QUICKER)
            assert "`ticket`: " in await refusal("tell", ticket="x")
            assert "expected one of the tools" in await refusal("stop")

            invalid = await call("evaluate", program="def f(:\n")
            assert invalid["verdict"]["stage"] == "screen" and invalid["verdict"]["reason"] == "syntax"
            edited = solver().replace("PAUSE_S = 0.003\n", "PAUSE_S = 0.002\n")
            told = await call("tell", ticket=asked["ticket"], program=edited, name="shorter", model="an agent")
            assert told["verdict"]["verdict"] == "scored" and told["row"]["name"] == "shorter"
            assert told["verdict"]["cases"][0]["name"] == "tiny" and told["best"] is not None
            assert "already answered" in await refusal("tell", ticket=asked["ticket"], reply=QUICKER)
            shown = await call("attempt", attempt=told["row"]["number"])
            assert shown["verdict"] == told["verdict"] and shown["row"]["model"] == "an agent"

            asked = await call("ask", kind="patch", with_program=True)
            slow = asked["program"].replace("time.sleep(PAUSE_S + EXTRA_S)", "time.sleep(60)")
            late = await refusal("tell", ticket=asked["ticket"], program=slow, limit_s=1)
            assert late.startswith("expected a verdict within 1 s, found none: give it a larger limit_s")
            assert f"The answer to ticket {asked['ticket']} is stored" in late
            assert [ticket["state"] for ticket in (await call("status"))["tickets"]] == ["answered"]
            assert (await call("log", limit=1))["attempts"] == [told["row"]], "nothing of it is archived"

    anyio.run(agent)
    assert left_behind(str(temporary)) == [] and list(temporary.iterdir()) == []
    assert len(git(own_run, "for-each-ref", "refs/pending").splitlines()) == 1, "that answer is kept"


@pytest.mark.slow
def test_a_signal_ends_the_server_and_all_that_it_started(searched: Searched, tmp_path: Path) -> None:
    """While a program is judged that would sleep for a minute. Only the protocol is on standard output."""
    process = subprocess.Popen(
        [command(), "mcp", str(searched.run)],
        cwd=tmp_path,
        env=environment(TMPDIR=str(tmp_path)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin and process.stdout and process.stderr
    client = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    for message in (
        {"id": 1, "method": "initialize", "params": client},
        {"method": "notifications/initialized"},
        {"id": 2, "method": "tools/call", "params": {"name": "evaluate", "arguments": {"program": SLEEPS}}},
        {"id": 3, "method": "tools/call", "params": {"name": "log", "arguments": {"limit": 1}}},
    ):
        process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
    process.stdin.write(b"no message\n")
    process.stdin.flush()
    answers = [json.loads(process.stdout.readline()) for _ in range(2)]
    assert answers[0]["result"]["serverInfo"]["name"] == "packsmith" and "tell" in answers[0]["result"]["instructions"]
    assert answers[1]["id"] == 3 and answers[1]["result"]["structuredContent"]["attempts"], "one can look meanwhile"
    deadline_s = time.monotonic() + PATIENCE_S
    while not left_behind(str(tmp_path)):
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
    begun_s = time.monotonic()
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 128 + signal.SIGTERM and time.monotonic() - begun_s < 20
    assert all(json.loads(line)["jsonrpc"] == "2.0" for line in out.splitlines())
    assert b"Traceback" not in err and b"interrupted" in err
    assert left_behind(str(tmp_path)) == [] and [each for each in tmp_path.iterdir() if each.is_dir()] == []


def test_without_the_sdk_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "harness.mcp.server", raising=False)
    monkeypatch.setitem(sys.modules, "mcp.server.lowlevel", None)  # as if it had no such module
    assert run(["mcp", "runs/none"]) == 1
    said = " ".join(capsys.readouterr().err.split())
    assert "error: expected the Model Context Protocol's SDK, version 2 or later, found version" in said
    assert "pip install 'packsmith[mcp]'" in said


def test_the_command_starts_without_the_protocol_and_one_verb_without_most_others() -> None:
    code = (
        "import sys, harness.cli; harness.cli.build(['log', 'run']); "
        "print([name for name in ('diff', 'search', 'study') if f'harness.cli.commands.{name}' in sys.modules]); "
        "harness.cli.build(); print(sorted({'mcp', 'mcp_types', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=os.environ)
    assert (done.stdout, done.stderr) == ("['diff']\n[]\n", "")
