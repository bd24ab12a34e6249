"""What each confinement level enforces, what holds without Landlock, and that nothing outlives an evaluation."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from evaluator.confined import seccomp
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
    assert set(names) <= {*clean_environment("/x"), "LC_CTYPE"}


def test_scratch_folder_is_the_current_folder_and_is_removed(executor: LocalExecutor) -> None:
    here = _said(executor, "os.getcwd()")
    assert Path(here).name.startswith("scratch")
    assert not Path(here).exists()  # removed with its evaluation


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


# The filter alone, without Landlock and namespaces: all that an old kernel offers.
FILTERED = """
import ctypes, errno, os, resource, signal
from evaluator.confined import seccomp
other = os.fork()
if other == 0:
    ctypes.CDLL(None).prctl(1, 9, 0, 0, 0)  # dies with its parent
    os.closerange(0, 3)
    signal.pause()
ctypes.CDLL(None).prctl(38, 1, 0, 0, 0)
seccomp.install(seccomp.program(allow_processes=False, own_pid=os.getpid()))
refused = {
    "kill": lambda: os.kill(other, 0),
    "kill group": lambda: os.kill(0, 0),
    "kill all": lambda: os.kill(-1, 0),
    "limit": lambda: resource.prlimit(other, resource.RLIMIT_NOFILE),
    "mode": lambda: os.chmod(".", 0o777),
    "fork": os.fork,
}
for name, action in refused.items():
    try:
        action()
    except PermissionError:
        continue
    print("allowed:", name)
libc = ctypes.CDLL(None, use_errno=True)
tgkill = {"x86_64": 234, "aarch64": 131}[os.uname().machine]
if libc.syscall(tgkill, other, other, 0) != -1 or ctypes.get_errno() != errno.EPERM:
    print("allowed: tgkill")
os.kill(os.getpid(), 0)
resource.getrlimit(resource.RLIMIT_NOFILE)
import threading
thread = threading.Thread(target=int)
thread.start()
thread.join()
print("done", flush=True)
os.abort()
"""


@pytest.mark.skipif(not seccomp.supported(), reason="no table for this machine")
def test_filter_holds_without_landlock(root: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FILTERED], cwd=root, capture_output=True, text=True, timeout=60)
    assert done.stdout == "done\n", done.stderr
    assert done.returncode == -signal.SIGABRT  # a process may still signal itself


@pytest.mark.skipif(not seccomp.supported(), reason="no table for this machine")
@pytest.mark.parametrize("allow_processes", [False, True])
def test_filter_is_short_enough_and_its_jumps_stay_inside(allow_processes: bool) -> None:
    code = seccomp.program(allow_processes=allow_processes, own_pid=4)
    assert len(code) % 8 == 0 and len(code) // 8 <= 4096
    count = len(code) // 8
    for index in range(count):
        _, if_true, if_false = code[index * 8], code[index * 8 + 2], code[index * 8 + 3]
        assert index + 1 + max(if_true, if_false) < count or index == count - 1


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
