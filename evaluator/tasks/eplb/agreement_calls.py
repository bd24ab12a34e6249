"""EPLB calls on which all processes must plan alike: of both kinds of placement, with ties and without.

Owns: their sizes and loads. Does not know: who answers them, under which conditions.

Ties are what processes disagree about first: whole numbers of few values, as counts of tokens in a short window are.
Engines hand over counts as integers or as float32, so there are ties in both.

Shapes: L layers, E experts, R replicas.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from evaluator.tasks.eplb.cases import EplbCase
from evaluator.tasks.eplb.dispatch import Dispatch
from evaluator.types import Array, Call, Case, HardCase

_NODES = EplbCase(name="on nodes", layers=4, experts=128, replicas=160, groups=8, nodes=4, gpus=16)
_FLAT = EplbCase(name="anywhere", layers=4, experts=128, replicas=144, groups=1, nodes=1, gpus=16)
_SPREAD = EplbCase(name="anywhere on four nodes", layers=4, experts=128, replicas=144, groups=1, nodes=4, gpus=16)
_STATIC = Dispatch(rule="sglang_static")
FEW = 6
"""How many different values the loads with ties have."""

_LOADS: tuple[tuple[str, Callable[[Array], Array]], ...] = (
    ("float32 loads", lambda load_LE: load_LE.astype(np.float32)),
    ("float32 loads with ties", lambda load_LE: _few(load_LE).astype(np.float32)),
    ("int64 loads with ties", lambda load_LE: _few(load_LE).astype(np.int64)),
    ("equal float32 loads", lambda load_LE: np.full_like(load_LE, 7, dtype=np.float32)),
)


def agreement_calls(seed: int, dispatch: Dispatch) -> tuple[HardCase, ...]:
    """Each kind of loads in each kind of placement, one call with a placement in force, all told of a rule of dispatch;
    and one told of static dispatch.
    """
    rng = np.random.default_rng([seed, len(_LOADS)])
    calls = [
        _called(case, loads(_lognormal(case, rng)), f"{kind}, placed {case.name}", dispatch)
        for case in (_NODES, _FLAT)
        for kind, loads in _LOADS
    ]
    old_LR = np.tile(np.arange(_FLAT.replicas) % _FLAT.experts, (_FLAT.layers, 1))
    tied_LE = _few(_lognormal(_FLAT, rng)).astype(np.float32)
    in_force = _called(_FLAT, tied_LE, "float32 loads with ties, and a placement in force", dispatch, old_LR)
    static = _called(_SPREAD, tied_LE, "float32 loads with ties, sent by static dispatch", _STATIC)
    return (*calls, in_force, static)


def _lognormal(case: EplbCase, rng: np.random.Generator) -> Array:
    return np.exp(rng.normal(8, 0.8, (case.layers, case.experts)))


def _few(load_LE: Array) -> Array:
    """The loads as whole numbers from 1 to FEW, each for as many experts as any other."""
    rank_LE = load_LE.argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")
    whole_LE: Array = 1 + rank_LE * FEW // load_LE.shape[1]
    return whole_LE


def _called(sizes: EplbCase, load_LE: Array, why: str, dispatch: Dispatch, old_LR: Array | None = None) -> HardCase:
    case = Case(name=sizes.name, sizes=sizes.sizes, data=load_LE[None])
    numbers = (sizes.replicas, sizes.groups, sizes.nodes, sizes.gpus)
    offered = {"old_phy2log": old_LR, "history": load_LE[None].copy(), **dispatch.offered(sizes.nodes)}
    return HardCase(case=case, call=Call(args=(load_LE, *numbers), offered=offered), why=why)
