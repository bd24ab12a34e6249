"""How `.ci/quick` ends: with its steps' status, or with all their processes where it is interrupted.

Owns: the script's dealings with processes. Does not know: ruff, mypy and pytest, which are stood in for.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

SLEEPS = '#!/bin/sh\n{ignores}\nsleep 600 &\necho "$$ $!" >>"{pids}"\nwait\nsleep 600\n'


def script(folder: Path, root: Path, **tools: str) -> Path:
    """A copy of the script whose tools are these."""
    for name, text in tools.items():
        tool = folder / ".venv/bin" / name
        tool.parent.mkdir(parents=True, exist_ok=True)
        tool.write_text(text)
        tool.chmod(0o755)
    copy = folder / ".ci/quick"
    copy.parent.mkdir()
    shutil.copy(root / ".ci/quick", copy)
    return copy


def alive(pid: str) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def until(seconds: float) -> Iterator[None]:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield
        time.sleep(0.02)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("ignores", ["", "trap '' INT TERM"])
def test_nothing_outlives_it(root: Path, tmp_path: Path, number: signal.Signals, status: int, ignores: str) -> None:
    noted = tmp_path / "pids"
    sleeps = SLEEPS.format(pids=noted, ignores=ignores)
    quick = script(tmp_path, root, ruff=sleeps, mypy=sleeps, python=sleeps)
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    restore = (
        "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])"
    )
    process = subprocess.Popen(
        [shutil.which("python3") or "python3", "-c", restore, str(quick)], env=environment, start_new_session=True
    )
    pids: list[str] = []
    for _ in until(30):
        pids = noted.read_text().split() if noted.exists() else []
        if len(pids) == 6:
            break
    assert len(pids) == 6 and all(map(alive, pids))
    os.killpg(process.pid, number)
    assert process.wait(timeout=30) == status
    for _ in until(2):
        if not any(map(alive, pids)):
            break
    assert [pid for pid in pids if alive(pid)] == []
    assert not list(tmp_path.glob("tmp.*"))


def test_the_status_tells_of_a_failed_step_and_its_output_is_shown(root: Path, tmp_path: Path) -> None:
    good, bad = "#!/bin/sh\necho fine\n", "#!/bin/sh\necho what is wrong\nexit 3\n"
    for mypy, status in ((good, 0), (bad, 1)):
        folder = tmp_path / str(status)
        quick = script(folder, root, ruff=good, mypy=mypy, python=good)
        done = subprocess.run([quick], capture_output=True, text=True, timeout=60)
        assert done.returncode == status
        shown = {line.partition(",")[0] for line in done.stdout.splitlines()}
        assert ({"what is wrong", "types: FAILED"} <= shown) == bool(status) and "fine" not in shown
