"""Small EPLB calls on which solvers often fail; a solver must answer each validly before anything is scored or timed.

Owns: what is hard about each, its sizes and its loads. Does not know: how answers are validated, or who calls.

Shapes: W windows, L layers, E experts, R replicas.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from evaluator.tasks.eplb.cases import EplbCase
from evaluator.tasks.eplb.dispatch import EVEN, Dispatch
from evaluator.types import Array, Call, Case, HardCase, Value

HUGE, TINY = 1e30, 1e-30
"""Loads near these, and their sums, are well within float32's range; products of two loads are not."""

_NODES = EplbCase(layers=2, experts=8, replicas=12, groups=4, nodes=2, gpus=4)
_FLAT = EplbCase(layers=2, experts=8, replicas=12, groups=1, nodes=1, gpus=4)
_TABLE: tuple[tuple[str, EplbCase, Callable[[Array], Array]], ...] = (
    ("no load at all, every weight is zero", _NODES, lambda load: load * 0),
    ("a layer without any load beside one with load", _NODES, lambda load: load * np.arange(2)[:, None]),
    ("one expert has all the load, the others none", _FLAT, lambda load: load * (np.arange(8) == 3)),
    ("all loads are equal", _NODES, lambda load: load * 0 + 7),
    ("huge loads, the largest 1e30", _FLAT, lambda load: load / load.max() * np.float32(HUGE)),
    ("tiny loads, the largest 1e-30", _FLAT, lambda load: load / load.max() * np.float32(TINY)),
    ("loads of dtype int64, beyond 2**40", _NODES, lambda load: load.astype(np.int64) + 2**40),
    ("a single layer", EplbCase(layers=1, experts=8, replicas=12, groups=1, nodes=1, gpus=4), np.copy),
    ("sizes that share no factor", EplbCase(layers=3, experts=13, replicas=35, groups=1, nodes=1, gpus=7), np.copy),
    ("as many slots as experts", EplbCase(layers=2, experts=8, replicas=8, groups=4, nodes=2, gpus=4), np.copy),
    ("a single GPU", EplbCase(layers=2, experts=6, replicas=7, groups=1, nodes=1, gpus=1), np.copy),
    ("one slot a GPU", EplbCase(layers=2, experts=8, replicas=12, groups=1, nodes=1, gpus=12), np.copy),
    (
        "groups that do not divide among the nodes, so that placement is global",
        EplbCase(layers=2, experts=12, replicas=16, groups=3, nodes=2, gpus=4),
        np.copy,
    ),
)


def hard_cases(seed: int, dispatch: Dispatch = EVEN) -> tuple[HardCase, ...]:
    """The cases in calling order; loads are float32 `[L, E]`, int64 in the case that says so."""
    rng = np.random.default_rng([seed, len(_TABLE)])
    alone = tuple(_hard(sizes, loads, why, rng, dispatch) for why, sizes, loads in _TABLE)
    return (*alone, _placed(_FLAT, rng, dispatch))


def _hard(
    sizes: EplbCase, loads: Callable[[Array], Array], why: str, rng: np.random.Generator, dispatch: Dispatch
) -> HardCase:
    load_LE = loads(_counts(sizes, rng))
    load_LE = load_LE if load_LE.dtype == np.int64 else load_LE.astype(np.float32)
    return _called(sizes, load_LE[None], 0, why, {"old_phy2log": None, **dispatch.offered(sizes.nodes)})


def _placed(sizes: EplbCase, rng: np.random.Generator, dispatch: Dispatch) -> HardCase:
    """The second of three windows, placed globally; the placement in force deals the experts out in turn."""
    load_WLE = np.stack([_counts(sizes, rng) for _ in range(3)])
    old_LR = np.tile(np.arange(sizes.replicas) % sizes.experts, (sizes.layers, 1))
    offered = {"old_phy2log": old_LR, **dispatch.offered(sizes.nodes)}
    return _called(sizes, load_WLE, 1, "a placement in force, and two windows so far", offered)


def _counts(sizes: EplbCase, rng: np.random.Generator) -> Array:
    return np.rint(np.exp(rng.normal(8, 1, (sizes.layers, sizes.experts)))).astype(np.float32)


def _called(sizes: EplbCase, load_WLE: Array, step: int, why: str, told: Mapping[str, Value]) -> HardCase:
    case = Case(name=sizes.name, sizes=sizes.sizes, data=load_WLE)
    numbers = (sizes.replicas, sizes.groups, sizes.nodes, sizes.gpus)
    offered = {"history": case.data[: step + 1], **told}
    return HardCase(case=case, call=Call(args=(load_WLE[step].copy(), *numbers), offered=offered), why=why)
