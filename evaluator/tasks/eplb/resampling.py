"""Fresh windows with the statistics of recorded ones, for scored calls on a trace that programs may know.

Owns: how windows are drawn from a trace. Does not know: files, cases, plans, scores.

An expert's log load is its mean over the windows, its *level*, plus a deviation in each window. A draw keeps the levels
under other labels, each changed by a secret factor, and mixes the deviations: each expert gets a random combination of
the courses of some experts, of any layer, scaled to its own deviations. Sums of many courses have the same covariance
over time as the courses, so what a program can predict from the windows so far stays as predictable, on average. But
which courses were combined cannot be read off a few windows, so knowing the trace does not tell the next window. Mixing
makes rare bursts of single experts smoother, and drops what the drift of neighbours has in common.

Shapes: T windows, L layers, E experts, M courses in a combination.
"""

from __future__ import annotations

import numpy as np

from evaluator.tasks.eplb.metrics import Floats
from evaluator.tasks.eplb.relabelling import Relabelling

MOST_WINDOWS = 17
"""The most windows of a draw: a stretch of a longer trace."""
MIXED = 8
"""The number of courses in a combination."""
NEIGHBOURS = 17
"""The size of an expert's deviations is averaged over this many experts of similar level."""
BLUR = 2.0
"""How far levels are moved, as a multiple of the size of an expert's deviations (standard deviations of logarithms)."""
LEAST_SHARE = 1e-4
"""A load counts as at least this share of its layer's mean: logarithms of 0 do not exist."""


def redraw(loads_TLE: Floats, blocks: int, rng: np.random.Generator) -> Floats:
    """Fresh windows `[T, L, E]`, at most MOST_WINDOWS, of a stretch of recorded ones. Totals of each window and layer
    are kept up to rounding, and loads stay whole if all are. `blocks` equal blocks of experts stay together.
    """
    windows = min(len(loads_TLE), MOST_WINDOWS)
    begin = int(rng.integers(len(loads_TLE) - windows + 1))
    loads_TLE = loads_TLE[begin : begin + windows]
    layers, experts = loads_TLE.shape[1:]
    total_TL1 = loads_TLE.sum(axis=2, keepdims=True)
    level_LE, deviation_TLE = _levels(loads_TLE, total_TL1)
    size_LE = _smoothed(np.sqrt((deviation_TLE**2).mean(axis=0)), level_LE)
    course_TLE = np.divide(deviation_TLE, size_LE, out=np.zeros_like(deviation_TLE), where=size_LE > 0)
    names = Relabelling.draw(layers, experts, blocks, rng)
    fresh_TLE = (
        names.moved(_blurred(level_LE, size_LE, rng))
        + np.log(names.factor_LE)
        + names.moved(size_LE) * _mixed(course_TLE, rng)
    )
    weight_TLE = np.exp(fresh_TLE - fresh_TLE.max(axis=2, keepdims=True))
    drawn_TLE: Floats = weight_TLE / weight_TLE.sum(axis=2, keepdims=True) * total_TL1[:, names.layer_L]
    return np.rint(drawn_TLE, out=drawn_TLE) if (loads_TLE == np.rint(loads_TLE)).all() else drawn_TLE


def _levels(loads_TLE: Floats, total_TL1: Floats) -> tuple[Floats, Floats]:
    """The mean log share of each expert over the windows with load, and the deviations; 0 in windows without load."""
    busy_TL1 = total_TL1 > 0
    share_TLE = np.divide(loads_TLE, total_TL1, out=np.zeros_like(loads_TLE), where=busy_TL1)
    log_TLE = np.log(np.maximum(share_TLE, LEAST_SHARE / loads_TLE.shape[2]))
    level_LE = (log_TLE * busy_TL1).sum(axis=0) / np.maximum(busy_TL1.sum(axis=0), 1)
    return level_LE, (log_TLE - level_LE) * busy_TL1


def _blurred(level_LE: Floats, size_LE: Floats, rng: np.random.Generator) -> Floats:
    """Other levels of the same spread in each layer, so far from the recorded ones that those tell less of an expert
    than a quarter of one more window does.
    """
    centred_LE = level_LE - level_LE.mean(axis=1, keepdims=True)
    spread_LE = np.broadcast_to((centred_LE**2).mean(axis=1, keepdims=True), level_LE.shape)
    blur_LE = np.minimum((BLUR * size_LE) ** 2, spread_LE / 2)
    kept_LE = np.sqrt(1 - np.divide(blur_LE, spread_LE, out=np.zeros_like(blur_LE), where=spread_LE > 0))
    other_LE: Floats = level_LE - centred_LE * (1 - kept_LE)
    return other_LE + np.sqrt(blur_LE) * rng.standard_normal(level_LE.shape)


def _smoothed(size_LE: Floats, level_LE: Floats) -> Floats:
    """Root mean squares over experts of similar level in the same layer."""
    order_LE = np.argsort(level_LE, axis=1, kind="stable")
    square_LE = np.take_along_axis(size_LE, order_LE, axis=1) ** 2
    sums = np.pad(np.cumsum(square_LE, axis=1), ((0, 0), (1, 0)))
    at = np.arange(size_LE.shape[1])
    first, last = np.maximum(at - NEIGHBOURS // 2, 0), np.minimum(at + NEIGHBOURS // 2 + 1, size_LE.shape[1])
    smooth_LE = np.empty_like(size_LE)
    mean_LE = np.maximum((sums[:, last] - sums[:, first]) / (last - first), 0.0)
    np.put_along_axis(smooth_LE, order_LE, np.sqrt(mean_LE), axis=1)
    return smooth_LE


def _mixed(course_TLE: Floats, rng: np.random.Generator) -> Floats:
    """For each expert a random combination of MIXED courses, with weights whose squares sum to 1."""
    layers, experts = course_TLE.shape[1:]
    weight_MLE = rng.standard_normal((MIXED, layers, experts))
    weight_MLE /= np.sqrt((weight_MLE**2).sum(axis=0))
    mixed_TLE = np.zeros_like(course_TLE)
    for weight_LE in weight_MLE:
        layer_L1 = rng.integers(layers, size=(layers, 1))
        mixed_TLE += weight_LE * course_TLE[:, layer_L1, rng.integers(experts, size=(layers, experts))]
    return mixed_TLE
