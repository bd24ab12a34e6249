"""`packsmith search` with a model: the command, the client and real sockets, against the stub."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.cli.asking import KEY, MODEL, PRICE, asking, change, prose, with_key
from tests.cli.runs import (
    PATCHES,
    QUICKLY,
    Cli,
    command,
    environment,
    git,
    on_terminal,
    without_escapes,
    write_workshop,
)
from tests.stub import Asked, Reply, Stub

CENTS = (
    *("budget.usd=0.05", "budget.attempts=400", "search.in_flight=8"),
    *("models[0].price.input=0.25", "models[0].price.output=1"),
)
"""At these prices a call may cost up to half a cent, and costs an eighth of one."""


SEARCH = ("search", "tiny.yaml", "--run", "run", "--json")


def numbered(text: Callable[[int], str] = change) -> Callable[[Asked], Reply]:
    """Another reply to every request."""
    return lambda asked: Reply(text=text(asked.number))


def searched(cli: Cli, stub: Stub, *more: str, **options: Any) -> list[dict[str, Any]]:
    """The records of a search that has to end well: its attempts, and the summary last."""
    done = cli(
        "search", "tiny.yaml", "--run", "run", "--json", *asking(stub.base_url, *more, **options), env=with_key()
    )
    assert done.code == 0, done.err
    return done.records


def archived(cli: Cli, run: str = "run") -> list[dict[str, Any]]:
    """All attempts but the seed's."""
    done = cli("log", run, "--json")
    assert done.code == 0, done.err
    return done.records[1:]


def lineage(cli: Cli, run: str) -> list[tuple[object, ...]]:
    """What two runs have in common that are the same but for their times."""
    records = cli("log", run, "--json").records
    numbers = {record["id"]: record["number"] for record in records}
    programs = git(cli.cwd / run, "for-each-ref", "--format=%(objectname)", "refs/attempts").split()
    blobs = [git(cli.cwd / run, "rev-parse", f"{commit}:program.py").strip() for commit in programs]
    above = [[numbers.get(one) for one in (*record["parents"], *record["inspirations"])] for record in records]
    return [
        (record["number"], record["name"], record["kind"], record["reason"], blob, *parents)
        for record, blob, parents in zip(records, blobs, above, strict=True)
    ]


def test_every_reply_is_archived_and_the_bill_is_booked(cli: Cli) -> None:
    with Stub(numbered(), latency_s=0.2) as stub:
        *attempts, last = searched(cli, stub, attempts=6, in_flight=3)
    assert stub.most_in_flight == 3 and len(stub.asked) == 6
    made = attempts[1:]
    assert sorted(record["name"] for record in made) == sorted(f"change_{number}" for number in range(6))
    bill = stub.bill(input_usd_per_million=PRICE[0], output_usd_per_million=PRICE[1])
    assert sum(record["usd"] for record in made) == pytest.approx(bill) and last["booked"]["calls"] == 6
    assert all(record["model"] == MODEL and len(record["turns"]) == 1 for record in made)
    assert cli("verify", "run").code == 0
    assert {asked.headers["authorization"] for asked in stub.asked} == {f"Bearer {KEY}"}


def test_a_rejected_reply_is_sent_back_with_its_refusal_and_both_turns_are_archived(cli: Cli) -> None:
    with Stub([Reply(text=prose(1)), Reply(text=change(1))]) as stub:
        searched(cli, stub, attempts=1, in_flight=1, repairs=2)
    [record] = archived(cli)
    assert record["verdict"] == "scored" and len(record["turns"]) == 2
    refusal = record["turns"][0]["refusal"]
    assert "no SEARCH/REPLACE block" in refusal and stub.asked[1].messages[-1]["content"] == refusal
    assert git(cli.cwd / "run", "show", "refs/attempts/000001:reply.md") == prose(1) + change(1)
    assert cli("verify", "run").code == 0
    [found] = cli("stats", "run", "--json").records
    assert (found["total"]["turns"], found["total"]["repaired"]) == (2, 1)


def test_a_model_that_thinks_in_its_reply_and_takes_no_system_message(cli: Cli) -> None:
    """The whole reply is archived, the answer alone is read and sent back, and the folding is said once."""
    unfinished, whole = f"<think>\n{change(2)}But", f"<think>\n{change(2)}No.\n</think>\n\n{change(1)}"

    def answer(asked: Asked) -> Reply:
        if asked.messages[0]["role"] == "system":
            return Reply(status=400, error="System role not supported")
        return Reply(text=whole if len(asked.messages) > 1 else unfinished)

    with Stub(answer) as stub:
        done = cli(
            *SEARCH, *asking(stub.base_url, attempts=1, in_flight=1, repairs=2), "-s", "budget.calls=2", env=with_key()
        )
    assert done.code == 0, done.err
    [record] = archived(cli)
    assert record["verdict"] == "scored" and record["name"] == "change_1"
    assert [turn["tries"] for turn in record["turns"]] == [1, 1] and len(stub.asked) == 3
    assert "ends inside its thoughts" in record["turns"][0]["refusal"]
    assert stub.asked[-1].messages[1]["content"] == "(The reply held thoughts and no answer.)"
    assert git(cli.cwd / "run", "show", "refs/attempts/000001:reply.md") == unfinished + whole
    said = f"{MODEL} takes no system message"
    assert " ".join(done.err.split()).count(said) == 1 and said in record["turns"][0]["note"]
    assert cli("verify", "run").code == 0


def test_the_key_is_neither_stored_nor_printed(cli: Cli) -> None:
    """Not in the archive and not in the output, even if the endpoint repeats it."""
    with Stub(Reply(text=f"Your key is {KEY}.")) as stub:
        done = cli("search", "tiny.yaml", "--run", "run", "--json", *asking(stub.base_url, attempts=2), env=with_key())
    assert done.code == 0 and KEY not in done.out + done.err
    assert KEY not in git(cli.cwd / "run", "log", "--all", "-p", "--format=%B", "--glob=refs/*")
    with Stub(key="another") as stub:
        done = cli("search", "tiny.yaml", "--run", "other", *asking(stub.base_url), env=with_key())
    assert done.code == 1 and KEY not in done.out + done.err
    assert "401" in done.err and "STUB_KEY" in done.err


def test_the_key_is_missing(cli: Cli) -> None:
    error = cli.refused("search", "tiny.yaml", "--run", "run", *asking("http://127.0.0.1:9/v1"), env=environment())
    assert "STUB_KEY is not set" in error and "export STUB_KEY=" in error
    assert not (cli.cwd / "run").exists(), "nothing is begun that cannot go on"


LIES: tuple[dict[str, int] | None, ...] = (
    {"prompt_tokens": 10**9, "completion_tokens": 10**9},
    {"prompt_tokens": -5, "completion_tokens": -5},
    None,
)


@pytest.mark.slow
def test_a_budget_of_five_cents_holds_if_the_endpoint_reports_false_usage(cli: Cli) -> None:
    """Or none at all. Each call is booked with what it may have cost at least and at most."""
    with Stub(lambda asked: Reply(text=prose(asked.number), usage=LIES[asked.number % 3]), latency_s=0.02) as stub:
        *_, last = searched(cli, stub, *CENTS)
    assert len(stub.asked) > 8 and stub.bill(input_usd_per_million=0.25, output_usd_per_million=1) <= 0.05
    assert 0.03 < last["booked"]["usd"] <= 0.05 and "budget.usd" in last["ended"]
    booked = [record["usd"] for record in archived(cli)]
    assert sum(booked) == pytest.approx(last["booked"]["usd"]) and 0.001 < min(booked) <= max(booked) <= 0.005, booked


@pytest.mark.slow
def test_a_budget_of_five_cents_holds_if_half_the_calls_fail(cli: Cli) -> None:
    def half(asked: Asked) -> Reply:
        good = Reply(text=prose(asked.number))
        bad = (replace(good, status=500), replace(good, fail="drop"), replace(good, fail="drop_midway"))
        return good if asked.number % 2 else bad[asked.number // 2 % 3]

    with Stub(half, latency_s=0.02) as stub:
        *_, last = searched(cli, stub, *CENTS, "models[0].tries=3")
    # What was sent and dropped may have been billed: the stub bills all of it.
    assert len(stub.asked) > 8 and stub.bill(input_usd_per_million=0.25, output_usd_per_million=1) <= 0.05
    assert 0.03 < last["booked"]["usd"] <= 0.05 and "budget.usd" in last["ended"]
    assert cli("verify", "run").code == 0


@pytest.mark.long
def test_a_recorded_run_gives_the_same_lineage_and_the_same_children_twice(cli: Cli) -> None:
    replies = [PATCHES["careful.patch"], PATCHES["hasty.patch"], prose(1), PATCHES["broken.patch"]]

    def mixed(asked: Asked) -> Reply:
        return Reply(text=replies[asked.number] if asked.number < 4 else change(asked.number), latency_s=0.1)

    with Stub(mixed) as stub:
        searched(cli, stub, attempts=5, in_flight=3, repairs=1)
    recorded = lineage(cli, "run")
    options = (*QUICKLY, "-s", "proposer.kind=replay", "-s", "proposer.from=run", "-s", "budget.attempts=50")
    for run, in_flight in (("first", 1), ("second", 4)):  # the first with a hash seed of its own
        flight = ("-s", f"search.in_flight={in_flight}")
        done = cli("search", "tiny.yaml", "--run", run, *options, *flight, afresh=run == "first")
        assert done.code == 0, done.err
        assert cli("verify", run).code == 0
        assert sorted(map(str, without_numbers(lineage(cli, run)))) == sorted(map(str, without_numbers(recorded)))
    assert lineage(cli, "first") == recorded


def without_numbers(steps: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
    """A lineage whose parents are told by their programs: numbers follow the order of arrival."""
    programs = {step[0]: step[4] for step in steps}
    return [(*step[1:5], *(programs.get(one) for one in step[5:])) for step in steps]


def test_a_folder_of_replies_can_be_replayed(cli: Cli) -> None:
    folder = cli.cwd / "replies"
    folder.mkdir()
    (folder / "1.md").write_text(change(1))
    (folder / "2.md").write_text(prose(2))
    options = (*QUICKLY, "-s", "proposer.kind=replay", "-s", "proposer.from=replies")
    write_workshop(cli.cwd / "elsewhere")
    done = cli("search", "elsewhere/tiny.yaml", "--run", "run", *options)
    assert done.code == 0, done.err
    assert [record["name"] for record in archived(cli)] == ["change_1", ""]
    error = cli.refused(
        "search", "tiny.yaml", "--run", "x", "-s", "proposer.kind=replay", "-s", "proposer.from=nowhere"
    )
    assert "nowhere" in error


def live(cli: Cli, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [command(), *map(str, arguments)],
        cwd=cli.cwd,
        env=with_key(),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def printed(process: subprocess.Popen[str], count: int) -> list[dict[str, Any]]:
    """The next records it prints."""
    assert process.stdout is not None
    return [json.loads(process.stdout.readline()) for _ in range(count)]


def rest(process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    """All further records, until it ends."""
    assert process.stdout is not None
    records = [json.loads(line) for line in process.stdout]
    process.stdout.close()
    process.wait(60)
    return records


@pytest.mark.slow
def test_stop_ends_a_search_after_open_calls_are_archived(cli: Cli) -> None:
    with Stub(numbered(prose), latency_s=0.3) as stub:
        process = live(cli, *SEARCH, *asking(stub.base_url, attempts=10_000))
        records = printed(process, 6)
        assert cli("stop", "run").code == 0
        records += rest(process)
    assert process.returncode == 0 and records[-1]["ended"] == "it was asked to stop"
    assert len(records) - 2 == len(stub.asked) == len(archived(cli)), "every call that was made is archived"
    assert git(cli.cwd / "run", "for-each-ref", "refs/pending") == ""


@pytest.mark.slow
def test_ctrl_c_with_calls_in_flight_ends_soon_and_the_same_command_continues(cli: Cli) -> None:
    """Calls that were cut off, however many, say nothing about the endpoint."""
    with Stub(lambda asked: Reply(text=prose(asked.number), latency_s=0.1 if asked.number < 6 else 30)) as stub:
        process = live(cli, *SEARCH, *asking(stub.base_url, attempts=16, in_flight=8))
        printed(process, 7)
        while len(stub.asked) < 14:
            time.sleep(0.02)
        begin = time.monotonic()
        os.killpg(process.pid, signal.SIGINT)
        rest(process)
        assert process.returncode == 130 and time.monotonic() - begin < 10
    with Stub(numbered(prose)) as second:
        done = cli(*SEARCH, *asking(second.base_url, attempts=16, in_flight=8), env=with_key())
    assert done.code == 0, done.err
    records = archived(cli)
    assert len(records) == 16 and len(second.asked) == 2, "eight calls were cut off, and are not asked again"
    assert [record["reason"] for record in records].count("no_reply") == 8
    assert cli("verify", "run").code == 0


@pytest.mark.slow
def test_the_status_line_shows_spending_and_calls_in_flight(cli: Cli) -> None:
    with Stub(numbered(), latency_s=0.4) as stub:
        options = asking(stub.base_url, "budget.usd=3", "models[0].api_key_env=null", attempts=4, in_flight=2)
        code, text = on_terminal(cli.cwd, 100, "search", "tiny.yaml", "--run", "run", *options)
    shown = without_escapes(text)
    assert code == 0, shown
    assert re.search(r"\$0\.\d+ of \$3\.00 spent, \d calls?", shown) and "2 in flight" in shown
    assert "Proposals by model and kind" in shown and MODEL in shown


@pytest.mark.slow
def test_the_shipped_config_needs_only_a_key_and_a_model_name(cli: Cli) -> None:
    """With one of its six cases and short timing: the others only take longer."""
    with Stub([Reply(text=prose(0)), Reply(text=prose(1)), Reply(text=change(2))], latency_s=0.2) as stub:
        done = cli(
            *("search", "configs/eplb.yaml", "--run", "run", "--json", "-s", f"models[0].name={MODEL}"),
            *("-s", "task.cases=[hier-ep32]", "-s", "judge.timing.budget_s=0.1", "-s", "device=cpu"),
            *("-s", "budget.attempts=2"),
            env=environment(OPENAI_API_KEY=KEY, OPENAI_BASE_URL=stub.base_url),
        )
    assert done.code == 0, done.err
    assert len(archived(cli)) == 2 and cli("verify", "run").code == 0
    assert stub.asked[0].body["model"] == MODEL
