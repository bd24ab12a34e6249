"""When a program is warm: it has met calls of this form, and its calls no longer get faster.

Owns: deciding that from the times of calls and from their arguments. Does not know: who is called, clocks.

A just-in-time compiler works in the first call of a process, and again when arguments of other types arrive.

On a GPU the first calls load kernels, grow the allocator's pool and raise the clock frequency. How many calls that
takes depends on the program and the machine, so we watch their times instead of counting them. The constants were tuned
on synthetic sequences of times, not on a GPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import numpy as np

from evaluator.types import Call, Value

WINDOW = 3
STEADY = 0.05
"""Calls are warm when the median of the last `WINDOW` is at most this share below that of the `WINDOW` before."""
MOST = 30
"""After this many calls a program counts as warm."""
SLOW_START = 2.0
"""A first call of fresh processes that takes this many times as long as their calls usually do is start-up."""


Form = tuple[tuple[str, str, int], ...]


def form(call: Call) -> Form:
    """What a compiler tells calls apart by: the name, the type and the number of dimensions of each argument."""
    named = [(str(at), value) for at, value in enumerate(call.args)] + sorted(call.offered.items())
    return tuple((name, *_kind(value)) for name, value in named)


def _kind(value: Value) -> tuple[str, int]:
    return (value.dtype.str, value.ndim) if isinstance(value, np.ndarray) else (type(value).__name__, 0)


def starting(pair: tuple[int, int], usual: tuple[float, float]) -> bool:
    """Whether a pair, the first of fresh processes, took so long that one of the two programs was still starting.

    `usual`: what a call of each takes. All times in one unit.
    """
    return any(time > SLOW_START * mean for time, mean in zip(pair, usual, strict=True))


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
