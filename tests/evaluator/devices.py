"""A GPU in software: work goes to a queue, and a separate thread executes it later, on its own clock.

A second implementation of `evaluator.confined.device.Gpu`, as asynchronous as the real one, that logs its calls.
"""

from __future__ import annotations

import os
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

from evaluator.confined import worker
from evaluator.confined.device import GpuDevice

CACHE_BYTES = 1 << 16


@dataclass(slots=True)
class Mark:
    """When the device reached it; 0.0 before."""

    time_s: float = 0.0


@dataclass(slots=True)
class QueueGpu:
    """`log` holds the calls of its methods, in order."""

    log: list[str] = field(default_factory=list)
    memory_bytes: int = 0
    seeded: int = 0
    broken: str = ""
    """The error of `open`; "" if it succeeds."""
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
        """Submit work, as a program does."""
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
            raise RuntimeError("the device did not finish within a minute")

    def mark(self) -> Any:
        self.log.append("mark")
        mark = Mark()

        def note() -> None:
            mark.time_s = time.monotonic()

        self._work.put(note)
        return mark

    def between_ms(self, begin: Any, end: Any) -> float:
        if not (begin.time_s and end.time_s):
            raise RuntimeError("the device has not reached both marks")
        return float((end.time_s - begin.time_s) * 1e3)

    def seed(self, seed: int) -> None:
        self.seeded = seed

    def place(self, tensor: Any) -> Any:
        self.log.append("place")
        return tensor.clone()


def serve(channel: socket, memory_fd: int, request_bytes: int, broken: str, folder: Path) -> None:
    """A worker with such a device, in the folder; it writes the device log to the file `log` there at the end. To be
    run in a process of its own.
    """
    os.chdir(folder)
    torch.set_num_threads(1)
    gpu = QueueGpu(broken=broken)
    sys.modules["the_gpu"] = gpu  # type: ignore[assignment]  # programs submit their work to it
    worker.serve(channel, memory_fd, request_bytes, GpuDevice(gpu, 1 << 30))
    Path("log").write_text("\n".join(gpu.log))
