"""The device that a worker computes on: what comes before, round and after each call there, and the worker's own clock.

Owns: placing tensors, seeding, settling the device before a call, the worker's own time of a call. Does not know:
programs, cases, the judge.

Everything that touches torch is bound when a device is made or prepared, before a stranger's code is loaded, so that
patching torch's namespace later changes nothing here. It still shares a process with that code: the worker's own time
is a second opinion, which can make a verdict stricter and never better.

A GPU is prepared in the worker alone, since a process that has used one cannot be forked. What is said here of GPUs was
written for CUDA and run with an asynchronous device in software; it was not measured on a GPU.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, Protocol

import torch

CPU = "cpu"
FLUSH = 2
"""The buffer that is written before a call, in sizes of the cache that it drives everything out of."""
UNKNOWN_CACHE_BYTES = 128 << 20
"""For a torch that does not tell the size: that of the largest cache of a GPU known."""


class Device(Protocol):
    """What a worker does on its device. `prepare` first and once; then for each call `settle` (where the judge asks for
    it), `begin`, `end`.
    """

    def prepare(self) -> None:
        """Make the device ready. Raises an error of the device's own kind where it cannot be used."""
        ...

    def settle(self) -> None:
        """Wait for all work on the device, and leave nothing of earlier calls in its caches."""
        ...

    def seed(self, seed: int) -> None:
        """Seed torch's generators that a program may use."""
        ...

    def place(self, tensor: Any) -> Any:
        """A tensor of the host's memory, on the device."""
        ...

    def begin(self) -> None:
        """A call begins."""
        ...

    def end(self) -> int:
        """Nanoseconds since `begin` by the device's own clock, all work on the device included."""
        ...


class CpuDevice:
    """The host: nothing to settle, and the system's clock."""

    def __init__(self) -> None:
        # The one generator is seeded directly: `torch.manual_seed` asks every other backend too: 70 us.
        self._seed: Callable[[int], Any] = torch.default_generator.manual_seed
        self._clock = time.perf_counter_ns
        self._begun_ns = 0

    def prepare(self) -> None:
        """Nothing to do."""

    def settle(self) -> None:
        """Nothing to do: a worker is stopped between calls, and inputs are new memory."""

    def seed(self, seed: int) -> None:
        self._seed(seed)

    def place(self, tensor: Any) -> Any:
        return tensor

    def begin(self) -> None:
        self._begun_ns = self._clock()

    def end(self) -> int:
        return self._clock() - self._begun_ns


class Gpu(Protocol):
    """What a device with a queue of its own offers: work is handed in, and done later, in order."""

    def open(self) -> None:
        """Start using it."""
        ...

    def cache_bytes(self) -> int:
        """Size of its last cache."""
        ...

    def limit(self, memory_bytes: int) -> None:
        """Let this process take no more of its memory."""
        ...

    def allocate(self, size: int) -> Any:
        """A buffer of its memory, of `size` bytes."""
        ...

    def fill(self, buffer: Any) -> None:
        """Hand in a write to all of a buffer."""
        ...

    def synchronise(self) -> None:
        """Wait for everything that was handed in, by whatever way."""
        ...

    def mark(self) -> Any:
        """Hand in a mark: the device notes the time when it comes to it."""
        ...

    def between_ms(self, begin: Any, end: Any) -> float:
        """Milliseconds between two marks that the device has come to."""
        ...

    def seed(self, seed: int) -> None:
        """Seed its generator."""
        ...

    def place(self, tensor: Any) -> Any:
        """A tensor in its memory, copied from the host's."""
        ...


class GpuDevice:
    """A GPU: caches are flushed before a call, and its own clock tells when all of a call's work was done."""

    def __init__(self, gpu: Gpu, memory_bytes: int) -> None:
        """`memory_bytes`: what a program may take of the GPU's memory."""
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
        # Work that a program has left behind is part of its call, on whatever stream it is.
        self._gpu.synchronise()
        ended = self._gpu.mark()
        self._gpu.synchronise()
        return round(self._gpu.between_ms(self._begun, ended) * 1e6)


class CudaGpu:
    """A GPU through torch's CUDA functions. Not measured on a GPU.

    The limit on memory is kept by torch's allocator in the program's own process: it guards against accidents only.
    """

    def __init__(self, visible: str) -> None:
        """`visible`: the GPU as CUDA_VISIBLE_DEVICES names it. It is the only one that the process will see."""
        self._visible = visible
        self._to = torch.Tensor.to
        self._zero: Callable[[Any], Any] = torch.Tensor.zero_

    def open(self) -> None:
        os.environ["CUDA_VISIBLE_DEVICES"] = self._visible
        initialise: Callable[[], None] = torch.cuda.init
        initialise()
        torch.cuda.set_device(0)
        # The functions below Python's, which look nothing up when they are called.
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
    """The device of an address: `cpu`, or `cuda:` and the GPU as CUDA_VISIBLE_DEVICES names it."""
    kind, _, visible = address.partition(":")
    return CpuDevice() if kind == CPU else GpuDevice(CudaGpu(visible or "0"), memory_bytes)
