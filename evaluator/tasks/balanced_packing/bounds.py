"""Lower bounds on the largest pack load of a row, which no packing can beat.

Owns: the bounds and why each holds. Does not know: plans, solvers, cases. Pure.

Packing n items into P packs of k = n / P each, with the largest pack load as small as possible, is P | # = k | Cmax:
multiprocessor scheduling with equally many jobs on every machine. The mean, largest-job and pigeonhole bounds are the
classical ones for P||Cmax, raised here by what a full pack must hold besides.

- lightest, for t = 0..P-1: at least P - t packs hold none of the t lightest items. P - t of these hold (P - t) k of the
  others, so one of them weighs at least the (P - t) k lightest others, divided by P - t. With t = 0 this is the mean.
- heaviest, for t = 1..P: t packs can be chosen that hold the t heaviest items, so one of them weighs at least these and
  the t (k - 1) lightest items, divided by t. With t = 1 this is the heaviest item and the k - 1 lightest.
- pigeonhole, for q = 0..k-1: some pack holds at least q + 1 of the q P + 1 heaviest items, so it weighs at least the
  q + 1 lightest of these, and its other k - q - 1 items weigh at least the k - q - 1 lightest of all.
- where all weights are multiples of a whole number g, so is every load: the largest of these bounds rises to the next
  multiple.
- k = 2: sorting and folding (the heaviest with the lightest, and so on inwards) is optimal, so its largest load is the
  optimum. If the heaviest item had another partner, exchanging that for the lightest would make neither pack heavier
  than the heavier of the two was.

Shapes: X rows, n items, P packs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

EXACT = 2.0**53
"""Whole numbers up to this are exact in float64."""
ROUNDING = 2.0**-50
"""More than two divisions change, as a share."""


def largest_load_bound(weight_Xn: Floats, packs: int) -> Floats:
    """A lower bound on the largest pack load of each row, for weights of at least 0: float64 `[X]`."""
    rising_Xn = np.sort(weight_Xn, axis=1)
    held = weight_Xn.shape[1] // packs
    if held == 2:
        folded: Floats = (rising_Xn[:, :packs] + rising_Xn[:, : packs - 1 : -1]).max(axis=1)
        return folded
    # The sum of the t lightest items of each row at `[:, t]`.
    upto_Xn = np.concatenate((np.zeros((len(rising_Xn), 1)), np.cumsum(rising_Xn, axis=1)), axis=1)
    bounds = (_by_extremes(upto_Xn, packs), _by_pigeonhole(upto_Xn, packs))
    return _next_multiple(weight_Xn, np.maximum(*bounds), packs)


def _by_extremes(upto_Xn: Floats, packs: int) -> Floats:
    """The largest of the bounds by the lightest and by the heaviest items."""
    items = upto_Xn.shape[1] - 1
    held = items // packs
    kept = np.arange(packs, 0, -1)
    first = packs - kept
    lightest_XP = (upto_Xn[:, first + kept * held] - upto_Xn[:, first]) / kept
    some = np.arange(1, packs + 1)
    heaviest_XP = (upto_Xn[:, [items]] - upto_Xn[:, items - some] + upto_Xn[:, some * (held - 1)]) / some
    largest: Floats = np.maximum(lightest_XP.max(axis=1), heaviest_XP.max(axis=1))
    return largest


def _by_pigeonhole(upto_Xn: Floats, packs: int) -> Floats:
    items = upto_Xn.shape[1] - 1
    held = items // packs
    q = np.arange(held)
    last = items - q * packs
    bound_Xq = upto_Xn[:, last + q] - upto_Xn[:, last - 1] + upto_Xn[:, held - q - 1]
    largest: Floats = bound_Xq.max(axis=1)
    return largest


def _next_multiple(weight_Xn: Floats, bound_X: Floats, packs: int) -> Floats:
    """The bounds, raised to whole multiples of what divides all weights of a row."""
    if weight_Xn.sum(axis=1).max() * packs >= EXACT or (weight_Xn != np.rint(weight_Xn)).any():
        return bound_X
    step_X = np.maximum(np.gcd.reduce(weight_Xn.astype(np.int64), axis=1), 1)
    # A quotient of whole numbers that is no whole number is off the next by more than its rounding.
    raised_X: Floats = np.ceil(bound_X / step_X * (1 - ROUNDING)) * step_X
    return raised_X
