"""Small calls with a rank missing, on which solvers often fail.

Owns: what is hard about each, its sizes and its loads. Does not know: what a program is told beside, who calls.

Shapes: L layers, E experts, R slots, M GPUs.
"""

from __future__ import annotations

import numpy as np

from evaluator.tasks.eplb.cases import EplbCase
from evaluator.tasks.eplb.metrics import Ints
from evaluator.tasks.eplb_over_time.courses import Course, Samples, dealt
from evaluator.tasks.eplb_over_time.ranks import on_active, spread
from evaluator.types import Case

_SIZES = EplbCase(layers=2, experts=8, replicas=16, groups=1, nodes=2, gpus=4)
_TIGHT = EplbCase(layers=3, experts=9, replicas=12, groups=1, nodes=1, gpus=4)
_TABLE: tuple[tuple[str, EplbCase, tuple[int, ...], tuple[int, ...], bool], ...] = (
    ("the first rank is missing, and no placement is in force", _SIZES, (0,), (), False),
    ("the last rank has failed, and some experts are nowhere", _SIZES, (3,), (3,), True),
    ("two of four ranks are missing, as many slots as experts are left", _SIZES, (1, 2), (1, 2), True),
    ("a rank is missing, and placements have no slot to spare", _TIGHT, (1,), (1,), True),
    ("a rank is back, and its slots hold nothing", _SIZES, (), (2,), True),
)
"""Why, sizes, the missing ranks, those whose slots hold nothing, and whether a placement is in force."""


def elastic_cases(seed: int) -> tuple[tuple[str, Case, bool], ...]:
    """What is hard, the case, a packed course of one rebalance, and whether its placement is in force."""
    rng = np.random.default_rng([seed, len(_TABLE)])
    return tuple((why, _case(sizes, missing, empty, rng), in_force) for why, sizes, missing, empty, in_force in _TABLE)


def _case(sizes: EplbCase, missing: tuple[int, ...], empty: tuple[int, ...], rng: np.random.Generator) -> Case:
    loads = np.rint(np.exp(rng.normal(8, 1, (3, sizes.layers, sizes.experts))))
    active_M = ~np.isin(np.arange(sizes.gpus), missing)
    one = np.ones((1, 1))
    course = Course(
        windows_WLE=loads[:2],
        samples=Samples(steps_NSLE=loads[None, 2:], load_weight_NS=one, count_NS=one, time_NS=one),
        old_LR=_without(dealt(loads[0], sizes.replicas, sizes.gpus), ~np.isin(np.arange(sizes.gpus), empty)),
        active_M=active_M,
        urgent=bool(missing),
    )
    return Case(name=sizes.name, sizes=sizes.sizes, data=course.packed())


def _without(old_LR: Ints, held_M: np.ndarray) -> Ints:
    return spread(on_active(old_LR, held_M), held_M)
