"""A clean process with torch imported and nothing else, which forks confined workers in milliseconds.

Owns: the imports made once for all workers, the choice of the confinement level, the fork. Does not know: programs,
cases, the judge. The supervisor starts it in a new interpreter with an empty environment; it never runs untrusted code
and never touches CUDA itself.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from evaluator.confined import sandbox, seccomp
from evaluator.settings import SandboxLevel

_HUGE = 2 << 20
_MADV_HUGEPAGE, _MADV_COLLAPSE = 14, 25


def _fork(level: SandboxLevel) -> int:
    return sandbox.fork_into_namespaces() if level == "L2" else os.fork()


def _hindrance(level: SandboxLevel, scratch: str) -> str:
    """Why this machine cannot give a level, determined by confining a child; "" if it can."""
    if not seccomp.supported():
        return "packsmith has no seccomp table for this machine's calling convention"
    limits = sandbox.Limits(memory_bytes=1 << 30, scratch_bytes=1 << 20, cpu_s=10)
    reader, writer = os.pipe()
    parent = os.getpid()
    try:
        pid = _fork(level)
        if pid == 0:
            sandbox.confine(level, scratch, limits, sandbox.readable_paths())
            os._exit(0)
    except OSError as error:
        if os.getpid() == parent:
            os.close(reader)
            os.close(writer)
            return str(error)
        os.write(writer, str(error)[:500].encode())
        os._exit(1)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        reason = pipe.read().decode(errors="replace")
    _, status = os.waitpid(pid, 0)
    return "" if status == 0 else reason or f"exit status {status}"


def probe(scratch: str) -> dict[str, str]:
    """Why this machine cannot give each level; "" if it can."""
    return {"L2": _hindrance("L2", scratch), "L1": _hindrance("L1", scratch), "L0": ""}


def _worker(
    request: dict[str, Any], level: SandboxLevel, readable: tuple[str, ...], channel: socket.socket, memory_fd: int
) -> None:
    """The forked child: confine this process, then serve. Never returns."""
    from evaluator.confined import device, worker

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    limits = sandbox.Limits(**request["limits"])
    if request["cpus"]:
        os.sched_setaffinity(0, request["cpus"])
    sandbox.confine(level, request["scratch"], limits, readable)
    os.environ["NUMBA_NUM_THREADS"] = str(request["threads"])  # else numba starts a thread for each core it sees
    if request["threads"] > 1:
        import torch

        torch.set_num_threads(request["threads"])
    os.dup2(1, 2)  # untrusted code must not write to the judge's error log; descriptor 1 is /dev/null
    worker.serve(channel, memory_fd, request["request_bytes"], device.make(limits.device, limits.memory_bytes))
    os._exit(0)


def _fork_worker(
    control: socket.socket, request: dict[str, Any], level: SandboxLevel, readable: tuple[str, ...], fds: list[int]
) -> int:
    zygote = os.getpid()
    try:
        pid = _fork(level)
        if pid == 0:
            control.close()
            _worker(request, level, readable, socket.socket(fileno=fds[1]), fds[0])
        return pid
    except OSError as error:
        if os.getpid() == zygote:
            raise
        sys.stderr.write(f"the confinement of a worker failed: {error}\n")
        sys.stderr.flush()
        raise
    finally:
        if os.getpid() != zygote:
            os._exit(70)
        for fd in fds:
            os.close(fd)


def _reap() -> dict[int, int]:
    """Exit codes of the workers that have ended, by process id (negative: the signal)."""
    ended: dict[int, int] = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if pid == 0:
            return ended
        ended[pid] = os.waitstatus_to_exitcode(status)


def _use_huge_pages() -> None:
    """Ask the kernel to back this process's memory with huge pages: a fork then copies fewer page table entries
    (measured: a candidate costs 14 ms instead of 16). Kernels without support ignore the request.
    """
    madvise = ctypes.CDLL(None).madvise
    madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    for line in Path("/proc/self/maps").read_text().splitlines():
        fields = line.split()
        if fields[1] != "rw-p" or (len(fields) > 5 and fields[5] != "[heap]"):
            continue
        begin, end = (int(address, 16) for address in fields[0].split("-"))
        for page in range(-(-begin // _HUGE) * _HUGE, end - _HUGE + 1, _HUGE):
            madvise(page, _HUGE, _MADV_HUGEPAGE)
            madvise(page, _HUGE, _MADV_COLLAPSE)


def _threads() -> int:
    return len(list(Path("/proc/self/task").iterdir()))


def main(control_fd: int, scratch: str, wanted: str) -> None:
    """Serve fork requests until the supervisor hangs up. `wanted`: a level, or "" for the strongest."""
    sandbox.die_with_parent()
    control = socket.socket(fileno=control_fd)
    hindrances = probe(scratch)
    possible: list[SandboxLevel] = [level for level in ("L2", "L1", "L0") if not hindrances[level]]
    level: SandboxLevel = next((name for name in possible if name == wanted), possible[0])
    gc.disable()  # an import leaves next to nothing to collect, and looking for it took a quarter of the time
    import torch

    from evaluator.confined import worker

    torch.set_num_threads(1)
    worker.rehearse()
    sandbox.rehearse()
    if _threads() > 2:
        control.send(json.dumps({"error": f"importing torch left {_threads()} threads, so a fork would hang"}).encode())
        sys.exit(1)
    readable = sandbox.readable_paths()
    gc.freeze()
    gc.enable()
    _use_huge_pages()
    control.send(json.dumps({"level": level, "hindrances": hindrances, "torch": str(torch.__version__)}).encode())
    while True:
        message, fds, _, _ = socket.recv_fds(control, 1 << 16, 2)
        if not message:
            return
        request = json.loads(message)
        answer: dict[str, Any]
        if request["op"] == "fork":
            try:
                answer = {"pid": _fork_worker(control, request, level, readable, list(fds))}
            except OSError as error:
                answer = {"error": f"the zygote could not fork a worker: {error}"}
        else:
            answer = {"ended": _reap()}
        control.send(json.dumps(answer).encode())
