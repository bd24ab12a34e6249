"""Runs changed by other tools or by disk faults between two searches: read, reported, repaired, never made worse."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from harness import patch
from harness.archive import Archive, ArchiveError
from harness.archive.keeper import Keeper
from harness.proposers import View
from harness.readings.verify import verify
from harness.search import SearchSetup, search
from harness.search.budget import Budget
from harness.select import Pareto, pick_front
from harness.types import Attempt, Edit, Entry, HarnessError, Patch, Proposal
from tests.harness.archive.archives import changing, family, fsck, git, new, open_or_create, refused, seed_attempt
from tests.harness.builders import KnobJudge, scored

WHO = ("-c", "user.name=x", "-c", "user.email=x@y")

pytestmark = pytest.mark.slow


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return new(tmp_path / "run")


def both(path: Path) -> tuple[Entry, ...]:
    """The entries of an archive, which are the same with and without its index."""
    with Archive.open(path) as cached, Archive.open(path, cached=False) as truth:
        assert (cached.entries, cached.damage) == (truth.entries, truth.damage)
        return tuple(truth.entries)


def packed(archive: Archive) -> list[Entry]:
    """A family all of whose objects are packed, and all refs, as after `git gc`; the archive is closed."""
    made = family(archive)
    archive.close()
    git(archive.path, "gc", "-q")
    git(archive.path, "pack-refs", "--all")
    return made


class TestCommitsOfOthers:
    def test_an_attempt_with_any_tree_hides_no_other(self, archive: Archive) -> None:
        made = family(archive)
        commits = {
            f"refs/attempts/{number:06d}": odd_attempt(archive, made[3], number, mode, name)
            for number, (mode, name) in enumerate(itertools.product(MODES, FILES), start=10)
        }
        for ref, commit in commits.items():
            git(archive.path, "update-ref", ref, commit)
        archive.close()
        present = both(archive.path)
        assert present[:5] == tuple(made) and len(present) > 5
        with Archive.open(archive.path) as again:
            assert len(present) + len(again.damage) == 5 + len(commits)
            assert all(one.number is None or one.number >= 10 for one in verify(again).mismatches)
            added = again.append(refused(again, 5, made[1].id))
            again.maintain()
        assert both(archive.path) == (*made, added, *present[5:])
        refs = git(archive.path, "for-each-ref", "--format=%(objectname) %(refname)", "refs/attempts")
        assert {row[41:]: row[:40] for row in refs.splitlines()}.items() >= commits.items()

    def test_invalid_names_and_ids_are_never_packed(self, archive: Archive) -> None:
        made = family(archive)
        strange = {"with blank": made[0].id, "..": "", "x~1": made[0].id, "000007": "x" * 40, "000008": "ref: y"}
        for name, content in strange.items():
            if content:
                (archive.path / "refs/attempts" / name).write_text(f"{content}\n")
        archive.maintain()
        rows = (archive.path / "packed-refs").read_text().splitlines()[1:]
        assert rows == [f"{entry.id} refs/attempts/{entry.number:06d}" for entry in made]
        present = both(archive.path)
        assert present == tuple(made)

    def test_a_name_longer_than_any_number_is_ignored(self, archive: Archive) -> None:
        made = packed(archive)
        with (archive.path / "packed-refs").open("a") as file:
            file.write(f"{made[0].id} refs/stray/{'9' * 5000}\n")
        content = (archive.path / "packed-refs").read_text().replace("refs/stray/", "refs/attempts/")
        rows = sorted(content.splitlines()[1:], key=lambda row: row[41:])
        (archive.path / "packed-refs").write_text("\n".join([content.splitlines()[0], *rows, ""]))
        assert both(archive.path) == tuple(made)
        with pytest.raises(ArchiveError, match="expected the number or the commit id"):
            Archive.open(archive.path).entry("9" * 5000)

    def test_best_that_another_tool_moved_is_reported_and_reset(self, archive: Archive) -> None:
        made = family(archive)
        archive.point(made[3], [])
        tree = git(archive.path, "rev-parse", f"{made[0].id}^{{tree}}").strip()
        foreign = git(archive.path, *WHO, "commit-tree", "-m", "mine", "-p", made[3].id, tree).strip()
        git(archive.path, "update-ref", "refs/heads/best", foreign)
        archive.close()
        with Archive.open(archive.path) as again:
            with pytest.raises(ArchiveError, match=foreign[:12]):
                again.entry("best")
            again.point(made[3], [])
            assert again.entry("best") == made[3]
            again.maintain()
        assert git(archive.path, "cat-file", "-t", foreign) == "commit\n", "what somebody made is still there"


MODES = {"100755": "blob", "120000": "blob", "160000": "commit", "040000": "tree"}
"""An executable, a symbolic link, a submodule, a folder."""
FILES = ("program.py", "reply.md", "attempt.json", "more")


def odd_attempt(archive: Archive, like: Entry, number: int, mode: str, name: str) -> str:
    """A commit that is an attempt like another, but for the mode of one file in its tree."""
    path, given = archive.path, archive.path.parent / "given"

    def made(text: str, *args: str) -> str:
        given.write_text(text)
        with given.open("rb") as stream:
            done = subprocess.run(["git", *args], cwd=path, stdin=stream, capture_output=True, check=True)
        return done.stdout.decode().strip()

    files = {row.split("\t")[1]: row for row in git(path, "ls-tree", like.id).splitlines()}
    record = json.loads(git(path, "show", f"{like.id}:attempt.json")) | {"number": number}
    stored = made(json.dumps(record), "hash-object", "-w", "--stdin")
    files["attempt.json"] = f"100644 blob {stored}\tattempt.json"
    tree = git(path, "rev-parse", f"{like.id}^{{tree}}").strip()
    whole = files[name].split()[2] if name in files else like.program_id
    object_id = {"blob": whole, "commit": "1" * 40, "tree": tree}[MODES[mode]]
    files[name] = f"{mode} {MODES[mode]} {object_id}\t{name}"
    foreign = made("".join(f"{row}\n" for row in files.values()), "mktree", "--missing")
    parents = [word for parent in like.parents for word in ("-p", parent)]
    return git(path, *WHO, "commit-tree", "-m", "x", *parents, foreign).strip()


HOUSEKEEPING = [
    ("gc", "-q", "--prune=now"),
    ("gc", "-q", "--aggressive", "--prune=now"),
    ("repack", "-adkq"),
    ("repack", "-Adfq", "--depth=3"),
    ("-c", "repack.writeBitmaps=true", "repack", "-adbq"),
    ("multi-pack-index", "write"),
    ("commit-graph", "write", "--reachable"),
]


@pytest.mark.parametrize("command", HOUSEKEEPING, ids=lambda command: " ".join(command))
def test_a_run_continues_after_git_housekeeping(archive: Archive, command: tuple[str, ...]) -> None:
    made = family(archive)
    archive.point(made[3], made[1:3])
    archive.hold(9, Proposal(kind="patch", parents=(made[0].id,), reply="held", proposer="test"))
    archive.maintain()
    made.append(archive.append(refused(archive, 5, made[1].id)))
    archive.close()
    git(archive.path, *command)
    with Archive.open(archive.path) as again:
        assert again.entries == tuple(made)
        assert [pending.ticket for pending in again.adopt()] == [9]
        again.drop(9)
        made.append(again.append(changing(again, 6, [made[3].id], "ROUNDS = 6", "ROUNDS = 8")))
        again.point(made[-1], [])
        git(archive.path, *command)
        made.append(again.append(changing(again, 7, [made[6].id], "ROUNDS = 8", "ROUNDS = 9")))
        again.maintain()
    git(archive.path, *command)
    assert both(archive.path) == tuple(made)
    with Archive.open(archive.path) as again:
        assert verify(again).mismatches == ()
        assert again.pending() == ()
    assert fsck(archive.path) == ""


class TestLostNames:
    @pytest.mark.parametrize("torn", [b"", b"# pack-refs with: peeled fully-peeled sorted \n0123", b"\0" * 300])
    def test_a_torn_file_of_refs_is_an_error_and_can_be_restored(self, archive: Archive, torn: bytes) -> None:
        made = packed(archive)
        refs = archive.path / "packed-refs"
        refs.write_bytes(torn)
        said = r"packed-refs is torn.*attempts are intact.*cat-file --batch-all-objects"
        with pytest.raises(HarnessError, match=said):
            Archive.open(archive.path)
        with pytest.raises(HarnessError, match=said):
            open_or_create(archive.path)
        assert refs.read_bytes() == torn
        # What it says to do.
        refs.unlink()
        for row in git(archive.path, "cat-file", "--batch-all-objects", "--batch-check").splitlines():
            commit, kind, _ = row.split()
            if kind == "commit":
                number = git(archive.path, "log", "-1", "--format=%(trailers:key=Attempt,valueonly)", commit).strip()
                name = f"refs/attempts/{int(number):06d}" if number else "refs/heads/seed"
                git(archive.path, "update-ref", name, commit)
        assert both(archive.path) == tuple(made)

    def test_a_run_without_its_refs_is_not_created_again(self, archive: Archive) -> None:
        packed(archive)
        (archive.path / "packed-refs").unlink()
        with pytest.raises(ArchiveError, match=r"packed objects and no refs/heads/seed: a run whose refs are lost"):
            open_or_create(archive.path)
        assert git(archive.path, "for-each-ref") == ""

    def test_a_pack_without_its_index_gets_a_new_one(self, archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
        made = packed(archive)
        [index] = (archive.path / "objects/pack").glob("*.idx")
        index.unlink()
        with pytest.raises(ArchiveError, match="of the root commit is missing or torn"):
            Archive.open(archive.path)
        monkeypatch.setattr("harness.git.upkeep._STRAY_S", 0.0)
        Keeper(archive.path).all()
        assert both(archive.path) == tuple(made)
        assert fsck(archive.path) == ""


class TestUpkeep:
    def test_a_ref_locked_by_a_dead_process_is_left_and_does_not_stop_the_rest(self, archive: Archive) -> None:
        made = family(archive)
        lock = archive.path / "refs/attempts/000002.lock"
        lock.write_bytes(b"")
        begin = time.monotonic()
        archive.maintain()
        assert time.monotonic() - begin < 10
        assert sorted(path.name for path in (archive.path / "refs/attempts").iterdir()) == ["000002", "000002.lock"]
        assert both(archive.path) == tuple(made)
        archive.close()
        with Archive.open(archive.path) as again:
            again.append(refused(again, 5, made[1].id))
            again.maintain()
        assert list((archive.path / "refs/attempts").iterdir()) == []

    def test_a_stale_lock_of_packed_refs_is_removed_after_a_wait(self, archive: Archive) -> None:
        made = family(archive)
        lock = archive.path / "packed-refs.lock"
        lock.write_bytes(b"")
        archive.maintain()
        assert lock.exists() and not (archive.path / "packed-refs").exists()
        assert both(archive.path) == tuple(made)
        os.utime(lock, (time.time() - 90, time.time() - 90))
        archive.maintain()
        assert not lock.exists() and list((archive.path / "refs/attempts").iterdir()) == []
        assert both(archive.path) == tuple(made)

    @pytest.mark.parametrize("name", ["objects/pack", "packsmith.upkeep"])
    def test_failed_upkeep_stops_no_attempt_and_is_repeated_later(
        self, archive: Archive, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        made = family(archive)
        monkeypatch.setattr("harness.git.upkeep.PORTION", 2)
        place, aside = archive.path / name, archive.path / "aside"
        if place.exists():
            place.rename(aside)
            place.write_bytes(b"")
        else:
            place.mkdir()
        made.append(archive.append(refused(archive, 5, made[1].id)))
        finish_upkeep(archive)
        assert len(list((archive.path / "refs/attempts").iterdir())) == len(made)
        if aside.exists():
            place.unlink()
            aside.rename(place)
        else:
            place.rmdir()
        for number in (6, 7):
            made.append(archive.append(refused(archive, number, made[1].id)))
        finish_upkeep(archive)
        assert list((archive.path / "refs/attempts").iterdir()) == [], "it is tried again with the next portion"
        assert both(archive.path) == tuple(made)


def finish_upkeep(archive: Archive) -> None:
    """Wait for the process that this archive began, which has to end well whatever it found."""
    process = archive._keeper._process
    assert process is not None and process.wait(60) == 0


class TestAParentThatIsGone:
    @pytest.mark.parametrize("is_packed", [False, True])
    def test_it_is_named_and_nothing_is_archived(self, archive: Archive, is_packed: bool) -> None:
        made = packed(archive) if is_packed else family(archive)
        attempt = changing(archive, 5, [made[3].id], "ROUNDS = 6", "ROUNDS = 8")
        archive.close()
        lose(archive.path, made[3].program_id)
        with Archive.open(archive.path) as again:
            assert again.entries == tuple(made)
            with pytest.raises(
                ArchiveError, match=rf"program.py of {made[3].id[:12]} is .*; `git fsck` there lists all"
            ):
                again.source(made[3].id)
            # What was judged already is kept: its own program is whole.
            assert again.append(attempt).number == 5
            with pytest.raises(ArchiveError, match=rf"the program of {made[3].id[:12]} is"):
                again.append(refused_unread(again, 6, made[3].id))
            assert again.append(refused(again, 6, made[1].id)).number == 6

    def test_a_search_that_picks_it_ends_with_its_name(self, archive: Archive) -> None:
        seed = archive.append(seed_attempt(archive))
        best = archive.append(changing(archive, 1, [seed.id], "ROUNDS = 4", "ROUNDS = 6", verdict=scored(0.9, 9.0)))
        archive.close()
        lose(archive.path, best.program_id)
        reply = patch.render(Patch(name="x", edits=(Edit(search="SLACK = 0.5", replace="SLACK = 0.25"),)))

        class OntoTheBest:
            def propose(self, view: View, rng: object) -> Proposal:
                return Proposal(kind="patch", parents=(best.id,), reply=reply, proposer="test")

            def repair(self, *_: object) -> None:
                raise AssertionError("nothing is to be repaired")

        setup = SearchSetup(
            judges=[KnobJudge()],
            proposer=OntoTheBest(),
            selector=pick_front,
            objective=Pareto(),
            seed=5,
            budget=Budget(attempts=4),
        )
        with Archive.open(archive.path) as again:
            with pytest.raises(ArchiveError, match=rf"program.py of {best.id[:12]} is missing.*git fsck"):
                list(search(again, setup))
            assert again.entries == (seed, best)


def refused_unread(archive: Archive, number: int, parent: str) -> Attempt:
    """A reply that was refused, said to be to a parent whose program need not be there."""
    attempt = refused(archive, number, archive.entries[1].id)
    return dataclasses.replace(attempt, proposal=dataclasses.replace(attempt.proposal, parents=(parent,)))


def lose(path: Path, object_id: str) -> None:
    """An object is gone, from a pack too: everything but it is unpacked."""
    for pack in list((path / "objects/pack").glob("*.pack")):
        moved = path.parent / pack.name
        pack.rename(moved)
        for rest in (path / "objects/pack").glob(f"{pack.stem}.*"):
            rest.unlink()
        with moved.open("rb") as given:
            subprocess.run(["git", "unpack-objects", "-q"], cwd=path, stdin=given, check=True, capture_output=True)
    (path / "objects" / object_id[:2] / object_id[2:]).unlink()
