"""When a program is warm: its calls have stopped getting faster.

Owns: judging that from the times of calls. Does not know: what is called, clocks.

On a GPU the first calls load kernels, grow the allocator's pool and raise the clock frequency: how many it takes is the
program's and the machine's, so it is read off the calls instead of counted. Found with made-up sequences of times; not
measured on a GPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

WINDOW = 3
STEADY = 0.05
"""Calls are warm when the last `WINDOW` are faster than those before by no more than this share."""
MOST = 30
"""So many calls are warm whatever they take."""


def falling(times: Sequence[int]) -> bool:
    """Whether the last calls were faster than those just before; too few calls to tell are taken for cold."""
    if len(times) < 2 * WINDOW:
        return True
    return median(times[-WINDOW:]) < (1 - STEADY) * median(times[-2 * WINDOW : -WINDOW])


def cold(pairs: Sequence[tuple[int, int]], *, least: int, room_s: float) -> bool:
    """Whether another pair of calls is needed to warm two programs up, from the nanoseconds of those made so far.

    At least `least` are made, and then no more than `MOST`, or than fit `room_s`.
    """
    if len(pairs) < least:
        return True
    if len(pairs) >= MOST or sum(map(sum, pairs)) >= room_s * 1e9:
        return False
    return any(falling(times) for times in zip(*pairs, strict=True)) if pairs else True
