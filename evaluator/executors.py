"""Where candidates run: disposable confined processes that answer calls through memory the judge owns.

Owns: starting and ending workers, the judge's side of a call, the deadline. Does not know: tasks, scores, statistics.

Process tree of `local`: judge -> supervisor (kills, inherits orphans) -> zygote (torch imported) -> worker. The
judge's process is never forked.
"""

from __future__ import annotations

import fcntl
import json
import mmap
import os
import select
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, Self

from evaluator import wire
from evaluator.sandbox import Limits
from evaluator.scratch import remove_tree
from evaluator.settings import LEVELS, JudgeSettings, SandboxLevel
from evaluator.supervisor import clean_environment, command
from evaluator.types import Answer, Call, EvaluatorError, Rejected, Stage

START_TIMEOUT_S = 120.0
_PATIENCE_S = 20.0
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


class Stopped(Exception):
    """The candidate's own fault ended its evaluation; carries the verdict."""

    def __init__(self, verdict: Rejected) -> None:
        super().__init__(verdict.detail)
        self.verdict = verdict


def stop(stage: Stage, reason: str, detail: str) -> Stopped:
    return Stopped(Rejected(stage=stage, reason=reason, detail=detail))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """What the executor found when it started: the level of confinement in force, what hinders stronger ones, torch's
    version.
    """

    level: SandboxLevel
    hindrances: dict[str, str]
    torch: str


class Worker(Protocol):
    """A loaded program, as the judge sees it."""

    def load(self, source: str, entry_point: str, offered: tuple[str, ...]) -> None:
        """Execute the program's source. Raises Stopped."""
        ...

    def call(self, call: Call, seed: int, *, what: str, timeout_s: float | None = None) -> tuple[Answer, int]:
        """One call: the answer as the judge's own copies, and nanoseconds on the judge's clock. Raises Stopped."""
        ...

    def ping(self) -> int:
        """Nanoseconds of an empty call. Raises Stopped."""
        ...


class Executor(Protocol):
    """Starts workers. A context manager; `end` kills every worker and all that they started."""

    @property
    def ready(self) -> Ready: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *error: object) -> None: ...
    def open(self, *, request_bytes: int, answer_bytes: int, device: str) -> Worker: ...
    def end(self) -> None: ...


def _exit_text(code: int | None) -> tuple[str, str]:
    """Reason and detail for a worker that is gone. A code over 128 or below 0 tells the signal it died of."""
    number = None if code is None else code - 128 if code > 128 else -code
    if number == signal.SIGKILL:
        return "killed", "the process was killed (SIGKILL), most likely for memory"
    if number == signal.SIGXCPU:
        return "timeout", "the process used up its CPU time"
    if number is not None and number > 0:
        return "crashed", f"the process died of signal {number}"
    return "exited", f"the process ended without an answer{'' if code is None else f', exit code {code}'}"


class LocalWorker:
    """A worker on this machine."""

    def __init__(
        self, executor: LocalExecutor, pid: int, memory: mmap.mmap, channel: socket.socket, request_bytes: int
    ) -> None:
        self._executor, self._pid, self._channel = executor, pid, channel
        self._memory = memory
        self._request = memoryview(memory)[:request_bytes]
        self._answer = memoryview(memory)[request_bytes:]
        self._poll = select.poll()
        self._poll.register(channel, select.POLLIN)

    def _exchange(self, order: bytes, timeout_s: float, stage: Stage, what: str) -> tuple[bytes, int]:
        """One byte out, one byte back, on the judge's clock."""
        if self._poll.poll(0) and self._alive():
            raise stop(stage, "protocol", f"{what}: the program answered before it was asked")
        begin = time.perf_counter_ns()
        try:
            self._channel.send(order)
            ready = self._poll.poll(timeout_s * 1000)
            reply = self._channel.recv(1) if ready else None
        except (BrokenPipeError, ConnectionResetError):
            reply = b""
        elapsed = time.perf_counter_ns() - begin
        if reply is None:
            raise stop(stage, "timeout", f"{what} took longer than {timeout_s:g} s, the limit")
        if not reply:
            reason, detail = _exit_text(self._executor.exit_code(self._pid))
            raise stop(stage, reason, f"{what}: {detail}")
        return reply, elapsed

    def _alive(self) -> bool:
        """Whether something was said, rather than the channel closed."""
        try:
            return bool(self._channel.recv(1))
        except ConnectionResetError:
            return False

    def _fill(self, request: bytes) -> None:
        if len(request) > len(self._request):
            raise EvaluatorError(
                f"a request of {len(request):,} bytes does not fit the {len(self._request):,} bytes set aside for it"
            )
        self._request[: len(request)] = request

    def _failed(self, reply: bytes, stage: Stage, what: str) -> Stopped:
        """The worker says that the program failed, or that its answer is none: its text, made safe to print."""
        try:
            text = wire.read_answer(self._answer)
        except wire.MalformedAnswer:
            text = ""
        text = text if isinstance(text, str) and text else "no error text"
        clean = "".join(c if c.isprintable() or c == "\n" else "?" for c in text)
        memory = any(sign in clean for sign in ("MemoryError", "can't allocate memory", "Cannot allocate memory"))
        if stage == "load" and clean.startswith("NoEntryPoint"):
            return stop(stage, "entry_point", clean.partition(": ")[2])
        if reply == b"r" and not memory:
            return stop("validate", "answer", f"{what}: {clean.partition(': ')[2]}")
        return stop(stage, "memory" if memory else "exception", f"{what}: {clean}")

    def load(self, source: str, entry_point: str, offered: tuple[str, ...]) -> None:
        self._fill(wire.pack_fields({"source": source, "entry_point": entry_point, "offered": list(offered)}))
        reply, _ = self._exchange(b"L", self._executor.settings.load_timeout_s, "load", "loading the program")
        if reply != b"d":
            raise self._failed(reply, "load", "loading the program")

    def call(self, call: Call, seed: int, *, what: str, timeout_s: float | None = None) -> tuple[Answer, int]:
        request = wire.pack_call(call, seed)
        self._fill(request)
        self._answer[:8] = bytes(8)
        reply, elapsed = self._exchange(b"C", timeout_s or self._executor.settings.timeout_s, "run", what)
        if reply != b"d":
            raise self._failed(reply, "run", what)
        try:
            answer = wire.read_answer(self._answer)
        except wire.MalformedAnswer as error:
            raise stop("validate", "malformed", f"{what}: {error}") from None
        if isinstance(answer, str):
            raise stop("validate", "malformed", f"{what}: an error text where an answer was announced")
        if self._request[: len(request)] != request:
            raise stop("validate", "mutated_input", f"{what}: the program changed its input in place; work on a copy")
        return answer, elapsed

    def ping(self) -> int:
        return self._exchange(b"P", _PATIENCE_S, "run", "an empty call")[1]

    def close(self) -> None:
        self._channel.close()
        self._request.release()
        self._answer.release()
        self._memory.close()


class LocalExecutor:
    """Workers on this machine, forked from a zygote and killed by a supervisor."""

    def __init__(self, settings: JudgeSettings, level: SandboxLevel | None = None) -> None:
        """`level`: keep to this level instead of the strongest that works (for tests and measurements)."""
        self.settings = settings
        self._wanted = level or ""
        self._workers: list[LocalWorker] = []
        self._exit_codes: dict[int, int] = {}
        self._ready: Ready | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._folder = ""
        self._count = 0

    def __enter__(self) -> Self:
        self._start()
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
                command("evaluator.supervisor", theirs.fileno(), str(base), self._wanted),
                env=clean_environment(str(base)),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                pass_fds=(theirs.fileno(),),
                cwd="/",
            )
        theirs.close()
        ours.settimeout(START_TIMEOUT_S)
        self._control = ours

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
        remove_tree(Path(self._folder))
        self._ready = self._process = self._control = None

    @property
    def ready(self) -> Ready:
        """Waits for the zygote. Raises EvaluatorError where it does not start or the confinement is weaker than
        required.
        """
        if self._ready is None:
            answer = self._receive()
            self._ready = Ready(level=answer["level"], hindrances=answer["hindrances"], torch=answer["torch"])
            if LEVELS.index(self._ready.level) < LEVELS.index(self.settings.require):
                asked = self.settings.require
                why = self._ready.hindrances.get(asked) or "it has to be declared"
                raise EvaluatorError(
                    f"this machine gives confinement {self._ready.level}, but judge.sandbox.require asks for {asked}: "
                    f"{why} (`packsmith doctor` shows what each level would take)"
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
            said = answer.get("error") or self._log() or "they ended without a word"
            raise EvaluatorError(f"the judge's helper processes failed: {said}")
        return answer

    def _log(self) -> str:
        """The end of what the helper processes said."""
        log = Path(self._folder, "errors.txt")
        return log.read_text(errors="replace").strip()[-1500:] if log.exists() else ""

    def _ask(self, message: dict[str, Any], fds: tuple[int, ...] = ()) -> dict[str, Any]:
        assert self._control is not None, "the executor is used outside its `with`"
        try:
            socket.send_fds(self._control, [json.dumps(message).encode()], list(fds))
        except (BrokenPipeError, ConnectionResetError):
            raise EvaluatorError("the judge's helper processes are gone; start the command again") from None
        return self._receive()

    def open(self, *, request_bytes: int, answer_bytes: int, device: str) -> LocalWorker:
        """Fork a worker. Sizes are those of the largest request and answer it will see."""
        _ = self.ready
        self._count += 1
        scratch = Path(self._folder, f"scratch{self._count}")
        scratch.mkdir(mode=0o700)
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
                "threads": self.settings.threads,
                "cpus": self.settings.cpus,
                "request_bytes": request_bytes,
                "device": device,
            }
            pid = int(self._ask(request, (memory_fd, theirs.fileno()))["pid"])
        finally:
            os.close(memory_fd)
            theirs.close()
        worker = LocalWorker(self, pid, memory, ours, request_bytes)
        self._workers.append(worker)
        try:
            worker.ping()
        except Stopped as stopped:
            # No stranger's code has run yet.
            raise EvaluatorError(f"no confined process could be set up: {self._log() or stopped}") from None
        return worker

    def exit_code(self, pid: int) -> int | None:
        """How a worker ended, if it has within a second."""
        for _ in range(100):
            answer = self._ask({"op": "reap"})
            self._exit_codes.update({int(key): int(value) for key, value in answer["ended"].items()})
            if pid in self._exit_codes:
                return self._exit_codes[pid]
            time.sleep(0.01)
        return None

    def end(self) -> None:
        """Kill every worker and all it started, prove it, remove the scratch folders. Raises EvaluatorError."""
        for worker in self._workers:
            worker.close()
        self._workers = []
        answer = self._ask({"op": "end"})
        self._exit_codes = {}
        if answer["alive"]:
            raise EvaluatorError(
                f"processes {answer['alive']} of a candidate survived SIGKILL; the machine needs a look"
            )
        for scratch in Path(self._folder).glob("scratch*"):
            remove_tree(scratch)


EXECUTORS: dict[str, Callable[[JudgeSettings], Executor]] = {"local": LocalExecutor}
