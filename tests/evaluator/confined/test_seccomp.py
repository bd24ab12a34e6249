"""The system call filter alone, without Landlock and namespaces: all that an old kernel offers."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from evaluator.confined import seccomp

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
@pytest.mark.parametrize("gpu", [False, True])
@pytest.mark.parametrize("allow_processes", [False, True])
def test_filter_is_short_enough_and_its_jumps_stay_inside(allow_processes: bool, gpu: bool) -> None:
    code = seccomp.program(allow_processes=allow_processes, own_pid=4, gpu=gpu)
    assert len(code) % 8 == 0 and len(code) // 8 <= 4096
    count = len(code) // 8
    for index in range(count):
        _, if_true, if_false = code[index * 8], code[index * 8 + 2], code[index * 8 + 3]
        assert index + 1 + max(if_true, if_false) < count or index == count - 1


ON_A_GPU = """
import ctypes, fcntl, os, resource, tempfile
from evaluator.confined import seccomp
file = tempfile.TemporaryFile()
ctypes.CDLL(None).prctl(38, 1, 0, 0, 0)
seccomp.install(seccomp.program(allow_processes=True, own_pid=os.getpid(), gpu=True))
fcntl.flock(file, fcntl.LOCK_EX)
fcntl.lockf(file, fcntl.LOCK_EX)
resource.getrusage(resource.RUSAGE_SELF)
if os.fork() == 0:
    os._exit(0)
print("ended with", os.wait()[1])
try:
    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
except PermissionError:
    print("done")
"""


@pytest.mark.skipif(not seccomp.supported(), reason="no table for this machine")
def test_filter_on_a_gpu_leaves_drivers_and_compilers_their_calls(root: Path) -> None:
    done = subprocess.run([sys.executable, "-c", ON_A_GPU], cwd=root, capture_output=True, text=True, timeout=60)
    assert done.stdout == "ended with 0\ndone\n", done.stderr
