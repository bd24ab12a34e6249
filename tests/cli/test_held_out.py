"""Held-out loads from the command line: a program that recognises the loads of the search is shown as what it is."""

from __future__ import annotations

from tests.cli.runs import Cli, git, patch

OVERFIT = patch(
    "overfit",
    "No pause in a plan of the size that the search asks for, a long one in any other.",
    "    time.sleep(PAUSE_S + EXTRA_S)\n",
    "    time.sleep(0.0 if num_replicas == 24 else 0.008)\n",
)


def test_a_program_that_recognises_the_loads_of_the_search_is_never_the_best(cli: Cli) -> None:
    """It leads the search; `shorter`, made from the seed program, becomes the best without leading."""
    (cli.cwd / "overfit.patch").write_text(OVERFIT)
    (cli.cwd / "shorter.patch").write_text(
        patch("shorter", "Cut the pause.", "PAUSE_S = 0.003\n", "PAUSE_S = 0.0003\n")
    )
    settings = (
        "judge.held_out=true",
        "judge.timing.duel_s=5",
        "budget.attempts=2",
        "proposer.patches=[overfit.patch, shorter.patch]",
    )
    options = [part for each in (*settings, "search.rule=random", "seed=5") for part in ("-s", each)]
    done = cli("search", "tiny.yaml", "--run", "run", *options)
    assert done.code == 0, done.err
    assert "better on the loads of the search only: 1 overfit" in done.out
    assert "gap from search to final" in done.out
    state, show = cli("status", "run", "--json").records[0], cli("show", "run", "1").out
    assert state["search_only"][0]["name"] == "overfit" and set(state["splits"]) <= {"search", "gate", "final"}
    assert "held-out loads, against attempt 0: 0." in show
    assert state["best"]["name"] != "overfit" and "PAUSE_S = 0.003\n" not in cli("best", "run").out
    assert git(cli.cwd / "run", "rev-parse", "refs/heads/best").strip() == state["best"]["id"]
    shown = (cli("status", "run").out, cli("report", "run", "--format", "md").out)
    assert "better on the loads of the search only: 1 overfit" in shown[0]
    assert "On held-out loads" in shown[1] and "overfit" in shown[1].partition("The way there")[0]
    assert cli("verify", "run").code == 0
