"""Equal circles in a square grid, row by row; cells that are left over stay empty.

Shapes: n circles.
"""

# EVOLVE-BLOCK-START
import numpy as np

SAFE = 1 - 1e-12
"""Circles that touch are drawn apart by this, so that no rounding makes them overlap."""


def pack_circles(n: int, width: float = 1.0, height: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """n disjoint circles in the rectangle from (0, 0) to (width, height): centres [n, 2] and radii [n], float64."""
    centres = arranged(n, width, height)
    return centres, SAFE * sized(centres, width, height)


def arranged(n: int, width: float, height: float) -> np.ndarray:
    """The centres: those of the cells of a grid, as many columns as rows, or one row less."""
    columns = 1
    while columns * columns < n:
        columns += 1
    rows = -(-n // columns)
    centres = np.empty((n, 2))
    for index in range(n):
        centres[index, 0] = (index % columns + 0.5) * width / columns
        centres[index, 1] = (index // columns + 0.5) * height / rows
    return centres


def sized(centres: np.ndarray, width: float, height: float) -> np.ndarray:
    """The radii: equal, as large as the closest pair and the walls allow."""
    radius = min(width, height) / 2
    for one in range(len(centres)):
        x, y = centres[one]
        radius = min(radius, x, width - x, y, height - y)
        for other in range(one):
            radius = min(radius, np.hypot(x - centres[other, 0], y - centres[other, 1]) / 2)
    return np.full(len(centres), radius)


# EVOLVE-BLOCK-END
