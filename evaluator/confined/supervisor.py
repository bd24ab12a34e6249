"""The process between the judge and the candidates: it holds no secret, adopts every orphan, and kills.

Owns: the zygote, killing workers that exceed a limit, and the proof that no process of an evaluation is left alive.
Does not know: programs, cases, results.
The judge starts it in a new interpreter with an empty environment. When the judge ends, for any reason, everything here
ends too.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from evaluator.confined import limits, sandbox
from evaluator.confined.scratch import remove_tree

KILL_PATIENCE_S = 5.0


def command(module: str, *arguments: object) -> list[str]:
    """The command line that runs `module.main(*arguments)` of this package in a new, isolated interpreter.

    It registers the package without running its `__init__`, which would bring tasks and their loads into the process.
    """
    code = (
        "import sys, types; package = sys.modules['evaluator'] = types.ModuleType('evaluator'); "
        f"package.__path__ = [{str(Path(__file__).resolve().parents[1])!r}]; "
        f"from {module} import main; main(*{arguments!r})"
    )
    return [sys.executable, "-I", "-c", code]


def clean_environment(scratch: str) -> dict[str, str]:
    """The whole environment of a confined process: no keys, and not the user's home."""
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": scratch,
        "TMPDIR": scratch,
        "LANG": "C.UTF-8",
        "OMP_WAIT_POLICY": "PASSIVE",
        "OPENBLAS_NUM_THREADS": "1",  # else importing numpy starts one thread per core, and a fork would hang
        # By default it depends on a process's luck whether glibc gives freed memory back after every call, which made a
        # process up to twice as slow as its twin: always keep it, and take only large arrays from the kernel.
        "MALLOC_TRIM_THRESHOLD_": str(2**30),
        "MALLOC_MMAP_THRESHOLD_": str(2**25),
    }


def _parent_if_alive(pid: int) -> int | None:
    """The parent's id of a living process, or None if the process has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    state, parent = stat.rpartition(")")[2].split()[:2]
    return None if state == "Z" else int(parent)


def _listed_children(pid: int) -> list[int]:
    """Living children, from the kernel's list for each thread."""
    children: list[int] = []
    try:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            children += map(int, (thread / "children").read_text().split())
    except OSError:
        return children
    return [child for child in children if _parent_if_alive(child) is not None]


def _scanned_children() -> dict[int, list[int]]:
    """Children by parent, from a scan of all processes: for kernels without lists of children."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        parent = _parent_if_alive(int(entry.name)) if entry.name.isdigit() else None
        if parent is not None:
            children.setdefault(parent, []).append(int(entry.name))
    return children


def descendants(root: int) -> list[int]:
    """Every living process below `root`, parents first."""
    listed = Path(f"/proc/{root}/task/{root}/children").exists()
    scanned = {} if listed else _scanned_children()
    pids, todo = [], [root]
    while todo:
        pid = todo.pop()
        children = _listed_children(pid) if listed else scanned.get(pid, [])
        pids += children
        todo += children
    return pids


def _reap_orphans(zygote: int) -> None:
    while True:
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if ended is None or ended.si_pid == zygote:
            return
        os.waitpid(ended.si_pid, 0)


def kill_all_but(zygote: int) -> list[int]:
    """Kill every descendant except the zygote until none is left; returns those still alive after KILL_PATIENCE_S
    (normally none).
    """
    deadline = time.monotonic() + KILL_PATIENCE_S
    while True:
        left = [pid for pid in descendants(os.getpid()) if pid != zygote]
        if not left or time.monotonic() > deadline:
            return left
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        _reap_orphans(zygote)
        time.sleep(0.0005)


def _first_word(zygote: socket.socket, judge: socket.socket) -> bytes | None:
    """The zygote's first message, sent once it has imported torch; None if the judge hangs up before that."""
    poll = select.poll()
    poll.register(zygote, select.POLLIN)
    poll.register(judge, select.POLLIN)
    ready = {descriptor for descriptor, _ in poll.poll()}
    return zygote.recv(1 << 16) if zygote.fileno() in ready else None


class Guard:
    """Watches workers whose confinement level does not limit all their resources, and records why it killed some."""

    def __init__(self, *, needed: bool) -> None:
        self._needed = needed
        self._watched: list[limits.Watched] = []
        self.killed: dict[int, str] = {}

    def note(self, request: dict[str, Any], reply: dict[str, Any]) -> None:
        """Record an answered request: watch the worker of a `fork`, forget all workers after an `end`."""
        if request["op"] == "fork" and self._needed and "pid" in reply:
            size = request["limits"]["scratch_bytes"]
            self._watched.append(limits.Watched(pid=reply["pid"], scratch=request["scratch"], scratch_bytes=size))
        elif request["op"] == "end":
            self._watched, self.killed = [], {}

    def until_readable(self, judge: socket.socket) -> None:
        """Watch the workers until the judge sends something."""
        poll = select.poll()
        poll.register(judge, select.POLLIN)
        while not poll.poll(limits.LOOK_S * 1000 if self._watched else None):
            for watched in list(self._watched):
                reason = limits.excess(watched)
                if reason:
                    self._watched.remove(watched)
                    self.killed[watched.pid] = reason
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(watched.pid, signal.SIGKILL)


def main(control_fd: int, scratch: str, wanted: str, variables: dict[str, str]) -> None:
    """Forward fork requests to the zygote; on `end` kill all workers and report; on hang-up kill them, remove the
    parent folder of `scratch` (the judge may be dead), and exit. `variables`: what the zygote and its workers find in
    their environment beside the clean one.
    """
    sandbox.become_subreaper()
    judge = socket.socket(fileno=control_fd)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    process = subprocess.Popen(
        command("evaluator.confined.zygote", theirs.fileno(), scratch, wanted),
        env=clean_environment(scratch) | variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        pass_fds=(theirs.fileno(),),
        cwd="/",
    )
    theirs.close()
    try:
        started = _first_word(ours, judge)
        if started is None:
            return
        judge.send(started or json.dumps({"error": "the helper process with torch did not start"}).encode())
        guard = Guard(needed=bool(started) and json.loads(started).get("level") != "L2")
        while True:
            guard.until_readable(judge)
            message, fds, _, _ = socket.recv_fds(judge, 1 << 16, 2)
            if not message:
                break
            request: dict[str, Any] = json.loads(message)
            alive: list[int] = []
            if request["op"] == "end":
                alive = kill_all_but(process.pid)
            socket.send_fds(ours, [message], list(fds))
            for fd in fds:
                os.close(fd)
            reply = ours.recv(1 << 16)
            if not reply:
                break
            answer = json.loads(reply)
            judge.send(json.dumps({**answer, "alive": alive, "killed": guard.killed}).encode())
            guard.note(request, answer)
    finally:
        process.kill()
        kill_all_but(-1)
        remove_tree(Path(scratch).parent)
