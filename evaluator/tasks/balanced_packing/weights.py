"""Generated weights of balanced packing: whole numbers, drawn row by row from families of the literature and of use.

Owns: the families and their constants. Does not know: cases, plans, scores. Pure.

Sums of a row stay below 2**24 for up to 256 items, so float32 adds them exactly; weights alone always do.

Shapes: X rows, n items, P packs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Draw = Callable[[int, int, int, np.random.Generator], Floats]

SIGMA = (0.59, 0.86)
"""Standard deviation of ln load of a row: the range over the layers of a recorded mixture-of-experts trace."""
MEAN_LOAD = 2**14
FARTHEST = 3.2
"""No load is more than this many sigma from its row's median: real layers peak at about 14 times their mean."""


def _loads(rows: int, items: int, packs: int, rng: np.random.Generator) -> Floats:
    """Log-normal loads of experts, as token counts."""
    sigma_X1 = rng.uniform(*SIGMA, (rows, 1))
    weight_Xn = np.exp(sigma_X1 * np.clip(rng.standard_normal((rows, items)), -FARTHEST, FARTHEST))
    scale_X1 = MEAN_LOAD / weight_Xn.mean(axis=1, keepdims=True)
    whole_Xn: Floats = np.maximum(np.rint(weight_Xn * scale_X1), 1.0)
    return whole_Xn


@dataclass(frozen=True, slots=True)
class _Whole:
    """Each weight equally likely, from `low` to `high`."""

    low: int
    high: int

    def __call__(self, rows: int, items: int, packs: int, rng: np.random.Generator) -> Floats:
        return rng.integers(self.low, self.high + 1, (rows, items)).astype(np.float64)


def _normal(rows: int, items: int, packs: int, rng: np.random.Generator) -> Floats:
    """Normal with mean 100 and standard deviation 20, at least 1."""
    weight_Xn: Floats = np.maximum(np.rint(rng.normal(100, 20, (rows, items))), 1.0)
    return weight_Xn


def _skewed(rows: int, items: int, packs: int, rng: np.random.Generator) -> Floats:
    """Of numbers up to 1000, 98 % of the weights from .9 of that on, the others up to a fifth of it."""
    large_Xn, small_Xn = rng.integers(899, 1001, (rows, items)), rng.integers(1, 201, (rows, items))
    weight_Xn: Floats = np.where(rng.random((rows, items)) < 0.98, large_Xn, small_Xn).astype(np.float64)
    return weight_Xn


def _ties(rows: int, items: int, packs: int, rng: np.random.Generator) -> Floats:
    """Five values of a row, from 20 to 100, each as often as chance has it."""
    value_X5 = rng.permuted(np.tile(np.arange(20, 101), (rows, 1)), axis=1)[:, :5]
    return np.take_along_axis(value_X5, rng.integers(0, 5, (rows, items)), axis=1).astype(np.float64)


def _planted(rows: int, items: int, packs: int, rng: np.random.Generator) -> Floats:
    """Equal packs, each cut into as many whole parts as a pack holds items: the perfect packing exists."""
    held = items // packs
    total = 1000 * held
    cuts_XPk = np.sort(rng.integers(0, total - held + 1, (rows, packs, held - 1)), axis=2)
    ends = np.full((rows, packs, 1), total - held)
    parts_XPk = np.diff(np.concatenate((np.zeros_like(ends), cuts_XPk, ends), axis=2), axis=2) + 1
    return rng.permuted(parts_XPk.reshape(rows, items), axis=1).astype(np.float64)


WEIGHTS: Mapping[str, Draw] = MappingProxyType(
    {
        "loads": _loads,
        "uniform": _Whole(1, 1000),
        "narrow": _Whole(20, 100),
        "normal": _normal,
        "skewed": _skewed,
        "ties": _ties,
        "planted": _planted,
    }
)
"""`narrow` and `normal` are classes 2 and 5 of Dell'Amico and Martello (1995), `skewed` is the non-uniform family of
França, Gendreau, Laporte and Müller (1994), both for P||Cmax.
"""


def draw_weights(family: str, sizes: Mapping[str, int], rng: np.random.Generator) -> Floats:
    """Weights `[X, n]` for `sizes` of rows, items and packs; the same generator state gives the same weights."""
    return WEIGHTS[family](sizes["rows"], sizes["items"], sizes["packs"], rng)
