"""`packsmith import`: archives of other frameworks become runs, through the command as users call it."""

from __future__ import annotations

from pathlib import Path

from tests.cli.runs import QUICKLY, Cli

DATA = Path(__file__).resolve().parents[1] / "data" / "imports"
TINY = ("--config", "tiny.yaml", *QUICKLY)


def test_without_a_judge_the_run_can_be_read_and_not_searched_on(cli: Cli) -> None:
    done = cli("import", "openevolve", DATA / "openevolve", "run", *TINY)
    assert (done.code, done.err) == (0, "")
    assert "imported 6 programs of openevolve into run: 5 with a parent, 6 with claims\nnothing is judged" in done.out
    assert [record["verdict"] for record in cli("log", "run", "--json").records] == ["unjudged"] * 6
    shown = cli("show", "run", "4").out
    assert "kind     import by openevolve" in shown and "claimed  openevolve 6c8a1c61" in shown
    assert "not judged" in cli("log", "run", "--graph").out and "not judged yet" in cli("status", "run").out
    for words in (("verify",), ("stats",), ("lineage", "5"), ("diff", "1", "3"), ("export", "exported")):
        verb, *rest = words
        arguments = (verb, "run", *rest)
        assert cli(*arguments).code == 0, arguments
    assert "unjudged" in (cli.cwd / "exported" / "attempts.csv").read_text()
    again = cli("import", "openevolve", DATA / "openevolve", "run", *TINY)
    assert again.code == 1 and "expected a new folder, found a run" in again.err
    judged = cli("import", "openevolve", DATA / "openevolve", "run", *TINY, "--rejudge")
    assert judged.code == 1 and "an attempt never changes" in judged.err


def test_with_a_judge_claims_stand_beside_measurements_and_a_search_goes_on(cli: Cli) -> None:
    arguments = ("import", "shinka", DATA / "shinka", "run", *TINY, "--rejudge")
    done = cli(*arguments)
    assert done.code == 0, done.err
    assert "Claimed (combined_score) and measured" in done.out and "Claimed gains of children" in done.out
    assert "rank correlation of the claim with balance" in done.out and "validate: " in done.out
    [last] = cli(*arguments, "--json").records  # all programs are archived: only the result is left to say
    assert last["judged"] and last["programs"] == 4
    first, second = last["claims"]["pairs"]
    assert [(pair["child"], pair["parent"]) for pair in (first, second)] == [(1, 0), (2, 1)]  # the last claims no gain
    assert second["gain"]["low"] > 0.02, "it places the heaviest experts by turns"
    verdicts = [record["verdict"] for record in cli("log", "run", "--json").records]
    assert verdicts == ["scored", "scored", "scored", "rejected"]
    asked = cli("ask", "run", "--kind", "patch", "--json")
    assert asked.code == 0, asked.err


def test_a_bad_archive_leaves_nothing_behind(cli: Cli) -> None:
    (cli.cwd / "bad").mkdir()
    before = sorted(path.name for path in cli.cwd.iterdir())
    for framework, word in (
        ("openevolve", "checkpoint_<number>"),
        ("shinka", "gen_<number>"),
        ("gepa", "candidates.json"),
    ):
        for more in ((), ("--rejudge",)):
            done = cli("import", framework, "bad", "run", *TINY, *more)
            assert done.code == 1 and done.err.count("error:") == 1 and word in done.err
    assert cli("import", "funsearch", "bad", "run").code == 2
    config = cli("import", "shinka", DATA / "shinka", "run", *TINY, "-s", "judge.nothing=1")
    assert config.code == 1 and "judge.nothing" in config.err
    assert sorted(path.name for path in cli.cwd.iterdir()) == before
