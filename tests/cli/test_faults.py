"""Damaged and foreign runs on the command line: what is intact is shown, what is damaged is named, with what to do."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.archive import Archive
from harness.types import Proposal
from tests.cli.test_history import Here, made
from tests.harness.archive.archives import git

__all__ = ["made"]


@pytest.fixture
def damaged(capfd: pytest.CaptureFixture[str], made: Path, tmp_path: Path) -> Here:
    """The command in this process, on a copy of a run of eight attempts that may be damaged."""
    shutil.copytree(made, tmp_path / "run")
    return Here(capfd, tmp_path / "run")


def loose(run: Path, name: str) -> Path:
    object_id = git(run, "rev-parse", name).strip()
    return run / "objects" / object_id[:2] / object_id[2:]


def tear(path: Path) -> None:
    """Leave a file as a power cut does: there, and empty."""
    path.chmod(0o644)
    path.write_bytes(b"")


def pack(run: Path) -> None:
    with Archive.open(run) as archive:
        archive.maintain()


def tear_pack(run: Path) -> None:
    pack(run)
    [path] = (run / "objects/pack").glob("*.pack")
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(bytes(data))


def lose_pack_index(run: Path) -> None:
    pack(run)
    for path in (run / "objects/pack").glob("*.idx"):
        path.unlink()


def lose_the_index(run: Path) -> None:
    pack(run)
    (run / "packsmith.index").unlink()


def commit_by_hand(run: Path) -> None:
    """Another user cloned the run, committed onto its best program and pushed it back."""
    work = run.parent / "work"
    git(run.parent, "clone", "-q", str(run), str(work))
    (work / "program.py").write_text("mine\n")
    git(work, "-c", "user.name=x", "-c", "user.email=x", "commit", "-qam", "mine")
    git(work, "push", "-q", "origin", "HEAD:refs/heads/best", "HEAD:refs/heads/mine", "HEAD:refs/attempts/000099")


def strange_refs(run: Path) -> None:
    best = git(run, "rev-parse", "best").strip()
    git(run, "update-ref", "refs/attempts/x", best)
    git(run, "update-ref", "refs/attempts/15", best)
    git(run, "update-ref", "refs/attempts/000000000012", best)
    git(run, "-c", "user.name=x", "-c", "user.email=x", "tag", "-a", "-m", "x", "tagged", best)
    git(run, "update-ref", "refs/attempts/000050", git(run, "rev-parse", "refs/tags/tagged").strip())
    git(run, "symbolic-ref", "refs/attempts/000051", "refs/heads/best")


LEAVES_WHOLE = {
    "an attempt's commit": lambda run: tear(loose(run, "refs/attempts/000005")),
    "an attempt's record": lambda run: tear(loose(run, "refs/attempts/000005:attempt.json")),
    "an attempt's ref": lambda run: tear(run / "refs/attempts/000005"),
    "a commit by another tool": commit_by_hand,
    "refs of another tool": strange_refs,
}
"""Each damages one attempt or another part: the other attempts are shown, and verify fails."""


@pytest.mark.parametrize("fault", LEAVES_WHOLE)
def test_one_fault_hides_no_other_attempt(damaged: Here, fault: str) -> None:
    LEAVES_WHOLE[fault](damaged.run)
    listed = damaged("log", damaged.run, "--json")
    assert listed.code == 0
    numbers = [record["number"] for record in listed.records]
    assert numbers in ([0, 1, 2, 3, 4, 5, 6, 7], [0, 1, 2, 3, 4, 6, 7])
    assert "Traceback" not in listed.err
    shown = damaged("show", damaged.run, 4)
    assert (shown.code, "Traceback" in shown.err) == (0, False)
    verified = damaged("verify", damaged.run)
    assert verified.code == 1 and "Traceback" not in verified.err
    if len(numbers) == 7:
        assert "refs/attempts/000005" in listed.err
        gone = damaged("show", damaged.run, 5)
        assert gone.code == 1 and gone.err.startswith("warning: refs/attempts/000005") and "\nerror: " in gone.err


def test_a_run_whose_index_is_lost_is_the_same(damaged: Here) -> None:
    before = damaged("log", damaged.run).out
    lose_the_index(damaged.run)
    assert damaged("log", damaged.run).out == before
    assert damaged("verify", damaged.run).code == 0


@pytest.mark.parametrize("fault", [tear_pack, lose_pack_index])
def test_a_torn_pack_is_reported_as_damage_and_not_as_a_bug(damaged: Here, fault: Callable[[Path], None]) -> None:
    fault(damaged.run)
    for command in (("log",), ("show", 4), ("best",), ("lineage",), ("verify",)):
        done = damaged(command[0], damaged.run, *command[1:])
        assert done.code in (0, 1) and "Traceback" not in done.err and "bug" not in done.err
    assert done.code == 1, "verify finds it"
    assert "expected" in done.out or "git fsck" in done.err


def test_a_run_without_head_is_not_taken_for_one_that_never_began(damaged: Here) -> None:
    (damaged.run / "HEAD").unlink()
    done = damaged("log", damaged.run)
    assert done.code == 1 and "The attempts are intact: write the line `ref: refs/heads/best` into" in done.err
    (damaged.run / "HEAD").write_text("ref: refs/heads/best\n")
    assert damaged("verify", damaged.run).code == 0


def test_a_torn_root_commit_is_named(damaged: Here) -> None:
    tear(loose(damaged.run, "seed:config.yaml"))
    for command in ("log", "verify", "best"):
        done = damaged(command, damaged.run)
        assert done.code == 1
        assert "of the root commit is" in done.err and "`git fsck` lists the damage" in done.err


def test_a_command_that_needs_a_missing_parent_names_it(damaged: Here) -> None:
    tear(loose(damaged.run, "refs/attempts/000004:program.py"))
    done = damaged("best", damaged.run)
    assert done.code == 1 and "program.py of" in done.err and "git fsck" in done.err


@pytest.fixture
def read_only(damaged: Here, tmp_path: Path) -> Iterator[Here]:
    """The same run, mounted read-only."""
    view = tmp_path / "view"
    view.mkdir()
    if os.getuid() != 0 or subprocess.run(["mount", "--bind", damaged.run, view], check=False).returncode:
        pytest.skip("no right to mount here")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", str(view)], check=True)
        damaged.run = view
        yield damaged
    finally:
        subprocess.run(["umount", "-l", str(view)], check=False)


def test_a_read_only_run_is_read_and_refuses_to_be_written(read_only: Here, tmp_path: Path) -> None:
    for command in (("log", "--graph"), ("show", "4"), ("lineage",), ("diff", "1", "4"), ("verify",), ("best",)):
        done = read_only(command[0], read_only.run, *command[1:])
        assert (done.code, done.err.count("error")) == (0, 0)
    assert read_only("export", read_only.run, tmp_path / "plain").code == 0
    assert read_only("bundle", read_only.run, tmp_path / "run.bundle").code == 0
    told = read_only("advise", read_only.run, "look for speed")
    assert told.code == 1 and "cannot be written to; all 8 attempts archived before are safe" in told.err


def test_a_torn_ticket_is_reported_and_takes_no_answer(damaged: Here, tmp_path: Path) -> None:
    with Archive.open(damaged.run) as archive:
        best = archive.entry("best").id
        archive.hold(9, Proposal(kind="patch", parents=(best,), reply="held", proposer="test"))
    tear(loose(damaged.run, "refs/pending/000009"))
    (tmp_path / "reply.md").write_text("an answer")
    told = damaged("tell", damaged.run, 9, tmp_path / "reply.md")
    assert told.code == 1 and "\nerror: ticket 9 is damaged" in told.err
    status = damaged("status", damaged.run)
    assert status.code == 0 and "refs/pending/000009" in status.err
    git(damaged.run, "update-ref", "-d", "refs/pending/000009")
    assert damaged("status", damaged.run).err == ""


def lose_the_names(run: Path) -> None:
    git(run, "gc", "-q")
    (run / "packed-refs").write_bytes((run / "packed-refs").read_bytes()[:400])


def test_a_run_with_torn_refs_is_left_unchanged(damaged: Here, made: Path, tmp_path: Path) -> None:
    lose_the_names(damaged.run)
    before = (damaged.run / "packed-refs").read_bytes()
    (tmp_path / "reply.md").write_text("an answer")
    tell = ("tell", 1, tmp_path / "reply.md")
    for command, *more in (("log",), ("show", 1), ("verify",), ("best",), ("status",), tell, ("lineage",)):
        done = damaged(command, damaged.run, *more)
        assert (done.code, done.out) == (1, "") and done.err.startswith("error: ")
        assert "packed-refs is torn" in done.err and "attempts are intact" in done.err
    searched = damaged("search", made.parent / "tiny.yaml", "--run", damaged.run)
    assert searched.code == 1 and "Traceback" not in searched.err
    assert (damaged.run / "packed-refs").read_bytes() == before


def test_a_search_that_needs_a_missing_parent_names_it(damaged: Here, made: Path) -> None:
    tear(loose(damaged.run, "best:program.py"))
    searched = damaged("search", made.parent / "tiny.yaml", "--run", damaged.run, "-s", "budget.attempts=12")
    assert searched.code == 1 and "Traceback" not in searched.err
    assert "program.py of" in searched.err and "git fsck" in searched.err
    assert damaged("log", damaged.run).code == 0
