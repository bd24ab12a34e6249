"""A candidate's process as the judge sees it: orders out, answers back, on the judge's clock.

Owns: the judge's side of one exchange: the clock, the deadline, keeping the process still in between, and turning what
went wrong into a verdict. Does not know: how the process was started or confined, tasks, scores.

A worker is stopped (SIGSTOP, all its threads) whenever no answer is asked of it, so that nothing can be worked out off
the clock and nothing disturbs the call of another worker. The clock starts before it is let go on, and is read after it
is stopped again.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import select
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from evaluator.confined import wire
from evaluator.types import Answer, Call, EvaluatorError, Rejected, Stage

PING_TIMEOUT_S = 20.0
PREPARE_TIMEOUT_S, SETTLE_TIMEOUT_S = 60.0, 5.0
"""For making the device ready (a context on a GPU takes seconds), and for settling it (milliseconds)."""

_MEMORY_SIGNS = ("MemoryError", "can't allocate memory", "Cannot allocate memory", "CUDA out of memory")


class Stopped(Exception):
    """The candidate's own fault ended its evaluation; carries the verdict."""

    def __init__(self, verdict: Rejected) -> None:
        super().__init__(verdict.detail)
        self.verdict = verdict


def stop(stage: Stage, reason: str, detail: str) -> Stopped:
    return Stopped(Rejected(stage=stage, reason=reason, detail=detail))


class Worker(Protocol):
    """A loaded program, as the judge sees it."""

    def load(self, source: str, entry_point: str, offered: tuple[str, ...]) -> None:
        """Execute the program's source. Raises Stopped."""
        ...

    def call(self, call: Call, seed: int, *, what: str, timeout_s: float | None = None) -> tuple[Answer, int]:
        """One call: the answer as the judge's own copies, and nanoseconds on the judge's clock. Raises Stopped."""
        ...

    @property
    def own_ns(self) -> int:
        """Nanoseconds of the last call by the worker's own clock: what a process says that runs a stranger's code."""
        ...

    def ping(self) -> int:
        """Nanoseconds of an empty call. Raises Stopped."""
        ...

    def pin(self, cpus: tuple[int, ...]) -> None:
        """Keep the process to these cores from now on."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a worker ended: its exit code, None where it is not known, and what it was killed for by its guard."""

    code: int | None = None
    killed_for: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What ties the judge to a worker: its process, the memory and channel they share, and how to ask for its end."""

    pid: int
    memory: mmap.mmap
    channel: socket.socket
    request_bytes: int
    ending: Callable[[], Ending]
    settles: bool = False
    """Whether its device is to be settled before each call, off the clock: a GPU is, so that every call finds it idle
    and its caches without anything of earlier calls.
    """


def _exit_text(ending: Ending) -> tuple[str, str]:
    """Reason and detail for a worker that is gone. A code over 128 or below 0 tells the signal it died of."""
    if ending.killed_for:
        return "killed", f"the process was killed: it had {ending.killed_for}"
    code = ending.code
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

    def __init__(self, link: Link, *, timeout_s: float, load_timeout_s: float) -> None:
        self._link, self._channel, self._memory = link, link.channel, link.memory
        self._timeout_s, self._load_timeout_s = timeout_s, load_timeout_s
        self._request = memoryview(link.memory)[: link.request_bytes]
        self._answer = memoryview(link.memory)[link.request_bytes :]
        self._own_ns = 0
        self._poll = select.poll()
        self._poll.register(link.channel, select.POLLIN)

    def _exchange(self, order: bytes, timeout_s: float, stage: Stage, what: str) -> tuple[bytes, int]:
        """One byte out, one byte back, on the judge's clock."""
        if self._poll.poll(0) and self._alive():
            raise stop(stage, "protocol", f"{what}: the program answered before it was asked")
        begin = time.perf_counter_ns()
        try:
            os.kill(self._link.pid, signal.SIGCONT)
            self._channel.send(order)
            ready = self._poll.poll(timeout_s * 1000)
            reply = self._channel.recv(1) if ready else None
        except (BrokenPipeError, ConnectionResetError, ProcessLookupError):
            reply = b""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._link.pid, signal.SIGSTOP)
        # Read before it is stopped, a judge that the machine holds up in between would let it work off the clock.
        elapsed = time.perf_counter_ns() - begin
        if reply is None:
            raise stop(stage, "timeout", f"{what} took longer than {timeout_s:g} s, the limit")
        if not reply:
            reason, detail = _exit_text(self._link.ending())
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
        memory = any(sign in clean for sign in _MEMORY_SIGNS)
        if stage == "load" and clean.startswith("NoEntryPoint"):
            return stop(stage, "entry_point", clean.partition(": ")[2])
        if reply == b"r" and not memory:
            return stop("validate", "answer", f"{what}: {clean.partition(': ')[2]}")
        return stop(stage, "memory" if memory else "exception", f"{what}: {clean}")

    def prepare(self) -> None:
        """Have the device made ready, before a stranger's code is loaded. Raises Stopped where the process is gone,
        EvaluatorError where the device is not to be used.
        """
        reply, _ = self._exchange(b"D", PREPARE_TIMEOUT_S, "load", "making the device ready")
        if reply != b"d":
            said = self._failed(reply, "load", "making the device ready").verdict.detail
            raise EvaluatorError(f"{said}; is it there, and has it room? (`packsmith doctor`, `nvidia-smi`)")

    def _settle(self, what: str) -> None:
        """Off the clock, so before anything of the coming call is in memory."""
        reply, _ = self._exchange(b"R", SETTLE_TIMEOUT_S, "run", f"{what}, settling the device before it")
        if reply != b"d":
            raise self._failed(reply, "run", f"{what}, settling the device before it")

    def load(self, source: str, entry_point: str, offered: tuple[str, ...]) -> None:
        self._fill(wire.pack_fields({"source": source, "entry_point": entry_point, "offered": list(offered)}))
        reply, _ = self._exchange(b"L", self._load_timeout_s, "load", "loading the program")
        if reply != b"d":
            raise self._failed(reply, "load", "loading the program")

    def call(self, call: Call, seed: int, *, what: str, timeout_s: float | None = None) -> tuple[Answer, int]:
        if self._link.settles:
            self._settle(what)
        request = wire.pack_call(call, seed)
        self._fill(request)
        wire.clear_answer(self._answer)
        reply, elapsed = self._exchange(b"C", timeout_s or self._timeout_s, "run", what)
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
        self._own_ns = wire.read_own_ns(self._answer)
        return answer, elapsed

    @property
    def own_ns(self) -> int:
        return self._own_ns

    def ping(self) -> int:
        return self._exchange(b"P", PING_TIMEOUT_S, "run", "an empty call")[1]

    def pin(self, cpus: tuple[int, ...]) -> None:
        # It is stopped: no thread starts another meanwhile. One that is gone is found out at the next exchange.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for thread in Path(f"/proc/{self._link.pid}/task").iterdir():
                os.sched_setaffinity(int(thread.name), cpus)

    def close(self) -> None:
        self._channel.close()
        self._request.release()
        self._answer.release()
        self._memory.close()
