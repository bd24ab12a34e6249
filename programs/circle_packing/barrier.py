"""Centres and radii optimised together by an interior-point method, from many starts at once.

The sum of the radii is a linear objective; that circles stay apart and within the walls are smooth conditions g > 0. We
maximise sum r + mu sum log g by Newton's method, with mu falling to nearly nothing (a log barrier). Every iterate is a
valid packing with room to spare, so no tolerance is needed and nothing is repaired after. Rounds of starts follow each
other, the later ones from the best packings so far.

Shapes: S starts, n circles, V = 3n variables (all x, all y, all r); pairs are [S, n, n].
"""

# EVOLVE-BLOCK-START
import numpy as np

STARTS, KEPT = 32, 4
"""Packings in a round, and how many of the best the next round begins from."""
ROUNDS = 8
"""The first is from grids, each later one from the best so far, disturbed."""
SPREAD, SHAKEN = 0.35, 0.15
"""How far centres are moved: standard deviation in widths of a cell, of a grid and of a good packing."""
FIRST, LAST, FALL = 1e-3, 1e-5, 0.4
"""The weight of the barrier in a round: the first, the last, and the factor between."""
NOTHING = 1e-13
"""The last weight for the best packing of all."""
STEPS = 3
"""Newton steps for each weight."""
HALVINGS = 8
SEED = 1


def pack_circles(n: int, width: float = 1.0, height: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """n disjoint circles in the rectangle from (0, 0) to (width, height): centres [n, 2] and radii [n], float64."""
    rng = np.random.default_rng([n, SEED])
    best = optimised(grids(n, width, height, rng), n, width, height, FIRST, LAST)
    for _ in range(ROUNDS - 1):
        best = best[np.argsort(-total(best, n))[:KEPT]]
        tried = optimised(disturbed(best, n, width, height, rng), n, width, height, FIRST, LAST)
        best = np.concatenate([best, tried])
    best = best[np.argsort(-total(best, n))[:KEPT]]
    best = optimised(best, n, width, height, LAST, NOTHING)
    chosen = best[total(best, n).argmax()]
    return np.stack([chosen[:n], chosen[n : 2 * n]], axis=1), chosen[2 * n :]


def total(packings: np.ndarray, n: int) -> np.ndarray:
    """The sums of the radii [S]."""
    return packings[:, 2 * n :].sum(axis=1)


def grids(n: int, width: float, height: float, rng: np.random.Generator) -> np.ndarray:
    """[S, V]: starts from grids with as many cells as circles or a few more, every other row shifted or not."""
    made = []
    for _ in range(STARTS):
        columns = max(1, round(np.sqrt(n * width / height) + rng.uniform(-1, 1)))
        rows = -(-n // columns)
        cells = np.sort(rng.permutation(columns * rows)[:n])
        shift = 0.25 * (cells // columns % 2 * 2 - 1) * rng.integers(2)
        x = (cells % columns + 0.5 + shift + SPREAD * rng.normal(size=n)) * width / columns
        y = (cells // columns + 0.5 + SPREAD * rng.normal(size=n)) * height / rows
        made.append(small(x, y, width, height))
    return np.array(made)


def disturbed(packings: np.ndarray, n: int, width: float, height: float, rng: np.random.Generator) -> np.ndarray:
    """[S, V]: starts from packings, all centres moved a little, and up to two circles put anywhere."""
    made = []
    for index in range(STARTS):
        packing = packings[index % len(packings)]
        cell = np.sqrt(width * height / n)
        x, y = packing[: 2 * n].reshape(2, n) + SHAKEN * rng.uniform() * cell * rng.normal(size=(2, n))
        for circle in rng.permutation(n)[: rng.integers(3)]:
            x[circle], y[circle] = rng.uniform(0, width), rng.uniform(0, height)
        made.append(small(x, y, width, height))
    return np.array(made)


def small(x: np.ndarray, y: np.ndarray, width: float, height: float) -> np.ndarray:
    """[V]: circles of these centres, so small that none touches."""
    x, y = np.clip(x, 0.02 * width, 0.98 * width), np.clip(y, 0.02 * height, 0.98 * height)
    apart = np.hypot(x[:, None] - x, y[:, None] - y)
    np.fill_diagonal(apart, np.inf)
    walls = np.minimum(np.minimum(x, width - x), np.minimum(y, height - y))
    return np.concatenate([x, y, 0.45 * np.minimum(apart.min(axis=1), 2 * walls)])


def optimised(packings: np.ndarray, n: int, width: float, height: float, first: float, last: float) -> np.ndarray:
    """The packings after Newton steps with a weight that falls from the first to the last."""
    weight = first
    while weight > last:
        for _ in range(STEPS):
            packings = moved(packings, n, width, height, weight)
        weight *= FALL
    return packings


def conditions(packings: np.ndarray, n: int, width: float, height: float) -> tuple[np.ndarray, np.ndarray]:
    """What must be positive: the squared distances of pairs less (r1 + r2)^2 [S, n, n], and the walls [S, 5, n]."""
    x, y, r = packings[:, :n], packings[:, n : 2 * n], packings[:, 2 * n :]
    reach = r[:, :, None] + r[:, None, :]
    pairs = (x[:, :, None] - x[:, None, :]) ** 2 + (y[:, :, None] - y[:, None, :]) ** 2 - reach**2
    pairs[:, np.arange(n), np.arange(n)] = 1.0
    return pairs, np.stack([x - r, width - x - r, y - r, height - y - r, r], axis=1)


def merit(packings: np.ndarray, n: int, width: float, height: float, weight: float) -> np.ndarray:
    """What is to be minimised, [S]; infinite outside the conditions."""
    pairs, walls = conditions(packings, n, width, height)
    valid = (pairs.min(axis=(1, 2)) > 0) & (walls.min(axis=(1, 2)) > 0)
    logs = 0.5 * np.log(np.maximum(pairs, 1e-300)).sum(axis=(1, 2)) + np.log(np.maximum(walls, 1e-300)).sum(axis=(1, 2))
    return np.where(valid, -packings[:, 2 * n :].sum(axis=1) - weight * logs, np.inf)


def moved(packings: np.ndarray, n: int, width: float, height: float, weight: float) -> np.ndarray:
    """One step for every start: Newton's direction, halved until it is valid and better."""
    gradient, hessian = derivatives(packings, n, width, height, weight)
    direction = -np.linalg.solve(hessian, gradient[:, :, None])[:, :, 0]
    before = merit(packings, n, width, height, weight)
    result, length = packings.copy(), 1.0
    open_starts = np.ones(len(packings), dtype=bool)
    for _ in range(HALVINGS):
        tried = packings + length * direction
        better = open_starts & (merit(tried, n, width, height, weight) < before)
        result[better] = tried[better]
        open_starts &= ~better
        if not open_starts.any():
            break
        length /= 2
    return result


def derivatives(
    packings: np.ndarray, n: int, width: float, height: float, weight: float
) -> tuple[np.ndarray, np.ndarray]:
    """The gradient [S, V] and the positive part of the Hessian [S, V, V] of the merit.

    For -log g the Hessian is (grad g)(grad g)^T / g^2 - (hess g) / g; of hess g we keep what has r, which is convex.
    """
    x, y, r = packings[:, :n], packings[:, n : 2 * n], packings[:, 2 * n :]
    pairs, walls = conditions(packings, n, width, height)
    inverse = 1 / pairs
    inverse[:, np.arange(n), np.arange(n)] = 0
    toward = np.stack(
        [
            2 * (x[:, :, None] - x[:, None, :]),
            2 * (y[:, :, None] - y[:, None, :]),
            -2 * (r[:, :, None] + r[:, None, :]),
        ],
        axis=1,
    )  # the derivative of a pair by x, y and r of its first circle [S, 3, n, n]; by its second: signs (-1, -1, 1)
    left, right, down, up, size = (walls[:, wall] for wall in range(5))
    gradient = -(toward * inverse[:, None]).sum(axis=3)
    gradient[:, 0] += 1 / right - 1 / left
    gradient[:, 1] += 1 / up - 1 / down
    gradient[:, 2] += 1 / left + 1 / right + 1 / down + 1 / up - 1 / size
    gradient *= weight
    gradient[:, 2] -= 1
    blocks = np.zeros((len(packings), 3, n, 3, n))
    at = np.arange(n)
    squared = toward * inverse[:, None]
    signs = np.array([-1.0, -1.0, 1.0])
    for one in range(3):
        for other in range(3):
            product = squared[:, one] * squared[:, other]
            blocks[:, one, :, other, :] = signs[other] * product
            blocks[:, one, at, other, at] += product.sum(axis=2)
    blocks[:, 2, :, 2, :] += 2 * inverse
    blocks[:, 2, at, 2, at] += 2 * inverse.sum(axis=2)
    for axis, low, high in ((0, left, right), (1, down, up)):
        blocks[:, axis, at, axis, at] += 1 / low**2 + 1 / high**2
        cross = 1 / high**2 - 1 / low**2
        blocks[:, axis, at, 2, at] += cross
        blocks[:, 2, at, axis, at] += cross
        blocks[:, 2, at, 2, at] += 1 / low**2 + 1 / high**2
    blocks[:, 2, at, 2, at] += 1 / size**2
    hessian = weight * blocks.reshape(len(packings), 3 * n, 3 * n)
    hessian[:, np.arange(3 * n), np.arange(3 * n)] *= 1 + 1e-9
    return gradient.reshape(len(packings), 3 * n), hessian


# EVOLVE-BLOCK-END
