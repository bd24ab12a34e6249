"""What each confinement level enforces, what holds without Landlock, and that nothing outlives an evaluation."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from evaluator.confined.sandbox import PROMISES, Limits, may_start_processes, readable_paths
from evaluator.confined.scratch import remove_tree
from evaluator.confined.supervisor import clean_environment, command, descendants
from evaluator.executors import LocalExecutor
from evaluator.settings import LEVELS, JudgeSettings, SandboxLevel
from evaluator.types import Call, EvaluatorError, Rejected
from tests.evaluator.hostile import ENTRY, HONEST, WEIGHT, alive, verdict_on, wait_until_gone, worker

LOOP = "def solve(weight, count):\n    while True:\n        pass\n"


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which an executor creates its own."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def bait() -> Iterator[Path]:
    """A file that every program may read, and that was not read since it was written."""
    folder = next((Path(path) for path in readable_paths() if os.access(path, os.W_OK)), None)
    if folder is None:
        pytest.skip("this user can write nothing that programs may read")
    path = folder / f"packsmith-bait-{os.getpid()}"
    path.write_text("bait")
    os.utime(path, (1, 2))
    yield path
    path.unlink()


@pytest.fixture(scope="module", params=["L2", "L1", "L0"])
def executor(request: pytest.FixtureRequest) -> Iterator[LocalExecutor]:
    level: SandboxLevel = request.param
    with LocalExecutor(JudgeSettings(require="L0"), level=level) as running:
        if running.ready.level != level:
            pytest.skip(f"this machine does not give {level}: {running.ready.hindrances[level]}")
        yield running


def _said(executor: LocalExecutor, body: str) -> str:
    """What an expression evaluates to inside a candidate, as text."""
    verdict = verdict_on(executor, f"def solve(weight, count):\n    import os\n    raise ValueError({body})\n")
    assert isinstance(verdict, Rejected)
    return verdict.detail.partition("ValueError: ")[2].partition("\n")[0]


def _status(executor: LocalExecutor) -> dict[str, str]:
    text = _said(executor, "open('/proc/self/status').read().replace(chr(10), '|').replace(chr(9), '')")
    return {name: value.strip() for name, _, value in (line.partition(":") for line in text.split("|"))}


def test_kernel_confirms_the_level(executor: LocalExecutor) -> None:
    level, status = executor.ready.level, _status(executor)
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == ("0" if level == "L0" else "2")
    if level != "L0":
        assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0
    assert (_said(executor, "os.getpid()") == "1") == (level == "L2")
    own, theirs = str(Path("/proc/self/ns/net").readlink()), _said(executor, "os.readlink('/proc/self/ns/net')")
    assert (own != theirs) == (level == "L2")


def test_environment_holds_only_the_allowed_names(executor: LocalExecutor) -> None:
    names = _said(executor, "' '.join(os.environ)").split()
    assert set(names) <= {*clean_environment("/x"), "LC_CTYPE", "NUMBA_NUM_THREADS"}


def test_scratch_folder_is_the_current_folder_and_is_removed(executor: LocalExecutor) -> None:
    here = _said(executor, "os.getcwd()")
    assert Path(here).name.startswith("scratch")
    assert not Path(here).exists()  # removed with its evaluation
    other = _said(executor, "os.getcwd()")
    assert len(Path(other).name) == len(Path(here).name) > len("scratch") + 6  # random, and not the worker's number


HARMLESS = """
import ctypes, fcntl, mmap, os
import numpy as np
import torch

def solve(weight, count):
    imports()
    with open("file", "wb+") as file:
        number = file.fileno()
        assert os.pwritev(number, [b"abc"], 4095) == 3
        read = bytearray(3)
        assert os.preadv(number, [read], 4095) == 3 and read == b"abc"
        fcntl.fcntl(number, fcntl.F_SETFD, fcntl.fcntl(number, fcntl.F_GETFD))
        os.close(os.dup(number))
        assert not os.isatty(number) and fcntl.fcntl(number, fcntl.F_GETFL) & os.O_RDWR
        os.fsync(number)
        with mmap.mmap(number, 0) as mapped:
            mapped.madvise(mmap.MADV_WILLNEED)
            mapped.madvise(mmap.MADV_DONTNEED)
            assert mapped[4095:] == b"abc"
    values = np.random.rand(5000)
    pointer, size = ctypes.POINTER(ctypes.c_double), ctypes.c_size_t
    order = ctypes.CFUNCTYPE(ctypes.c_int, pointer, pointer)(lambda a, b: 1 if a[0] > b[0] else -1)
    ctypes.CDLL(None).qsort(ctypes.c_void_p(values.ctypes.data), size(5000), size(8), order)
    assert (np.diff(values) >= 0).all()
    assert os.cpu_count() and os.sysconf("SC_NPROCESSORS_ONLN") and os.times() and open("/proc/self/maps").read()
    torch.save(weight, "tensor")
    assert torch.load("tensor", mmap=True).equal(weight)
    return torch.argsort(weight, dim=1)

def imports():
    import numpy.polynomial, torch.fx, torch.nn.utils.parametrize
"""


def test_calls_beside_the_refused_ones_work(executor: LocalExecutor) -> None:
    """Those that share a number with a refused one, those that fall back on another, and imports after the start."""
    answer = verdict_on(executor, HARMLESS)
    assert isinstance(answer, tuple), answer


def test_reading_a_file_leaves_no_time_where_mounts_are_private(executor: LocalExecutor, bait: Path) -> None:
    """A process that reads a file sets its time of access, which the next could see; not on a mount for reading."""
    if executor.ready.level != "L2":
        pytest.skip("only mounts of its own prevent it: a known limit of weaker levels")
    before = bait.stat().st_atime_ns
    assert _said(executor, f"open({str(bait)!r}).read()") == "bait"
    assert bait.stat().st_atime_ns == before


def test_worker_process_holds_only_the_modules_of_its_loop(executor: LocalExecutor) -> None:
    """No task and no load generator, which a program could ask for future windows."""
    names = _said(executor, "' '.join(n for n in __import__('sys').modules if n.startswith('evaluator.'))").split()
    ours = {f"evaluator.confined.{name}" for name in ("zygote", "sandbox", "seccomp", "device", "worker", "wire")}
    assert set(names) <= {*ours, "evaluator.confined", "evaluator.settings", "evaluator.types"}


def test_threads_are_bounded_where_the_kernel_counts_them_by_namespace(executor: LocalExecutor) -> None:
    version = tuple(int(number) for number in os.uname().release.split(".")[:2])
    if executor.ready.level != "L2" or version < (6, 14):
        pytest.skip("this kernel has no pid_max per namespace")
    machine = Path("/proc/sys/kernel/pid_max").read_text()
    limit = _said(executor, "open('/proc/sys/kernel/pid_max').read()")
    assert not limit.isdigit()  # a candidate must not read it
    source = (
        "import threading, time\n"
        "def solve(weight, count):\n"
        "    threading.stack_size(1 << 15)\n"
        "    for number in range(2000):\n"
        "        threading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n"
    )
    verdict = verdict_on(executor, source)
    assert isinstance(verdict, Rejected) and "can't start new thread" in verdict.detail
    assert Path("/proc/sys/kernel/pid_max").read_text() == machine


def test_levels_are_described_and_ordered() -> None:
    assert set(PROMISES) == set(LEVELS)
    assert list(LEVELS) == sorted(LEVELS)


def test_only_cuda_compilers_may_start_processes() -> None:
    def limits(device: str) -> Limits:
        return Limits(memory_bytes=1, scratch_bytes=1, cpu_s=1, device=device)

    assert may_start_processes("L2", limits("cuda:0"))
    assert not may_start_processes("L2", limits("cpu"))
    assert not may_start_processes("L1", limits("cuda:0"))


def test_readable_paths_include_no_home_and_no_shared_folder() -> None:
    paths = readable_paths()
    assert not {"/", "/home", "/root", "/tmp", "/etc", "/proc", "/dev", "/var", "/sys"} & set(paths)
    assert all(Path(path).exists() for path in paths)


@pytest.mark.slow
def test_required_level_fails_closed() -> None:
    settings = JudgeSettings(require="L3")
    with (
        LocalExecutor(settings) as running,
        pytest.raises(EvaluatorError, match="asks for L3: this level must be declared"),
    ):
        running.open(request_bytes=1, answer_bytes=1, device="cpu")
    settings = JudgeSettings(require="L1")
    with (
        LocalExecutor(settings, level="L0") as running,
        pytest.raises(EvaluatorError, match=r"gives confinement L0, but judge\.sandbox\.require asks for L1"),
    ):
        running.open(request_bytes=1, answer_bytes=1, device="cpu")


def test_failed_confinement_is_an_evaluator_error(executor: LocalExecutor) -> None:
    """The scratch folder vanishes before the worker can confine itself to it."""
    ask, folder = executor._ask, Path(executor._folder)

    def without_scratch(message: dict[str, object], fds: tuple[int, ...] = ()) -> dict[str, object]:
        for scratch in folder.glob("scratch*"):
            scratch.rmdir()
        return ask(message, fds)

    executor._ask = without_scratch  # type: ignore[method-assign]
    try:
        with pytest.raises(EvaluatorError, match=r"cannot set up a confined process.*No such file"):
            executor.open(request_bytes=1, answer_bytes=1, device="cpu")
    finally:
        executor._ask = ask  # type: ignore[method-assign]
        executor.end()
    with worker(executor) as opened:
        opened.load(HONEST, ENTRY, ())


def test_helpers_run_isolated_from_the_users_python() -> None:
    words = command("evaluator.confined.zygote", 7, "/a'b", "")
    assert words[:3] == [sys.executable, "-I", "-c"]
    assert "main(*(7, \"/a'b\", ''))" in words[3]
    assert "package.__path__" in words[3] and "sys.path" not in words[3]


@pytest.mark.parametrize("level", ["L2", "L1"])
@pytest.mark.slow
def test_executor_leaves_no_process_and_no_file(temporary: Path, level: SandboxLevel) -> None:
    before = set(descendants(os.getpid()))
    with LocalExecutor(JudgeSettings(), level=level) as running:
        opened = running.open(request_bytes=1 << 16, answer_bytes=1 << 16, device="cpu")
        opened.load(HONEST, ENTRY, ())
        opened.call(Call(args=(WEIGHT, 3)), 1, what="x")
        mine = set(descendants(os.getpid())) - before
        assert len(mine) >= 3  # supervisor, zygote, worker
        assert list(temporary.iterdir())
    assert not alive(mine)
    assert not list(temporary.iterdir())


@pytest.mark.slow
def test_unused_executor_ends_cleanly(temporary: Path) -> None:
    begin = time.monotonic()
    with LocalExecutor(JudgeSettings()):
        pass
    assert time.monotonic() - begin < 15
    assert not list(temporary.iterdir())


JUDGE = """
import os, sys, tempfile
tempfile.tempdir = sys.argv[1]
import numpy
from evaluator.executors import LocalExecutor
from evaluator.settings import JudgeSettings
from evaluator.confined.supervisor import descendants
from evaluator.types import Call
with LocalExecutor(JudgeSettings(), level=sys.argv[2]) as executor:
    worker = executor.open(request_bytes=1 << 16, answer_bytes=1 << 16, device="cpu")
    worker.load(sys.argv[3], "solve", ())
    print(executor.ready.level, *descendants(os.getpid()), flush=True)
    worker.call(Call(args=(numpy.zeros((2, 2)), 3)), 1, what="x", timeout_s=600)
"""
DEAF = (
    "import ctypes, signal\n"
    "def solve(weight, count):\n"
    "    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\n"
    "    ctypes.CDLL(None).prctl(1, 0, 0, 0, 0)\n"
    "    while True: pass\n"
)


@pytest.mark.parametrize("level", ["L2", "L1"])
@pytest.mark.slow
def test_killed_judge_ends_every_process(temporary: Path, root: Path, level: SandboxLevel) -> None:
    judge = subprocess.Popen(
        [sys.executable, "-c", JUDGE, str(temporary), level, DEAF], cwd=root, stdout=subprocess.PIPE, text=True
    )
    assert judge.stdout is not None
    try:
        got, *words = judge.stdout.readline().split()
        if got != level:
            pytest.skip(f"this machine does not give {level}")
        pids = {int(word) for word in words}
        assert len(pids) >= 3
        time.sleep(0.1)
    finally:
        judge.kill()
        judge.wait()
        judge.stdout.close()
    assert not wait_until_gone(pids, 2.0)
    assert not list(temporary.iterdir())


@pytest.mark.parametrize("level", ["L2", "L1"])
@pytest.mark.slow
def test_killed_supervisor_ends_the_candidate(temporary: Path, level: SandboxLevel) -> None:
    with LocalExecutor(JudgeSettings(), level=level) as running:
        opened = running.open(request_bytes=1 << 16, answer_bytes=1 << 16, device="cpu")
        opened.load(LOOP, ENTRY, ())
        opened._channel.send(b"C")
        assert running._process is not None
        pids = set(descendants(running._process.pid))
        running._process.kill()
        assert not wait_until_gone(pids, 2.0)


def test_remove_tree_handles_any_depth_and_any_mode(tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir()
    here = os.open(top, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.symlink("/", "out", dir_fd=here)
    os.close(here)
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").touch()
    (top / "link").symlink_to(precious)
    (top / "locked").mkdir()
    (top / "locked" / "inner").mkdir(0)
    (top / "locked").chmod(0)
    os.mkfifo(top / "pipe")
    remove_tree(top)
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]
    assert (precious / "file").exists()
    remove_tree(top)  # already removed: no error
