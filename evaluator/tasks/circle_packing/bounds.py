"""How large the sum of the radii can be.

Owns: a proven upper bound. Does not know: packings.
"""

from __future__ import annotations

import math


def radii_bound(circles: int, width: float, height: float) -> float:
    """No n disjoint circles in a rectangle of area A have radii that sum to more than sqrt(n A / sqrt(12)).

    The power diagram of disjoint circles cuts the rectangle into n convex cells, each around its circle. A polygon of k
    sides around a circle of radius r has an area of at least r^2 k tan(pi / k). The cells have at most six sides on
    average: of the V vertices and E edges of the diagram, the corners of the rectangle have two edges or more and all
    others three or more, so 2 E >= 3 V - 4; with Euler's V - E + n = 1 this is E <= 3 n + 1; and as at least four edges
    have a cell on one side only, the cells have at most 2 E - 4 <= 6 n - 2 sides together. With areas a_i and k_i
    sides, sum r_i <= sum sqrt(a_i c(k_i)) <= sqrt(A sum c(k_i)), by Cauchy and Schwarz, where c(k) = cot(pi / k) / k;
    c rises and is concave from 3 on, so sum c(k_i) <= n c(6) = n / sqrt(12).

    Equal circles in a hexagonal arrangement reach it, but for the edge of the rectangle: for few circles it is loose.
    """
    return math.nextafter(math.sqrt(circles * width * height / math.sqrt(12)), math.inf)
