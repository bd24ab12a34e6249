"""`packsmith report` and `packsmith compare`, in this process, on a run whose attempts are made by hand."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest

from harness.archive import Archive
from harness.cli import run
from harness.cli.runs import begin_run
from harness.config import load
from harness.patch import apply_reply
from harness.types import Attempt, Proposal
from tests.cli.runs import patch, write_workshop
from tests.harness.archive.archives import refused, seed_attempt
from tests.harness.builders import scored

HOSTILE = "=cmd|'/c x'!A1 <script>alert(1)</script> \x1b[2J"


def made(folder: Path, name: str) -> Path:
    """A run of four attempts, a refused one and a hostile name among them; its champion is attempt 2."""
    with begin_run(folder / name, load(str(folder / "tiny.yaml"))) as opened:
        archive = opened.archive
        seed = archive.append(seed_attempt(archive)).id
        archive.append(refused(archive, 1, seed))
        reply = patch(HOSTILE, "</div>\n# Quick, & <b>bold</b>.", "PAUSE_S = 0.003\n", "PAUSE_S = 0.0\n")
        archive.append(_patched(archive, seed, reply))
    return folder / name


def _patched(archive: Archive, parent: str, reply: str) -> Attempt:
    proposal = Proposal(kind="patch", parents=(parent,), reply=reply, proposer="test", model="m", usd=0.5, tokens=9)
    candidate = apply_reply(reply, archive.source(parent))
    return Attempt(number=2, proposal=proposal, candidate=candidate, verdict=scored(0.6, 1.5), seconds=2.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A folder with the run `one`, and the command there."""

    folder: Path
    captured: pytest.CaptureFixture[str]

    def __call__(self, *words: object) -> tuple[int, str, str]:
        code = run([str(word) for word in words])
        said = self.captured.readouterr()
        return code, said.out, said.err


@pytest.fixture
def place(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Place:
    folder = write_workshop(tmp_path / "workshop")
    made(folder, "one")
    return Place(folder=folder, captured=capfd)


def test_a_report_in_every_format(place: Place) -> None:
    one, page = place.folder / "one", place.folder / "report.html"
    code, out, _ = place("report", one, "-o", page, "--json")
    assert code == 0 and json.loads(out) == {"run": str(one), "path": str(page), "format": "html", "attempts": 3}
    root = ElementTree.fromstring(page.read_text())
    tags = [found.tag.rpartition("}")[2] for found in root.iter()]
    assert tags.count("svg") == 2 and "script" not in tags and page.stat().st_size < 100_000
    words = "".join(root.itertext())
    assert "PAUSE_S = 0.0" in words and "<b>bold</b>" in words and "\x1b" not in words
    assert place("report", one, "-o", place.folder / "progress.svg", "--figure", "progress")[0] == 0
    ElementTree.parse(place.folder / "progress.svg")
    code, text, _ = place("report", one, "--format", "md")
    assert code == 0 and text.startswith("# Search report: ") and "`=cmd|'/c x'!A1 <script>" in text
    assert place("report", one, "-o", place.folder / "attempts.csv")[0] == 0
    rows = list(csv.DictReader((place.folder / "attempts.csv").open(newline="")))
    assert [row["verdict"] for row in rows] == ["scored", "rejected", "scored"] and rows[2]["name"].startswith("'=cmd")


def test_what_cannot_be_reported_is_refused_and_leaves_nothing(place: Place) -> None:
    one, folder = place.folder / "one", place.folder
    (folder / "there.html").write_text("kept")
    empty = folder / "empty"
    with begin_run(empty, load(str(folder / "tiny.yaml"))):
        pass
    before = sorted(path.name for path in folder.iterdir())
    for words, code, said in (
        ((one,), 2, "expected a file or a format"),
        ((one, "-o", folder / "report.pdf"), 2, "expected a suffix of .html, .md"),
        ((one, "-o", folder / "report.html", "--figure", "pareto"), 2, "expected svg or png, found html"),
        ((one, "--format", "png"), 2, "expected a file for png"),
        ((one, "-o", folder / "there.html"), 1, "expected the name of a new file"),
        ((one, "-o", folder / "no" / "report.html"), 1, "does not exist: create it first"),
        ((folder / "nothing", "-o", folder / "report.html"), 1, "expected a run at"),
        ((empty, "-o", folder / "report.html"), 1, "no attempt is archived yet"),
    ):
        done, out, err = place("report", *words)
        assert (done, out) == (code, "") and said in err, (words, err)
    assert sorted(path.name for path in folder.iterdir()) == before
    assert (folder / "there.html").read_text() == "kept"


def test_runs_side_by_side(place: Place) -> None:
    one, folder = place.folder / "one", place.folder
    other = Path(shutil.copytree(one, folder / "other"))
    code, out, _ = place("compare", one, other)
    lines = out.splitlines()
    assert code == 0 and lines[0] == "Best after equal attempts, and at the end" and "hypervolume" in lines[1]
    assert max(len(line) for line in lines if not line.startswith("hypervolume: ")) <= 80
    _, out, _ = place("compare", one, other, "--by", "dollars", "--point", "0.5,0.5", "--json")
    records = [json.loads(line) for line in out.splitlines()]
    last = records[-1]
    assert (last["run"], last["end"], last["at"], last["champion"]) == ("other", True, 0.5, 2)
    assert (
        last["above"] == {"quality": 0.5, "speedup": 0.5} and last["differs"] == [] and last["spent"]["dollars"] == 0.5
    )
    for name in ("curves.svg", "curves.html", "curves.md", "curves.csv"):
        assert place("compare", one, other, "-o", folder / name)[0] == 0, name
    ElementTree.parse(folder / "curves.svg")
    ElementTree.parse(folder / "curves.html")
    rows = list(csv.DictReader((folder / "curves.csv").open(newline="")))
    assert {row["run"] for row in rows} == {"one", "other"} and {row["group"] for row in rows} == {"1"}


def test_runs_that_do_not_compare_stand_apart(place: Place) -> None:
    text = (place.folder / "tiny.yaml").read_text()
    assert "layers: 48" in text
    (place.folder / "tiny.yaml").write_text(text.replace("layers: 48", "layers: 24"))
    other = made(place.folder, "other")
    code, out, _ = place("compare", place.folder / "one", other)
    assert code == 0 and "Group 2, not compared with group 1: other. They differ: the task's cases" in out
    assert "Best after equal" not in out and out.count("Best on the way and at the end") == 2
    assert "expected different runs" in place("compare", other, other)[2]
    assert place("compare", other, "--point", "0,0")[0] == 2
