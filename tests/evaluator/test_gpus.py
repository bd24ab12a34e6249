"""Waiting for GPU memory to be freed, with a script in place of nvidia-smi."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from evaluator import gpus
from evaluator.executors import EXECUTORS
from evaluator.settings import JudgeSettings
from evaluator.types import EvaluatorError
from tests.evaluator.kept import KEPT


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the script, which prints its file `list`."""
    script = tmp_path / "nvidia-smi"
    script.write_text('#!/bin/sh\necho "$@" >> "${0%/*}/asked"\n[ -f "${0%/*}/fails" ] && exit 9\ncat "${0%/*}/list"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def test_holders_are_the_listed_processes(tool: Path) -> None:
    (tool / "list").write_text("123\n4567\n[Not Found]\n\n")
    assert gpus.holders() == {123, 4567}
    assert (tool / "asked").read_text().split() == ["--query-compute-apps=pid", "--format=csv,noheader,nounits"]


def test_nothing_is_known_without_the_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tool: Path) -> None:
    (tool / "fails").touch()
    assert gpus.holders() is None
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    assert gpus.holders() is None


def test_waits_until_a_process_is_no_longer_listed(tool: Path) -> None:
    """The script removes the process from its list after some calls."""
    (tool / "list").write_text("123\n")
    script = tool / "nvidia-smi"
    script.write_text(script.read_text() + '[ $(wc -l < "${0%/*}/asked") -ge 3 ] && echo 9 > "${0%/*}/list"\n')
    assert gpus.wait_until_returned({123}, 20.0) == frozenset()
    assert len((tool / "asked").read_text().splitlines()) == 4


def test_process_that_stays_is_returned(tool: Path) -> None:
    (tool / "list").write_text("123\n9\n")
    begin = time.monotonic()
    assert gpus.wait_until_returned({123, 77}, 0.3) == {123}
    assert 0.3 <= time.monotonic() - begin < 5
    (tool / "fails").touch()
    assert gpus.wait_until_returned({123}, 0.1) == {123}, "a tool that fails proves nothing"


def test_tool_is_not_called_without_processes(tool: Path) -> None:
    assert gpus.wait_until_returned((), 5.0) == frozenset()
    with EXECUTORS[KEPT](JudgeSettings()) as executor:
        executor.open(request_bytes=1, answer_bytes=1, device="cpu")
        executor.end()
    assert not (tool / "asked").exists()


def test_unreturned_memory_of_a_killed_worker_stops_the_judge(tool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The script still lists a worker of this machine after its end."""
    monkeypatch.setattr("evaluator.executors._GPU_PATIENCE_S", 0.2)
    with EXECUTORS[KEPT](JudgeSettings()) as executor:
        pid = executor.open(request_bytes=1, answer_bytes=1, device="cpu")._link.pid
        executor._on_gpu.append(pid)
        (tool / "list").write_text(f"{pid}\n")
        with pytest.raises(EvaluatorError, match=rf"GPU memory of killed processes \[{pid}\] is not returned"):
            executor.end()
        executor.open(request_bytes=1, answer_bytes=1, device="cpu")
        executor.end()
