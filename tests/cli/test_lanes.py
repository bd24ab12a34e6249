"""`judge.lanes` in a config: several judges of one search, each on cores of its own."""

from __future__ import annotations

import os

import pytest

from tests.cli.runs import QUICKLY, Cli


def test_two_lanes_judge_each_attempt_once(cli: Cli) -> None:
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        pytest.skip("two lanes need two cores")
    lanes = f"judge.lanes=[{{cpus: [{cores[0]}]}}, {{cpus: [{cores[1]}]}}]"
    done = cli("search", "tiny.yaml", "--run", "run", "--json", "-s", "budget.attempts=2", "-s", lanes, *QUICKLY)
    assert done.code == 0, done.err
    attempts = [record for record in done.records if "number" in record]
    assert sorted(record["number"] for record in attempts) == [0, 1, 2]
    assert {record["environment"]["fingerprint"] for record in attempts if record["verdict"] == "scored"} == {
        attempts[0]["environment"]["fingerprint"]
    }, "a lane is no other machine"
    assert cli("status", "run", "--json").records[0]["open"] == []


def test_a_core_that_is_not_there_is_refused(cli: Cli) -> None:
    said = cli.refused("search", "tiny.yaml", "--run", "run", "-s", "judge.lanes=[{cpus: [99999]}]")
    assert "99999" in said
