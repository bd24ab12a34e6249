"""The archive under real SIGKILLs, several real writers, a full disk and a folder that cannot be written."""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.archive import Archive, ArchiveError
from harness.types import Attempt, Entry, HarnessError, Proposal
from tests.harness.archive.archives import CONFIG, fsck, git, new, open_or_create, raw, seed_attempt
from tests.harness.builders import PROGRAM
from tests.harness.processes import Report, child, reported


def append_for_ever(path: Path, salt: int) -> Callable[[Report], None]:
    def work(report: Report) -> None:
        archive = open_or_create(path)
        for pending in archive.adopt():
            report(archive.append(one(archive, archive.next_number, salt, pending.ticket)).number)
        while True:
            proposal = Proposal(kind="patch", parents=(archive.root_id,), reply=f"{salt}", proposer="test")
            ticket = archive.hold(archive.next_number, proposal)
            entry = archive.append(one(archive, archive.next_number, salt, ticket))
            report(entry.number)
            archive.point(entry, archive.entries[-3:])

    return work


def one(archive: Archive, number: int, salt: int, ticket: int = 0) -> Attempt:
    parent = archive.entries[-1].id if archive.entries else archive.root_id
    source = f"print({salt}, {number})\n" * 200
    return raw(number, parent, reply=f"{salt} {number}", source=source, ticket=ticket)


def test_kills_at_any_instant_lose_nothing_that_was_printed(tmp_path: Path) -> None:
    path = tmp_path / "run"
    rng = random.Random(5)
    printed: list[int] = []
    for kill in range(25):
        head = b""
        with child(append_for_ever(path, kill)) as (process, reading):
            if kill % 2:  # in the midst of appending; the others may die while they still open the archive
                head = os.read(reading, 1)
            time.sleep(rng.uniform(0.0, 0.1))
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            printed += reported(reading, head)
        if kill % 5 == 4:
            assert fsck(path) == ""
    assert len(set(printed)) == len(printed) >= 12, "every other writer had printed something"
    archive = open_or_create(path)
    present = [entry.number for entry in archive.entries]
    assert set(printed) <= set(present)
    assert present == list(range(len(present))), "a single writer leaves no gaps"
    assert archive.damage == ()
    assert archive.append(one(archive, archive.next_number, 99)).number == len(present)
    assert list(path.rglob("*.lock")) == [path / "packsmith.lock"]
    assert list((path / "objects").glob("tmp_obj_*")) == []
    assert fsck(path) == ""


def test_kills_during_creation_leave_an_archive_that_can_be_completed(tmp_path: Path) -> None:
    rng = random.Random(6)
    for kill in range(20):
        path = tmp_path / f"run{kill}"
        with child(append_for_ever(path, kill)) as (process, reading):
            while not path.exists():
                time.sleep(0.0005)
            time.sleep(rng.uniform(0.0, 0.04))
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            printed = reported(reading)
        archive = open_or_create(path)
        assert set(printed) <= {entry.number for entry in archive.entries}
        assert archive.source(archive.root_id) == PROGRAM
        archive.append(one(archive, archive.next_number, kill))
        assert fsck(path) == ""
        archive.close()


def test_two_writers_never_take_one_number(tmp_path: Path) -> None:
    path = tmp_path / "run"

    def work(salt: int) -> Callable[[Report], None]:
        def appending(report: Report) -> None:
            archive = open_or_create(path)
            for _ in range(25):
                report(archive.append(one(archive, archive.next_number, salt)).number)

        return appending

    with child(work(1)) as (_, first), child(work(2)) as (_, second):
        mine, theirs = reported(first), reported(second)
    assert len(mine) == len(theirs) == 25
    assert sorted(mine + theirs) == list(range(50))
    archive = Archive.open(path)
    assert [entry.number for entry in archive.entries] == list(range(50))
    for numbers, salt in ((mine, 1), (theirs, 2)):
        for number in numbers:
            assert archive.reply(archive.entry(number).id).startswith(f"{salt} ")
    assert fsck(path) == ""


def test_a_starting_writer_leaves_a_live_one_alone(tmp_path: Path) -> None:
    archive = new(tmp_path / "run")
    lock = archive._repository.reserve("refs/attempts/000000")
    assert lock is not None
    with child(append_for_ever(archive.path, 1)) as (process, reading):
        assert os.read(reading, 2) == b"1\n"
        os.kill(process, signal.SIGKILL)
    with lock:
        lock.write(archive.root_id)
    assert git(archive.path, "rev-parse", "refs/attempts/000000").strip() == archive.root_id


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Mounts on request, undone afterwards; skips where this machine does not let us."""
    made: list[Path] = []

    def mount(name: str, *args: str) -> Path:
        target = tmp_path / name
        target.mkdir(exist_ok=True)
        done = subprocess.run(["mount", *args, str(target)], capture_output=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"no right to mount here: {done.stderr.decode().strip()}")
        made.append(target)
        return target

    yield mount
    for target in reversed(made):
        subprocess.run(["umount", "-l", str(target)], check=False)


def test_a_folder_that_cannot_be_written_is_read_and_refused(tmp_path: Path, mounted: Callable[..., Path]) -> None:
    archive = new(tmp_path / "run")
    seed = archive.append(seed_attempt(archive))
    archive.close()
    path = mounted("view", "--bind", str(archive.path))
    done = subprocess.run(["mount", "-o", "remount,ro,bind", str(path)], capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip("no right to mount read-only here")
    view = Archive.open(path)
    assert view.entries == (seed,)
    assert view.source(seed.id) == PROGRAM
    proposal = Proposal(kind="patch", parents=(seed.id,), reply="", proposer="test")
    for write in (
        lambda: view.append(raw(1, seed.id)),
        lambda: view.hold(1, proposal),
        lambda: view.point(seed, [seed]),
        lambda: view.advise("be quick"),
        view.ask_to_stop,
        view.maintain,
    ):
        with pytest.raises(ArchiveError, match=r"cannot be written to; all 1 attempts archived before are safe"):
            write()
    with pytest.raises(HarnessError, match=r"cannot be written to"):
        view.measurements.begin()
    with pytest.raises(ArchiveError, match=r"could not write the seed program .* nothing was judged yet"):
        new(path / "inner")


def test_a_user_without_the_right_to_write_gets_the_same() -> None:
    if os.getuid() != 0:
        pytest.skip("only root can become another user")
    folder = Path(tempfile.mkdtemp(prefix="packsmith-test-"))  # not tmp_path, which is for its owner alone
    folder.chmod(0o755)
    archive = new(folder / "run")
    seed = archive.append(seed_attempt(archive))
    archive.hold(1, Proposal(kind="patch", parents=(seed.id,), reply="", proposer="test"))
    archive.close()

    def reading(report: Report) -> None:
        os.setuid(4242)
        view = Archive.open(archive.path)
        report(len(view.entries))
        for write in (lambda: view.append(raw(1, seed.id)), view.maintain, view.adopt, view.measurements.begin):
            try:
                write()
            except ArchiveError as error:
                report(int("cannot be written to" in str(error)))

    try:
        with child(reading) as (_, pipe):
            assert reported(pipe) == [1, 1, 1, 1, 1]
    finally:
        shutil.rmtree(folder)


def test_a_full_disk_loses_nothing_reported_and_the_run_continues(mounted: Callable[..., Path]) -> None:
    disk = mounted("disk", "-t", "tmpfs", "-o", "size=600k", "none")
    archive = new(disk / "run")
    filler = disk / "filler"
    filler.write_bytes(b"x" * 150_000)
    kept: list[Entry] = []
    with pytest.raises(ArchiveError, match=r"no space is left .* all (\d+) attempts .* run the same command again"):
        for number in range(1000):
            noise = random.Random(number).randbytes(4000).hex()
            kept.append(archive.append(raw(number, archive.root_id, source=noise)))
    assert len(kept) > 5
    assert Archive.open(archive.path).entries == tuple(kept)
    assert list((archive.path / "objects").glob("tmp_obj_*")) == []
    assert fsck(archive.path) == ""
    filler.unlink()
    kept.append(archive.append(raw(len(kept), archive.root_id, source="there is room again")))
    assert Archive.open(archive.path).entries == tuple(kept)
    with pytest.raises(ArchiveError, match=r"could not write the seed program .* no space is left"):
        new_large(disk / "other")
    assert open_or_create(disk / "other").entries == ()


def new_large(path: Path) -> Archive:
    return Archive.create(path, seed_source=random.Random(0).randbytes(400_000).hex(), config=CONFIG)


def test_upkeep_on_a_full_disk_loses_nothing_and_is_repeated_later(mounted: Callable[..., Path]) -> None:
    disk = mounted("disk", "-t", "tmpfs", "-o", "size=3m", "none")
    archive = new(disk / "run")
    kept = [archive.append(seed_attempt(archive))]
    for number in range(1, 40):
        noise = random.Random(number).randbytes(8000).hex()
        kept.append(archive.append(raw(number, archive.root_id, source=noise)))
    filler = disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb") as file:
        while True:
            file.write(b"x" * 4096)
            file.flush()
    with pytest.raises(HarnessError, match=r"no space|No space|index-pack failed"):
        archive.maintain()
    assert not list((archive.path / "objects/pack").glob("tmp_spool_*"))
    with Archive.open(archive.path, cached=False) as again:
        assert again.entries == tuple(kept)
    assert fsck(archive.path) == ""
    filler.unlink()
    archive.maintain()
    assert list((archive.path / "refs/attempts").iterdir()) == []
    with Archive.open(archive.path, cached=False) as again:
        assert again.entries == tuple(kept)
    assert fsck(archive.path) == ""


def test_a_disk_that_is_full_at_any_stage_loses_nothing(
    mounted: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While objects, packs, packed refs or the index are written: whatever there was room for last."""
    monkeypatch.setattr("harness.git.upkeep._STRAY_S", 0.0)
    disk = mounted("disk", "-t", "tmpfs", "-o", "size=3m", "none")
    archive = new(disk / "run")
    kept: list[Entry] = []
    refusals = 0
    for left in (0, 4, 8, 16, 24, 48, 96, 160):
        for number in range(len(kept), len(kept) + 6):
            noise = random.Random(number).randbytes(5000).hex()
            kept.append(archive.append(raw(number, archive.root_id, source=noise)))
        filler = disk / "filler"
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * 4096)
        os.truncate(filler, filler.stat().st_size - left * 1024)
        for write in (
            archive.maintain,
            lambda: kept.append(archive.append(raw(len(kept), archive.root_id, source=f"{len(kept)}\n" * 4000))),
            lambda: archive.point(kept[-1], kept[-3:]),
            archive.maintain,
        ):
            try:
                write()
            except HarnessError as error:
                refusals += 1
                said = r"no space is left.*archived before are safe|(index-pack|pack-objects) failed"
                assert re.search(said, str(error))
        with Archive.open(archive.path, cached=False) as truth, Archive.open(archive.path) as cached:
            assert truth.entries == cached.entries == tuple(kept)
        assert fsck(archive.path) == ""
        filler.unlink()
    assert refusals > 8
    archive.maintain()
    assert list((archive.path / "refs/attempts").iterdir()) == []
    assert list(archive.path.rglob("*tmp_*")) == []
    with Archive.open(archive.path, cached=False) as truth, Archive.open(archive.path) as cached:
        assert truth.entries == cached.entries == tuple(kept)
    assert fsck(archive.path) == ""
