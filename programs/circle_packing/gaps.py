"""A square grid of circles, and small ones in the gaps between four.

Shapes: n circles, of which the first G are in the grid.
"""

# EVOLVE-BLOCK-START
import numpy as np

SAFE = 1 - 1e-12
"""Circles that touch are drawn apart by this, so that no rounding makes them overlap."""


def pack_circles(n: int, width: float = 1.0, height: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """n disjoint circles in the rectangle from (0, 0) to (width, height): centres [n, 2] and radii [n], float64.

    The best of the grids that, with their gaps, have places enough.
    """
    best_centres, best_radii = np.empty((0, 2)), np.empty(0)
    for columns in range(1, n + 1):
        for rows in range(1, -(-n // columns) + 1):
            if columns * rows + (columns - 1) * (rows - 1) < n:
                continue
            centres = arranged(n, columns, rows, width, height)
            radii = sized(centres, min(n, columns * rows), width, height)
            if radii.sum() > best_radii.sum():
                best_centres, best_radii = centres, radii
    return best_centres, SAFE * best_radii


def arranged(n: int, columns: int, rows: int, width: float, height: float) -> np.ndarray:
    """The places of the grid, row by row, then as many gaps as are needed."""
    wide, high = width / columns, height / rows
    grid = [((i + 0.5) * wide, (j + 0.5) * high) for j in range(rows) for i in range(columns)]
    gaps = [((i + 1) * wide, (j + 1) * high) for j in range(rows - 1) for i in range(columns - 1)]
    return np.array((grid + gaps)[:n])


def sized(centres: np.ndarray, in_grid: int, width: float, height: float) -> np.ndarray:
    """Equal radii in the grid; then each circle in turn is as large as the others and the walls allow."""
    x, y = centres.T
    walls = np.minimum(np.minimum(x, width - x), np.minimum(y, height - y))
    apart = np.hypot(x[:, None] - x, y[:, None] - y)
    np.fill_diagonal(apart, np.inf)
    radii = np.zeros(len(centres))
    radii[:in_grid] = min(walls[:in_grid].min(), apart[:in_grid, :in_grid].min() / 2)
    for one in (*range(in_grid, len(radii)), *range(in_grid)):
        radii[one] = min(walls[one], (apart[one] - radii).min())
    return radii


# EVOLVE-BLOCK-END
