"""When a program is warm: its calls no longer get faster.

Owns: deciding that from the times of calls. Does not know: what is called, clocks.

On a GPU the first calls load kernels, grow the allocator's pool and raise the clock frequency. How many calls that
takes depends on the program and the machine, so we watch their times instead of counting them. The constants were tuned
on synthetic sequences of times, not on a GPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

WINDOW = 3
STEADY = 0.05
"""Calls are warm when the median of the last `WINDOW` is at most this share below that of the `WINDOW` before."""
MOST = 30
"""After this many calls a program counts as warm."""


def falling(times: Sequence[int]) -> bool:
    """Whether the last calls (nanoseconds) were faster than those just before; True if there are too few to tell."""
    if len(times) < 2 * WINDOW:
        return True
    return median(times[-WINDOW:]) < (1 - STEADY) * median(times[-2 * WINDOW : -WINDOW])


def cold(pairs: Sequence[tuple[int, int]], *, least: int, room_s: float) -> bool:
    """Whether two programs need another pair of warm-up calls, given the nanoseconds of the pairs so far.

    At least `least` pairs are needed; then no more than `MOST`, and no more than fit in `room_s` seconds.
    """
    if len(pairs) < least:
        return True
    if len(pairs) >= MOST or sum(map(sum, pairs)) >= room_s * 1e9:
        return False
    return any(falling(times) for times in zip(*pairs, strict=True)) if pairs else True
