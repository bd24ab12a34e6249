"""Validating a packing: two arrays become circles that fit exactly.

Owns: what a valid answer is, and the texts that say what is wrong. Does not know: scores.

Shapes: n circles. Arrays may arrive in any dtype and shape.
"""

from __future__ import annotations

import math

import numpy as np

from evaluator.tasks.circle_packing.exact import Floats, Violation, shrink, worst
from evaluator.types import Answer, Array, InvalidAnswer

TOLERANCE = 1e-6
"""What checkers elsewhere let pass. Here it only decides how an invalid packing is called."""
FAR = 1e3
"""Numbers beyond are outside by any measure."""


def answer_bytes(circles: int) -> int:
    """The size in bytes of a valid answer in float64."""
    return 8 * 3 * circles


def read_answer(answer: Answer, circles: int, width: float, height: float) -> Floats:
    """The packing of an answer, float64 `[n, 3]` (x, y, r), as a read-only copy. Raises InvalidAnswer."""
    if len(answer) != 2:
        raise InvalidAnswer("form", f"expected two arrays (centres, radii), found {len(answer)}")
    centres_N2 = _floats("centres", answer[0], (circles, 2))
    radii_N = _floats("radii", answer[1], (circles,))
    packing_N3 = np.concatenate([centres_N2, radii_N[:, None]], axis=1)
    if radii_N.min() <= 0:
        index = int(radii_N.argmin())
        raise InvalidAnswer("radius", f"expected radii above 0, found {radii_N[index]:.6g} for circle {index}")
    if np.abs(packing_N3).max() > FAR:
        index = int(np.abs(packing_N3).max(axis=1).argmax())
        raise InvalidAnswer("outside", f"expected circles in the rectangle, found circle {index} far outside")
    violation = worst(packing_N3, width, height)
    if violation is not None:
        raise _invalid(packing_N3, violation, width, height)
    packing_N3.setflags(write=False)
    return packing_N3


def _floats(name: str, array: Array, shape: tuple[int, ...]) -> Floats:
    if array.dtype.kind != "f" or array.dtype.itemsize > 8:
        raise InvalidAnswer("dtype", f"{name}: expected float64, found {array.dtype}")
    if array.shape != shape:
        raise InvalidAnswer("shape", f"{name}: expected the shape {list(shape)}, found {list(array.shape)}")
    values: Floats = array.astype(np.float64)
    if not np.isfinite(values).all():
        where = ", ".join(str(int(at)) for at in np.argwhere(~np.isfinite(values))[0])
        raise InvalidAnswer(
            "finite", f"{name}: expected finite numbers, found {values[~np.isfinite(values)][0]} at {where}"
        )
    return values


def _invalid(packing_N3: Floats, violation: Violation, width: float, height: float) -> InvalidAnswer:
    """The rejection of a packing that violates something. Its reason says whether a tolerance would let it pass."""
    if violation.depth > TOLERANCE:
        reason = "outside" if len(violation.circles) == 1 else "overlap"
        return InvalidAnswer(
            reason, f"expected circles in {width:.17g} x {height:.17g} without overlap, found {violation}"
        )
    detail = f"valid only with a tolerance of {violation.depth:.3g}, expected none: {violation}"
    try:
        left = math.fsum(shrink(packing_N3, width, height)[:, 2])
    except ValueError:
        return InvalidAnswer("needs_tolerance", detail)
    claimed = math.fsum(packing_N3[:, 2])
    return InvalidAnswer(
        "needs_tolerance",
        f"{detail}; the radii sum to {claimed:.12f}, and to {left:.12f} once lowered until all circles fit",
    )
