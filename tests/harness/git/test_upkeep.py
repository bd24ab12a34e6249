"""Packs, packed refs, and keeping a repository small while it is written to: git must accept all of it."""

from __future__ import annotations

import dataclasses
import fcntl
import os
import random
import subprocess
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.archive import Archive
from harness.archive.commits import attempt_objects
from harness.archive.keeper import upkeep
from harness.git import GitError, Pace, Upkeep, usual_pace
from harness.git.delta import delta
from harness.git.packs import Loose, PackWriter, merge_packs, object_count, packed_ids, read_loose
from harness.git.refs import PackedRefs
from tests.harness.archive.archives import changing, fsck, git, new, raw, refused, seed_attempt


def undone(base: bytes, changes: bytes) -> bytes:
    """What a delta makes of its base, as gitformat-pack(5) has it."""
    at = 0

    def size() -> int:
        nonlocal at
        number, shift = 0, 0
        while True:
            byte = changes[at]
            at += 1
            number |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return number

    before, after = size(), size()
    assert before == len(base)
    found = bytearray()
    while at < len(changes):
        code = changes[at]
        at += 1
        if not code & 0x80:
            assert code
            found += changes[at : at + code]
            at += code
            continue
        values = []
        for bit in range(7):
            values.append(changes[at] if code >> bit & 1 else 0)
            at += code >> bit & 1
        offset = int.from_bytes(bytes(values[:4]), "little")
        found += base[offset : offset + (int.from_bytes(bytes(values[4:]), "little") or 0x10000)]
    assert after == len(found)
    return bytes(found)


lines = st.lists(st.sampled_from([b"a\n", b"bb\n", b"\n", b"c" * 200 + b"\n", b"d"]), max_size=40).map(b"".join)


class TestDelta:
    @given(lines | st.binary(max_size=400), lines | st.binary(max_size=400))
    def test_applying_a_delta_gives_the_target(self, base: bytes, target: bytes) -> None:
        assert undone(base, delta(base, target)) == target

    def test_a_changed_line_takes_a_few_bytes(self) -> None:
        before = b"".join(b"line %d of a program\n" % number for number in range(400))
        after = before.replace(b"line 7 of", b"LINE 7 of").replace(b"line 300 of", b"line three hundred of")
        assert undone(before, delta(before, after)) == after
        assert len(delta(before, after)) < 80

    @pytest.mark.parametrize("size", [0xFFFFFF, 0x1000000, 0x10000, 0x20000])
    def test_large_copies(self, size: int) -> None:
        base = random.Random(1).randbytes(size)
        assert undone(base, delta(base, base + b"x")) == base + b"x"


def loose_of(kind: str, data: bytes, path: Path) -> Loose:
    made = subprocess.run(
        ["git", f"--git-dir={path}", "hash-object", "-w", "-t", kind, "--stdin"],
        input=data,
        capture_output=True,
        check=True,
    ).stdout.decode()
    found = read_loose(f"{path}/objects", made.strip())
    assert found is not None
    return found


class TestPacks:
    def test_git_reads_what_is_packed(self, tmp_path: Path) -> None:
        archive = new(tmp_path / "run")
        program = b"".join(b"line %d\n" % number for number in range(300))
        versions = [program]
        for number in range(120):  # longer than a chain of deltas may be
            versions.append(versions[-1].replace(b"line %d\n" % number, b"changed %d\n" % number))
        found = [loose_of("blob", data, archive.path) for data in (*versions, b"", b"\0" * 100_000)]
        writer = PackWriter(archive.path / "objects/pack/tmp_spool_test")
        for one, before in zip(found, [None, *found], strict=False):
            writer.add(one, before.id if before else "", keep=True)
        lock = os.open(tmp_path / "lock", os.O_CREAT | os.O_RDWR)
        writer.finish(archive.path, lock)
        writer.close()
        os.close(lock)
        [index] = (archive.path / "objects/pack").glob("*.idx")
        assert object_count(index) == len(found)
        assert packed_ids(index) == {bytes.fromhex(one.id) for one in found}
        for one in found:
            (archive.path / "objects" / one.id[:2] / one.id[2:]).unlink()
        told = subprocess.run(
            ["git", f"--git-dir={archive.path}", "cat-file", "--batch"],
            input="".join(f"{one.id}\n" for one in found).encode(),
            capture_output=True,
            check=True,
        ).stdout
        assert told == b"".join(b"%s blob %d\n%s\n" % (one.id.encode(), len(one.data), one.data) for one in found)
        assert index.with_suffix(".pack").stat().st_size < 20_000
        chains = git(archive.path, "verify-pack", "-v", str(index))
        assert "chain length = 50" in chains and "chain length = 51" not in chains
        assert fsck(archive.path) == ""

    def test_a_damaged_object_is_not_packed(self, tmp_path: Path) -> None:
        archive = new(tmp_path / "run")
        one = loose_of("blob", b"whole", archive.path)
        path = archive.path / "objects" / one.id[:2] / one.id[2:]
        other = loose_of("blob", b"other", archive.path)
        path.chmod(0o644)
        path.write_bytes((archive.path / "objects" / other.id[:2] / other.id[2:]).read_bytes())
        assert read_loose(f"{archive.path}/objects", one.id) is None
        path.write_bytes(b"")
        assert read_loose(f"{archive.path}/objects", one.id) is None
        assert read_loose(f"{archive.path}/objects", "0" * 40) is None

    def test_what_git_refuses_is_an_error_and_leaves_nothing(self, tmp_path: Path) -> None:
        archive = new(tmp_path / "run")
        writer = PackWriter(archive.path / "objects/pack/tmp_spool_test")
        writer.add(loose_of("blob", b"one", archive.path))
        writer.ids.append("0" * 40)  # one more than there are
        lock = os.open(tmp_path / "lock", os.O_CREAT | os.O_RDWR)
        with pytest.raises(GitError, match="git index-pack failed"):
            writer.finish(archive.path, lock)
        writer.close()
        os.close(lock)
        assert list((archive.path / "objects/pack").glob("pack-*")) == []

    def test_merging_keeps_every_object(self, tmp_path: Path) -> None:
        archive = new(tmp_path / "run")
        lock = os.open(tmp_path / "lock", os.O_CREAT | os.O_RDWR)
        ids = set()
        for number in range(3):
            writer = PackWriter(archive.path / "objects/pack/tmp_spool_test")
            for data in (b"shared", b"own %d" % number):
                found = loose_of("blob", data, archive.path)
                writer.add(found)
                ids.add(bytes.fromhex(found.id))
            writer.finish(archive.path, lock)
            writer.close()
        indices = sorted((archive.path / "objects/pack").glob("*.idx"))
        merge_packs(archive.path, indices, lock)
        os.close(lock)
        [merged] = (archive.path / "objects/pack").glob("*.idx")
        assert packed_ids(merged) == ids and merged not in indices
        assert len(list((archive.path / "objects/pack").iterdir())) == 2


names = st.sets(st.sampled_from([f"refs/{a}/{b}{c}" for a in ("a", "attempts", "z") for b in "01é" for c in range(9)]))


class TestPackedRefs:
    @settings(max_examples=40)
    @given(st.lists(names, min_size=1, max_size=4))
    def test_added_refs_are_found_by_us_and_by_git(self, batches: list[set[str]]) -> None:
        from tempfile import TemporaryDirectory

        with TemporaryDirectory() as folder:
            packed, expected = PackedRefs(Path(folder)), {}
            for number, batch in enumerate(batches, start=1):
                refs = dict.fromkeys(batch, f"{number:040x}")
                expected |= refs
                assert packed.add(refs)
            assert {name: packed.get(name) for name in expected} == expected
            assert packed.get("refs/attempts/99") is packed.get("") is packed.get("zzz") is None
            for prefix in ("refs/a", "refs/attempts", "refs/z", "refs/none"):
                under = list(packed.under(prefix))
                assert under == sorted(under, key=lambda pair: pair[0].encode())
                assert dict(under) == {name: one for name, one in expected.items() if name.startswith(f"{prefix}/")}
            assert dict(PackedRefs(Path(folder)).under("refs/a")) == dict(packed.under("refs/a"))

    def test_an_unsorted_file_of_another_tool_is_sorted(self, tmp_path: Path) -> None:
        rows = [
            f"{2:040x} refs/b/2",
            f"^{9:040x}",
            f"{1:040x} refs/b/1",
            f"{3:040x} refs/a/3",
        ]
        (tmp_path / "packed-refs").write_text("".join(f"{row}\n" for row in rows))
        packed = PackedRefs(tmp_path)
        assert dict(packed.under("refs/b")) == {"refs/b/1": f"{1:040x}", "refs/b/2": f"{2:040x}"}
        assert packed.get("refs/a/3") == f"{3:040x}"

    def test_an_annotated_tag_keeps_its_target(self, tmp_path: Path) -> None:
        archive = new(tmp_path / "run")
        git(archive.path, "-c", "user.name=x", "-c", "user.email=x@y", "tag", "-a", "-m", "mine", "v1", "seed")
        git(archive.path, "pack-refs", "--all")
        for name in ("refs/attempts/1", "refs/attempts/2"):
            assert PackedRefs(archive.path).add({name: archive.root_id})
            assert f"{archive.root_id} refs/tags/v1^{{}}" in git(archive.path, "show-ref", "-d")

    @pytest.mark.parametrize("torn", ["", "torn\n", "0" * 39 + "\n", "0" * 40 + " refs/b", "x" * 40 + " refs/b/4\n"])
    def test_a_torn_file_is_never_read_as_one_with_fewer_refs(self, tmp_path: Path, torn: str) -> None:
        (tmp_path / "packed-refs").write_text(torn and f"# pack-refs with: sorted \n{1:040x} refs/a\n{torn}")
        for ask in (lambda: PackedRefs(tmp_path).get("refs/a"), lambda: PackedRefs(tmp_path).add({"refs/c": "1" * 40})):
            with pytest.raises(GitError, match=r"packed-refs is torn: expected .* The attempts are intact"):
                ask()
        assert not (tmp_path / "packed-refs.lock").exists()

    def test_a_file_that_comes_back_is_read_again(self, tmp_path: Path) -> None:
        packed = PackedRefs(tmp_path)
        assert packed.add({"refs/a/1": f"{1:040x}"})
        path, aside = tmp_path / "packed-refs", tmp_path / "aside"
        path.rename(aside)
        assert packed.get("refs/a/1") is None
        aside.rename(path)
        assert packed.get("refs/a/1") == f"{1:040x}"

    def test_it_does_not_wait_for_another_writer(self, tmp_path: Path) -> None:
        (tmp_path / "packed-refs.lock").touch()
        assert not PackedRefs(tmp_path).add({"refs/a/1": "1" * 40})


@pytest.fixture
def grown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Archive:
    """An archive of 30 attempts: versions of programs, refused replies, a merge."""
    archive = new(tmp_path / "run")
    made = [archive.append(seed_attempt(archive))]
    rng = random.Random(3)
    for number in range(1, 30):
        parent = rng.choice(made)
        if number % 5 == 0:
            made.append(archive.append(refused(archive, number, parent.id, reply=f"nothing {number}")))
            continue
        parents = [parent.id, *([made[1].id] if number == 17 and parent.id != made[1].id else [])]
        rounds = next(line for line in archive.source(parent.id).splitlines() if line.startswith("ROUNDS"))
        made.append(archive.append(changing(archive, number, parents, rounds, f"ROUNDS = {number + 100}")))
    return archive


def rounds(archive: Archive) -> list[Path]:
    return sorted((archive.path / "objects/pack").glob("round-*.idx"))


@pytest.fixture
def batched(tmp_path: Path) -> Archive:
    """An archive of 30 attempts, in batches of 10."""
    archive = new(tmp_path / "run")
    parent = archive.append(seed_attempt(archive))
    line = next(line for line in archive.source(parent.id).splitlines() if line.startswith("ROUNDS"))
    for first in (1, 11, 21):
        with archive.writing() as writing:
            for number in range(first, first + 10):
                writing.append(changing(archive, number, [parent.id], line, f"ROUNDS = {number + 100}"))
    assert len(rounds(archive)) == 3
    return archive


class TestRounds:
    """The packs of batches."""

    def test_they_go_into_a_larger_pack_as_deltas(self, batched: Archive) -> None:
        batched.maintain()
        [index] = (batched.path / "objects/pack").glob("*.idx")
        assert git(batched.path, "verify-pack", "-v", str(index)).count(" blob ") > 60
        assert "chain length = 1" in git(batched.path, "verify-pack", "-v", str(index))
        assert [path.suffix for path in index.parent.iterdir() if path.suffix == ".keep"] == []
        assert Archive.open(batched.path, cached=False).entries == batched.entries
        assert fsck(batched.path) == ""

    def test_a_batch_is_packed_as_a_whole(self, batched: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("harness.git.upkeep.PORTION", 15)
        upkeep(batched.path, usual_pace()).due()
        assert len(rounds(batched)) == 1, "attempts 0 to 14, and 15 to 20, which share a pack with them"
        assert len(list((batched.path / "refs/attempts").iterdir())) == 10
        assert Archive.open(batched.path, cached=False).entries == batched.entries

    def test_a_batch_whose_refs_are_not_there_yet_is_left_alone_until_it_is_old(
        self, batched: Archive, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (batched.path / "refs/attempts/000030").unlink()
        batched.maintain()
        assert len(rounds(batched)) == 1 and len(list((batched.path / "refs/attempts").iterdir())) == 9
        monkeypatch.setattr("harness.git.upkeep._STRAY_S", 0.0)
        batched.maintain()
        assert rounds(batched) == [] and list((batched.path / "refs/attempts").iterdir()) == []
        lost = batched.entries[-1].id
        assert git(batched.path, "cat-file", "-t", lost) == "commit\n", "nothing is ever dropped"

    def test_a_kill_before_they_are_removed_is_made_good(
        self, batched: Archive, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def killed(*_: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr("harness.git.upkeep.remove_pack", killed)
            batched.maintain()
        [keep] = (batched.path / "objects/pack").glob("pack-*.keep")
        assert len(rounds(batched)) == 3
        git(batched.path, "repack", "-adq")  # it spares both
        mine = batched.path / "objects/pack" / f"{rounds(batched)[0].stem}.keep"
        batched.maintain()
        assert rounds(batched) == [] and not keep.exists() and not mine.exists()
        git(batched.path, "repack", "-adq")
        assert Archive.open(batched.path, cached=False).entries == batched.entries
        assert fsck(batched.path) == ""

    def test_a_keep_file_of_somebody_else_stays(self, batched: Archive) -> None:
        batched.maintain()
        [index] = (batched.path / "objects/pack").glob("*.idx")
        index.with_suffix(".keep").write_text("mine\n")
        batched.maintain()
        assert index.with_suffix(".keep").read_text() == "mine\n"

    def test_a_damaged_one_is_left_for_git_to_report(self, batched: Archive) -> None:
        pack = rounds(batched)[1].with_suffix(".pack")
        data = bytearray(pack.read_bytes())
        data[len(data) // 2] ^= 0xFF
        pack.unlink()
        pack.write_bytes(data)
        batched.maintain()
        assert [path.stem for path in rounds(batched)] == [pack.stem]
        assert batched.fsck() != ()


class TestUpkeep:
    def test_everything_is_there_afterwards(self, grown: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("harness.git.upkeep.PORTION", 8)
        before = [(entry, grown.source(entry.id), grown.reply(entry.id)) for entry in grown.entries]
        stray = loose_of("blob", b"what no ref leads to", grown.path)
        grown.maintain()
        assert list((grown.path / "refs/attempts").iterdir()) == []
        assert len(list((grown.path / "objects/pack").glob("*.idx"))) == 1, "small packs are merged"
        assert read_loose(f"{grown.path}/objects", stray.id) == stray
        assert [(entry, grown.source(entry.id), grown.reply(entry.id)) for entry in grown.entries] == before
        for cached in (True, False):
            again = Archive.open(grown.path, cached=cached)
            assert [(entry, again.source(entry.id), again.reply(entry.id)) for entry in again.entries] == before
        assert fsck(grown.path) == ""
        added = grown.append(refused(grown, 30, before[3][0].id))
        assert (added.number, grown.entry(30)) == (30, added)
        grown.maintain()
        assert Archive.open(grown.path).entries == grown.entries

    def test_it_starts_by_itself_and_runs_beside_the_writer(
        self, grown: Archive, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("harness.git.upkeep.PORTION", 4)
        for number in range(30, 50):
            grown.append(refused(grown, number, grown.entries[-1].id, reply=f"nothing {number}"))
        grown.close()
        deadline_s = time.monotonic() + 60
        while len(list((grown.path / "refs/attempts").iterdir())) >= 20 and time.monotonic() < deadline_s:
            time.sleep(0.02)
        with (grown.path / "packsmith.upkeep").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # its process has ended
        assert len(list((grown.path / "refs/attempts").iterdir())) < 20
        assert [entry.number for entry in Archive.open(grown.path).entries] == list(range(50))
        assert fsck(grown.path) == ""

    def test_only_one_process_runs_upkeep_at_a_time(self, grown: Archive) -> None:
        upkeep = Upkeep(grown.path, "refs/attempts", attempt_objects, Pace(portion=1, stray_s=60.0, locked_s=60.0))
        with (grown.path / "packsmith.upkeep").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            upkeep.due()
            waiting = threading.Thread(target=grown.maintain)
            waiting.start()
            waiting.join(0.2)
            assert waiting.is_alive() and upkeep.loose() == 30, "what is due can wait, what was asked for waits"
        waiting.join()
        assert upkeep.loose() == 0

    def test_a_torn_object_stays_where_it_is_and_hides_no_other(self, grown: Archive) -> None:
        torn = grown.entries[7]
        path = grown.path / "objects" / torn.id[:2] / torn.id[2:]
        path.chmod(0o644)
        path.write_bytes(b"")
        grown.maintain()
        assert path.exists()
        again = Archive.open(grown.path, cached=False)
        assert [entry.number for entry in again.entries] == [*range(7), *range(8, 30)]
        [damage] = again.damage
        assert "refs/attempts/000007" in damage

    def test_a_program_is_next_to_what_it_was_made_from(self, grown: Archive) -> None:
        entry = next(entry for entry in grown.entries if entry.number == 4)

        def read(object_id: str) -> Loose | None:
            return read_loose(f"{grown.path}/objects", object_id)

        group = attempt_objects(read, entry.id)
        assert group.version == entry.program_id
        assert group.origin == grown.program_id(entry.parents[0])
        assert len(group.others) == 4 and group.others[0] == entry.id
        assert attempt_objects(read, "0" * 40).version == ""

    def test_hostile_attempts_are_packed_as_well(self, tmp_path: Path) -> None:
        archive = new(tmp_path / "run")
        texts = ["", "\0", "x" * 200_000, "\ud800", "a\n" * 70_000]
        for number, text in enumerate(texts):
            attempt = raw(number, archive.root_id, name=text, reply=text, source=text)
            archive.append(dataclasses.replace(attempt, seconds=1.0))
        archive.maintain()
        assert [archive.source(entry.id) for entry in Archive.open(archive.path).entries] == texts
        assert fsck(archive.path) == ""
