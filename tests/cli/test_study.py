"""`packsmith study` from a file to its table, through a kill."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.cli.runs import Cli, command, environment

STUDY = """
config: tiny.yaml
runs: cells
seeds: [1]
budget: {attempts: 1}
overrides: {judge.timing: {min_pairs: 8, budget_s: 0.01, duel_s: 1}}
methods: {front: {}, hasty: {proposer.patches: [hasty.patch]}}
tasks: {tiny: {}}
"""
ENDED = "all 1 attempts are made"


@pytest.mark.slow
def test_a_study_is_killed_continued_and_told(cli: Cli) -> None:
    study = cli.cwd / "study.yaml"
    study.write_text(STUDY)
    nothing = cli("study", "study.yaml", "--table")
    assert nothing.code == 0 and nothing.out.count("0 of 1") == 2 and not (cli.cwd / "cells").exists()
    process = subprocess.Popen(
        [command(), "study", "study.yaml"], cwd=cli.cwd, env=environment(), stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    said = [process.stderr.readline() for _ in range(3)]
    process.kill()
    process.communicate(timeout=30)
    assert said[0] == "search 1 of 2: front on tiny, seed 1\n" and said[2].startswith("search 2 of 2: hasty on tiny")
    first = cli("log", "cells/tiny/front/seed-1", "--json").records
    assert len(first) == 2

    again = cli("study", "study.yaml", "--json")
    assert again.code == 0, again.err
    assert again.err.startswith("search 2 of 2: hasty on tiny, seed 1"), "what has ended is not searched again"
    cell, front, hasty = again.records
    assert (cell["method"], cell["ended"], cell["run"]) == ("hasty", ENDED, "cells/tiny/hasty/seed-1")
    assert cli("log", "cells/tiny/front/seed-1", "--json").records == first
    assert hasty["speedup"]["mean"] > 2 * front["speedup"]["mean"], "no pause, against a longer one"
    assert hasty["against"]["speedup"]["wins"] == 1 and hasty["ended"] == 1
    assert (cli.cwd / "cells/tiny/hasty/seed-1/best.py").read_text().count("PAUSE_S = 0.0\n") == 1

    study.write_text(STUDY.replace("seeds: [1]", "seeds: [1, 2]"))
    done = cli("study", "study.yaml", "--table", "-o", "table.tex")
    assert done.code == 0 and done.out == "wrote table.tex\n" and "1 of 2" in (cli.cwd / "table.tex").read_text()
    study.write_text(STUDY.replace("front: {}", "front: {search.rule: best}").replace("attempts: 1", "patience: 1"))
    error = cli.refused("study", "study.yaml", "--table")
    assert "front on tiny, seed 1 (cells/tiny/front/seed-1): search.rule: front in the run, best in the study" in error
    assert "budget.patience: None in the run, 1 in the study, which is less" in error and "--run DIR" in error


def test_what_cannot_be_a_study_or_a_table_is_refused(cli: Cli) -> None:
    (cli.cwd / "study.yaml").write_text(STUDY.replace("seeds:", "sedes:"))
    assert "unknown key `sedes`; did you mean `seeds`?" in cli.refused("study", "study.yaml")
    assert "nope.yaml: cannot read it: No such file" in cli.refused("study", "nope.yaml")
    assert "expected a name that ends in .md, .csv, .tex" in cli.refused("study", "study.yaml", "-o", "t.pdf", code=2)
    (cli.cwd / "study.yaml").write_text(STUDY)
    (cli.cwd / "there.md").write_text("")
    assert "there.md: expected the name of a new file" in cli.refused("study", "study.yaml", "-o", "there.md")


def test_a_missing_key_is_said_before_anything_is_searched(cli: Cli) -> None:
    model = "models: [{name: gpt-x, api_key_env: NO_SUCH_KEY}], proposer.kind: llm"
    (cli.cwd / "study.yaml").write_text(
        STUDY.replace("hasty: {proposer.patches: [hasty.patch]}", f"asked: {{{model}}}")
    )
    assert "NO_SUCH_KEY" in cli.refused("study", "study.yaml")
    assert not (cli.cwd / "cells").exists()


def test_a_run_that_is_there_belongs_to_the_study_that_would_make_it(cli: Cli, own_run: Path) -> None:
    """The small search, put where a study would have put it, with the file that says that it has ended."""
    place = cli.cwd / "cells/tiny/front"
    place.mkdir(parents=True)
    own_run.rename(place / "seed-5")
    limits = ("attempts", "minutes", "deadline", "usd", "tokens", "calls", "judge_s", "patience")
    state = {"used_s": 30.0, "ended": "all 7 attempts are made", "budget": dict.fromkeys(limits) | {"attempts": 7}}
    (place / "seed-5.json").write_text(json.dumps(state))
    text = (
        "config: tiny.yaml\nruns: cells\nseeds: [5]\nbudget: {attempts: 7}\nmethods: {front: {}}\ntasks: {tiny: {}}\n"
    )
    study = cli.cwd / "study.yaml"

    study.write_text(text)
    [row] = cli("study", "study.yaml", "--json").records
    assert row["ended"] == 1 and row["attempts"] == {"least": 7, "most": 7} and row["quality"]["seeds"] == 1
    study.write_text(text.replace("attempts: 7", "attempts: 9"))
    [row] = cli("study", "study.yaml", "--table", "--json").records
    assert row["ended"] == 0, "a larger budget: its search goes on"
    study.write_text(text.replace("attempts: 7", "attempts: 3"))
    assert "budget.attempts: 7 made in the run, 3 in the study" in cli.refused("study", "study.yaml")
    study.write_text(text.replace("front: {}", "front: {proposer.patches: [hasty.patch]}"))
    assert "proposer.patches: 3 entries in the run, 1 entries in the study" in cli.refused("study", "study.yaml")

    (place / "seed-5.json").write_text(json.dumps({"used_s": "long"}))
    study.write_text(text)
    assert "cells/tiny/front/seed-5.json: expected what packsmith wrote" in cli.refused("study", "study.yaml")
