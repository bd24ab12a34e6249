"""The loop of a confined process: load a program, then answer calls from shared memory until the judge hangs up.

Owns: turning a request into a call of the candidate and its result into bytes. Does not know: cases, clocks, scores,
other processes. All of this shares a process with untrusted code: the judge trusts nothing it says, and it holds no
secret.
"""

from __future__ import annotations

import inspect
import linecache
import mmap
import random
import sys
import threading
import time
import traceback
import types
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from socket import socket
from typing import Any

import numpy as np
import torch

from evaluator.confined import wire
from evaluator.confined.device import CpuDevice, Device
from evaluator.types import Array, Call

PREPARE, LOAD, SETTLE, CALL, BESIDE, PING = b"D", b"L", b"R", b"C", b"B", b"P"
DONE, FAILED, REFUSED = b"d", b"f", b"r"

# We bind these before the candidate loads, so that patching torch's namespace later does not change them.
_to_cpu, _detach, _contiguous, _numpy = (
    torch.Tensor.cpu,
    torch.Tensor.detach,
    torch.Tensor.contiguous,
    torch.Tensor.numpy,
)
_from_numpy, _is_tensor = torch.from_numpy, torch.is_tensor
_resolve = torch.Tensor.resolve_conj
_clock_ns, _set_switch, _switch_s = time.perf_counter_ns, sys.setswitchinterval, sys.getswitchinterval
_Thread = threading.Thread


class NoEntryPoint(Exception):
    """The program does not define the function that the task calls."""


class BadAnswer(Exception):
    """The program returned something that cannot be read as arrays, or too much."""


@dataclass(frozen=True, slots=True)
class Program:
    """A loaded program: its entry point, and which of the offered parameters it declares."""

    function: Callable[..., Any]
    declared: frozenset[str]


def _adapter(driver: str) -> Callable[[Callable[..., Any]], Callable[..., Any]] | None:
    """The function `drive` of a task's driver; None without a driver."""
    if not driver:
        return None
    module = types.ModuleType("driver")
    exec(compile(driver, "driver.py", "exec", dont_inherit=True), module.__dict__)
    adapter: Callable[[Callable[..., Any]], Callable[..., Any]] = module.__dict__["drive"]
    return adapter


def load(source: str, entry_point: str, offered: list[str], driver: str = "") -> Program:
    """Execute a program's source. We write it to the scratch folder so that tracebacks and compilers find it. A task's
    driver is executed before it, and wraps the entry point: see `evaluator.task_protocol.Driven`.

    Raises NoEntryPoint, and any error that the program or the driver raises.
    """
    drive = _adapter(driver)
    path = Path("program.py").absolute()
    path.write_text(source, encoding="utf-8", newline="")
    module = types.ModuleType("program")
    module.__file__ = str(path)
    sys.modules["program"] = module
    linecache.cache[str(path)] = (len(source), None, source.splitlines(keepends=True), str(path))
    exec(compile(source, str(path), "exec", dont_inherit=True), module.__dict__)
    function = module.__dict__.get(entry_point)
    if not callable(function):
        raise NoEntryPoint(f"the program defines no function {entry_point}")
    parameters = inspect.signature(function).parameters.values()
    named = {p.name for p in parameters if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)}
    return Program(function if drive is None else drive(function), frozenset(named.intersection(offered)))


def _argument(described: dict[str, Any], memory: memoryview, base: int, device: Device) -> Any:
    if "number" in described:
        return described["number"]
    if "text" in described:
        return described["text"]
    if "none" in described:
        return None
    dtype, shape = np.dtype(described["dtype"]), described["shape"]
    count = int(np.prod(shape, dtype=np.int64))
    array = np.frombuffer(memory, dtype, count, base + described["offset"]).reshape(shape)
    return device.place(_from_numpy(array))


def _array(value: Any, position: int) -> Array:
    if _is_tensor(value):
        return np.asarray(_numpy(_resolve(_contiguous(_to_cpu(_detach(value))))))
    if isinstance(value, np.ndarray):
        return value
    raise TypeError(f"value {position} of the answer is a {type(value).__name__}, expected a tensor")


def call(program: Program, memory: memoryview, answer: memoryview, device: Device) -> None:
    """Run one call: read the request in `memory`, write the arrays to `answer`.

    Raises BadAnswer, and any error that the program raises.
    """
    header, base = wire.unpack_request(memory)
    args = [_argument(value, memory, base, device) for value in header["args"]]
    offered = {
        name: _argument(value, memory, base, device)
        for name, value in header["offered"].items()
        if name in program.declared
    }
    seed = header["seed"]
    device.seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)
    result = program.function(*args, **offered)
    values = list(result) if isinstance(result, tuple | list) else [result]
    try:
        wire.write_answer(answer, [_array(value, position) for position, value in enumerate(values)])
    except (TypeError, ValueError, RuntimeError) as error:
        raise BadAnswer(str(error)) from error


def rehearse() -> None:
    """Call a program of our own once, so that lazy imports and first-use setup happen before the fork."""
    memory, answer = bytearray(1 << 12), bytearray(1 << 12)
    request = wire.pack_call(Call(args=(np.zeros((2, 3), np.float32), 1)), 1)
    memory[: len(request)] = request
    call(Program(lambda weight, _: weight.sum(dim=1), frozenset()), memoryview(memory), memoryview(answer), CpuDevice())
    inspect.signature(rehearse)


def explain(error: BaseException) -> str:
    """The error with the candidate's own frames: what a person or a model needs to fix it."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.endswith("program.py")]
    where = "".join(f"  line {f.lineno}, in {f.name}: {f.line}\n" for f in frames[-6:])
    return f"{type(error).__name__}: {str(error)[:2000]}\n{where}".strip()


def _guarded(action: Callable[[], None]) -> BaseException | None:
    """The only place where a candidate's error of any kind (SystemExit and KeyboardInterrupt too) becomes a value."""
    try:
        action()
    except BaseException as error:
        return error
    return None


def beside_a_loop(action: Callable[[], None], switch_s: float) -> int:
    """Run an action in another thread while this one executes Python all the time, as the thread of an engine does.

    Returns the longest time in nanoseconds for which this thread's loop did not go on. `switch_s` is the interpreter's
    switch interval meanwhile. Raises what the action raises.
    """
    ended: list[BaseException | None] = []
    thread = _Thread(target=lambda: ended.append(_guarded(action)), daemon=True)
    before = _switch_s()
    _set_switch(switch_s)
    last, held = _clock_ns(), 0
    try:
        thread.start()
        while True:
            over = bool(ended)  # looked at first, so that the last stretch counts as well
            now = _clock_ns()
            if now - last > held:
                held = now - last
            last = now
            if over:
                break
    finally:
        _set_switch(before)
    if ended[0] is not None:
        raise ended[0]
    return held


@dataclass(slots=True, kw_only=True)
class _Session:
    """The memory that the judge and this process share, and the program once it is loaded."""

    request: memoryview
    answer: memoryview
    device: Device
    program: Program | None = None

    def execute(self, order: bytes) -> None:
        if order == CALL and self.program is not None:
            self.device.begin()
            call(self.program, self.request, self.answer, self.device)
            wire.write_own_ns(self.answer, self.device.end())
        elif order == BESIDE and self.program is not None:
            header, _ = wire.unpack_request(self.request)
            action = partial(call, self.program, self.request, self.answer, self.device)
            wire.write_own_ns(self.answer, beside_a_loop(action, header["switch_s"]))
        elif order == SETTLE:
            self.device.settle()
        elif order == LOAD:
            header, _ = wire.unpack_request(self.request)
            self.program = load(header["source"], header["entry_point"], header["offered"], header["driver"])
        elif order == PREPARE:
            self.device.prepare()

    def report(self, error: BaseException) -> bytes:
        """Write an error as the answer; the reply says whether the program or its answer is at fault."""
        if _guarded(lambda: wire.write_error(self.answer, explain(error))) is not None:
            wire.write_error(self.answer, "the program raised an error whose text cannot be formatted")
        return REFUSED if isinstance(error, BadAnswer) else FAILED


def serve(channel: socket, memory_fd: int, request_bytes: int, device: Device) -> None:
    """Answer orders until the judge hangs up. An order and a reply are one byte each: the judge writes the request to
    memory before its order, and we write the answer to memory before our reply.
    """
    memory = memoryview(mmap.mmap(memory_fd, 0))
    session = _Session(request=memory[:request_bytes], answer=memory[request_bytes:], device=device)
    while order := channel.recv(1):
        error = _guarded(partial(session.execute, order))
        channel.sendall(DONE if error is None else session.report(error))
