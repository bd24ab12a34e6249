"""`packsmith stats` and `status`: a run seen from outside."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.asking import MODEL, asking, change, prose, with_key
from tests.cli.conftest import Searched
from tests.cli.runs import Cli, on_terminal, without_escapes, write_workshop
from tests.stub import Reply, Stub


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """A run of four answers: two patches and two other texts, one of which was sent back first."""
    cli = Cli(cwd=write_workshop(tmp_path_factory.mktemp("asked")))
    texts = [change(0), prose(1), prose(2), prose(3), change(4)]
    with Stub([Reply(text=text) for text in texts]) as stub:
        options = asking(stub.base_url, "proposer.shares={patch: 1, rewrite: 0, crossover: 0, repair: 0}", repairs=1)
        options += ["-s", "budget.attempts=3", "-s", "search.in_flight=1"]
        done = cli("search", "tiny.yaml", "--run", "run", *options, env=with_key())
    assert done.code == 0, done.err
    assert "Proposals by model and kind" in done.out and "patch: malformed" in done.out
    return cli


def test_a_row_for_each_model_and_kind(asked: Cli) -> None:
    done = asked("stats", "run")
    assert done.code == 0 and done.err == ""
    [row] = [line.split() for line in done.out.splitlines() if line.startswith(MODEL)]
    assert row[1:6] == ["patch", "3", "2", "2", "0"]
    assert row[7].startswith("$0.")


def test_json_holds_all_figures(asked: Cli) -> None:
    [found] = asked("stats", "run", "--json").records
    [row] = found["rows"]
    assert (row["model"], row["kind"], row["proposals"], row["applied"], row["valid"]) == (MODEL, "patch", 3, 2, 2)
    assert (row["turns"], row["repaired"]) == (5, 1)
    assert row["usd"] > 0 and row["tokens"] == row["input_tokens"] + row["output_tokens"]
    [refusal] = found["refusals"]
    assert (refusal["stage"], refusal["reason"], refusal["count"]) == ("patch", "malformed", 1)
    assert "no SEARCH/REPLACE block" in refusal["newest"]


def test_status_shows_spending(asked: Cli) -> None:
    [status] = asked("status", "run", "--json").records
    [found] = asked("stats", "run", "--json").records
    assert status["booked"]["usd"] == pytest.approx(found["total"]["usd"]) and status["booked"]["calls"] == 5
    assert (status["attempts"], status["scored"], status["open"]) == (3, 2, [])
    assert status["best"]["number"] in status["front"] and status["budget"]["attempts"] == 3


def test_a_run_without_models_names_the_proposer(searched: Searched) -> None:
    cli = Cli(cwd=searched.workshop)
    done = cli("stats", "run")
    assert done.code == 0 and "catalogue" in done.out and "validate: missing_expert" in done.out
    assert "`packsmith search` creates one" in cli.refused("stats", "nowhere")
    assert "`packsmith search` creates one" in cli.refused("status", "nowhere")


def test_stats_and_status_fit_a_terminal_of_80_columns(asked: Cli) -> None:
    for verb in ("stats", "status"):
        code, text = on_terminal(asked.cwd, 80, verb, "run")
        assert code == 0 and max(map(len, without_escapes(text).splitlines())) <= 80


def test_reading_leaves_no_files_in_the_run(asked: Cli, tmp_path: Path) -> None:
    """Reading a run leaves no files in it."""
    before = sorted(path.name for path in (asked.cwd / "run").iterdir())
    assert asked("stats", "run").code == asked("status", "run").code == 0
    assert sorted(path.name for path in (asked.cwd / "run").iterdir()) == before
