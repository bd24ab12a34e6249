"""The device that a worker computes on: setup, steps before and after each call, and the worker's own clock.

Owns: placing tensors, seeding, settling the device before a call, the worker's own time of a call. Does not know:
programs, cases, the judge.

Every torch function used here is bound when a device is made or prepared, before untrusted code loads, so patching
torch's namespace later changes nothing here. This module still shares a process with that code: the worker's own time
is a second opinion that can make a verdict stricter, never better.

Only the worker prepares a GPU, because a process that has used CUDA cannot be forked. The GPU code was written for CUDA
and tested with an asynchronous device in software; it was not measured on a GPU.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, Protocol

import torch

CPU = "cpu"
FLUSH = 2
"""Size of the flush buffer, as a multiple of the last-level cache that writing it evicts."""
UNKNOWN_CACHE_BYTES = 128 << 20
"""Assumed size of a GPU's last-level cache when torch does not report one: the largest known."""


class Device(Protocol):
    """What a worker does on its device: `prepare` once, then `settle` (if asked), `begin` and `end` per call."""

    def prepare(self) -> None:
        """Make the device ready. Raises the device's own error type if it cannot be used."""
        ...

    def settle(self) -> None:
        """Wait for all work on the device, and evict the data of earlier calls from its caches."""
        ...

    def seed(self, seed: int) -> None:
        """Seed the torch generators that a program may use."""
        ...

    def place(self, tensor: Any) -> Any:
        """Move a host tensor to the device."""
        ...

    def begin(self) -> None:
        """Start the clock of a call."""
        ...

    def end(self) -> int:
        """Nanoseconds since `begin` on the device's own clock, including all work on the device."""
        ...


class CpuDevice:
    """The host: nothing to settle, and the system clock."""

    def __init__(self) -> None:
        # We seed the CPU generator directly: `torch.manual_seed` also asks every other backend, which takes 70 us.
        self._seed: Callable[[int], Any] = torch.default_generator.manual_seed
        self._clock = time.perf_counter_ns
        self._begun_ns = 0

    def prepare(self) -> None:
        """Nothing to do."""

    def settle(self) -> None:
        """Nothing to do: a worker is stopped between calls, and inputs lie in new memory."""

    def seed(self, seed: int) -> None:
        self._seed(seed)

    def place(self, tensor: Any) -> Any:
        return tensor

    def begin(self) -> None:
        self._begun_ns = self._clock()

    def end(self) -> int:
        return self._clock() - self._begun_ns


class Gpu(Protocol):
    """A device with its own queue: work is submitted, and executed later in order."""

    def open(self) -> None:
        """Initialise the device in this process."""
        ...

    def cache_bytes(self) -> int:
        """Size of the last-level cache in bytes."""
        ...

    def limit(self, memory_bytes: int) -> None:
        """Limit the device memory that this process may allocate."""
        ...

    def allocate(self, size: int) -> Any:
        """Allocate a buffer of `size` bytes in device memory."""
        ...

    def fill(self, buffer: Any) -> None:
        """Submit a write to the whole buffer."""
        ...

    def synchronise(self) -> None:
        """Wait for all submitted work, on every stream."""
        ...

    def mark(self) -> Any:
        """Submit a timing event: the device records the time when it reaches it."""
        ...

    def between_ms(self, begin: Any, end: Any) -> float:
        """Milliseconds between two events that the device has reached."""
        ...

    def seed(self, seed: int) -> None:
        """Seed the device's generator."""
        ...

    def place(self, tensor: Any) -> Any:
        """Copy a host tensor to device memory."""
        ...


class GpuDevice:
    """A GPU: its caches are flushed before a call, and its own clock records when all work of the call is done."""

    def __init__(self, gpu: Gpu, memory_bytes: int) -> None:
        """`memory_bytes`: how much of the GPU's memory a program may allocate."""
        self._gpu, self._memory_bytes = gpu, memory_bytes
        self._seed_host: Callable[[int], Any] = torch.default_generator.manual_seed
        self._buffer: Any = None
        self._begun: Any = None

    def prepare(self) -> None:
        self._gpu.open()
        size = FLUSH * self._gpu.cache_bytes()
        self._gpu.limit(self._memory_bytes + size)
        self._buffer = self._gpu.allocate(size)
        self.settle()
        self.begin()
        self.end()

    def settle(self) -> None:
        self._gpu.fill(self._buffer)
        self._gpu.synchronise()

    def seed(self, seed: int) -> None:
        self._seed_host(seed)
        self._gpu.seed(seed)

    def place(self, tensor: Any) -> Any:
        return self._gpu.place(tensor)

    def begin(self) -> None:
        self._begun = self._gpu.mark()

    def end(self) -> int:
        # Work that a program has left running is part of its call, on every stream.
        self._gpu.synchronise()
        ended = self._gpu.mark()
        self._gpu.synchronise()
        return round(self._gpu.between_ms(self._begun, ended) * 1e6)


class CudaGpu:
    """A GPU through torch's CUDA functions. Not measured on a GPU.

    torch's allocator enforces the memory limit in the program's own process, so it guards against accidents only.
    """

    def __init__(self, visible: str) -> None:
        """`visible`: the GPU as CUDA_VISIBLE_DEVICES names it. The process will see no other GPU."""
        self._visible = visible
        self._to = torch.Tensor.to
        self._zero: Callable[[Any], Any] = torch.Tensor.zero_

    def open(self) -> None:
        os.environ["CUDA_VISIBLE_DEVICES"] = self._visible
        initialise: Callable[[], None] = torch.cuda.init
        initialise()
        torch.cuda.set_device(0)
        # We bind torch's C functions, which look up no Python name when called.
        base = torch._C._CudaEventBase
        self._device = torch.device("cuda", 0)
        self._stream = torch.cuda.default_stream(self._device)
        self._event, self._record, self._elapsed = base, base.record, base.elapsed_time
        self._synchronise = torch._C._cuda_synchronize
        self._generator_seed: Callable[[int], Any] = torch.cuda.default_generators[0].manual_seed
        self._properties: Any = torch.cuda.get_device_properties(self._device)
        self.synchronise()

    def cache_bytes(self) -> int:
        return int(getattr(self._properties, "L2_cache_size", 0)) or UNKNOWN_CACHE_BYTES

    def limit(self, memory_bytes: int) -> None:
        torch.cuda.set_per_process_memory_fraction(min(1.0, memory_bytes / self._properties.total_memory), 0)

    def allocate(self, size: int) -> Any:
        return torch.empty(size, dtype=torch.uint8, device=self._device)

    def fill(self, buffer: Any) -> None:
        self._zero(buffer)

    def synchronise(self) -> None:
        self._synchronise()

    def mark(self) -> Any:
        event = self._event(enable_timing=True)
        self._record(event, self._stream)
        return event

    def between_ms(self, begin: Any, end: Any) -> float:
        return float(self._elapsed(begin, end))

    def seed(self, seed: int) -> None:
        self._generator_seed(seed)

    def place(self, tensor: Any) -> Any:
        return self._to(tensor, self._device)


def make(address: str, memory_bytes: int) -> Device:
    """The device at an address: `cpu`, or `cuda:` and the GPU as CUDA_VISIBLE_DEVICES names it."""
    kind, _, visible = address.partition(":")
    return CpuDevice() if kind == CPU else GpuDevice(CudaGpu(visible or "0"), memory_bytes)
