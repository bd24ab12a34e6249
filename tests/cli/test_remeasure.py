"""`packsmith remeasure`, and how `show` lists measurements, on a real run."""

from __future__ import annotations

import json
from pathlib import Path

from harness.archive import Archive
from tests.cli.conftest import Searched
from tests.cli.runs import Cli, git
from tests.harness.archive import archives

IDENTITY = ("-c", "user.name=somebody", "-c", "user.email=somebody@localhost")


def test_measurements_are_noted_shown_and_compared_if_comparable(searched: Searched, own_run: Path) -> None:
    cli, number, broken = Cli(cwd=searched.workshop), searched.number("hasty"), searched.number("broken")
    before = git(own_run, "for-each-ref", "refs/attempts", "refs/heads")
    done = cli("remeasure", own_run, number, broken, number)
    assert done.code == 1, done.err
    assert f"Measurements of attempt {number}, hasty" in done.out and "together" in done.out
    assert done.out.count("\nnow ") == 2 and "rejected at validate: missing_expert" in done.out
    assert f"attempt {broken}: " in done.err
    assert git(own_run, "for-each-ref", "refs/attempts", "refs/heads") == before

    commit = git(own_run, "rev-parse", f"refs/attempts/{number:06d}").strip()
    line = git(own_run, "notes", "--ref=measurements", "show", commit)
    elsewhere = json.loads(line)
    elsewhere["verdict"]["scored"]["environment"]["torch"] = "9.9"
    text = f"{json.dumps(elsewhere)}\nnot ours"
    git(own_run, *IDENTITY, "notes", "--ref=measurements", "append", "-m", text, commit)
    done = cli("show", own_run, number)
    assert done.code == 0 and "together" in done.out
    assert "Not compared with these: torch " in done.out and " and 9.9" in done.out
    assert f"1 line of the note on attempt {number} cannot be read" in done.err

    done = cli("remeasure", own_run, "best" if searched.best["number"] == number else number, "--seed", 9, "--json")
    assert done.code == 0, done.err
    [record] = done.records
    own, again, torch, seed = record["measurements"]
    assert [one["measured"] for one in record["measurements"]] == ["in the run", "noted", "noted", "now"]
    assert own["differs"] == again["differs"] == [] and own["fingerprint"] == again["fingerprint"]
    assert len(torch["differs"]) == 1 and torch["fingerprint"] != own["fingerprint"]
    assert seed["differs"] == ["seed 5 and 9"] and seed["fingerprint"] == own["fingerprint"]
    [joint] = record["joint"]
    pairs = sum(one["cases"][0]["pairs"] for one in (own, again))
    assert joint["measurements"] == 2 and 2 <= joint["rounds"] <= pairs
    [shown] = cli("show", own_run, number, "--json").records
    assert shown["joint"] == record["joint"] and len(shown["measurements"]) == 4
    assert shown["environment"]["fingerprint"] == own["fingerprint"]


def test_attempt_without_a_program_is_refused(searched: Searched, own_run: Path) -> None:
    with Archive.open(own_run) as archive:
        entry = archive.append(archives.refused(archive, archive.next_number, archive.entry(0).id))
    cli = Cli(cwd=searched.workshop)
    error = cli.refused("remeasure", own_run, entry.number)
    assert f"attempt {entry.number} has no program to measure: its reply was refused" in error
    assert "notes" not in git(own_run, "for-each-ref")
