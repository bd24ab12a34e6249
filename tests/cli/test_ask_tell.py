"""`packsmith ask`, `tell`, `status` and `advise`: a run driven from outside, by one process and by several."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from harness.archive import Archive
from harness.config import load
from tests.cli.asking import change
from tests.cli.conftest import Searched, made_once
from tests.cli.runs import PATCHES, Cli, Done, command, git, solver


@pytest.fixture(scope="session")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run that was made to be driven from outside: its seed program is judged."""

    def search(folder: Path) -> Done:
        # A duel ends as soon as it is certain, which on a busy machine takes longer.
        options = ("-s", "proposer.kind=ask", "-s", "judge.timing.duel_s=3")
        return Cli(cwd=folder)("search", "tiny.yaml", "--run", "run", *options)

    folder, done = made_once(tmp_path_factory, "begun", search)
    assert "packsmith ask run" in done.out and "packsmith tell run" in done.out
    return folder


@pytest.fixture
def cli(begun: Path, tmp_path: Path) -> Cli:
    """The command in a copy of that folder without the config: the run must suffice."""
    folder = Path(shutil.copytree(begun, tmp_path / "copy"))
    for name in ("tiny.yaml", "solver.py", *PATCHES):
        (folder / name).unlink()
    return Cli(cwd=folder)


def asked(cli: Cli, *options: object) -> dict[str, Any]:
    done = cli("ask", "run", "--json", *options)
    assert done.code == 0, done.err
    [record] = done.records
    return record


def told(cli: Cli, ticket: int, reply: str, *options: object) -> dict[str, Any]:
    done = cli("tell", "run", ticket, "-", "--json", *options, stdin=reply)
    assert done.code == 0, done.err
    [record] = done.records
    return record


def tickets(cli: Cli) -> list[dict[str, Any]]:
    [record] = cli("status", "run", "--json").records
    return list(record["open"])


class TestAsk:
    def test_standard_output_is_only_the_prompt(self, cli: Cli) -> None:
        done = cli("ask", "run", "--kind", "patch")
        assert done.code == 0 and "PLACED_WELL = 4" in done.out and "<<<<<<< SEARCH" in done.out
        assert re.search(r"^ticket (\d+): a \w+$", done.err.splitlines()[0])
        assert "packsmith tell run 1 REPLY_FILE" in done.err
        [ticket] = tickets(cli)
        assert (ticket["ticket"], ticket["state"], ticket["parents"]) == (1, "asked", [0])

    def test_json_holds_the_ticket_and_the_same_prompt(self, cli: Cli) -> None:
        record = asked(cli, "--kind", "patch", "-o", "prompt.md")
        assert record["kind"] == "patch" and record["ticket"] == 1
        assert (cli.cwd / "prompt.md").read_text() == record["prompt"]
        assert [message["role"] for message in record["messages"]][-1] == "user"
        assert all(message["text"].strip() in record["prompt"] for message in record["messages"])

    def test_every_ask_opens_a_new_ticket(self, cli: Cli) -> None:
        assert [asked(cli)["ticket"] for _ in range(3)] == [1, 2, 3]
        assert [ticket["ticket"] for ticket in tickets(cli)] == [1, 2, 3]

    def test_a_kind_that_needs_more_programs_is_refused_and_opens_nothing(self, cli: Cli) -> None:
        assert "a crossover needs two programs" in cli.refused("ask", "run", "--kind", "crossover")
        assert tickets(cli) == []
        assert asked(cli, "--kind", "rewrite")["ticket"] == 1

    def test_missing_run_and_unknown_kind_are_errors(self, cli: Cli) -> None:
        assert "`packsmith search` creates one" in cli.refused("ask", "nowhere")
        assert "--kind" in cli.refused("ask", "run", "--kind", "poem", code=2)

    def test_advice_reaches_the_next_prompts(self, cli: Cli) -> None:
        done = cli("advise", "run", "Mind the [replication] loop.")
        assert done.code == 0 and done.out.startswith("advice 1 of run")
        assert cli("advise", "run", "-", stdin="And be brief.\n").code == 0
        prompt = asked(cli)["prompt"]
        assert "Mind the [replication] loop." in prompt and "And be brief." in prompt
        [status] = cli("status", "run", "--json").records
        assert status["advice"] == ["Mind the [replication] loop.", "And be brief."]
        assert "expected some words" in cli.refused("advise", "run", "  ")
        assert "be brief" in cli.refused("advise", "run", "-", stdin="x" * 5000)

    def test_a_run_of_a_catalogue_search_can_be_asked(self, searched: Searched, tmp_path: Path) -> None:
        run = Path(shutil.copytree(searched.run, tmp_path / "run"))
        record = asked(Cli(cwd=tmp_path), "--kind", "crossover")
        assert len(record["parents"]) == 2 and run.is_dir()


class TestTell:
    def test_a_reply_is_judged_and_archived_and_verifies(self, cli: Cli) -> None:
        ticket = asked(cli)["ticket"]
        record = told(cli, ticket, PATCHES["careful.patch"], "--usd", 0.04, "--tokens", 900, "--model", "somebody")
        assert (record["verdict"], record["name"], record["number"], record["ticket"]) == ("scored", "careful", 1, 1)
        assert (record["model"], record["usd"], record["tokens"]) == ("somebody", 0.04, 900)
        assert record["best"] == 0 and record["parents"] == [
            git(cli.cwd / "run", "rev-parse", "refs/attempts/000000").strip()
        ]
        assert tickets(cli) == [] and cli("verify", "run").code == 0
        assert git(cli.cwd / "run", "show", "refs/attempts/000001:reply.md") == PATCHES["careful.patch"]
        [found] = cli("stats", "run", "--json").records
        [row] = found["rows"]
        assert (row["model"], row["proposals"], row["usd"], row["tokens"]) == ("somebody", 1, 0.04, 900)

    def test_an_edited_program_gives_its_patch(self, cli: Cli) -> None:
        (cli.cwd / "child.py").write_text("print('edited')\n")
        assert "which would be lost" in cli.refused("ask", "run", "--program", "child.py")
        assert tickets(cli) == [] and (cli.cwd / "child.py").read_text() == "print('edited')\n"
        (cli.cwd / "child.py").unlink()
        ticket = asked(cli, "--program", "child.py")["ticket"]
        child = cli.cwd / "child.py"
        assert child.read_text() == solver()
        child.write_text(solver().replace("PAUSE_S = 0.003", "PAUSE_S = 0.0"))
        done = cli("tell", "run", ticket, "--program", "child.py", "--name", "no pause", "--description", "Quicker.")
        assert done.code == 0 and "attempt 1, no pause" in done.out and "it leads the search now" in done.out
        assert cli("best", "run").out == child.read_text()
        assert cli("verify", "run").code == 0
        reply = git(cli.cwd / "run", "show", "refs/attempts/000001:reply.md")
        assert "<DESCRIPTION>\nQuicker.\n" in reply and "+" not in reply.split("<DIFF>")[1].splitlines()[1][:1]

    def test_a_rejected_answer_is_archived_and_closes_its_ticket(self, cli: Cli) -> None:
        first, second = asked(cli)["ticket"], asked(cli)["ticket"]
        record = told(cli, second, "I would not know.")
        assert (record["verdict"], record["stage"], record["reason"]) == ("rejected", "patch", "malformed")
        record = told(cli, first, PATCHES["broken.patch"])
        assert (record["stage"], record["reason"]) == ("validate", "missing_expert")
        assert cli("verify", "run").code == 0 and tickets(cli) == []
        assert asked(cli, "--kind", "repair")["kind"] == "repair"

    def test_an_unusable_answer_leaves_the_ticket_open(self, cli: Cli) -> None:
        ticket = asked(cli)["ticket"]
        (cli.cwd / "binary").write_bytes(b"\x89PNG\r\n\xff\xfe\0")
        (cli.cwd / "outside.py").write_text("import os\n" + solver())
        (cli.cwd / "same.py").write_text(solver())
        assert "found an empty text" in cli.refused("tell", "run", ticket, "-", stdin=" \n")
        assert "found other bytes" in cli.refused("tell", "run", ticket, "binary")
        assert "found other bytes" in cli.refused("tell", "run", ticket, "-", stdin=b"a\0b")
        assert "no such file" in cli.refused("tell", "run", ticket, "nowhere.md")
        assert "(no_op)" in cli.refused("tell", "run", ticket, "--program", "same.py")
        assert "(outside_block)" in cli.refused("tell", "run", ticket, "--program", "outside.py")
        assert "byte 0 is not UTF-8" in cli.refused("tell", "run", ticket, "--program", "binary")
        assert "expected either" in cli.refused("tell", "run", ticket, code=2)
        assert "need --program" in cli.refused("tell", "run", ticket, "-", "--name", "x", code=2)
        assert "--usd" in cli.refused("tell", "run", ticket, "-", "--usd", "-1", code=2)
        assert "--usd" in cli.refused("tell", "run", ticket, "-", "--usd", "nan", code=2)
        assert [one["state"] for one in tickets(cli)] == ["asked"]

    def test_unknown_and_closed_tickets_are_refused(self, cli: Cli) -> None:
        ticket = asked(cli)["ticket"]
        told(cli, ticket, "no patch")
        assert "it became attempt 1" in cli.refused("tell", "run", ticket, "-", stdin=PATCHES["careful.patch"])
        assert "open tickets of this run: none" in cli.refused("tell", "run", 77, "-", stdin=PATCHES["careful.patch"])
        [status] = cli("status", "run", "--json").records
        assert status["attempts"] == 1


def test_a_run_without_the_files_of_its_config_needs_the_config_option(workshop: Path) -> None:
    """Runs of earlier versions did not store the reference program."""
    settings = load(workshop / "tiny.yaml")
    Archive.create(workshop / "run", seed_source=solver(), config=settings.resolved()).close()
    cli = Cli(cwd=workshop)
    assert "add --config" in cli.refused("ask", "run")
    assert "the seed program has no score yet" in cli.refused("ask", "run", "--config", "tiny.yaml")
    (workshop / "other.yaml").write_text((workshop / "tiny.yaml").read_text().replace("seed: 5", "seed: 6"))
    assert "seed: 5 in the run, 6 in the config" in cli.refused("ask", "run", "--config", "other.yaml")


@pytest.mark.slow
def test_own_prompt_templates_are_stored_and_used(workshop: Path) -> None:
    cli = Cli(cwd=workshop)
    (workshop / "mine").mkdir()
    (workshop / "mine" / "patch.j2").write_text("Only this, in the words of mine.\n")
    done = cli("search", "tiny.yaml", "--run", "run", "-s", "proposer.kind=ask", "-s", "proposer.prompts=mine")
    assert done.code == 0, done.err
    (workshop / "mine" / "patch.j2").unlink()
    assert "Only this, in the words of mine." in asked(cli, "--kind", "patch")["prompt"]


def drive(cli: Cli, base: int, count: int) -> list[tuple[int, int, str]]:
    """One who asks and tells, `count` times: tickets, attempts and names."""
    found = []
    for number in range(base, base + count):
        ticket = asked(cli, "--kind", "patch")["ticket"]
        record = told(cli, ticket, change(number), "--model", f"driver {base}")
        assert record["verdict"] == "scored", record
        found.append((ticket, record["number"], record["name"]))
    return found


@pytest.mark.long
def test_four_concurrent_processes_neither_lose_nor_duplicate_tickets(cli: Cli) -> None:
    with ThreadPoolExecutor(4) as pool:
        drivers = [pool.submit(drive, cli, 100 * at, 2 if at == 1 else 1) for at in range(1, 5)]
        found = [step for driver in drivers for step in driver.result()]
    assert sorted(ticket for ticket, _, _ in found) == list(range(1, 6))
    assert sorted(number for _, number, _ in found) == list(range(1, 6))
    records = {record["number"]: record for record in cli("log", "run", "--json").records if record["number"]}
    for ticket, number, name in found:
        assert (records[number]["ticket"], records[number]["name"]) == (ticket, name)
    assert tickets(cli) == [] and cli("verify", "run").code == 0
    assert git(cli.cwd / "run", "for-each-ref", "refs/pending") == ""


@pytest.mark.slow
def test_a_ticket_told_by_four_processes_at_once_is_taken_once(cli: Cli) -> None:
    ticket = asked(cli)["ticket"]
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda at: cli("tell", "run", ticket, "-", "--json", stdin=change(at)), range(4)))
    [winner] = [one for one in done if one.code == 0]
    assert all(one.code == 1 and one.err.startswith("error: ticket 1 ") for one in done if one is not winner)
    records = cli("log", "run", "--json").records
    assert [record["number"] for record in records] == [0, 1] and records[1]["name"] == winner.records[0]["name"]


@pytest.mark.slow
def test_an_answer_survives_a_killed_judge_and_is_judged_by_the_next_process(cli: Cli) -> None:
    ticket = asked(cli)["ticket"]
    slow = change(1).replace("# change 1", "# change 1\nimport time; time.sleep(0.4)")
    process = subprocess.Popen(
        [command(), "tell", "run", str(ticket), "-"], cwd=cli.cwd, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdin is not None
    process.stdin.write(slow.encode())
    process.stdin.close()
    while not any(one["state"] == "answered" for one in tickets(cli)):
        assert process.poll() is None
    process.kill()
    process.wait()
    [left] = tickets(cli)
    assert left["state"] == "left"
    done = cli("tell", "run", ticket, "-", "--json", stdin=change(2))
    assert "was answered before" in done.err and json.loads(done.out)["name"] == "change_1"


def test_status_is_readable_text(cli: Cli) -> None:
    asked(cli, "--kind", "patch")
    done = cli("status", "run")
    lines = dict(line.split(maxsplit=1) for line in done.out.splitlines())
    assert lines["seed"].startswith("attempt 0, seed: balance ") and lines["ticket"] == "1: patch of 0, asked"
    assert lines["attempts"].startswith("0, 0 of them scored")
    assert max(map(len, done.out.splitlines())) <= 120
