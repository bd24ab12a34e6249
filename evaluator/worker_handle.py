"""A candidate's process as the judge sees it: orders out, answers back, on the judge's clock.

Owns: the judge's side of one exchange: the clock, the timeout, stopping the process between calls, and turning failures
into verdicts. Does not know: how the process was started or confined, tasks, scores.

Between calls a worker is stopped (SIGSTOP, all its threads), so that it can compute nothing off the clock and cannot
disturb another worker's call. The clock starts before SIGCONT and is read after SIGSTOP.
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
from evaluator.run_queue import RunQueue
from evaluator.types import Answer, Call, EvaluatorError, Rejected, Stage

LOADING = "loading the program"
LOADING_COUNTS = ": importing, running the module level and compiling there all count"
PING_TIMEOUT_S = 20.0
PREPARE_TIMEOUT_S, SETTLE_TIMEOUT_S = 60.0, 5.0
"""Timeouts for making the device ready (creating a GPU context takes seconds) and for settling it (milliseconds)."""

_MEMORY_SIGNS = ("MemoryError", "can't allocate memory", "Cannot allocate memory", "CUDA out of memory")


class Stopped(Exception):
    """The candidate's own fault ended its evaluation; `verdict` is the rejection."""

    def __init__(self, verdict: Rejected) -> None:
        super().__init__(verdict.detail)
        self.verdict = verdict


def stop(stage: Stage, reason: str, detail: str) -> Stopped:
    """The exception that rejects the candidate at a stage."""
    return Stopped(Rejected(stage=stage, reason=reason, detail=detail))


class Worker(Protocol):
    """A loaded program, as the judge sees it."""

    def load(self, source: str, entry_point: str, offered: tuple[str, ...], driver: str = "") -> int:
        """Execute the program's source; `offered` names the keyword parameters that it may declare, `driver` is the
        task's own source that wraps the entry point ("" for none). Returns nanoseconds on the judge's clock. Raises
        Stopped.
        """
        ...

    def call(self, call: Call, seed: int, *, what: str, timeout_s: float | None = None) -> tuple[Answer, int]:
        """One call: the answer as the judge's own copies, and nanoseconds on the judge's clock. `what` names it in
        error texts. Raises Stopped.
        """
        ...

    def beside_a_loop(
        self, call: Call, seed: int, *, what: str, switch_s: float, timeout_s: float
    ) -> tuple[Answer, int, int]:
        """One call in a thread of its own, beside a loop of Python in the process's main thread.

        Returns the answer and nanoseconds, both as `call` does, and for how many nanoseconds the loop was held up at
        most, which an untrusted process reports. `switch_s`: the interpreter's switch interval meanwhile. Raises
        Stopped.
        """
        ...

    @property
    def own_ns(self) -> int:
        """Nanoseconds of the last call on the worker's own clock, as an untrusted process reports them."""
        ...

    @property
    def waited_ns(self) -> int:
        """Nanoseconds of the last call in which it waited for a core that something else was using; 0 if the process
        may start others, which could compute meanwhile.
        """
        ...

    def ping(self) -> int:
        """Nanoseconds of an empty call. Raises Stopped."""
        ...

    def pin(self, cpus: tuple[int, ...]) -> None:
        """Pin the process to these cores, with all its threads."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a worker ended: its exit code (None if unknown), and for which excess the supervisor's guard killed it."""

    code: int | None = None
    killed_for: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What connects the judge to a worker: its process, shared memory and channel, and how to ask how it ended."""

    pid: int
    memory: mmap.mmap
    channel: socket.socket
    request_bytes: int
    ending: Callable[[], Ending]
    settles: bool = False
    """Whether to settle the device before each call, off the clock. True for a GPU, so that every call finds it idle
    and its caches free of earlier calls' data.
    """
    alone: bool = False
    """Whether the process can start no other: only then is its own CPU time all that it computes with."""


def _exit_text(ending: Ending) -> tuple[str, str]:
    """Reason and detail for a worker that has ended. A code above 128 or below 0 gives the signal that killed it."""
    if ending.killed_for:
        return "killed", f"the judge killed the process: it had {ending.killed_for}"
    code = ending.code
    number = None if code is None else code - 128 if code > 128 else -code
    if number == signal.SIGKILL:
        return "killed", "the process was killed (SIGKILL), most likely because it used too much memory"
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
        self._own_ns = self._waited_ns = 0
        self._queue = RunQueue(link.pid) if link.alone else None
        self._poll = select.poll()
        self._poll.register(link.channel, select.POLLIN)

    def _exchange(self, order: bytes, timeout_s: float, stage: Stage, what: str, counts: str = "") -> tuple[bytes, int]:
        """One byte out, one byte back, on the judge's clock. `counts` says in a timeout's text what takes time."""
        if self._poll.poll(0) and self._alive():
            raise stop(stage, "protocol", f"{what}: the program sent an answer before the call began")
        if self._queue is not None:
            self._queue.begin()
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
        # We read the clock after SIGSTOP: otherwise a judge delayed in between would let the worker run off the clock.
        elapsed = time.perf_counter_ns() - begin
        self._waited_ns = self._queue.waited_ns(elapsed) if self._queue is not None else 0
        if reply is None:
            raise stop(stage, "timeout", f"{what} took longer than the limit of {timeout_s:g} s{counts}")
        if not reply:
            reason, detail = _exit_text(self._link.ending())
            raise stop(stage, reason, f"{what}: {detail}")
        return reply, elapsed

    def _alive(self) -> bool:
        """Whether the channel holds a reply, as opposed to end-of-file."""
        try:
            return bool(self._channel.recv(1))
        except ConnectionResetError:
            return False

    def _fill(self, request: bytes) -> None:
        if len(request) > len(self._request):
            raise EvaluatorError(
                f"a request of {len(request):,} bytes does not fit the {len(self._request):,} bytes reserved for it"
            )
        self._request[: len(request)] = request

    def _failed(self, reply: bytes, stage: Stage, what: str) -> Stopped:
        """The rejection for a worker's report that the program failed or returned no valid answer, with its text made
        safe to print.
        """
        try:
            text = wire.read_answer(self._answer)
        except wire.MalformedAnswer:
            text = ""
        text = text if isinstance(text, str) and text else "the process left no error text"
        clean = "".join(c if c.isprintable() or c == "\n" else "?" for c in text)
        memory = any(sign in clean for sign in _MEMORY_SIGNS)
        if stage == "load" and clean.startswith("NoEntryPoint"):
            return stop(stage, "entry_point", clean.partition(": ")[2])
        if reply == b"r" and not memory:
            return stop("validate", "answer", f"{what}: {clean.partition(': ')[2]}")
        return stop(stage, "memory" if memory else "exception", f"{what}: {clean}")

    def prepare(self) -> None:
        """Have the worker make its device ready, before any untrusted code loads. Raises Stopped if the process has
        ended, EvaluatorError if the device cannot be used.
        """
        reply, _ = self._exchange(b"D", PREPARE_TIMEOUT_S, "load", "making the device ready")
        if reply != b"d":
            why = self._failed(reply, "load", "making the device ready").verdict.detail
            raise EvaluatorError(
                f"{why}; check that the device exists and has free memory (`packsmith doctor`, `nvidia-smi`)"
            )

    def _settle(self, what: str) -> None:
        """Settle the device off the clock, before any data of the next call is in memory."""
        step = f"{what}, settling the device before the call"
        reply, _ = self._exchange(b"R", SETTLE_TIMEOUT_S, "run", step)
        if reply != b"d":
            raise self._failed(reply, "run", step)

    def load(self, source: str, entry_point: str, offered: tuple[str, ...], driver: str = "") -> int:
        fields = {"source": source, "entry_point": entry_point, "offered": list(offered), "driver": driver}
        self._fill(wire.pack_fields(fields))
        reply, elapsed = self._exchange(b"L", self._load_timeout_s, "load", LOADING, LOADING_COUNTS)
        if reply != b"d":
            raise self._failed(reply, "load", LOADING)
        return elapsed

    def call(self, call: Call, seed: int, *, what: str, timeout_s: float | None = None) -> tuple[Answer, int]:
        return self._asked(b"C", wire.pack_call(call, seed), timeout_s or self._timeout_s, what)

    def beside_a_loop(
        self, call: Call, seed: int, *, what: str, switch_s: float, timeout_s: float
    ) -> tuple[Answer, int, int]:
        request = wire.pack_call(call, seed, switch_s=switch_s)
        answer, elapsed = self._asked(b"B", request, timeout_s, f"{what}, beside a loop of Python")
        return answer, elapsed, self._own_ns

    def _asked(self, order: bytes, request: bytes, timeout_s: float, what: str) -> tuple[Answer, int]:
        if self._link.settles:
            self._settle(what)
        self._fill(request)
        wire.clear_answer(self._answer)
        reply, elapsed = self._exchange(order, timeout_s, "run", what)
        if reply != b"d":
            raise self._failed(reply, "run", what)
        try:
            answer = wire.read_answer(self._answer)
        except wire.MalformedAnswer as error:
            raise stop("validate", "malformed", f"{what}: {error}") from None
        if isinstance(answer, str):
            raise stop("validate", "malformed", f"{what}: the process announced an answer but wrote an error text")
        if self._request[: len(request)] != request:
            raise stop("validate", "mutated_input", f"{what}: the program changed its input in place; work on a copy")
        self._own_ns = wire.read_own_ns(self._answer)
        return answer, elapsed

    @property
    def own_ns(self) -> int:
        return self._own_ns

    @property
    def waited_ns(self) -> int:
        return self._waited_ns

    def ping(self) -> int:
        return self._exchange(b"P", PING_TIMEOUT_S, "run", "an empty call")[1]

    def pin(self, cpus: tuple[int, ...]) -> None:
        # A thread may have been starting another when SIGSTOP arrived, so we look until a look shows no new thread. The
        # next exchange detects an ended process.
        pinned: set[str] = set()
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            while new := {entry.name for entry in Path(f"/proc/{self._link.pid}/task").iterdir()} - pinned:
                for thread in new:
                    with contextlib.suppress(ProcessLookupError):
                        os.sched_setaffinity(int(thread), cpus)
                pinned |= new

    def close(self) -> None:
        if self._queue is not None:
            self._queue.close()
        self._channel.close()
        self._request.release()
        self._answer.release()
        self._memory.close()
