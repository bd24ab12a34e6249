"""The least largest pack load by trying all packings.

Owns: the enumeration. Does not know: bounds, solvers.
"""

from __future__ import annotations

from functools import cache
from itertools import combinations


@cache
def least_largest(row: tuple[float, ...], packs: int) -> float:
    """The optimum of one row, for equally many items in every pack."""
    if packs == 1:
        return sum(row)
    first, *rest = sorted(row, reverse=True)
    best = float("inf")
    for chosen in combinations(range(len(rest)), len(row) // packs - 1):
        here = first + sum(rest[item] for item in chosen)
        if here < best:
            others = tuple(weight for item, weight in enumerate(rest) if item not in chosen)
            best = min(best, max(here, least_largest(others, packs - 1)))
    return best
