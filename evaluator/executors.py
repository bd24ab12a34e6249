"""Where candidates run: disposable confined processes that answer calls through memory the judge owns.

Owns: starting and ending workers. Does not know: what they are asked, tasks, scores, statistics.

Process tree of `local`: judge -> supervisor (kills, adopts orphans) -> zygote (torch imported) -> worker. The judge's
process never forks.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import mmap
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol, Self

from evaluator import gpus
from evaluator.confined import wire
from evaluator.confined.sandbox import Limits
from evaluator.confined.scratch import remove_tree
from evaluator.confined.supervisor import clean_environment, command
from evaluator.settings import LEVELS, JudgeSettings, SandboxLevel
from evaluator.types import EvaluatorError
from evaluator.worker_handle import Ending, Link, LocalWorker, Stopped, Worker

START_TIMEOUT_S = 120.0
_PATIENCE_S = 20.0
_GPU_PATIENCE_S = 5.0
_NO_VARIABLES: Mapping[str, str] = MappingProxyType({})
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """What the executor reports after its start: the confinement level in force, why each other level is unavailable
    ("" if it is available), and torch's version.
    """

    level: SandboxLevel
    hindrances: dict[str, str]
    torch: str


class Executor(Protocol):
    """Starts workers. A context manager; `end` kills every worker and every process that they started.

    `abort` may be called from any thread: it hangs up on the helper processes, which kill every worker and exit. A
    thread that waits for a worker then gets an EvaluatorError or Stopped at once. After `abort`, enter the executor
    again to use it.
    """

    @property
    def ready(self) -> Ready: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *error: object) -> None: ...
    def open(
        self, *, request_bytes: int, answer_bytes: int, device: str, cpus: tuple[int, ...] = (), threads: int = 0
    ) -> Worker: ...
    def end(self) -> None: ...
    def abort(self) -> None: ...


class LocalExecutor:
    """Workers on this machine, forked from a zygote and killed by a supervisor."""

    def __init__(
        self,
        settings: JudgeSettings,
        level: SandboxLevel | None = None,
        *,
        environment: Mapping[str, str] = _NO_VARIABLES,
    ) -> None:
        """`level`: use this level instead of the strongest available (for tests and measurements). `environment`:
        variables that every process below gets beside its clean environment, before it imports numpy and torch.
        """
        self.settings = settings
        self._environment = dict(environment)
        self._wanted = level or ""
        self._workers: list[LocalWorker] = []
        self._exit_codes: dict[int, int] = {}
        self._ready: Ready | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._folder = ""
        self._asking = False
        self._on_gpu: list[int] = []

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:  # an interrupt too leaves no folder and no process behind
            self._stop()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._stop()

    def _start(self) -> None:
        """Start supervisor and zygote without waiting for torch."""
        self._folder = tempfile.mkdtemp(prefix="packsmith-")
        base = Path(self._folder, "base")
        base.mkdir()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with Path(self._folder, "errors.txt").open("wb") as errors:
            self._process = subprocess.Popen(
                command("evaluator.confined.supervisor", theirs.fileno(), str(base), self._wanted, self._environment),
                env=clean_environment(str(base)),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,  # a signal to the judge's group must not kill the process that cleans up
                pass_fds=(theirs.fileno(),),
                cwd="/",
            )
        theirs.close()
        ours.settimeout(START_TIMEOUT_S)
        self._control, self._asking = ours, False

    def _stop(self) -> None:
        for worker in self._workers:
            worker.close()
        self._workers = []
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            try:
                self._process.wait(_PATIENCE_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._folder:  # without a name it would be the working folder
            remove_tree(Path(self._folder))
        self._folder = ""
        self._ready = self._process = self._control = None

    @property
    def ready(self) -> Ready:
        """Waits for the zygote. Raises EvaluatorError if it does not start, or if the confinement is weaker than the
        settings require.
        """
        if self._ready is None:
            answer = self._receive()
            self._ready = Ready(level=answer["level"], hindrances=answer["hindrances"], torch=answer["torch"])
            if LEVELS.index(self._ready.level) < LEVELS.index(self.settings.require):
                required = self.settings.require
                why = self._ready.hindrances.get(required) or "this level must be declared"
                raise EvaluatorError(
                    f"this machine gives confinement {self._ready.level}, but judge.sandbox.require asks for "
                    f"{required}: {why} (`packsmith doctor` shows what each level needs)"
                )
        return self._ready

    def _receive(self) -> dict[str, Any]:
        assert self._control is not None, "the executor is used outside its `with`"
        try:
            raw = self._control.recv(1 << 16)
        except (TimeoutError, ConnectionResetError):
            raw = b""
        answer: dict[str, Any] = json.loads(raw) if raw else {}
        if not answer or "error" in answer:
            why = "; ".join(filter(None, (answer.get("error"), self._log()))) or "they ended without an error message"
            raise EvaluatorError(f"the judge's helper processes failed: {why}")
        return answer

    def _log(self) -> str:
        """The last 1500 characters of the helper processes' error log."""
        log = Path(self._folder, "errors.txt")
        return log.read_text(errors="replace").strip()[-1500:] if log.exists() else ""

    def _ask(self, message: dict[str, Any], fds: tuple[int, ...] = ()) -> dict[str, Any]:
        assert self._control is not None, "the executor is used outside its `with`"
        if self._asking:  # an interrupt separated an order from its answer, which the next order would receive
            raise EvaluatorError(
                "an interrupt cut short an exchange with the judge's helper processes; start the command again"
            )
        self._asking = True
        try:
            socket.send_fds(self._control, [json.dumps(message).encode()], list(fds))
        except (BrokenPipeError, ConnectionResetError):
            raise EvaluatorError("the judge's helper processes have ended; start the command again") from None
        answer = self._receive()
        self._asking = False
        return answer

    def open(
        self, *, request_bytes: int, answer_bytes: int, device: str, cpus: tuple[int, ...] = (), threads: int = 0
    ) -> LocalWorker:
        """Fork a worker, pinned to `cpus` if any, and make its `device` ready (an address: see `environment.Target`).
        `request_bytes` and `answer_bytes` are the sizes of its largest request and answer; `threads` is how many
        threads torch and numba use in it, 0 for the number in the settings. Raises EvaluatorError if the worker cannot
        be forked or confined, or if its device cannot be used.
        """
        _ = self.ready
        # Its name must not tell a program how many processes came before it.
        scratch = Path(tempfile.mkdtemp(prefix="scratch", dir=self._folder))
        request_bytes = -(-request_bytes // mmap.PAGESIZE) * mmap.PAGESIZE
        size = request_bytes + answer_bytes + wire.HEADER_BYTES + (wire.MAX_ARRAYS + 1) * wire.ALIGN
        memory_fd = os.memfd_create("packsmith", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        ours, theirs = socket.socketpair()
        try:
            os.ftruncate(memory_fd, size)
            fcntl.fcntl(memory_fd, fcntl.F_ADD_SEALS, _SEALS)
            memory = mmap.mmap(memory_fd, size)
            limits = Limits(
                memory_bytes=int(self.settings.memory_gb * 1e9),
                scratch_bytes=self.settings.scratch_mb << 20,
                cpu_s=86_400,
                device=device,
            )
            request = {
                "op": "fork",
                "scratch": str(scratch),
                "limits": asdict(limits),
                "threads": threads or self.settings.threads,
                "cpus": cpus,
                "request_bytes": request_bytes,
                "device": device,
            }
            pid = int(self._ask(request, (memory_fd, theirs.fileno()))["pid"])
        finally:
            os.close(memory_fd)
            theirs.close()
        link = Link(
            pid=pid,
            memory=memory,
            channel=ours,
            request_bytes=request_bytes,
            ending=partial(self._ending, pid),
            settles=device != "cpu",
            alone=device == "cpu" and self.ready.level != "L0",
        )
        settings = self.settings
        worker = LocalWorker(link, timeout_s=settings.timeout_s, load_timeout_s=settings.load_timeout_s)
        self._workers.append(worker)
        if link.settles:
            self._on_gpu.append(pid)
        try:
            worker.prepare()
        except Stopped as stopped:
            # No untrusted code has run yet, so this is the machine's fault.
            raise EvaluatorError(f"cannot set up a confined process: {self._log() or stopped}") from None
        return worker

    def _ending(self, pid: int) -> Ending:
        """How a worker ended; its code is None if it did not end within a second."""
        killed: dict[str, str] = {}
        for _ in range(100):
            answer = self._ask({"op": "reap"})
            killed = answer["killed"]
            self._exit_codes.update({int(key): int(value) for key, value in answer["ended"].items()})
            if pid in self._exit_codes:
                break
            time.sleep(0.01)
        return Ending(code=self._exit_codes.get(pid), killed_for=killed.get(str(pid), ""))

    def end(self) -> None:
        """Kill every worker and every process it started, check that they are gone, and remove the scratch folders.

        If nvidia-smi listed workers on a GPU, we wait until it no longer does, which proves that their memory is free.
        Raises EvaluatorError if a process survives or GPU memory is not returned.
        """
        held = frozenset(self._on_gpu) & (gpus.holders() or frozenset()) if self._on_gpu else frozenset()
        self._on_gpu = []
        for worker in self._workers:
            worker.close()
        self._workers = []
        answer = self._ask({"op": "end"})
        self._exit_codes = {}
        if answer["alive"]:
            raise EvaluatorError(
                f"processes {answer['alive']} of a candidate survived SIGKILL: kill them by hand, or reboot; no result "
                f"is reported"
            )
        if left := gpus.wait_until_returned(held, _GPU_PATIENCE_S):
            raise EvaluatorError(
                f"the GPU memory of killed processes {sorted(left)} is not returned after {_GPU_PATIENCE_S:g} s, "
                f"according to nvidia-smi: look at what holds it there, or reboot; no result is reported"
            )
        for scratch in Path(self._folder).glob("scratch*"):
            remove_tree(scratch)

    def abort(self) -> None:
        """Hang up on the helper processes, from any thread: they kill every worker and exit."""
        control = self._control
        if control is not None:
            with contextlib.suppress(OSError):  # already closed
                control.shutdown(socket.SHUT_RDWR)


EXECUTORS: dict[str, Callable[[JudgeSettings], Executor]] = {"local": LocalExecutor}
