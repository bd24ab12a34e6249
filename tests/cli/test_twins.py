"""A program that a run knows already, given again in another layout by a user."""

from __future__ import annotations

import shutil
from pathlib import Path

from harness.archive import Archive
from harness.readings.verify import verify
from tests.cli.conftest import Searched
from tests.cli.runs import Cli, git

MARKER = "# EVOLVE-BLOCK-START\n"


def test_a_known_program_is_reported_and_not_judged_again(searched: Searched, tmp_path: Path) -> None:
    run, cli = Path(shutil.copytree(searched.run, tmp_path / "run")), Cli(cwd=tmp_path)
    archive = Archive.open(run)
    first, last = archive.entry("best"), archive.entries[-1].number + 1
    source = archive.source(first.id)
    assert source.count(MARKER) == 1
    (tmp_path / "mine.py").write_text(source.replace(MARKER, f"{MARKER}# laid out in another way\n\n"))

    [ticket] = cli("ask", "run", "--kind", "patch", "--json").records
    done = cli("tell", "run", ticket["ticket"], "--program", "mine.py")
    assert done.code == 0, done.err
    words = " ".join(done.out.split())
    assert f"same program as attempt {first.number}, {first.name}: its verdict is taken over" in words
    assert f"packsmith remeasure run {first.number}" in words and "against its parent" not in words
    assert f"archived as attempt {last}; attempt {first.number}, " in words

    rows = cli("log", "run").out.splitlines()
    [row] = [row for row in rows if row.split()[0] == str(last)]
    assert row.endswith(f"same program as {first.number}")
    assert "known already, so not judged again: 1 of the" in cli("stats", "run").out
    record = cli("log", "run", "--json").records[-1]
    assert (record["same_as"], record["seconds"], record["verdict"]) == (first.id, 0, "scored")
    assert f"Same-as: {first.id[:12]}" in git(run, "log", "-1", f"refs/attempts/{last:06d}").split("\n    ")
    assert verify(Archive.open(run)).ok

    taken_over = (
        f"verdict taken over from attempt {first.number}: the same program, but for layout, comments and docstrings"
    )
    assert f"{taken_over} (packsmith remeasure run {last} judges it)" in unwrapped(cli("show", "run", last).out)
    assert taken_over in unwrapped(cli("checkout", "run", last, "work").out)
    assert cli("checkout", "run", last, "other", "--json").records[0]["same_as"] == first.id
    assert f"attempt {last}: {taken_over}" in unwrapped(cli("diff", "run", first.number, last).out)
    assert taken_over in unwrapped(cli("lineage", "run", last, "--patches", "series").err)
    for judged in (cli("show", "run", first.number), cli("lineage", "run", first.number, "--patches", "first")):
        assert judged.code == 0 and "taken over" not in judged.out + judged.err

    assert cli("export", "run", "exported").code == 0
    assert (tmp_path / "exported" / "best.py").read_text() == source
    assert f"{last:06d}.py" not in [path.name for path in (tmp_path / "exported" / "front").iterdir()]
    git(run, "update-ref", "refs/heads/best", record["id"])  # as no search does
    assert cli("best", "run").out == source and cli("best", "run", "--json").records[0]["number"] == first.number


def unwrapped(text: str) -> str:
    return " ".join(text.split())
