"""`packsmith verify`, `log`, `show` and `best`: readings of a run."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest

from harness.cli.runs import begin_run, open_run
from harness.config import load
from harness.types import HarnessError
from tests.cli.conftest import Searched
from tests.cli.runs import Cli, git


def test_log_lists_every_attempt_with_its_parents(searched: Searched) -> None:
    done = Cli(cwd=searched.workshop)("log", "run")
    heading, *rows = done.out.splitlines()
    assert done.code == 0 and len(rows) == 8 and heading.split()[:4] == ["#", "name", "from", "balance"]
    [broken] = [row for row in rows if "broken" in row]
    assert "validate: missing_expert" in broken
    assert any("cross_2_with_1 " in row and " 2+1 " in row for row in rows)
    assert done.err.startswith("speed-up: over solver.py")


def test_show_takes_a_number_a_commit_id_a_prefix_or_best(searched: Searched) -> None:
    cli = Cli(cwd=searched.workshop)
    by_number = cli("show", "run", 2)
    commit = git(searched.run, "rev-parse", "refs/attempts/000002").strip()
    assert by_number.code == 0 and by_number.out == cli("show", "run", commit).out == cli("show", "run", commit[:8]).out
    assert cli("show", "run", "best").out == cli("show", "run", searched.best["number"]).out
    assert by_number.out.startswith(f"attempt 2  hasty\ncommit   {commit}\n")
    assert "No pause, two replicas wasted." in by_number.out and "\nloads in 0.0" in by_number.out
    assert "\n-PAUSE_S = 0.003\n" in by_number.out and "\n+PAUSE_S = 0.0\n" in by_number.out


def test_show_of_a_rejected_attempt_says_why(searched: Searched) -> None:
    cli = Cli(cwd=searched.workshop)
    number = searched.number("broken")
    done = cli("show", "run", number)
    assert done.code == 0 and "rejected at validate: missing_expert" in done.out
    assert "+    phy2log[phy2log == 0] = 1" in done.out
    [record] = cli("show", "run", number, "--json").records
    assert record["stage"] == "validate" and "<NAME>" in record["reply"] and "phy2log[phy2log == 0]" in record["source"]


def test_show_of_the_seed_and_of_a_crossover(searched: Searched) -> None:
    cli = Cli(cwd=searched.workshop)
    assert cli("show", "run", 0).out.startswith("attempt 0  seed\n")
    crossed = cli("show", "run", searched.number("cross_")).out
    assert "kind     crossover by catalogue" in crossed and "parents  2 (" in crossed and ", 1 (" in crossed


def test_an_unknown_attempt_is_refused_with_the_known_numbers(searched: Searched) -> None:
    cli = Cli(cwd=searched.workshop)
    assert "numbers run from 0 to 7" in cli.refused("show", "run", 99)
    assert "the nearest id is" in cli.refused("show", "run", "deadbeef")


def test_best_prints_or_writes_the_same_bytes(searched: Searched, tmp_path: Path) -> None:
    cli = Cli(cwd=searched.workshop)
    written = cli("best", "run", "-o", tmp_path / "best.py")
    assert written.code == 0 and f"wrote {tmp_path / 'best.py'}" in written.out
    assert cli("best", "run").out == (tmp_path / "best.py").read_text()
    [record] = cli("best", "run", "--json").records
    assert record["id"] == searched.best["id"] and record["source"] == (tmp_path / "best.py").read_text()
    error = cli.refused("best", "run", "-o", tmp_path / "nowhere" / "best.py")
    assert "nowhere" in error and "cannot be written" in error
    assert cli("best", "run", "-o", tmp_path / "best.py").code == 0, "a program of the run may be replaced"
    (tmp_path / "best.py").write_text("print('my own')\n")
    assert "which would be lost" in cli.refused("best", "run", "-o", tmp_path / "best.py")
    assert (tmp_path / "best.py").read_text() == "print('my own')\n"


def test_verify_passes_on_a_sound_run(searched: Searched) -> None:
    cli = Cli(cwd=searched.workshop)
    done = cli("verify", "run")
    assert done.code == 0 and done.out == "8 attempts checked: each is what its reply makes of its parent\n"
    [record] = cli("verify", "run", "--json").records
    assert record["checked"] == 8 and record["mismatches"] == []


def test_verify_finds_a_reply_that_was_changed(searched: Searched, own_run: Path) -> None:
    """A whole new commit under the old number, as git would make it: intact, but not what the reply makes."""
    tree = git(own_run, "ls-tree", "refs/attempts/000002")
    other = git(own_run, "rev-parse", "refs/attempts/000001:program.py").strip()
    mine = git(own_run, "rev-parse", "refs/attempts/000002:program.py").strip()
    forged_tree = git(own_run, "mktree", stdin=tree.replace(mine, other)).strip()
    commit = git(own_run, "cat-file", "commit", "refs/attempts/000002").splitlines(keepends=True)
    forged = "".join([f"tree {forged_tree}\n", *commit[1:]])
    made = git(own_run, "hash-object", "-t", "commit", "-w", "--stdin", stdin=forged).strip()
    git(own_run, "update-ref", "refs/attempts/000002", made)
    done = Cli(cwd=searched.workshop)("verify", own_run)
    assert done.code == 1
    assert "attempt 2 (" in done.out and "expected the same bytes" in done.out


def test_verify_finds_a_damaged_object(searched: Searched, own_run: Path) -> None:
    name = git(own_run, "rev-parse", "refs/attempts/000001:reply.md").strip()
    stored = own_run / "objects" / name[:2] / name[2:]
    text = zlib.decompress(stored.read_bytes()).replace(b"careful", b"careles")
    stored.chmod(0o644)
    stored.write_bytes(zlib.compress(text))
    cli = Cli(cwd=searched.workshop)
    done = cli("verify", own_run)
    assert done.code == 1 and name in done.out and "Traceback" not in done.err
    assert cli("log", own_run).code == 0, "what is whole can still be read"
    stored.unlink()
    assert cli("verify", own_run).code == 1


def test_a_run_goes_on_under_the_default_that_it_was_started_with(tmp_path: Path) -> None:
    """The limit on loading was 20 seconds by default, and is 10 now."""
    config = "configs/quickstart.yaml"
    with begin_run(tmp_path / "run", load(config, ["judge.load_timeout_s=20"])):
        pass
    with begin_run(tmp_path / "run", load(config)) as run, open_run(tmp_path / "run", config) as opened:
        assert run.config.judge.load_timeout_s == opened.config.judge.load_timeout_s == 20
    with open_run(tmp_path / "run") as opened:
        assert opened.config.judge.load_timeout_s == 20
    with pytest.raises(HarnessError, match=r"judge\.load_timeout_s: 20 in the run, 10 in the config"):
        begin_run(tmp_path / "run", load(config, ["judge.load_timeout_s=10"])).__enter__()
