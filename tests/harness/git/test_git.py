"""Real repositories in temporary folders: objects, refs, locks, and the environment of the git command."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Collection
from pathlib import Path

import pytest

from harness.git import GitError, Repository, disk, run_git, store
from harness.git import command as git_command
from harness.text import decode, encode
from tests.harness.archive.archives import fsck, git

WHEN = 1_700_000_000


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository.create(tmp_path / "r", head="refs/heads/best")
    made.share()
    return made


def commit(repository: Repository, text: str, *parents: str) -> str:
    with repository.batch() as batch:
        return batch.commit(batch.tree({"f": text.encode()}), parents, f"{text}\n", WHEN)


def loose(repository: Repository, object_id: str) -> Path:
    return repository.path / "objects" / object_id[:2] / object_id[2:]


def truncate(path: Path, size: int) -> None:
    data = path.read_bytes()[:size]
    path.unlink()
    path.write_bytes(data)


@pytest.mark.parametrize("text", ["", "plain\r\n\n", "é€😀", "\ud800", "\udce2\udc82\udcac", "\0\x1b[31m", "\ufeffx"])
def test_encoding_gives_every_text_back(text: str) -> None:
    assert decode(encode(text)) == text


class TestEnvironment:
    def test_the_users_git_config_has_no_effect(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        home = tmp_path / "home"
        home.mkdir()
        (home / ".gitconfig").write_text("[core]\n\tbare = notaboolean\n[user]\n\tname = Somebody\n")
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.setenv("HOME", str(home))
        for name in ("GIT_DIR", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"):
            monkeypatch.setenv(name, str(tmp_path / "elsewhere"))
        monkeypatch.setenv("GIT_AUTHOR_NAME", "Somebody")
        repository = Repository.create(tmp_path / "r", head="refs/heads/best")
        made = commit(repository, "one")
        repository.set_ref("refs/heads/best", made)
        assert repository.read(made).data.count(b"packsmith <packsmith@localhost>") == 2
        assert list((tmp_path / "elsewhere").iterdir()) == []
        assert "one" in git(repository.path, "log", "--format=%s")

    def test_a_repository_of_another_owner_is_read(self, repository: Repository) -> None:
        if os.getuid() != 0:
            pytest.skip("only root can give a folder away")
        made = commit(repository, "one")
        for path in (repository.path, *repository.path.rglob("*")):
            os.chown(path, 4242, 4242)
        assert Repository(repository.path).read(f"{made}:f").data == b"one"

    def test_without_git_it_says_so(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(GitError, match="install git"):
            run_git("--version")

    def test_a_failing_command_quotes_git(self, repository: Repository) -> None:
        with pytest.raises(GitError, match="no-such-command"):
            repository.git("no-such-command")


class TestObjects:
    def test_a_commit_is_what_git_reads(self, repository: Repository) -> None:
        first = commit(repository, "one")
        second = commit(repository, "two", first)
        repository.set_ref("refs/heads/best", second)
        assert git(repository.path, "log", "--format=%s %an %ct").splitlines() == [
            f"two packsmith {WHEN}",
            f"one packsmith {WHEN}",
        ]
        assert fsck(repository.path) == ""

    def test_everything_is_synced_before_the_ref_names_it(
        self, repository: Repository, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for folder in (repository.path / "objects").glob("??"):
            folder.rmdir()
        events: list[str] = []
        fsync, rename = os.fsync, os.rename

        def spied_fsync(descriptor: int) -> None:
            events.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
            fsync(descriptor)

        def spied_rename(source: Path, target: Path) -> None:
            rename(source, target)
            events.append(f"{source} -> {target}")

        monkeypatch.setattr(os, "fsync", spied_fsync)
        monkeypatch.setattr(os, "rename", spied_rename)
        repository.set_ref("refs/heads/best", commit(repository, "one"))
        ref = str(repository.path / "refs/heads/best")
        named = events.index(f"{ref}.lock -> {ref}")
        assert f"{ref}.lock" in events[:named]
        assert str(repository.path / "refs/heads") in events[named:]
        moves = [event.split(" -> ") for event in events[:named] if " -> " in event]
        assert len(moves) == 3
        for source, target in moves:
            moved = events.index(f"{source} -> {target}")
            assert source in events[:moved]
            assert str(Path(target).parent) in events[moved:named]
        assert str(repository.path / "objects") in events[:named]

    def test_a_batch_of_files_waits_for_the_disk_three_times(
        self, repository: Repository, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Data, names of objects, names of refs: each before the next, whatever the number of objects and refs."""
        seen: list[tuple[int, int, int]] = []

        def spied(paths: Collection[str], folder: str) -> None:
            disk.settle(paths, folder)
            temporary = len(list((repository.path / "objects").glob("tmp_obj_*")))
            locks = [path for path in repository.path.glob("refs/attempts/*.lock") if path.read_text()]
            seen.append((temporary, len(locks), len(repository.refs("refs/attempts"))))

        monkeypatch.setattr(store, "settle", spied)
        for first, count in ((0, 2), (2, 20)):
            with repository.batch() as batch:
                for number in range(first, first + count):
                    lock = repository.reserve(f"refs/attempts/{number:06d}")
                    assert lock is not None
                    made = batch.commit(batch.tree({"f": str(number).encode()}), (), f"{number}\n", WHEN)
                    batch.put(batch.keep(lock), made)
        few, many = [(6, 2, 0), (0, 2, 0), (0, 0, 2)], [(2, 20, 2), (0, 20, 2), (0, 0, 22)]
        assert seen == few + many  # many objects are in a pack and its index
        assert fsck(repository.path) == ""

    def test_a_machine_that_cannot_sync_all_at_once_syncs_each(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        files = [tmp_path / str(number) for number in range(9)]
        for file in files:
            file.write_text("x")
        synced: list[str] = []
        monkeypatch.setattr(disk, "_sync_all", lambda folder: False)
        monkeypatch.setattr(disk, "sync", lambda path: synced.append(path))
        disk.settle([str(file) for file in files], str(tmp_path))
        assert synced == [str(file) for file in files]

    def test_a_batch_that_fails_leaves_no_temporary_file(self, repository: Repository) -> None:
        with pytest.raises(RuntimeError), repository.batch() as batch:
            batch.tree({"f": b"one"})
            raise RuntimeError
        assert list((repository.path / "objects").glob("tmp_obj_*")) == []

    @pytest.mark.parametrize("size", [0, 5])
    def test_a_torn_object_is_written_again(self, repository: Repository, size: int) -> None:
        made = commit(repository, "one")
        truncate(loose(repository, made), size)
        assert repository.read(made).problem
        assert commit(repository, "one") == made
        assert repository.read(made).problem == ""

    def test_one_damaged_object_hides_no_other(self, repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(store, "MANY", 1000)
        with repository.batch() as batch:
            tree = batch.tree({"f": b""})
            made = [batch.commit(tree, (), f"{i}\n", WHEN) for i in range(600)]
        for i in (0, 255, 256, 300, 301, 599):
            truncate(loose(repository, made[i]), (0, -10, 1)[i % 3])
        loose(repository, made[400]).unlink()
        found = list(repository.read_all(made))
        assert [i for i, one in enumerate(found) if one.problem] == [0, 255, 256, 300, 301, 400, 599]
        assert found[300].problem == found[400].problem == "missing or torn"
        assert "corrupt" in found[301].problem
        assert all(f"\n\n{i}\n".encode() in one.data for i, one in enumerate(found) if not one.problem)

    def test_a_killed_reader_is_restarted(self, repository: Repository) -> None:
        made = commit(repository, "one")
        assert repository.read(made).problem == ""
        process = repository._reader._process
        assert process is not None
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert repository.read(made).problem == ""

    @pytest.mark.parametrize(("kills", "problem"), [(3, ""), (99, "damaged (git said nothing)")])
    def test_a_reader_killed_at_its_start_is_retried(
        self, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kills: int, problem: str
    ) -> None:
        made, found = commit(repository, "one"), shutil.which("git")
        (tmp_path / "bin").mkdir()
        script = tmp_path / "bin/git"
        script.write_text(
            f"#!/bin/sh\necho >> {tmp_path}/starts\n"
            f'[ $(wc -l < {tmp_path}/starts) -le {kills} ] && kill -KILL $$\nexec {found} "$@"\n'
        )
        script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
        assert repository.read(made).problem == problem

    def test_stopping_half_way_leaves_no_unread_answer(self, repository: Repository) -> None:
        made = [commit(repository, str(i)) for i in range(3)]
        assert next(repository.read_all(made)).id == made[0]
        assert repository.read(made[2]).id == made[2]

    def test_packed_objects_and_those_made_meanwhile_are_found(self, repository: Repository) -> None:
        first = commit(repository, "one")
        assert repository.read(first).id == first
        repository.set_ref("refs/heads/best", first)
        git(repository.path, "gc", "-q")
        second = commit(repository, "two", first)
        assert [one.problem for one in repository.read_all([first, f"{first}:f", second])] == ["", "", ""]

    def test_large_objects_do_not_block_the_pipe(self, repository: Repository) -> None:
        with repository.batch() as batch:
            ids = [batch.add("blob", bytes([i]) * 3_000_000) for i in range(4)]
        names = ids * (git_command._WINDOW // 2)
        assert [len(one.data) for one in repository.read_all(names[:20])] == [3_000_000] * 20


class TestRefs:
    NAME = "refs/attempts/000001"

    def test_a_create_only_ref_is_made_once(self, repository: Repository) -> None:
        made = commit(repository, "one")
        lock = repository.reserve(self.NAME)
        assert lock is not None
        assert repository.reserve(self.NAME) is None
        with lock:
            lock.write(made)
        assert repository.reserve(self.NAME) is None
        assert repository.ref(self.NAME) == made

    def test_a_packed_ref_counts_as_taken(self, repository: Repository) -> None:
        made = commit(repository, "one")
        repository.set_ref(self.NAME, made)
        git(repository.path, "pack-refs", "--all")
        assert not (repository.path / self.NAME).exists()
        assert repository.reserve(self.NAME) is None
        assert repository.refs("refs/attempts") == {self.NAME: made}

    def test_a_torn_ref_counts_as_taken_and_is_read_as_torn(self, repository: Repository) -> None:
        (repository.path / "refs/attempts").mkdir()
        (repository.path / self.NAME).write_bytes(b"")
        assert repository.ref(self.NAME) == ""
        assert repository.reserve(self.NAME) is None

    def test_a_released_lock_leaves_the_name_free(self, repository: Repository) -> None:
        with repository.reserve(self.NAME) or pytest.fail("expected a free name"):
            pass
        assert repository.reserve(self.NAME) is not None
        assert repository.ref(self.NAME) is None

    def test_git_honours_our_lock(self, repository: Repository) -> None:
        made = commit(repository, "one")
        assert repository.reserve(self.NAME) is not None
        with pytest.raises(GitError, match="lock"):
            repository.git("update-ref", self.NAME, made)

    @pytest.mark.parametrize("packed", [False, True])
    def test_a_deleted_ref_is_gone(self, repository: Repository, packed: bool) -> None:
        repository.set_ref(self.NAME, commit(repository, "one"))
        if packed:
            git(repository.path, "pack-refs", "--all")
        repository.delete_ref(self.NAME)
        assert repository.ref(self.NAME) is None
        assert git(repository.path, "for-each-ref") == ""
        repository.delete_ref(self.NAME)

    def test_a_lock_that_stays_is_named(self, repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("harness.git.repository._DEAD_S", 0.01)
        monkeypatch.setattr("harness.git.repository._LIVING_S", 0.02)
        with (
            repository.wait_for("refs/heads/best"),
            pytest.raises(GitError, match=r"refs/heads/best\.lock .* another process is writing this ref"),
        ):
            repository.set_ref("refs/heads/best", "0" * 40)

    def test_a_lock_of_a_dead_process_is_removed_after_a_while(
        self, repository: Repository, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("harness.git.repository._DEAD_S", 0.05)
        (repository.path / "refs/heads/best.lock").write_bytes(b"")
        begin = time.monotonic()
        repository.set_ref("refs/heads/best", "0" * 40)
        assert time.monotonic() - begin >= 0.05 and repository.ref("refs/heads/best") == "0" * 40

    def test_leftovers_are_cleared_by_a_writer_that_is_alone_and_by_no_other(self, repository: Repository) -> None:
        (repository.path / "refs/attempts").mkdir()
        leftovers = [repository.path / f"{self.NAME}.lock", repository.path / "objects" / "tmp_obj_dead"]
        for path in leftovers:
            path.write_bytes(b"")
        second = Repository(repository.path)
        second.begin_writing()
        assert all(path.exists() for path in leftovers)
        repository.close()
        second.close()
        third = Repository(repository.path)
        assert third.refs("refs/attempts") == {}
        assert all(path.exists() for path in leftovers), "reading changes nothing"
        third.begin_writing()
        assert not any(path.exists() for path in leftovers)


class TestOpening:
    def test_no_repository(self, tmp_path: Path) -> None:
        for path in (tmp_path, tmp_path / "absent"):
            with pytest.raises(GitError, match="found none"):
                Repository(path)

    def test_one_with_a_work_tree(self, tmp_path: Path) -> None:
        git(tmp_path, "init", "-q")
        with pytest.raises(GitError, match="work tree"):
            Repository(tmp_path)

    @pytest.mark.parametrize(
        "config", [b"[core]\n\tbare = true\n\tx = \xff\xfe\n", b"core bare\n", b"[core]\n\tbare = 7 8\n"]
    )
    def test_a_config_that_cannot_be_read_is_named(self, repository: Repository, config: bytes) -> None:
        (repository.path / "config").write_bytes(config)
        with pytest.raises(GitError, match=r"expected a git config at .*config, found a file that cannot be read"):
            Repository(repository.path)

    def test_what_git_does_not_understand(self, repository: Repository) -> None:
        with (repository.path / "config").open("a") as config:
            config.write("[core]\n\trepositoryformatversion = 99\n")
        with pytest.raises(GitError, match="99"):
            Repository(repository.path)

    @pytest.mark.parametrize("lost", ["HEAD", "config", "objects"])
    def test_an_interrupted_creation_is_completed(self, tmp_path: Path, lost: str) -> None:
        path = tmp_path / "r"
        Repository.create(path, head="refs/heads/best").close()
        target = path / lost
        target.rename(tmp_path / "lost")
        again = Repository.create(path, head="refs/heads/best")
        again.set_ref("refs/heads/best", commit(again, "one"))
        assert fsck(path) == ""
