"""Batches with many objects, against git itself: packs, what is stored for a while, and locks that share a file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.git import GitError, Repository, Sheet
from harness.git.locks import RefLock
from harness.git.rounds import Packed, RoundPack, object_hash, pack
from harness.git.store import MANY, Batch
from tests.harness.archive.archives import fsck, git

WHEN = 1_700_000_000


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository.create(tmp_path / "r", head="refs/heads/best")
    made.share()
    return made


def packs(repository: Repository, pattern: str = "*") -> list[str]:
    return sorted(path.suffix for path in (repository.path / "objects/pack").glob(pattern))


def attempts(batch: Batch, repository: Repository, first: int, count: int) -> list[str]:
    made = []
    for number in range(first, first + count):
        lock = repository.reserve(f"refs/attempts/{number:06d}")
        assert lock is not None
        made.append(batch.commit(batch.tree({"f": f"{number}\n".encode()}), (), f"{number}\n", WHEN))
        batch.put(batch.keep(lock), made[-1])
    return made


def held(batch: Batch, repository: Repository, *numbers: int, text: str = "ticket") -> list[str]:
    blobs = []
    for number in numbers:
        lock = repository.wait_for(f"refs/pending/{number:06d}", batch.sheet)
        blobs.append(batch.hold(batch.keep(lock), f"{text} {number}".encode()))
    return blobs


class TestPacks:
    def test_many_objects_are_one_pack_that_git_reads(self, repository: Repository) -> None:
        with repository.batch() as batch:
            made = attempts(batch, repository, 0, MANY)
        assert packs(repository) == [".idx", ".keep", ".pack"]
        assert list((repository.path / "objects").glob("??/*")) == []
        assert [one.data.endswith(b"\n\n%d\n" % at) for at, one in enumerate(repository.read_all(made))] == [
            True
        ] * MANY
        assert git(repository.path, "show", "refs/attempts/000007:f") == "7\n"
        assert fsck(repository.path) == ""

    def test_an_object_of_an_earlier_pack_is_not_written_again(self, repository: Repository) -> None:
        sizes = []
        for first in (0, 20):
            with repository.batch() as batch:
                batch.add("blob", os.urandom(10) + b"x" * 1000 if first else b"y" * 1000)
                batch.add("blob", b"shared")
                attempts(batch, repository, first, MANY)
            sizes.append({len(RoundPack(index).ids) for index in (repository.path / "objects/pack").glob("*.idx")})
        assert sizes == [{3 * MANY + 2}, {3 * MANY + 2, 3 * MANY + 1}]

    def test_a_plain_repack_spares_what_no_ref_leads_to_yet(self, repository: Repository) -> None:
        with repository.batch() as batch:
            attempts(batch, repository, 0, 1)
        with repository.batch() as batch:
            blobs = [batch.add("blob", b"unnamed %d" % number) for number in range(MANY)]
        git(repository.path, "repack", "-adq")
        git(repository.path, "-c", "gc.cruftPacks=false", "gc", "-q")
        assert [found.data for found in repository.read_all(blobs)] == [
            b"unnamed %d" % number for number in range(MANY)
        ]

    def test_git_finds_a_pack_and_its_index_sound(self, tmp_path: Path) -> None:
        texts = [b"", b"x" * 15, b"y" * 16, os.urandom(70_000), b"z" * 300_000]
        objects = [Packed(object_hash(b"blob", text), "blob", text) for text in texts]
        for level in (0, 1, 9):
            _, content, index = pack(objects, level)
            (tmp_path / "round-1.pack").write_bytes(content)
            (tmp_path / "round-1.idx").write_bytes(index)
            assert all(one.id in git(tmp_path, "verify-pack", "-v", "round-1.idx") for one in objects)
            found = RoundPack(tmp_path / "round-1.idx")
            assert [found.read(one.id) for one in objects] == [(b"blob", text) for text in texts]
        assert found.read("0" * 40) is None and list(found.commits) == []
        (tmp_path / "round-1.pack").write_bytes(content[:-100_000])
        assert RoundPack(tmp_path / "round-1.idx").read(objects[3].id) in (None, (b"blob", texts[3]))
        for torn in (b"", index[:100], index[:-200], b"other" + index):
            (tmp_path / "round-1.idx").write_bytes(torn)
            with pytest.raises(ValueError, match="expected the index of a pack"):
                RoundPack(tmp_path / "round-1.idx")

    def test_a_batch_that_fails_leaves_nothing(self, repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("harness.git.store.settle", full)
        with pytest.raises(OSError, match="No space"), repository.batch() as batch:
            attempts(batch, repository, 0, MANY)
            held(batch, repository, 1, 2)
        assert packs(repository) == [] and list(repository.path.rglob("tmp_*")) == []
        assert repository.refs("refs/attempts") == repository.refs("refs/pending") == {}
        assert list(repository.path.glob("refs/*/*.lock")) == []


class TestPassing:
    def test_one_blob_is_named_itself_and_several_by_a_tree_of_them(self, repository: Repository) -> None:
        with repository.batch() as batch:
            [alone] = held(batch, repository, 1)
        assert repository.ref("refs/pending/000001") == alone and packs(repository) == []
        with repository.batch() as batch:
            several = held(batch, repository, 2, 3)
        trees = {repository.ref(f"refs/pending/{number:06d}") for number in (2, 3)}
        assert len(trees) == 1
        assert git(repository.path, "show", "refs/pending/000003:000003") == "ticket 3"
        assert git(repository.path, "rev-parse", "refs/pending/000002:000002").strip() == several[0]
        git(repository.path, "-c", "gc.cruftPacks=false", "gc", "-q")
        assert git(repository.path, "show", "refs/pending/000002:000002") == "ticket 2"
        assert fsck(repository.path) == ""

    @pytest.mark.parametrize("numbers", [(1,), (1, 2, 3)])
    def test_the_files_go_with_the_last_ref(self, repository: Repository, numbers: tuple[int, ...]) -> None:
        before = set((repository.path / "objects").rglob("*"))
        with repository.batch() as batch:
            held(batch, repository, *numbers)
        for number in numbers:
            assert set((repository.path / "objects").rglob("*")) != before
            repository.delete_ref(f"refs/pending/{number:06d}")
            repository.forget(batch.passing, f"refs/pending/{number:06d}")
        assert set((repository.path / "objects").rglob("*")) == before

    def test_they_stay_while_a_ref_may_reappear_and_go_with_the_next_exclusive_writer(
        self, repository: Repository
    ) -> None:
        with repository.batch() as batch:
            held(batch, repository, 1, 2)
        (repository.path / "packed-refs.lock").touch()
        for number in (1, 2):
            repository.delete_ref(f"refs/pending/{number:06d}")
            repository.forget(batch.passing, f"refs/pending/{number:06d}")
        (repository.path / "packed-refs.lock").unlink()
        with repository.batch() as batch:
            held(batch, repository, 3, 4)
        assert packs(repository, "passing-*") == [".idx"] * 2 + [".keep"] * 2 + [".pack"] * 2
        repository.close()
        again = Repository(repository.path)
        again.begin_writing()
        assert packs(again, "passing-*") == [".idx", ".keep", ".pack"]
        assert git(again.path, "show", "refs/pending/000004:000004") == "ticket 4"


class TestLocks:
    def test_locks_on_one_sheet_are_as_exclusive_as_others(self, repository: Repository) -> None:
        with repository.batch() as batch:
            one = repository.reserve("refs/pending/000001", batch.sheet)
            other = repository.reserve("refs/pending/000002", batch.sheet)
            assert one is not None and other is not None
            assert Path(one.lock).samefile(other.lock)
            for name in ("refs/pending/000001", "refs/pending/000002"):
                assert repository.reserve(name) is None and repository.reserve(name, batch.sheet) is None
                with pytest.raises(AssertionError):
                    git(repository.path, "update-ref", name, "0" * 40)
            one.release()
            assert repository.reserve("refs/pending/000002") is None
            batch.hold(batch.keep(other), b"x")
            batch.keep(one)
        assert list(repository.path.glob("refs/pending/*")) == [repository.path / "refs/pending/000002"]

    def test_a_sheet_holds_one_id(self, tmp_path: Path) -> None:
        sheet = Sheet(str(tmp_path / "sheet"))
        with RefLock(str(tmp_path / "one"), sheet) as one, RefLock(str(tmp_path / "two"), sheet) as two:
            one.fill("1" * 40)
            two.fill("1" * 40)
            with pytest.raises(ValueError, match="expected one id for all locks"):
                two.fill("2" * 40)
            one.commit()
        sheet.close()
        assert [path.name for path in tmp_path.iterdir()] == ["one"]
        assert (tmp_path / "one").read_text() == "1" * 40 + "\n"

    @pytest.mark.parametrize("broken", ["no links", "no sheet"])
    def test_without_links_each_lock_has_its_own_file(
        self, repository: Repository, monkeypatch: pytest.MonkeyPatch, broken: str
    ) -> None:
        link = os.link

        def refused(source: str, target: str) -> None:
            if broken == "no sheet" and not source.endswith("_0") and not source.endswith("_2"):
                Path(source).unlink(missing_ok=True)
                return link(source, target)
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(os, "link", refused)
        with repository.batch() as batch:
            attempts(batch, repository, 0, MANY)
            held(batch, repository, 1, 2)
        assert git(repository.path, "show", "refs/pending/000002:000002") == "ticket 2"
        repository.delete_ref("refs/pending/000002")
        assert list(repository.refs("refs/pending")) == ["refs/pending/000001"]
        assert packs(repository, "*.keep") == [".keep"] * 2 and fsck(repository.path) == ""

    def test_a_lock_of_a_dead_process_on_a_sheet_is_removed(
        self, repository: Repository, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("harness.git.repository._DEAD_S", 0.05)
        monkeypatch.setattr("harness.git.repository._LIVING_S", 0.2)
        sheet = Sheet(str(repository.path / "objects/tmp_obj_dead"))
        lock = repository.lock_ref("refs/heads/best", sheet)
        assert lock is not None
        with pytest.raises(GitError, match="makes no progress"):
            repository.wait_for("refs/heads/best")
        os.close(sheet._descriptor)
        repository.wait_for("refs/heads/best").release()


def test_several_writers_take_each_ref_once(tmp_path: Path) -> None:
    made = Repository.create(tmp_path / "r", head="refs/heads/best")
    made.share()
    writers = [(Repository(made.path), Sheet(str(made.path / f"objects/tmp_obj_{number}"))) for number in range(3)]
    for number in range(20):
        name = f"refs/pending/{number:06d}"
        assert sum(writer.reserve(name, sheet) is not None for writer, sheet in writers) == 1
