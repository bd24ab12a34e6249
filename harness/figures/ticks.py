"""The ticks of an axis: round numbers, and how they are written. Pure.

Owns: which values are marked. Does not know: pixels, what the values mean.
"""

from __future__ import annotations

import math
from itertools import pairwise

from harness.figures.chart import Axis

_STEPS = (1, 2, 5, 10)
_ROUND = ((1,), (1, 3), (1, 2, 5))
_CLOSE = (1, 1.5, 2, 3, 5, 7)
"""Leading digits of the ticks of a logarithmic axis: the largest set that is not too many; the last where an axis spans
so little that the others give hardly any.
"""


def ticks(axis: Axis, most: int) -> tuple[tuple[float, str], ...]:
    """At most `most` + 1 values within the axis, in order, each with its text."""
    values = _decades(axis, most) if axis.log else ()
    if len(values) < 2:
        values = _linear(axis, most)
    step = min((b - a for a, b in pairwise(values)), default=0.0)
    return tuple((value, written(value, step=0.0 if axis.log else step) + axis.unit) for value in values)


def _linear(axis: Axis, most: int) -> tuple[float, ...]:
    rough = max((axis.high - axis.low) / max(most, 1), float(axis.whole))
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(step * power for step in _STEPS if step * power >= rough * (1 - 1e-9))
    first, last = math.ceil(axis.low / step - 1e-9), math.floor(axis.high / step + 1e-9)
    return tuple(number * step for number in range(first, last + 1))


def _decades(axis: Axis, most: int) -> tuple[float, ...]:
    """Powers of ten, only some of them where there are many; further digits between them where there are few."""
    first, last = math.floor(math.log10(axis.low)), math.ceil(math.log10(axis.high))
    powers = [power for power in range(first, last + 1) if axis.holds(10.0**power)]
    if len(powers) > most + 1:
        stride = math.ceil(len(powers) / (most + 1))
        return tuple(10.0**power for power in powers if power % stride == 0)
    best: tuple[float, ...] = ()
    for digits in (*_ROUND, _CLOSE):
        if digits is _CLOSE and len(best) > 3:
            break
        values = tuple(
            digit * 10.0**power
            for power in range(first, last + 1)
            for digit in digits
            if axis.holds(digit * 10.0**power)
        )
        if len(values) > most + 1:
            break
        best = values
    return best


def written(value: float, *, step: float = 0.0) -> str:
    """A number as short as it can be; with a step between neighbours, with the decimals that tell them apart."""
    if step > 0:
        decimals = max(0, -math.floor(math.log10(step) + 1e-9))
        if abs(step * 10**decimals - round(step * 10**decimals)) > 1e-6:
            decimals += 1
        return f"{value:,.{decimals}f}" if decimals < 8 else f"{value:.3g}"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 0.001 or value == 0 else f"{value:.0e}"
