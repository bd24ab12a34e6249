"""How long the kernel kept a call waiting for a core that something else was using.

Owns: reading that from the kernel. Does not know: what a call is, what is measured.

A call on the judge's clock takes longer if another process gets the core of the program, or of the judge. The kernel
counts, for each thread, the time it was ready to run and did not: that time is the machine's, not the program's. A
program could make its own main thread wait by starting others, so what its process computed meanwhile is never taken
off. Where the kernel does not count, nothing is; nor where a program may start processes, whose computing is not in
the CPU time of its own (on a GPU, and at sandbox level L0).
"""

from __future__ import annotations

import contextlib
import os
import time


class RunQueue:
    """The waiting of a process's main thread and of the thread that creates this object."""

    def __init__(self, pid: int) -> None:
        # The clock of a process's CPU time, as clock_getcpuclockid(3) makes it.
        self._clock, self._files = (~pid << 3) | 2, list[int]()
        with contextlib.suppress(OSError):
            for path in (f"/proc/{pid}/schedstat", "/proc/thread-self/schedstat"):
                self._files.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        self._begun = 0, 0

    def begin(self) -> None:
        """Begin to count, before a call."""
        self._begun = self._now()

    def waited_ns(self, elapsed_ns: int) -> int:
        """Nanoseconds of waiting since `begin`, in a call that took `elapsed_ns`: no more than its process was idle."""
        waited_ns, cpu_ns = (now - then for now, then in zip(self._now(), self._begun, strict=True))
        return max(0, min(waited_ns, elapsed_ns - cpu_ns))

    def _now(self) -> tuple[int, int]:
        """The waiting of both threads and the CPU time of the process, in nanoseconds; zeros if not known."""
        try:
            waited = [int(os.pread(file, 64, 0).split()[1]) for file in self._files]
            return sum(waited), time.clock_gettime_ns(self._clock)
        except (OSError, IndexError, ValueError):
            return 0, 0

    def close(self) -> None:
        for file in self._files:
            os.close(file)
        self._files.clear()
