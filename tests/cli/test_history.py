"""`packsmith log`, `diff`, `lineage`, `export` and `checkout`: the history of a run, shown, written and checked out.

Most run in this process, on a run whose attempts are made by hand, so that nothing has to be judged.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from evaluator import Rejected, Verdict
from harness.archive import Archive
from harness.cli import run
from harness.cli.runs import begin_run
from harness.config import load
from harness.patch import apply_reply
from harness.types import Attempt, Kind, Proposal
from tests.cli.conftest import Searched
from tests.cli.runs import Cli, git, on_terminal, patch, without_escapes, write_workshop
from tests.harness.archive.archives import refused, seed_attempt
from tests.harness.builders import REJECTED, scored

HOSTILE = "=cmd|'/c x'!A1 ../../../etc \x1b[2J\x07\u202e"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The result of a command in this process."""

    code: int
    out: str
    err: str

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


class Here:
    """The command in this process."""

    def __init__(self, captured: pytest.CaptureFixture[str], made: Path) -> None:
        self._captured, self.run = captured, made

    def __call__(self, *args: object) -> Answer:
        code = run([str(one) for one in args])
        said = self._captured.readouterr()
        return Answer(code=code, out=said.out, err=said.err)


def attempt(
    archive: Archive, parents: Sequence[str], reply: str, kind: Kind = "patch", verdict: Verdict | None = None
) -> Attempt:
    """An attempt whose reply is applied to its first parent, under the next number."""
    proposal = Proposal(
        kind=kind, parents=tuple(parents), reply=reply, proposer="test", model="@model", usd=0.25, tokens=1200
    )
    candidate = apply_reply(reply, archive.source(parents[0]), allow_rewrite=kind == "rewrite")
    return Attempt(
        number=archive.next_number, proposal=proposal, candidate=candidate, verdict=verdict or REJECTED, seconds=2.0
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of eight attempts of every kind, a hostile name among them; its champion is attempt 4."""
    folder = write_workshop(tmp_path_factory.mktemp("history"))
    with begin_run(folder / "run", load(str(folder / "tiny.yaml"))) as opened:
        archive = opened.archive
        seed = archive.append(seed_attempt(archive)).id
        careful = patch("careful", "Better.", "PLACED_WELL = 4\n", "PLACED_WELL = 8\n")
        one = archive.append(attempt(archive, [seed], careful, verdict=scored(0.6, 1.01))).id
        hasty = patch(HOSTILE, "Quick.", "PAUSE_S = 0.003\n", "PAUSE_S = 0.0\n")
        two = archive.append(attempt(archive, [seed], hasty, verdict=scored(0.5, 2.0))).id
        cross = attempt(archive, [one, two], hasty.replace(HOSTILE, "both"), "crossover", scored(0.6, 2.03))
        both = archive.append(cross).id
        whole = archive.source(both).replace("WASTED = 0", "WASTED = 0  # none").rstrip("\n")
        best = archive.append(attempt(archive, [both], f"```python\n{whole}\n```\n", "rewrite", scored(0.61, 4.2)))
        archive.append(refused(archive, 5, best.id))
        slow = patch("slow", "Raises.", "WASTED = 0  # none\n", "WASTED = 1\n")
        archive.append(attempt(archive, [best.id], slow, verdict=Rejected(stage="run", reason="timeout", detail="x")))
        again = attempt(archive, [best.id], slow.replace("slow", "again").replace("1", "2"), verdict=scored(0.5, 2.0))
        archive.append(replace(again, same_as=two))
        archive.point(best, [best])
    return folder / "run"


@pytest.fixture
def here(capfd: pytest.CaptureFixture[str], made: Path) -> Here:
    return Here(capfd, made)


def test_the_graph_shows_every_attempt_and_marks_the_champion(here: Here) -> None:
    done = here("log", here.run, "--graph")
    heading, *rows = done.out.splitlines()
    assert done.code == 0 and heading.split()[:4] == ["#", "name", "balance", "speed-up"]
    stars = [row for row in rows if "*" in row]
    assert len(stars) == 9 and stars[-1].endswith("the seed program and the config")
    [best] = [row for row in stars if " best " in row]
    assert best.split()[1:3] == ["4", "best"] and best.endswith("+1.00, 2.07x faster")
    assert any("run: timeout" in row for row in stars) and any("same program as 2" in row for row in stars)
    assert "\x1b" not in done.out and "\u202e" not in done.out and done.out.isprintable() is False


def test_a_graph_of_the_last_attempts_names_the_parents_left_out(here: Here) -> None:
    done = here("log", here.run, "--graph", "--last", 4)
    numbers = [row.split("*")[1].split()[0] for row in done.out.splitlines() if "*" in row]
    assert sorted(numbers) == ["4", "5", "6", "7"]
    [best] = [row for row in done.out.splitlines() if " best " in row]
    assert best.endswith("(from 3)")


def test_the_graph_fits_a_terminal(made: Path) -> None:
    code, seen = on_terminal(made.parent, 80, "log", made, "--graph")
    lines = without_escapes(seen).replace("\r", "").split("\n")
    rows = [line for line in lines if "*" in line]
    assert code == 0 and len(rows) == 9 and max(len(row) for row in rows) <= 80


def test_log_can_be_limited_to_the_newest_or_the_scored(here: Here) -> None:
    assert [record["number"] for record in here("log", here.run, "--last", 2, "--json").records] == [6, 7]
    assert [record["number"] for record in here("log", here.run, "--scored", "--json").records] == [0, 1, 2, 3, 4, 7]
    assert len(here("log", here.run, "--last", 3).out.splitlines()) == 4
    assert here("log", here.run, "--graph", "--json").code == 2


def test_diff_shows_scores_and_a_patch_that_git_applies(here: Here, tmp_path: Path) -> None:
    done = here("diff", here.run, "seed", "best")
    assert done.code == 0 and done.out.startswith("Attempt 4 (") and "+11.00" in done.out
    assert done.out.count("4.20x faster") == 2, "a case and all of them"
    (tmp_path / "000000").mkdir()
    assert here("export", here.run, tmp_path / "out").code == 0
    (tmp_path / "program.py").write_bytes((tmp_path / "out" / "seed.py").read_bytes())
    (tmp_path / "change.diff").write_text(done.out)
    git(tmp_path, "apply", "change.diff")
    assert (tmp_path / "program.py").read_bytes() == (tmp_path / "out" / "best.py").read_bytes()


def test_diff_marks_uncertain_changes(here: Here) -> None:
    close = here("diff", here.run, "2", "3")
    assert "+10.00" in close.out and close.out.count("no sure change") == 2
    assert "attempt 6 has no score: run: timeout" in here("diff", here.run, "4", "6").out
    assert "The programs are the same" in here("diff", here.run, "4", "4").out
    [record] = here("diff", here.run, "3", "4", "--json").records
    assert (
        record["bought"]["times_as_fast"] == pytest.approx(4.2 / 2.03)
        and record["cases"][0]["times_as_fast"] is not None
    )
    assert record["diff"].startswith("--- 000003/program.py\n+++ 000004/program.py\n@@ ")


def test_lineage_shows_the_gain_of_each_patch_and_the_total(here: Here) -> None:
    done = here("lineage", here.run)
    rows = [line.split() for line in done.out.splitlines()]
    assert max(len(line) for line in done.out.splitlines()[:7]) <= 80
    assert [row[0] for row in rows[3:7]] == ["0", "1", "3", "4"] and "1+2" in rows[5], "a crossover's other parent"
    assert "+11.00 points, 4.20x faster, 3.60k tokens, $0.7500" in done.out
    *steps, total = here("lineage", here.run, 7, "--json").records
    assert [step["number"] for step in steps] == [0, 1, 3, 4, 7] and steps[2]["merged"] == [2]
    assert steps[-1]["same_as"] and (total["from"], total["to"], total["patches"]) == (0, 7, 4)
    assert total["bought"]["times_as_fast"] == pytest.approx(2.0) and total["tokens"] == 4800
    assert {"same", "program", "as"} <= set(here("lineage", here.run, 7).out.split())


def test_replaying_a_lineage_as_patches_gives_the_same_bytes(here: Here, tmp_path: Path) -> None:
    folder = tmp_path / "series"
    done = here("lineage", here.run, "7", "--patches", folder)
    assert done.code == 0 and f"packsmith replay {folder}/*.patch --onto {folder}/seed.py" in done.err
    files = sorted(path.name for path in folder.iterdir())
    assert files == ["0001-careful.patch", "0002-both.patch", "0003-patch.patch", "0004-again.patch", "seed.py"]
    replayed = here(
        "replay", *sorted(folder.glob("*.patch")), "--onto", folder / "seed.py", "-o", tmp_path / "child.py"
    )
    assert replayed.code == 0
    stored = git(here.run, "show", "refs/attempts/000007:program.py")
    assert (tmp_path / "child.py").read_bytes() == stored.encode()
    hostile = here("lineage", here.run, "2", "--patches", tmp_path / "hostile")
    assert hostile.code == 0 and "\x1b" not in hostile.out
    assert sorted(path.name for path in (tmp_path / "hostile").iterdir()) == [
        "0001-cmd-c-x-a1-etc-2j.patch",
        "seed.py",
    ]
    again = here("lineage", here.run, "7", "--patches", folder)
    assert again.code == 1 and "expected a folder that is new or empty" in again.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["child.py", "hostile", "series"], "nothing is left over"


def test_a_refused_patch_of_a_series_is_named_and_nothing_is_written(here: Here, tmp_path: Path) -> None:
    here("lineage", here.run, "--patches", tmp_path / "series")
    first, *others = sorted((tmp_path / "series").glob("*.patch"))
    done = here("replay", *others, first, first, "--onto", tmp_path / "series/seed.py", "-o", tmp_path / "child.py")
    assert done.code == 1 and f"error: {first}: refused (no_match)" in done.err
    assert not (tmp_path / "child.py").exists()


def test_export_writes_plain_files(here: Here, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    done = here("export", here.run, folder)
    assert done.code == 0 and "8 attempts" in done.out
    names = ["attempts.csv", "attempts.jsonl", "best.py", "config.yaml", "front", "seed.py"]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert (folder / "attempts.jsonl").read_text() == here("log", here.run, "--json").out
    assert here("best", here.run).out == (folder / "best.py").read_text() == (folder / "front/000004.py").read_text()
    assert (folder / "config.yaml").read_text() == git(here.run, "show", "seed:config.yaml")
    text = (folder / "attempts.csv").read_text()
    rows = list(csv.DictReader(text.splitlines()))
    assert [row["number"] for row in rows] == [str(number) for number in range(8)]
    assert rows[2]["name"].startswith("'=cmd|") and rows[2]["model"] == "'@model" and rows[3]["parents"] == "1 2"
    assert rows[6]["stage"] == "run" and rows[6]["balance"] == "" and rows[7]["same_as"] == "2"
    assert float(rows[4]["balance"]) == 0.61 and float(rows[4]["speedup_low"]) < 4.2 and rows[4]["fingerprint"]
    assert all(line.isprintable() for line in text.splitlines())
    assert here("export", here.run, folder).code == 1


def test_checkout_makes_a_work_tree_and_refuses_a_used_folder(here: Here, tmp_path: Path) -> None:
    folder = tmp_path / "a folder"
    done = here("checkout", here.run, 4, folder)
    assert done.code == 0 and f"packsmith evaluate '{folder}/program.py' --run {here.run}" in done.out
    assert git(folder, "status", "--porcelain") == ""
    assert git(folder, "rev-parse", "HEAD") == git(here.run, "rev-parse", "refs/attempts/000004")
    assert sorted(path.name for path in folder.iterdir()) == [".git", "attempt.json", "program.py", "reply.md"]
    assert here("checkout", here.run, 4, folder).code == 1
    git(here.run, "worktree", "remove", str(folder))
    assert here("verify", here.run).code == 0


def test_an_archived_program_is_judged_again_as_in_its_run(searched: Searched, tmp_path: Path) -> None:
    cli = Cli(cwd=searched.workshop)
    [record] = cli("checkout", "run", "best", tmp_path / "work", "--json").records
    assert record["worktree"] is True and record["number"] == searched.best["number"]
    done = cli(*record["evaluate"].split()[1:], "--json")
    assert done.code == 0, done.err
    [judged] = done.records
    assert judged["pass_quality"] == searched.best["pass_quality"] and judged["gain"] is not None
    assert judged["environment"]["reference"] == searched.best["environment"]["reference"]
    refused = cli.refused("evaluate", tmp_path / "work/program.py", "--run", "run", "--seed", "1", code=2)
    assert "the run decides that" in refused
