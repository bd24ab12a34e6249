"""The process between the judge and the strangers: it holds no secret, inherits every orphan, and kills.

Owns: the zygote, who is killed for taking too much, and the proof that nothing of an evaluation is left alive.
Does not know: programs, cases, results.
Executed afresh by the judge with an empty environment. When the judge goes away, however it goes, everything here dies.
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
    """The command line that runs `module.main(*arguments)` of this package in a fresh, isolated interpreter.

    The package is put in place without its public face, which would bring tasks and their loads into the process.
    """
    code = (
        "import sys, types; package = sys.modules['evaluator'] = types.ModuleType('evaluator'); "
        f"package.__path__ = [{str(Path(__file__).resolve().parents[1])!r}]; "
        f"from {module} import main; main(*{arguments!r})"
    )
    return [sys.executable, "-I", "-c", code]


def clean_environment(scratch: str) -> dict[str, str]:
    """All that a confined process sees of the environment: no keys, no home of the user."""
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": scratch,
        "TMPDIR": scratch,
        "LANG": "C.UTF-8",
        "OMP_WAIT_POLICY": "PASSIVE",
        "OPENBLAS_NUM_THREADS": "1",  # numpy's import would start a thread a core, and forks of those hang
    }


def _parent_if_alive(pid: int) -> int | None:
    """The parent of a process, or None if it has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    state, parent = stat.rpartition(")")[2].split()[:2]
    return None if state == "Z" else int(parent)


def _listed_children(pid: int) -> list[int]:
    """Children as the kernel lists them, thread by thread."""
    found: list[int] = []
    try:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (thread / "children").read_text().split())
    except OSError:
        return found
    return [child for child in found if _parent_if_alive(child) is not None]


def _scanned_children() -> dict[int, list[int]]:
    """Children by parent, from a look at every process: for kernels that keep no lists."""
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
    found, todo = [], [root]
    while todo:
        pid = todo.pop()
        below = _listed_children(pid) if listed else scanned.get(pid, [])
        found += below
        todo += below
    return found


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
    """Kill every descendant but the zygote until none is left; what is still alive when patience ends (none, as a
    rule).
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
    """What the zygote says when it is ready, which takes its import of torch; None if the judge goes away before."""
    poll = select.poll()
    poll.register(zygote, select.POLLIN)
    poll.register(judge, select.POLLIN)
    ready = {descriptor for descriptor, _ in poll.poll()}
    return zygote.recv(1 << 16) if zygote.fileno() in ready else None


class Guard:
    """The workers to look after where their level does not limit all they take, and why some were killed."""

    def __init__(self, *, needed: bool) -> None:
        self._needed = needed
        self._watched: list[limits.Watched] = []
        self.killed: dict[int, str] = {}

    def note(self, request: dict[str, Any], reply: dict[str, Any]) -> None:
        """A request as answered: a fork is to be looked after, an end leaves nobody."""
        if request["op"] == "fork" and self._needed and "pid" in reply:
            size = request["limits"]["scratch_bytes"]
            self._watched.append(limits.Watched(pid=reply["pid"], scratch=request["scratch"], scratch_bytes=size))
        elif request["op"] == "end":
            self._watched, self.killed = [], {}

    def until_readable(self, judge: socket.socket) -> None:
        """Look after the workers until the judge says something."""
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


def main(control_fd: int, scratch: str, wanted: str) -> None:
    """Pass fork requests on to the zygote; on `end` kill and report; on hang-up kill, remove the folder in which
    `scratch` lies (the judge may be beyond doing so), and leave.
    """
    sandbox.become_subreaper()
    judge = socket.socket(fileno=control_fd)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    process = subprocess.Popen(
        command("evaluator.confined.zygote", theirs.fileno(), scratch, wanted),
        env=clean_environment(scratch),
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
