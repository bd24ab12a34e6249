"""`packsmith remeasure`, and how `show` lists measurements, on a real run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from evaluator import Redrawn, Scored
from harness.archive import Archive
from harness.cli import same_draws
from harness.types import Attempt, Candidate, Proposal
from tests.cli.conftest import Searched
from tests.cli.runs import Cli, git
from tests.harness import builders
from tests.harness.archive import archives
from tests.harness.builders import REJECTED, scored
from tests.harness.qualities import judged

IDENTITY = ("-c", "user.name=somebody", "-c", "user.email=somebody@localhost")


def test_measurements_are_noted_shown_and_compared_if_comparable(searched: Searched, own_run: Path) -> None:
    cli, number, broken = Cli(cwd=searched.workshop), searched.number("hasty"), searched.number("broken")
    before = git(own_run, "for-each-ref", "refs/attempts", "refs/heads")
    done = cli("remeasure", own_run, number, broken, number, "--times", 2)
    assert done.code == 1, done.err
    assert f"Measurements of attempt {number}, hasty" in done.out and "together" in done.out
    assert done.out.count("\nnow ") == 4 and "rejected at validate: missing_expert" in done.out
    assert f"attempt {broken}: " in done.err
    assert git(own_run, "for-each-ref", "refs/attempts", "refs/heads") == before

    commit = git(own_run, "rev-parse", f"refs/attempts/{number:06d}").strip()
    noted = git(own_run, "notes", "--ref=measurements", "show", commit)
    elsewhere = json.loads(noted.splitlines()[0])
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
    own, first, second, torch, seed = record["measurements"]
    assert [one["measured"] for one in record["measurements"]] == ["in the run", *["noted"] * 3, "now"]
    assert all(one["differs"] == [] and one["fingerprint"] == own["fingerprint"] for one in (first, second))
    assert own["differs"] == [] and first["decided"] is second["decided"] is None
    assert len(torch["differs"]) == 1 and torch["fingerprint"] != own["fingerprint"]
    assert seed["differs"] == ["seed 5 and 9"] and seed["fingerprint"] == own["fingerprint"]
    [joint] = record["joint"]
    full = [one for one in (own, first, second) if not one["decided"]]
    pairs = sum(one["cases"][0]["pairs"] for one in full)
    assert joint["measurements"] == len(full) and 2 <= joint["rounds"] <= pairs
    [shown] = cli("show", own_run, number, "--json").records
    assert shown["joint"] == record["joint"] and len(shown["measurements"]) == 5
    assert shown["environment"]["fingerprint"] == own["fingerprint"]


def test_archived_calls_are_answered_again_and_give_the_stored_qualities(searched: Searched, own_run: Path) -> None:
    cli, number = Cli(cwd=searched.workshop), searched.number("careful")
    done = cli("remeasure", own_run, 0, number, "--same-draws", "--json")
    assert done.code == 0, done.err
    assert [record["number"] for record in done.records] == [0, number]
    for record in done.records:
        [case] = record["cases"]
        [attempt] = [each for each in searched.records if each["number"] == record["number"]]
        assert case["calls"] == record["calls"] == record["agree"] == attempt["cases"][0]["pairs"]
        assert record["largest_difference"] == 0 and record["rejected"] is None and record["differs"] == []
    assert "refs/notes/measurements" not in git(own_run, "for-each-ref"), "nothing is measured"
    done = cli("remeasure", own_run, number, "--same-draws")
    assert f"{case['calls']} of {case['calls']} calls have the stored quality" in done.out
    assert "not judged under these conditions" not in done.out


def test_other_conditions_than_those_of_the_score_are_named() -> None:
    entry, differs = (
        replace(builders.entry(3, scored(0.5, 1.0)), name="mine"),
        ("torch 2.13 and 2.14", "hardware a and b"),
    )
    agree = (Redrawn(case="toy", calls=5, agree=4, largest=1e-7),)
    for result in (agree, REJECTED):
        record = same_draws.record(result, differs)
        assert record["differs"] == list(differs)
        assert list(record) == list(same_draws.record(agree, ())) and same_draws.record(result, ())["differs"] == []
        assert "torch" not in same_draws.text(entry, result, ()).plain
        last = same_draws.text(entry, result, differs).plain.rstrip().splitlines()[-1]
        assert last.startswith("  not judged under these conditions: torch 2.13 and 2.14; hardware a and b; ")
        assert "break ties otherwise" in last
    assert "4 of 5 calls have the stored quality; the largest difference is 0.0000001" in (
        same_draws.text(entry, agree, differs).plain
    )


def test_forged_qualities_are_found(searched: Searched, own_run: Path) -> None:
    """An attempt with another program under a verdict that this program did not earn."""
    with Archive.open(own_run) as archive:
        seed = archive.entry(0)
        hasty = next(entry for entry in archive.entries if entry.name.startswith("hasty"))
        proposal = Proposal(kind="rewrite", parents=(seed.id,), reply="", proposer="test")
        candidate = Candidate(name="forged", description="", source=archive.source(seed.id))
        assert hasty.scored is not None and seed.scored is not None
        score = replace(hasty.scored.score, cases=tuple(hasty.scored.score.cases), metrics={})
        verdict = Scored(score=score, environment=replace(seed.scored.environment, torch="9.9"))
        number = archive.next_number
        archive.append(Attempt(number=number, proposal=proposal, candidate=candidate, verdict=verdict))
    cli = Cli(cwd=searched.workshop)
    done = cli("remeasure", own_run, number, "--same-draws")
    assert done.code == 1 and "0 of " in done.out and "the largest difference is 0." in done.out
    assert "not judged under these conditions: torch 9.9 and " in " ".join(done.out.split())
    [record] = cli("remeasure", own_run, number, "--same-draws", "--json").records
    assert record["agree"] < record["calls"] and record["largest_difference"] > 1e-6
    assert len(record["differs"]) == 1 and record["differs"][0].startswith("torch 9.9 and ")


def test_calls_that_cannot_be_drawn_again_are_clear_errors(searched: Searched, own_run: Path) -> None:
    cli = Cli(cwd=searched.workshop)
    error = cli.refused("remeasure", own_run, searched.number("broken"), "--same-draws")
    assert "has no score, so no calls to answer again" in error
    for options in (("--seed", 1), ("--times", 2)):
        assert "expected neither --seed nor --times" in cli.refused(
            "remeasure", own_run, 0, "--same-draws", *options, code=2
        )
    with Archive.open(own_run) as archive:
        seed = archive.entry(0)
        assert seed.scored is not None
        where = seed.scored.environment
        numbers = []
        for environment in (where, replace(where, task="eplb/1")):
            verdict = replace(scored(0.5, 1.0), environment=environment)
            if environment is not where:
                verdict = judged(verdict)
            number = archive.next_number
            attempt = replace(archives.raw(number, seed.id), verdict=verdict)
            numbers.append(archive.append(attempt).number)
    assert "which stored no secret" in cli.refused("remeasure", own_run, numbers[0], "--same-draws")
    assert "was judged on eplb/1, and this packsmith has eplb/2" in cli.refused(
        "remeasure", own_run, numbers[1], "--same-draws"
    )


def test_attempt_without_a_program_is_refused(searched: Searched, own_run: Path) -> None:
    with Archive.open(own_run) as archive:
        entry = archive.append(archives.refused(archive, archive.next_number, archive.entry(0).id))
    cli = Cli(cwd=searched.workshop)
    error = cli.refused("remeasure", own_run, entry.number)
    assert f"attempt {entry.number} has no program to measure: its reply was refused" in error
    assert "refs/notes/measurements" not in git(own_run, "for-each-ref")
