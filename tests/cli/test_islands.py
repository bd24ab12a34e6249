"""`islands` in a config: a search that takes the elites of another run, and publishes its own."""

from __future__ import annotations

from pathlib import Path

from tests.cli.runs import QUICKLY, Cli, git


def test_a_search_takes_elites_of_a_run_and_publishes_its_own(cli: Cli, own_run: Path) -> None:
    git(cli.cwd, "init", "-q", "--bare", "islands.git")
    islands = ("-s", f"islands.remotes=[islands.git, '{own_run}', 'file:///nowhere.git']")
    done = cli("search", "tiny.yaml", "--run", "mine", "--json", "-s", "budget.attempts=1", *QUICKLY, *islands)
    assert done.code == 0, done.err
    assert "note: islands: file:///nowhere.git" in done.err and "the search goes on without it" in done.err
    [taken] = [record for record in done.records if record.get("number") == 1]
    assert (taken["kind"], taken["proposer"]) == ("import", "island")
    theirs = {record["name"] for record in cli("log", own_run, "--json").records}
    assert taken["name"] in theirs and taken["quality"] is not None
    root = git(cli.cwd / "mine", "rev-parse", "refs/heads/seed").strip()
    names = git(cli.cwd / "islands.git", "for-each-ref", "--format=%(refname)").split()
    assert f"refs/islands/{root}/000000" in names or f"refs/islands/{root}/000001" in names
    assert "refs/islands" not in git(own_run, "for-each-ref"), "an archive is only read"
