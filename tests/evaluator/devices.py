"""A GPU in software: work is handed to a queue and done later by a thread of its own, on its own clock.

A second implementation of `evaluator.confined.device.Gpu`, as asynchronous as the real one, which counts what is done
to it.
"""

from __future__ import annotations

import queue
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from socket import socket
from typing import Any

import numpy as np
import torch

CACHE_BYTES = 1 << 16


@dataclass(slots=True)
class Mark:
    """When the device came to it; 0.0 before."""

    time_s: float = 0.0


@dataclass(slots=True)
class QueueGpu:
    """`log` holds what was asked of it, in order."""

    log: list[str] = field(default_factory=list)
    memory_bytes: int = 0
    seeded: int = 0
    broken: str = ""
    """Why it cannot be opened, if it cannot."""
    _work: queue.SimpleQueue[Callable[[], None]] = field(default_factory=queue.SimpleQueue)

    def open(self) -> None:
        self.log.append("open")
        if self.broken:
            raise RuntimeError(self.broken)
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            self._work.get()()

    def submit(self, work: Callable[[], None]) -> None:
        """Hand in work, as a program does."""
        self._work.put(work)

    def cache_bytes(self) -> int:
        return CACHE_BYTES

    def limit(self, memory_bytes: int) -> None:
        self.log.append("limit")
        self.memory_bytes = memory_bytes

    def allocate(self, size: int) -> Any:
        self.log.append("allocate")
        return np.full(size, 7, np.uint8)

    def fill(self, buffer: Any) -> None:
        self.log.append("fill")
        self._work.put(lambda: buffer.fill(0))

    def synchronise(self) -> None:
        self.log.append("synchronise")
        done = threading.Event()
        self._work.put(done.set)
        if not done.wait(60):
            raise RuntimeError("the device does not come to an end")

    def mark(self) -> Any:
        self.log.append("mark")
        mark = Mark()

        def note() -> None:
            mark.time_s = time.monotonic()

        self._work.put(note)
        return mark

    def between_ms(self, begin: Any, end: Any) -> float:
        if not (begin.time_s and end.time_s):
            raise RuntimeError("the device has not come to both marks")
        return float((end.time_s - begin.time_s) * 1e3)

    def seed(self, seed: int) -> None:
        self.seeded = seed

    def place(self, tensor: Any) -> Any:
        self.log.append("place")
        return tensor.clone()


def serve(root: str, channel: int, memory_fd: int, request_bytes: int, broken: str, log: str) -> None:
    """A worker's process with such a device; what was asked of it is written to `log` at the end. For `python -c`."""
    sys.path.insert(0, root)
    from evaluator.confined import worker
    from evaluator.confined.device import GpuDevice

    torch.set_num_threads(1)
    gpu = QueueGpu(broken=broken)
    sys.modules["the_gpu"] = gpu  # type: ignore[assignment]  # programs hand their work to it
    worker.serve(socket(fileno=channel), memory_fd, request_bytes, GpuDevice(gpu, 1 << 30))
    Path(log).write_text("\n".join(gpu.log))
