"""`packsmith push`, `pull` and `bundle`, as a user runs them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Searched
from tests.cli.runs import Cli, git, on_terminal, without_escapes


@pytest.fixture
def cli(searched: Searched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The command in a folder of its own, without the user's git config."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    return Cli(cwd=tmp_path)


def test_a_run_goes_to_a_folder_and_comes_back(cli: Cli, searched: Searched, own_run: Path) -> None:
    made = cli("push", own_run, "backup/run")
    assert made.code == 0 and made.out.startswith("made backup/run: 8 attempts, ") and made.err == ""
    assert made.out.endswith(" kB\n")
    again = cli("push", own_run, "backup/run")
    assert again.out == "backup/run has all 8 attempts already: nothing to send\n"
    assert cli("pull", "mine", "backup/run").out.startswith("made mine from backup/run: 8 attempts, ")
    assert cli("verify", "mine").code == 0
    assert cli("best", "mine").out == cli("best", own_run).out
    git(own_run, "update-ref", "-d", "refs/attempts/000007")
    [record] = cli("pull", own_run, "mine", "--json").records
    assert (record["attempts"], record["total"], record["made"], record["left_out"]) == (1, 8, False, [])
    assert git(own_run, "for-each-ref") == git(searched.run, "for-each-ref")


def test_a_bundle_is_one_file_and_open_tickets_stay_here(cli: Cli, own_run: Path) -> None:
    assert cli("ask", own_run).code == 0
    done = cli("bundle", own_run)
    assert done.code == 0 and done.out.startswith("wrote copy.bundle: 8 attempts, ")
    assert done.err == "1 open ticket stays here: tickets belong to processes of this machine\n"
    assert "--force" in cli.refused("bundle", own_run)
    [record] = cli("bundle", own_run, "copy.bundle", "--force", "--json").records
    assert record["tickets"] == 1 and record["size_bytes"] == (cli.cwd / "copy.bundle").stat().st_size
    assert cli("pull", "mine", "copy.bundle").code == 0
    assert "refs/pending" not in git(cli.cwd / "mine", "for-each-ref")


def test_impossible_exchanges_give_one_clear_error(cli: Cli, own_run: Path) -> None:
    assert "runs a program" in cli.refused("push", own_run, "ext::sh -c true")
    assert "for a path of that name" in cli.refused("pull", "mine", "--", "--upload-pack=x")
    assert "expected a run" in cli.refused("push", "nowhere", "there")
    assert "What to do" in cli.refused("pull", "mine", "git://127.0.0.1:1/x")


def test_attempts_left_out_are_listed_with_exit_code_1(cli: Cli, own_run: Path) -> None:
    """An attempt under a wrong number, in an untrusted run."""
    git(own_run, "update-ref", "refs/attempts/000008", "refs/attempts/000002")
    done = cli("pull", "mine", own_run)
    assert done.code == 1 and done.out.startswith("made mine from ") and " 8 attempts" in done.out
    assert done.err.startswith("left out: attempt 8: ") and "is attempt 2" in done.err
    assert cli("verify", "mine").code == 0


def test_progress_is_shown_on_a_terminal(cli: Cli, own_run: Path) -> None:
    code, seen = on_terminal(cli.cwd, 200, "pull", "mine", f"file://{own_run}")
    text = without_escapes(seen)
    assert code == 0 and f"asking file://{own_run}" in text and "made mine from file://" in text
