"""`packsmith search`: its output and archive, interrupting and continuing it, and the lineage in git."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.cli.conftest import Searched
from tests.cli.runs import QUICKLY, Cli, command, environment, git


def log(cli: Cli, run: Path) -> list[dict[str, object]]:
    done = cli("log", run, "--json")
    assert done.code == 0, done.err
    return done.records


def outline(records: list[dict[str, object]]) -> list[tuple[object, ...]]:
    """What two runs of the same search share: commits hold times, and so their ids differ."""
    number = {record["id"]: record["number"] for record in records}
    keys = ("number", "name", "kind", "verdict", "reason", "pass_quality")
    return [(*(r[k] for k in keys), [number.get(one) for one in r["parents"]]) for r in records]  # type: ignore[union-attr]


def test_a_search_shows_its_attempts_its_front_and_its_best(searched: Searched) -> None:
    out = searched.done.out
    rows = [line.split()[0] for line in out.splitlines() if line[:4].strip().isdigit()]
    assert rows[:8] == [str(number) for number in range(8)]
    best = searched.best
    assert "Front, fastest first" in out and f"Best ({best['name']}) against seed (solver.py)" in out
    assert f"best program:  run/best.py  (attempt {best['number']}, {best['name']})" in out
    assert "search ended: all 7 attempts are made" in searched.done.err
    assert '"split":"search"' in git(searched.run, "notes", "--ref=splits", "show", "best"), "the last duel is kept"
    source = (searched.run / "best.py").read_text()
    assert source == Cli(cwd=searched.workshop)("best", "run").out and "PAUSE_S = 0.0\n" in source


def test_git_shows_the_lineage(searched: Searched, tmp_path: Path) -> None:
    records = {record["id"]: record for record in log(Cli(cwd=searched.workshop), searched.run)}
    graph = git(searched.run, "log", "--exclude=refs/notes/*", "--all", "--format=%H %P")
    parents = {line.split()[0]: line.split()[1:] for line in graph.splitlines()}
    [root] = [commit for commit, above in parents.items() if not above]
    for commit, record in records.items():
        assert parents[commit] == (record["parents"] if record["kind"] != "seed" else [root])
    crossovers = [record for record in records.values() if record["kind"] == "crossover"]
    assert crossovers and all(len(parents[record["id"]]) == 2 for record in crossovers)
    assert len(git(searched.run, "rev-list", "--all", "--merges").split()) == len(crossovers)
    shown = git(searched.run, "log", "--graph", "--format=%h %s %(trailers)", "--all")
    assert "Kind: crossover" in shown and "Balance: " in shown and "Verdict: rejected" in shown
    assert git(searched.run, "fsck", "--strict", "--full", "--no-dangling") == ""
    git(searched.run, "bundle", "create", str(tmp_path / "run.bundle"), "--all")
    git(tmp_path, "clone", "-q", "--mirror", str(searched.run), "mirror")
    assert outline(log(Cli(cwd=tmp_path), tmp_path / "mirror")) == outline(list(records.values()))
    assert Cli(cwd=tmp_path)("verify", "mirror").code == 0


def test_json_gives_a_record_per_attempt_and_the_best_last(searched: Searched, own_run: Path) -> None:
    cli = Cli(cwd=searched.workshop)
    done = cli("search", "tiny.yaml", "--run", own_run, "-s", "budget.attempts=8", "--json")
    assert done.code == 0 and done.err == ""
    attempt, last = done.records
    assert attempt["number"] == 8 and len(attempt["parents"][0]) == 40
    assert last["id"] == git(own_run, "rev-parse", "refs/heads/best").strip()
    assert Path(last["path"]).read_text() == cli("best", own_run).out
    assert last["against_seed"]["speedup"]["low"] > 1
    gain = last["against_seed"]["gain"]
    assert gain["low"] <= gain["median"] <= gain["high"]


@pytest.mark.slow
def test_a_search_in_two_steps_equals_one_in_a_single_step(searched: Searched, cli: Cli) -> None:
    """Run times vary, but those of the toy programs are far enough apart that every choice is the same."""
    for attempts in (1, 3):  # the second, which chooses more, with a hash seed of its own
        budget = f"budget.attempts={attempts}"
        done = cli("search", "tiny.yaml", "-s", budget, "--run", "run", afresh=attempts == 3)
        assert done.code == 0, done.err
    assert "continuing after attempt 1" in done.err
    records = log(cli, cli.cwd / "run")
    assert len(records) == 4 and outline(records)[:4] == outline(log(cli, searched.run))[:4]


def test_a_run_is_continued_only_under_its_own_config(searched: Searched) -> None:
    cli = Cli(cwd=searched.workshop)
    error = cli.refused("search", "tiny.yaml", "--run", "run", "-s", "seed=6", "-s", "judge.timeout_s=4")
    assert "seed: 5 in the run, 6 in the config" in error
    assert "judge.timeout_s: 10 in the run, 4 in the config" in error and "--run DIR" in error
    (searched.workshop / "other.py").write_text("x = 1\n")
    error = cli.refused("search", "tiny.yaml", "--run", "run", "-s", "program=other.py")
    assert "program: solver.py" in error and "other.py" in error


ENDLESS = (*QUICKLY, "-s", "search.rule=random")
"""Parents are any valid programs: the front alone would leave nothing to propose, and the search would end by itself
where the machine is too busy to interrupt it soon."""


def interrupt(cli: Cli, number: int, *args: str) -> tuple[int, str, str]:
    """Start a search without an end in a process group of its own, and signal the group after some attempts."""
    process = subprocess.Popen(
        [command(), "search", "tiny.yaml", "--run", "run", *ENDLESS, "-s", "budget.attempts=500", *args],
        cwd=cli.cwd,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(3)]
    time.sleep(0.1)
    os.killpg(process.pid, number)
    out, err = process.communicate(timeout=30)
    return process.returncode, "".join(lines) + out, err


@pytest.mark.slow
def test_ctrl_c_says_what_is_safe_and_the_same_command_continues(cli: Cli) -> None:
    code, out, err = interrupt(cli, signal.SIGINT, "--json")
    assert code == 130
    printed = [json.loads(line) for line in out.splitlines()]
    archived = log(cli, cli.cwd / "run")
    assert [record["id"] for record in printed] == [record["id"] for record in archived][: len(printed)]
    [line] = err.splitlines()
    made = len(archived) - 1
    assert line == f"interrupted: everything so far (attempts: {made}) is in run; the same command continues from there"
    again = cli("search", "tiny.yaml", "--run", "run", *ENDLESS, "-s", f"budget.attempts={made + 2}")
    assert again.code == 0, again.err
    assert len(log(cli, cli.cwd / "run")) == made + 3
    assert cli("verify", "run").code == 0


@pytest.mark.slow
def test_ctrl_c_while_the_judge_starts(cli: Cli, tmp_path: Path) -> None:
    """Soon, and when it is about to have torch imported. Before, Ctrl-C ends the command without a word."""
    for after_s in (0.1, 0.6):
        temporary = tmp_path / f"after-{after_s}"
        temporary.mkdir()
        process = subprocess.Popen(
            [command(), "search", "tiny.yaml", "--run", "run"],
            cwd=cli.cwd,
            env=environment(TMPDIR=str(temporary)),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        while process.poll() is None and not any(temporary.glob("packsmith-*/base")):
            time.sleep(0.01)
        time.sleep(after_s)
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=30)
        assert process.returncode == 130, err
        assert err.splitlines()[-1].startswith("interrupted"), err


def test_sigterm_is_handled_like_ctrl_c(cli: Cli) -> None:
    code, out, err = interrupt(cli, signal.SIGTERM)
    assert code == 143 and err.splitlines()[-1].startswith("interrupted: everything so far ")
    rows = [line for line in out.splitlines() if line[:4].strip().isdigit()]
    assert len(log(cli, cli.cwd / "run")) >= len(rows) >= 2


def test_an_ignored_sighup_stays_ignored(cli: Cli) -> None:
    """As under `nohup`."""
    shell = f"trap '' HUP; exec '{command()}' search tiny.yaml --run run {' '.join(QUICKLY)} -s budget.attempts=2"
    process = subprocess.Popen(
        ["/bin/sh", "-c", shell], cwd=cli.cwd, env=environment(), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGHUP)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and "best program:" in out


def test_a_seed_program_that_is_rejected_ends_the_search(cli: Cli) -> None:
    (cli.cwd / "solver.py").write_text("def rebalance_experts(*a):\n    return None\n")
    done = cli("search", "tiny.yaml", "--run", "run", "-s", "judge.reference=programs/eplb/greedy.py")
    assert done.code == 1 and "error: the seed program was rejected" in done.err
    again = cli("search", "tiny.yaml", "--run", "run", "-s", "judge.reference=programs/eplb/greedy.py")
    assert again.code == 1 and "error: the seed program was rejected" in again.err


def test_a_run_folder_can_be_moved(searched: Searched, own_run: Path, tmp_path: Path) -> None:
    moved = Path(shutil.move(own_run, tmp_path / "a folder with spaces"))
    cli = Cli(cwd=searched.workshop)
    assert cli("verify", moved).code == 0
    assert cli("log", moved).out == cli("log", "run").out
