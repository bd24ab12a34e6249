"""The proved optimum of small instances, by OR-Tools' CP-SAT (the extra `exact`).

Owns: the model, and when the search for a proof is given up. Does not know: plans, cases, bounds but the one it is
given.

The model: a truth value for each item and pack, one pack for each item, k items in each pack, no pack above the
largest load, which is minimised. Packs are interchangeable, so the heaviest items are held to the first packs: item i
in falling order stands in one of the packs 0 to i. Whole weights are taken as they are; others are refused, because
CP-SAT counts.

Shapes: X rows, n items, P packs of k places.
"""

from __future__ import annotations

import importlib.util
from functools import cache

import numpy as np
from numpy.typing import NDArray

from evaluator.types import WorkloadError

Floats = NDArray[np.float64]

EFFORT = 5.0
"""CP-SAT's deterministic time for a row, about as many seconds: the same everywhere, unlike a clock's."""
MOST_WEIGHT = 2**40
"""The largest sum of a row."""


def check_installed() -> None:
    """Raises WorkloadError if OR-Tools is not installed."""
    if importlib.util.find_spec("ortools") is None:
        raise WorkloadError(
            "exact: expected OR-Tools to be installed, found none: pip install 'packsmith[exact]', or leave it out"
        )


def least_largest_load(weight_Xn: Floats, packs: int, bound_X: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """The least largest pack load of each row, float64 `[X]`, and whether it is proved, `[X]`; where it is not, the
    best lower bound found, at least `bound_X`. Raises WorkloadError for weights that are not whole or sum to more than
    MOST_WEIGHT.
    """
    if (weight_Xn != np.rint(weight_Xn)).any() or weight_Xn.sum(axis=1).max() > MOST_WEIGHT or weight_Xn.min() < 0:
        raise WorkloadError(f"exact: expected whole weights of at least 0 that sum to at most {MOST_WEIGHT} a row")
    solved = [
        _solve(tuple(sorted(map(int, row_n), reverse=True)), packs, int(bound))
        for row_n, bound in zip(weight_Xn, np.ceil(bound_X), strict=True)
    ]
    return np.array([load for load, _ in solved], dtype=np.float64), np.array([proved for _, proved in solved])


@cache
def _solve(falling: tuple[int, ...], packs: int, bound: int) -> tuple[int, bool]:
    """The optimum of one instance, or the best lower bound, and whether it is proved. Kept, since a run asks again for
    the same cases with every program.
    """
    from ortools.sat.python import cp_model

    items, held = len(falling), len(falling) // packs
    model = cp_model.CpModel()
    inside = [
        [model.new_bool_var(f"{item} in {pack}") if pack <= item else None for pack in range(packs)]
        for item in range(items)
    ]
    largest = model.new_int_var(bound, max(bound, sum(falling[:held])), "largest")
    for row in inside:
        model.add_exactly_one(one for one in row if one is not None)
    for pack in range(packs):
        here = [(row[pack], weight) for row, weight in zip(inside, falling, strict=True)]
        model.add(sum(one for one, _ in here if one is not None) == held)
        model.add(sum(one * weight for one, weight in here if one is not None) <= largest)
    model.minimize(largest)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.max_deterministic_time = EFFORT
    found = solver.solve(model)
    if found == cp_model.OPTIMAL:
        return round(solver.objective_value), True
    return max(bound, int(np.ceil(solver.best_objective_bound - 1e-6))), False
