"""Small calls of balanced packing: those on which solvers often fail, and those on which all processes must agree.

Owns: what is hard about each, its sizes and its weights. Does not know: how answers are validated, or who calls.

Shapes: X rows, n items, P packs of k places.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from evaluator.types import Array, Call, Case, HardCase

HUGE, TINY = 1e30, 1e-30
"""Weights near these, and their sums, are well within float32's range; products of two are not."""
FEW = 6
"""How many different values the weights with ties have."""

_HARD: tuple[tuple[str, tuple[int, int, int], Callable[[Array], Array]], ...] = (
    ("no weight at all, every weight is zero", (2, 12, 4), lambda weight: weight * 0),
    ("a row without any weight beside one with weights", (2, 12, 4), lambda weight: weight * np.arange(2)[:, None]),
    ("one item has all the weight, the others none", (2, 12, 4), lambda weight: weight * (np.arange(12) == 5)),
    ("all weights are equal", (2, 12, 4), lambda weight: weight * 0 + 7),
    ("few items with weight, fewer than packs", (2, 12, 4), lambda weight: weight * (np.arange(12) % 5 == 0)),
    ("huge weights, the largest 1e30", (2, 12, 4), lambda weight: weight / weight.max() * np.float32(HUGE)),
    ("tiny weights, the largest 1e-30", (2, 12, 4), lambda weight: weight / weight.max() * np.float32(TINY)),
    ("huge and tiny weights in one row", (2, 12, 4), lambda weight: weight * np.float32(10.0) ** (np.arange(12) - 6)),
    ("weights of dtype int64, beyond 2**40", (2, 12, 4), lambda weight: weight.astype(np.int64) + 2**40),
    ("a single row", (1, 12, 4), np.copy),
    ("sizes that share no factor", (3, 35, 7), np.copy),
    ("one item a pack, as many items as packs", (2, 8, 8), np.copy),
    ("two items a pack", (2, 16, 8), np.copy),
    ("a single pack", (2, 6, 1), np.copy),
    ("a single item in a single pack", (2, 1, 1), np.copy),
)
"""What is hard, the rows, items and packs, and what is made of log-normal weights of that shape."""

_AGREED: tuple[tuple[str, Callable[[Array], Array]], ...] = (
    ("float32 weights", lambda weight: weight.astype(np.float32)),
    ("float32 weights with ties", lambda weight: _few(weight).astype(np.float32)),
    ("int64 weights with ties", lambda weight: _few(weight).astype(np.int64)),
    ("equal float32 weights", lambda weight: np.full_like(weight, 7, dtype=np.float32)),
)


def hard_cases(seed: int) -> tuple[HardCase, ...]:
    """The cases in calling order; weights are float32 `[X, n]`, int64 in the case that says so."""
    rng = np.random.default_rng([seed, len(_HARD)])
    return tuple(_called(sizes, change(_lognormal(sizes, rng)), why) for why, sizes, change in _HARD)


def agreement_calls(seed: int) -> tuple[HardCase, ...]:
    """Each kind of weights with and without ties, in packs of 9 and of 2."""
    rng = np.random.default_rng([seed, len(_AGREED)])
    return tuple(
        _called(sizes, change(_lognormal(sizes, rng)), f"{kind}, {sizes[1] // sizes[2]} items a pack")
        for sizes in ((4, 144, 16), (4, 32, 16))
        for kind, change in _AGREED
    )


def _lognormal(sizes: tuple[int, int, int], rng: np.random.Generator) -> Array:
    return np.rint(np.exp(rng.normal(8, 1, sizes[:2]))).astype(np.float32)


def _few(weight_Xn: Array) -> Array:
    """The weights as whole numbers from 1 to FEW, each for about as many items as any other."""
    rank_Xn = weight_Xn.argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")
    whole_Xn: Array = 1 + rank_Xn * FEW // weight_Xn.shape[1]
    return whole_Xn


def _called(sizes: tuple[int, int, int], weight_Xn: Array, why: str) -> HardCase:
    weight_Xn = weight_Xn if weight_Xn.dtype == np.int64 else weight_Xn.astype(np.float32)
    rows, items, packs = sizes
    case = Case(name=why, sizes={"rows": rows, "items": items, "packs": packs}, data=weight_Xn)
    return HardCase(case=case, call=Call(args=(weight_Xn, packs)), why=why)
