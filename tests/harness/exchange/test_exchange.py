"""Runs exchanged between real repositories: pushed, pulled, bundled, over real sockets, untrusted, and killed."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from evaluator import Interval, combined_gain, combined_speedup
from harness.archive import Archive, ArchiveError
from harness.exchange.holdings import ExchangeError, Pulled, Sent
from harness.exchange.receiving import Hooks, pull
from harness.exchange.sending import bundle, push
from harness.git import GitError
from harness.git.remote import RemoteError, remote
from harness.readings.verify import faults, figures_fault, verify
from harness.types import Attempt, Entry, OnSplit, Proposal
from tests.harness.archive.archives import changing, family, fsck, git, new, seed_attempt
from tests.harness.builders import on_split
from tests.harness.processes import Report, child, reported

WHO = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.org")


@pytest.fixture(autouse=True)
def no_settings(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Exchanges see the user's git config: here, that of nobody."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for name in ("XDG_CONFIG_HOME", "GIT_CONFIG_GLOBAL"):
        monkeypatch.delenv(name, raising=False)
    return home


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """A run with the seed, two children, a crossover of them, and a refused reply."""
    made = new(tmp_path / "run")
    entries = family(made)
    made.point(entries[3], entries[1:3])
    return made


def check(archive: Archive, numbers: Collection[int]) -> dict[int, str]:
    return {fault.number: fault.expected for fault in faults(archive, numbers) if fault.number is not None}


def newest(archive: Archive) -> tuple[Entry, Sequence[Entry]]:
    return archive.entries[-1], archive.entries[:1]


def fault(measured: OnSplit) -> str:
    found = figures_fault(measured.duel, "it")
    return "" if found is None else found[0]


HOOKS = Hooks(check=check, fault=fault, choose=newest, say=lambda _: None)


def sent(run: Path, to: Path | str) -> Sent:
    return push(run, remote(str(to)), HOOKS)


def pulled(run: Path, source: Path | str, hooks: Hooks = HOOKS) -> Pulled:
    return pull(run, remote(str(source)), hooks)


def exact(split: str, seed: str, gain: float) -> OnSplit:
    """A measurement on a split whose figures are those of its samples."""
    made = on_split(split, gain, 0.0, against=seed)
    speedup, gained = combined_speedup(made.duel.samples), combined_gain(made.duel.samples)
    duel = replace(made.duel, speedup=speedup, certain=speedup, gain=gained, certain_gain=gained)
    return replace(made, duel=duel)


def bundled(run: Path, file: Path, *, force: bool = False) -> Sent:
    return bundle(run, file, force=force, progress=None, say=lambda _: None)[1]


def more(archive: Archive, rounds: int, number: int | None = None) -> Entry:
    """One attempt more, unlike those with other rounds."""
    number = archive.next_number if number is None else number
    return archive.append(changing(archive, number, [archive.entries[0].id], "ROUNDS = 4", f"ROUNDS = {rounds}"))


def refs(path: Path) -> dict[str, str]:
    rows = (line.split() for line in git(path, "for-each-ref", "--format=%(refname) %(objectname)").splitlines())
    return dict(rows)


def attempts(path: Path) -> dict[str, str]:
    return {name: id_ for name, id_ in refs(path).items() if name.startswith("refs/attempts/")}


def sound(path: Path) -> Archive:
    """The archive there, which passes every check."""
    archive = Archive.open(path)
    report = verify(archive)
    assert report.ok, report.mismatches
    assert archive.damage == ()
    assert not [one for one in path.parent.iterdir() if one.name.startswith(".")], "nothing temporary is left beside it"
    assert not (path / "incoming").exists()
    return archive


class TestPush:
    def test_a_missing_folder_becomes_the_run(self, archive: Archive, tmp_path: Path) -> None:
        there = tmp_path / "deep" / "copy"
        done = sent(archive.path, there)
        assert (done.attempts, done.total, done.made, done.nothing, done.left_out) == (5, 5, True, False, ())
        assert done.size_bytes > 1000
        assert refs(there) == refs(archive.path)
        assert git(there, "symbolic-ref", "HEAD") == "refs/heads/best\n"
        assert git(there, "config", "gc.auto") == "0\n"
        copy = sound(there)
        assert copy.entries == archive.entries
        more(copy, 60)

    def test_only_missing_attempts_are_sent_and_a_second_push_sends_nothing(
        self, archive: Archive, tmp_path: Path
    ) -> None:
        there = tmp_path / "copy"
        sent(archive.path, there)
        added = more(archive, 60)
        archive.point(added, archive.entries[:1])
        done = sent(archive.path, there)
        assert (done.attempts, done.total, done.made, done.derived, done.warnings) == (1, 6, False, True, ())
        assert refs(there) == refs(archive.path), "former elites are gone there too"
        before = {path: path.stat().st_mtime_ns for path in there.rglob("*")}
        assert sent(archive.path, there).nothing
        assert {path: path.stat().st_mtime_ns for path in there.rglob("*")} == before
        sound(there)

    def test_an_empty_repository_takes_a_run(self, archive: Archive, tmp_path: Path) -> None:
        there = tmp_path / "empty.git"
        git(tmp_path, "init", "-q", "--bare", str(there))
        assert sent(archive.path, there).made
        assert refs(there) == refs(archive.path)
        (tmp_path / "folder").mkdir()
        assert sent(archive.path, tmp_path / "folder").made

    def test_an_interrupted_push_continues(self, archive: Archive, tmp_path: Path) -> None:
        """Git renames one ref after the other: a kill between leaves some of them."""
        there = tmp_path / "copy"
        sent(archive.path, there)
        for ref in ("refs/heads/seed", "refs/attempts/000003", "refs/heads/best"):
            git(there, "update-ref", "-d", ref)
        assert sent(archive.path, there).attempts == 1
        assert refs(there) == refs(archive.path)

    def test_another_run_and_no_run_are_refused(self, archive: Archive, tmp_path: Path) -> None:
        other = Archive.create(tmp_path / "other", seed_source="other = 1\n", config={})
        git(tmp_path, "init", "-q", str(tmp_path / "tree"))
        git(tmp_path / "tree", *WHO, "commit", "-q", "--allow-empty", "-m", "x")
        (tmp_path / "file").write_text("x")
        before = refs(other.path)
        with pytest.raises(ExchangeError, match="found another run"):
            sent(archive.path, other.path)
        with pytest.raises(ExchangeError, match="without refs/heads/seed"):
            sent(archive.path, tmp_path / "tree")
        with pytest.raises(ExchangeError, match="found the file"):
            sent(archive.path, tmp_path / "file")
        with pytest.raises(ArchiveError, match="expected a run"):
            sent(tmp_path / "nowhere", tmp_path / "copy")
        assert refs(other.path) == before
        assert not (tmp_path / "copy").exists()

    def test_a_number_that_is_another_attempt_there_is_refused(self, archive: Archive, tmp_path: Path) -> None:
        there = tmp_path / "copy"
        sent(archive.path, there)
        theirs = Archive.open(there)
        mine = [more(archive, rounds) for rounds in (60, 61)]
        their = [more(theirs, rounds) for rounds in (70, 71, 72)]
        before = refs(there), refs(archive.path)
        with pytest.raises(ExchangeError, match=r"attempt 5 is .* \(they differ in 5, 6\)") as refused:
            sent(archive.path, there)
        assert mine[0].id[:12] in str(refused.value) and their[0].id[:12] in str(refused.value)
        with pytest.raises(ExchangeError, match=r"attempt 5 is .* pull into a new folder"):
            pulled(archive.path, there)
        assert (refs(there), refs(archive.path)) == before

    def test_best_is_not_sent_to_a_run_with_more_attempts(self, archive: Archive, tmp_path: Path) -> None:
        there = tmp_path / "copy"
        sent(archive.path, there)
        theirs = Archive.open(there)
        theirs.point(more(theirs, 60, number=9), ())
        archive.point(more(archive, 61), ())
        before = refs(there)
        assert sent(archive.path, there).attempts == 1
        assert refs(there)["refs/heads/best"] == before["refs/heads/best"]
        assert sorted(attempts(there))[-2:] == ["refs/attempts/000005", "refs/attempts/000009"]

    def test_tickets_and_other_refs_stay_here(self, archive: Archive, tmp_path: Path) -> None:
        archive.hold(6, Proposal(kind="patch", parents=(archive.root_id,), reply="", proposer="test"))
        git(archive.path, "tag", "mine", archive.root_id)
        git(archive.path, "branch", "mine", archive.root_id)
        done = sent(archive.path, tmp_path / "copy")
        assert done.tickets == 1
        assert not [name for name in refs(tmp_path / "copy") if "pending" in name or "mine" in name]
        assert bundled(archive.path, tmp_path / "b").tickets == 1

    def test_a_torn_attempt_is_not_sent(self, archive: Archive, tmp_path: Path) -> None:
        torn = archive.path / "refs/attempts/000004"
        torn.write_text("")
        done = sent(archive.path, tmp_path / "copy")
        assert done.attempts == 4 and "refs/attempts/000004" in done.left_out[0]
        sound(tmp_path / "copy")

    def test_neither_hooks_nor_config_of_the_run_are_used(self, archive: Archive, tmp_path: Path) -> None:
        """The run may be untrusted."""
        mark = tmp_path / "mark"
        hook = archive.path / "hooks" / "pre-push"
        hook.parent.mkdir()
        hook.write_text(f"#!/bin/sh\ntouch {mark}\n")
        hook.chmod(0o755)
        git(archive.path, "config", "core.sshCommand", f"touch {mark};")
        git(archive.path, "config", "credential.helper", f"!touch {mark};")
        sent(archive.path, tmp_path / "copy")
        more(archive, 60)
        assert sent(archive.path, tmp_path / "copy").attempts == 1
        with pytest.raises(RemoteError):
            sent(archive.path, "ssh://127.0.0.1:1/x")
        assert not mark.exists()


class TestPull:
    def test_pull_into_a_new_folder(self, archive: Archive, tmp_path: Path) -> None:
        archive.advise("Be quick.")
        done = pulled(tmp_path / "mine", archive.path)
        assert (done.attempts, done.total, done.advice, done.made, done.left_out) == (5, 5, 1, True, ())
        mine = sound(tmp_path / "mine")
        assert mine.entries == archive.entries
        assert mine.advice() == ("Be quick.",)
        assert mine.entry("best") == mine.entries[-1], "chosen here, whatever the other side thinks"
        assert pulled(tmp_path / "mine", archive.path).nothing

    def test_pull_into_a_run_that_lacks_some_attempts(self, archive: Archive, tmp_path: Path) -> None:
        mine = tmp_path / "mine"
        pulled(mine, archive.path)
        for rounds in range(60, 64):
            more(archive, rounds)
        done = pulled(mine, archive.path)
        assert (done.attempts, done.total, done.made, done.left_out) == (4, 9, False, ())
        assert sound(mine).entries == archive.entries
        assert git(mine, "rev-parse", "best").strip() == archive.entries[-1].id
        # What only this side has is no obstacle, and goes back by a push.
        more(Archive.open(mine), 80)
        assert pulled(mine, archive.path).nothing
        assert sent(mine, archive.path).attempts == 1

    def test_folders_with_other_files_and_sources_that_are_no_run_are_refused(
        self, archive: Archive, tmp_path: Path
    ) -> None:
        (tmp_path / "full").mkdir()
        (tmp_path / "full" / "x").write_text("")
        with pytest.raises(ExchangeError, match="found other files"):
            pulled(tmp_path / "full", archive.path)
        with pytest.raises(ExchangeError, match="does not exist: check the spelling"):
            pulled(tmp_path / "mine", tmp_path / "nowhere")
        git(tmp_path, "init", "-q", "--bare", str(tmp_path / "empty"))
        with pytest.raises(ExchangeError, match="found an empty repository"):
            pulled(tmp_path / "mine", tmp_path / "empty")
        with pytest.raises(RemoteError, match="not appear to be a git repository"):
            pulled(tmp_path / "mine", tmp_path / "full")
        git(tmp_path / "empty", "fetch", "-q", str(archive.path), "refs/attempts/000001:refs/heads/seed")
        with pytest.raises(ExchangeError, match=f"at {tmp_path}/empty, found another git repository"):
            pulled(tmp_path / "mine", tmp_path / "empty")
        other = Archive.create(tmp_path / "other", seed_source="other = 1\n", config={})
        with pytest.raises(ExchangeError, match="found another run"):
            pulled(other.path, archive.path)
        assert not (tmp_path / "mine").exists()

    def test_pull_while_another_process_appends(self, archive: Archive, tmp_path: Path) -> None:
        mine = tmp_path / "mine"
        pulled(mine, archive.path)
        for rounds in range(60, 75):
            more(archive, rounds)

        def appending(report: Report) -> None:
            writer = Archive.open(mine)
            for rounds in range(1000, 2000):
                report(more(writer, rounds, number=rounds).number)

        with child(appending) as (process, reading):
            assert os.read(reading, 5) == b"1000\n"
            done = pulled(mine, archive.path)
            time.sleep(0.05)
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            written = reported(reading)
        assert done.attempts == 15 and len(written) > 3
        present = {entry.number for entry in Archive.open(mine).entries}
        assert present >= {*range(20), 1000, *written}
        report = verify(Archive.open(mine))
        assert report.ok, report.mismatches

    def test_a_number_taken_meanwhile_is_refused(self, archive: Archive, tmp_path: Path) -> None:
        mine = tmp_path / "mine"
        pulled(mine, archive.path)
        for rounds in (60, 61):
            more(archive, rounds)
        taken: list[Entry] = []

        def meanwhile(incoming: Archive, numbers: Collection[int]) -> dict[int, str]:
            taken.append(more(Archive.open(mine), 99))
            return {}

        with pytest.raises(ExchangeError, match=r"refs/attempts/000005 was taken .* pull into a new folder"):
            pulled(mine, archive.path, replace(HOOKS, check=meanwhile))
        assert sound(mine).entries == (*archive.entries[:5], taken[0])

    def test_a_killed_pull_leaves_no_run_and_is_cleared_away(self, archive: Archive, tmp_path: Path) -> None:
        """Killed while it checks what it fetched: everything is there, and nothing may count yet."""
        mine = tmp_path / "mine"
        self._killed(mine, archive.path)
        assert not mine.exists()
        assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".mine.pull-")]
        pulled(mine, archive.path)
        before = refs(sound(mine).path)
        more(archive, 60)
        self._killed(mine, archive.path)
        assert refs(mine) == before
        assert len(Archive.open(mine).entries) == 5
        assert pulled(mine, archive.path).attempts == 1
        sound(mine)

    @staticmethod
    def _killed(run: Path, source: Path) -> None:
        def pulling(report: Report) -> None:
            def waiting(incoming: Archive, numbers: Collection[int]) -> dict[int, str]:
                report(len(numbers))
                time.sleep(60)
                return {}

            pulled(run, source, replace(HOOKS, check=waiting))

        with child(pulling) as (process, reading):
            assert os.read(reading, 1)
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)

    def test_an_interrupted_pull_leaves_nothing(self, archive: Archive, tmp_path: Path) -> None:
        def interrupted(incoming: Archive, numbers: Collection[int]) -> dict[int, str]:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            pulled(tmp_path / "mine", archive.path, replace(HOOKS, check=interrupted))
        assert sorted(one.name for one in tmp_path.iterdir()) == ["run"]

    def test_a_torn_local_ref_is_reported_and_left_alone(self, archive: Archive, tmp_path: Path) -> None:
        mine = tmp_path / "mine"
        pulled(mine, archive.path)
        more(archive, 60)
        git(archive.path, *WHO, "notes", "--ref=measurements", "add", "-m", "x", "seed")
        torn = [mine / "refs/attempts/000003", mine / "refs/notes/measurements"]
        for file in torn:
            file.parent.mkdir(exist_ok=True)
            file.write_text("")
        done = pulled(mine, archive.path)
        assert done.attempts == 1 and not done.notes
        assert [line.partition(":")[0] for line in done.left_out] == [
            "refs/attempts/000003 is torn here",
            "refs/notes/measurements is torn here",
        ]
        assert [file.read_text() for file in torn] == ["", ""]
        assert "refs/notes/measurements is torn" in sent(mine, tmp_path / "copy").left_out


class TestNotesAndAdvice:
    @staticmethod
    def note(path: Path, commit: str, text: str) -> None:
        git(path, *WHO, "notes", "--ref=measurements", "append", "-m", text, commit)

    @staticmethod
    def notes(path: Path, commit: str) -> set[str]:
        return set(filter(None, git(path, "notes", "--ref=measurements", "show", commit).splitlines()))

    @pytest.mark.parametrize("common", [False, True])
    def test_notes_of_both_sides_are_merged(self, archive: Archive, tmp_path: Path, common: bool) -> None:
        seed, one, *_ = archive.entries
        there = tmp_path / "copy"
        if common:
            self.note(archive.path, seed.id, "first")
        sent(archive.path, there)
        self.note(archive.path, seed.id, "mine")
        self.note(there, seed.id, "theirs")
        self.note(there, one.id, "theirs")
        both = {"mine", "theirs"} | ({"first"} if common else set())
        here = refs(archive.path)
        assert sent(archive.path, there).notes
        assert refs(archive.path) == here, "a push changes nothing here"
        assert self.notes(there, seed.id) == both and self.notes(there, one.id) == {"theirs"}
        assert sent(archive.path, there).nothing
        assert pulled(archive.path, there).notes
        assert refs(archive.path)["refs/notes/measurements"] == refs(there)["refs/notes/measurements"]
        assert pulled(archive.path, there).nothing and sent(archive.path, there).nothing
        self.note(archive.path, one.id, "mine")
        assert pulled(there, archive.path).notes
        assert self.notes(there, one.id) == {"mine", "theirs"}
        assert fsck(there) == fsck(archive.path) == ""

    def test_measurements_on_splits_are_merged_and_our_own_stay(self, archive: Archive, tmp_path: Path) -> None:
        seed, one, two, *_ = archive.entries
        there = tmp_path / "copy"
        sent(archive.path, there)
        theirs = Archive.open(there)
        both, mine, other = (
            exact(split, seed.id, gain) for split, gain in (("gate", 0.01), ("final", 0.02), ("final", 0.5))
        )
        archive.split_notes.add(one.id, both)
        assert sent(archive.path, there).notes and pulled(tmp_path / "new", archive.path).notes
        assert len({refs(path)["refs/notes/splits"] for path in (there, archive.path, tmp_path / "new")}) == 1
        archive.split_notes.add(one.id, mine)
        theirs.split_notes.add(one.id, replace(other, when_s=0))
        theirs.split_notes.add(two.id, other)
        assert pulled(archive.path, there).notes
        assert archive.split_notes.on(one.id, seed.id) == {"gate": both, "final": mine}, "whatever time they claim"
        assert archive.split_notes.on(two.id, seed.id) == {"final": other}
        assert pulled(archive.path, there).nothing
        assert sent(archive.path, there).notes and sent(archive.path, there).nothing
        assert pulled(archive.path, there).nothing
        assert theirs.split_notes.on(two.id, seed.id) == {"final": other}
        assert sound(there).entries == sound(archive.path).entries

    def test_measurements_on_splits_that_are_unsound_are_left_out(self, archive: Archive, tmp_path: Path) -> None:
        seed, one, *_ = archive.entries
        good = exact("gate", seed.id, 0.01)
        forged = replace(good, split="final", duel=replace(good.duel, speedup=Interval(median=9.0, low=8.0, high=10.0)))
        for bad in (forged, replace(good, against=one.id), replace(good, split="other"), replace(good, when_s=-1)):
            archive.split_notes.add(one.id, bad)
        archive.split_notes.add(one.id, good)
        archive.split_notes.add(archive.root_id, good)
        git(archive.path, *WHO, "notes", "--ref=splits", "append", "-m", "[" * 100_000, one.id)
        done = pulled(tmp_path / "mine", archive.path)
        told = " ".join(done.left_out)
        words = (
            "follow from its samples",
            "against the seed program",
            "found 'other'",
            "a time",
            "which is no attempt",
        )
        assert len(done.left_out) == 6 and all(word in told for word in words), told
        assert sound(tmp_path / "mine").split_notes.on(one.id, seed.id) == {"gate": good}
        assert pulled(tmp_path / "mine", archive.path).attempts == 0
        git(archive.path, "update-ref", "refs/notes/splits", git(archive.path, "rev-parse", "seed:program.py").strip())
        assert "the measurements on splits: expected a commit" in pulled(tmp_path / "other", archive.path).left_out[0]
        assert [wrong.number for wrong in verify(archive).mismatches] == [None]

    def test_advice_of_both_sides_stands_once_in_each(self, archive: Archive, tmp_path: Path) -> None:
        there = tmp_path / "copy"
        archive.advise("both")
        sent(archive.path, there)
        theirs = Archive.open(there)
        for text in ("theirs", "common"):
            theirs.advise(text)
        for text in ("mine", "common"):
            archive.advise(text)
        assert sent(archive.path, there).advice == 1
        assert pulled(archive.path, there).advice == 1
        assert Archive.open(there).advice() == ("both", "theirs", "common", "mine")
        assert Archive.open(archive.path).advice() == ("both", "mine", "common", "theirs")
        assert sent(archive.path, there).nothing and pulled(archive.path, there).nothing

    def test_advice_that_is_no_text_is_left_out(self, archive: Archive, tmp_path: Path) -> None:
        (tmp_path / "binary").write_bytes(b"\xff\xfe")
        (tmp_path / "long").write_bytes(b"x" * 20_000)
        for number, name in enumerate(("binary", "long"), start=1):
            id_ = git(archive.path, "hash-object", "-w", str(tmp_path / name)).strip()
            git(archive.path, "update-ref", f"refs/advice/{number:06d}", id_)
        git(archive.path, "update-ref", "refs/advice/000003", git(archive.path, "rev-parse", "seed^{tree}").strip())
        git(
            archive.path,
            "update-ref",
            "refs/notes/measurements",
            git(archive.path, "rev-parse", "seed:program.py").strip(),
        )
        archive.advise("Fine.")
        done = pulled(tmp_path / "mine", archive.path)
        assert done.advice == 1 and not done.notes
        told = " ".join(done.left_out)
        assert all(word in told for word in ("UTF-8", "20,000", "found a tree", "the notes: expected a commit"))
        assert sound(tmp_path / "mine").advice() == ("Fine.",)


class TestStrangers:
    def forge(self, path: Path, number: int, commit: str, **changes: object) -> str:
        """The commit of an attempt with a changed attempt.json (and `program`), under a number."""
        record = json.loads(git(path, "show", f"{commit}:attempt.json"))
        program = str(changes.pop("program", git(path, "show", f"{commit}:program.py")))
        text = str(changes.pop("text", json.dumps(record | {"number": number, "ticket": ""} | changes)))
        rows = {"attempt.json": text, "program.py": program, "reply.md": git(path, "show", f"{commit}:reply.md")}
        parents = git(path, "log", "-1", "--format=%P", commit).split()
        tree = self.tree(path, rows)
        made = git(path, *WHO, "commit-tree", tree, *(f"-p{one}" for one in parents), "-m", "x").strip()
        git(path, "update-ref", f"refs/attempts/{number:06d}", made)
        return made

    @staticmethod
    def tree(path: Path, rows: dict[str, str]) -> str:
        listed = ""
        for name, text in sorted(rows.items()):
            (path / "spool").write_text(text)
            listed += f"100644 blob {git(path, 'hash-object', '-w', 'spool').strip()}\t{name}\n"
        (path / "spool").unlink()
        done = subprocess.run(["git", "mktree"], cwd=path, input=listed.encode(), capture_output=True, check=True)
        return done.stdout.decode().strip()

    def test_refs_that_are_not_attempts_are_left_out(self, archive: Archive, tmp_path: Path) -> None:
        path, (_, one, two, *_) = archive.path, archive.entries
        ok = self.forge(path, 5, one.id)
        self.forge(path, 6, one.id, text="{")
        git(path, "update-ref", "refs/attempts/000007", two.id)
        foreign = git(path, *WHO, "commit-tree", self.tree(path, {"x": "x"}), "-m", "foreign").strip()
        git(path, "update-ref", "refs/attempts/000008", foreign)
        forged = self.forge(path, 9, one.id, program="print('not what the reply makes')\n")
        child_ = self.forge(path, 10, one.id, inspirations=[forged])
        self.forge(path, 11, one.id, inspirations=[child_])
        self.forge(path, 12, one.id, parents=[])
        self.forge(path, 13, one.id, parents=[foreign])
        self.forge(path, 14, two.id, inspirations=[ok], name="\x1b[31mred\n")
        self.forge(path, 17, one.id, text="[" * 200_000)
        for name in (
            "attempts/foo",
            "attempts/15",
            "attempts/0000016",
            "heads/evil",
            "pending/000001",
            "elites/000009",
        ):
            git(path, "update-ref", f"refs/{name}", forged)
        done = pulled(tmp_path / "mine", path)
        told = dict(line.split(": ", 1) for line in done.left_out)
        assert {name for name in told if name.startswith("attempt ")} == {
            f"attempt {one}" for one in (*range(6, 14), 17)
        }
        assert "is left out" in told["attempt 10"] and "is left out" in told["attempt 11"]
        assert "is attempt 2" in told["attempt 7"] and "same bytes" in told["attempt 9"]
        assert git(tmp_path / "mine", "cat-file", "-t", ok) == "commit\n"
        assert "commit" not in git(tmp_path / "mine", "cat-file", "-t", forged, check=False), "nor are its objects"
        assert list(told)[-2:] == ["attempt 11", f"3 refs of {path} that have no number"], "causes come first"
        assert "refs/attempts/15" in told[f"3 refs of {path} that have no number"]
        mine = sound(tmp_path / "mine")
        assert [entry.number for entry in mine.entries] == [0, 1, 2, 3, 4, 5, 14]
        assert set(refs(mine.path)) == {
            *(f"refs/attempts/{number:06d}" for number in (0, 1, 2, 3, 4, 5, 14)),
            *("refs/heads/seed", "refs/heads/best", "refs/elites/000000"),
        }
        again = pulled(mine.path, path)
        assert again.attempts == 0 and len(again.left_out) == len(done.left_out)
        assert refs(mine.path) == refs(sound(mine.path).path)

    @pytest.mark.parametrize("packed", [False, True])
    def test_bad_objects_are_refused(self, archive: Archive, tmp_path: Path, packed: bool) -> None:
        path = archive.path
        blob = bytes.fromhex(git(path, "rev-parse", "seed:program.py").strip())
        (path / "spool").write_bytes(b"100644 .git\0" + blob)
        tree = git(path, "hash-object", "-t", "tree", "--literally", "-w", "spool").strip()
        commit = git(path, *WHO, "commit-tree", tree, "-m", "x").strip()
        git(path, "update-ref", "refs/attempts/000005", commit)
        source = path
        if packed:
            source = tmp_path / "b.bundle"
            git(path, "bundle", "create", "-q", str(source), "--all")
        with pytest.raises(RemoteError, match=r"(?s)hasDotgit.*What to do"):
            pulled(tmp_path / "mine", source)
        assert not (tmp_path / "mine").exists()
        assert not [one for one in tmp_path.iterdir() if one.name.startswith(".")]

    @pytest.mark.parametrize(
        "address",
        [
            "--upload-pack=touch MARK",
            "-cprotocol.ext.allow=always",
            "ext::touch MARK",
            "fd::7",
            "",
            "a\nb",
            "ssh://-oProxyCommand=touch%20MARK/x",
            "-oProxyCommand=touch MARK:x",
            "foo://x/y",
        ],
    )
    def test_addresses_that_would_run_a_program_are_refused(
        self, archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, no_settings: Path
    ) -> None:
        (no_settings / ".gitconfig").write_text('[protocol "ext"]\n\tallow = always\n[protocol]\n\tallow = always\n')
        monkeypatch.chdir(tmp_path)
        for action in (sent, pulled):
            with pytest.raises(RemoteError, match=r"expected a path or an address|blocked|not allowed"):
                action(archive.path, address.replace("MARK", str(tmp_path / "mark")))
        assert sorted(one.name for one in tmp_path.iterdir()) == ["run"]

    def test_a_path_that_looks_like_an_address_is_a_path(
        self, archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        shutil.copytree(archive.path, tmp_path / "host:run")
        assert pulled(tmp_path / "mine", "host:run").attempts == 5
        assert sent(tmp_path / "mine", './"quoted" \\ näme').made
        assert len(Archive.open(tmp_path / '"quoted" \\ näme').entries) == 5
        more(Archive.open(tmp_path / '"quoted" \\ näme'), 60)
        assert pulled(tmp_path / "mine", './"quoted" \\ näme').attempts == 1
        more(Archive.open(tmp_path / "mine"), 61)
        assert pulled(tmp_path / '"quoted" \\ näme', "mine").attempts == 1, "its objects were borrowed by that path"


class TestBundle:
    def test_round_trip(self, archive: Archive, tmp_path: Path) -> None:
        archive.advise("Be quick.")
        file = tmp_path / "one.bundle"
        done = bundled(archive.path, file)
        assert (done.attempts, done.advice, done.size_bytes) == (5, 1, file.stat().st_size)
        assert pulled(tmp_path / "mine", file).attempts == 5
        assert sound(tmp_path / "mine").entries == archive.entries
        git(tmp_path, "clone", "-q", "--mirror", str(file), str(tmp_path / "mirror"))
        assert refs(tmp_path / "mirror") == refs(archive.path)
        assert git(tmp_path / "mirror", "symbolic-ref", "HEAD") == "refs/heads/best\n"
        git(tmp_path, "clone", "-q", str(file), str(tmp_path / "tree"))
        assert (tmp_path / "tree" / "program.py").read_text() == archive.source(archive.entry("best").id)
        more(archive, 60)
        with pytest.raises(ExchangeError, match=r"is there already: .* --force"):
            bundled(archive.path, file)
        bundled(archive.path, file, force=True)
        assert pulled(tmp_path / "mine", file).attempts == 1
        sound(tmp_path / "mine")

    def test_a_torn_bundle_is_refused(self, archive: Archive, tmp_path: Path) -> None:
        file = tmp_path / "one.bundle"
        bundled(archive.path, file)
        data = file.read_bytes()
        file.write_bytes(data[: len(data) - 200])
        with pytest.raises(RemoteError, match="git says"):
            pulled(tmp_path / "mine", file)
        file.write_bytes(b"no bundle")
        with pytest.raises(RemoteError, match="git says"):
            pulled(tmp_path / "mine", file)
        assert sorted(one.name for one in tmp_path.iterdir()) == ["one.bundle", "run"]


class TestWhatTheDiskRefuses:
    """In a child process with a limit on file size, or as the user nobody."""

    @staticmethod
    def told(work: Callable[[], object], limit: Callable[[], None]) -> str:
        """What a child says of the error it met."""
        with tempfile.NamedTemporaryFile() as file:
            os.chmod(file.name, 0o666)  # noqa: PTH101

            def working(report: Report) -> None:
                with open(file.name, "w") as words:  # noqa: PTH123
                    limit()
                    try:
                        work()
                    except (ArchiveError, GitError) as error:
                        words.write(str(error)[:900])

            with child(working) as (process, _):
                assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0
            return file.read().decode()

    def test_a_full_disk(self, tmp_path: Path) -> None:
        archive = new(tmp_path / "run")
        attempt = seed_attempt(archive)
        assert attempt.candidate is not None
        noise = "".join(f"# {os.urandom(60).hex()}\n" for _ in range(400))
        archive.append(attempt)
        source = archive.source(archive.root_id) + noise
        archive.append(Attempt(
            number=1, proposal=Proposal(kind="rewrite", parents=(archive.entries[0].id,), reply=source, proposer="x"),
            candidate=replace(attempt.candidate, source=source), verdict=attempt.verdict,
        ))  # fmt: skip

        def limit() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))

        for work in (
            lambda: bundled(archive.path, tmp_path / "one.bundle"),
            lambda: sent(archive.path, tmp_path / "copy"),
            lambda: pulled(tmp_path / "mine", archive.path),
        ):
            said = self.told(work, limit)
            assert "git says" in said and "What to do" in said, said
        assert sorted(one.name for one in tmp_path.iterdir()) == ["run"]
        bundled(archive.path, tmp_path / "one.bundle")

    def test_a_folder_that_cannot_be_written(self, archive: Archive) -> None:
        if os.getuid() != 0:
            pytest.skip("only root can become another user")
        folder = Path(tempfile.mkdtemp(prefix="packsmith-test-"))  # not tmp_path, which is for its owner alone
        try:
            folder.chmod(0o755)
            (folder / "tmp").mkdir()
            (folder / "tmp").chmod(0o777)
            shutil.copytree(archive.path, folder / "run")
            (folder / ".gitconfig").write_text("[safe]\n\tdirectory = *\n")
            git(folder, "init", "-q", "--bare", "empty")

            def limit() -> None:
                os.environ.update(HOME=str(folder), TMPDIR=str(folder / "tmp"))
                tempfile.tempdir = None
                os.setuid(4242)

            cases = {
                "Permission denied": lambda: pulled(folder / "mine", folder / "run"),
                "nothing was made there": lambda: sent(folder / "run", folder / "copy"),
                "git says": lambda: sent(folder / "run", folder / "empty"),
                "no bundle|What to do": lambda: bundled(folder / "run", folder / "b"),
            }
            for words, work in cases.items():
                said = self.told(work, limit)
                assert any(one in said for one in words.split("|")) and "What to do" in said, said
            assert self.told(lambda: bundled(folder / "run", folder / "tmp" / "b"), limit) == "", (
                "reading needs no right"
            )
        finally:
            shutil.rmtree(folder)


class TestOtherMachines:
    @pytest.fixture
    def server(self, tmp_path: Path) -> Iterator[str]:
        """The address of a real git server of the folder `served`."""
        (tmp_path / "served").mkdir()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        with subprocess.Popen(
            ["git", "daemon", "--export-all", "--enable=receive-pack", "--listen=127.0.0.1", f"--port={port}",
             f"--base-path={tmp_path}/served", "--reuseaddr", "--informative-errors"],
            stderr=subprocess.PIPE, start_new_session=True,
        ) as process:  # fmt: skip
            for _ in range(200):
                if process.poll() is not None:
                    pytest.skip("this git has no daemon")
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.02)
            yield f"git://127.0.0.1:{port}"
            os.killpg(process.pid, signal.SIGTERM)

    def test_a_run_goes_there_and_back_over_a_socket(self, archive: Archive, tmp_path: Path, server: str) -> None:
        git(tmp_path, "init", "-q", "--bare", str(tmp_path / "served" / "run.git"))
        address = f"{server}/run.git"
        assert sent(archive.path, address).made
        assert sent(archive.path, address).nothing
        assert pulled(tmp_path / "mine", address).attempts == 5
        more(archive, 60)
        assert sent(archive.path, address).attempts == 1
        assert pulled(tmp_path / "mine", address).attempts == 1
        assert sound(tmp_path / "mine").entries == archive.entries
        with pytest.raises(RemoteError, match=r"not exported|no such repository|not found") as refused:
            sent(archive.path, f"{server}/other.git")
        assert "What to do: see that the address is right" in str(refused.value)

    def test_keys_helpers_and_proxies_get_there_and_nothing_else(
        self, archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_settings: Path
    ) -> None:
        seen = tmp_path / "seen"
        script = tmp_path / "ssh"
        script.write_text(f"#!{sys.executable} -I\nimport os\nopen({str(seen)!r}, 'w').write('\\n'.join(os.environ))\n"
                          "raise SystemExit('\\x1b[31mhost: Permission denied (publickey).')\n")  # fmt: skip
        script.chmod(0o755)
        (no_settings / ".gitconfig").write_text(f"[core]\n\tsshCommand = {script}\n\thooksPath = {tmp_path}\n")
        given = ("SSH_AUTH_SOCK", "https_proxy", "GIT_ASKPASS", "DISPLAY")
        kept = ("OPENAI_API_KEY", "GIT_DIR", "GIT_OBJECT_DIRECTORY", "GIT_INDEX_FILE", "PYTHONPATH", "SOME_TOKEN")
        for name in (*given, *kept):
            monkeypatch.setenv(name, str(tmp_path / "nowhere"))
        with pytest.raises(RemoteError, match=r"Permission denied \(publickey\).* an ssh key in your agent") as refused:
            sent(archive.path, "git@host.invalid:me/run.git")
        assert "\x1b" not in str(refused.value)
        names = set(seen.read_text().splitlines())
        assert names >= {*given, "HOME"} and not names & set(kept)

    def test_a_password_in_an_address_is_never_shown(self, archive: Archive) -> None:
        with pytest.raises(RemoteError) as refused:
            sent(archive.path, "http://me:secret@127.0.0.1:1/run.git")
        assert "secret" not in str(refused.value) and "http://127.0.0.1:1/run.git" in str(refused.value)
