"""Counting the threads and files of a process against its limits."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from evaluator.confined import limits
from evaluator.confined.limits import Watched, excess

MB = 1 << 20


def watched(scratch: Path, pid: int = os.getpid()) -> Watched:
    return Watched(pid=pid, scratch=str(scratch), scratch_bytes=4 * MB)


def test_small_use_exceeds_no_limit(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(MB))
    (tmp_path / "link").symlink_to("/usr")
    assert excess(watched(tmp_path)) == ""


def test_files_in_folders_count_together(tmp_path: Path) -> None:
    for number in range(5):
        folder = tmp_path / f"{number}" / "deep"
        folder.mkdir(parents=True)
        (folder / "file").write_bytes(bytes(MB))
    assert excess(watched(tmp_path)) == "more than 4 MB in its scratch folder"


def test_holes_in_sparse_files_do_not_count(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(100 * MB)
    assert excess(watched(tmp_path)) == ""


def test_empty_files_count_as_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_FILES", 20)
    for number in range(21):
        (tmp_path / str(number)).touch()
    assert excess(watched(tmp_path)) == "more than 20 files in its scratch folder"


def test_threads_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_THREADS", len(list(Path("/proc/self/task").iterdir())) + 2)
    done = threading.Event()
    threads = [threading.Thread(target=done.wait) for _ in range(4)]
    try:
        for thread in threads:
            thread.start()
        assert "threads" in excess(watched(tmp_path))
    finally:
        done.set()
        for thread in threads:
            thread.join()


def test_ended_process_exceeds_no_limit(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    (tmp_path / "file").write_bytes(bytes(5 * MB))
    assert excess(watched(tmp_path, process.pid)) == ""
