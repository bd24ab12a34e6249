"""How unevenly the experts of each layer are loaded.

Owns: the figures of skew and their formulas. Does not know: files, windows, plans. Pure.

Loads are at least 0, and each layer has some. All figures are independent of the unit of the loads.

Shapes: L layers, E experts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evaluator.loads import TOP, LayerSkew
from evaluator.tasks.eplb.steps import Floats


def peak(loads_LE: Floats) -> Floats:
    """`[L]`: largest load / mean load; 1 for even loads, E if one expert has all."""
    return np.asarray(loads_LE.max(axis=1) / loads_LE.mean(axis=1))


def gini(loads_LE: Floats) -> Floats:
    """`[L]`: Gini's coefficient, half the relative mean absolute difference of all pairs: with x_1 <= ... <= x_E it is
    sum over i of (2 i - E - 1) x_i / (E sum x) (Gini 1912, in the ordered form of Sen 1973); from 0 to (E - 1) / E.
    """
    experts = loads_LE.shape[1]
    rank_E = 2 * np.arange(1, experts + 1) - experts - 1
    return np.asarray(np.sort(loads_LE, axis=1) @ rank_E / (experts * loads_LE.sum(axis=1)))


def top_share(loads_LE: Floats, count: int = TOP) -> Floats:
    """`[L]`: the share of the load that the `count` most loaded experts carry."""
    return np.asarray(np.sort(loads_LE, axis=1)[:, -count:].sum(axis=1) / loads_LE.sum(axis=1))


def ln_sigma(loads_LE: Floats) -> Floats:
    """`[L]`: standard deviation of ln load over the experts that have load (the scale of a log-normal distribution, by
    maximum likelihood, so divided by their number).
    """
    loaded_LE = loads_LE > 0
    ln_LE = np.log(np.where(loaded_LE, loads_LE, 1.0))
    count_L = loaded_LE.sum(axis=1)
    mean_L = ln_LE.sum(axis=1) / count_L
    return np.asarray(np.sqrt((np.where(loaded_LE, ln_LE - mean_L[:, None], 0.0) ** 2).sum(axis=1) / count_L))


def layer_skews(loads_LE: Floats, numbers: Sequence[int]) -> tuple[LayerSkew, ...]:
    """The figures of each layer; `numbers` are the layers' numbers in the recording."""
    columns = zip(
        numbers,
        peak(loads_LE).tolist(),
        gini(loads_LE).tolist(),
        top_share(loads_LE).tolist(),
        ln_sigma(loads_LE).tolist(),
        (loads_LE == 0).sum(axis=1).tolist(),
        loads_LE.argmax(axis=1).tolist(),
        strict=True,
    )
    return tuple(
        LayerSkew(layer=layer, peak=top, gini=coefficient, top_share=share, ln_sigma=sigma, unused=unused, hottest=hot)
        for layer, top, coefficient, share, sigma, unused, hot in columns
    )
