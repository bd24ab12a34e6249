"""How loads change from one sum of steps to another, and how much of it is sampling.

Owns: drift, its noise, and where a new regime begins. Does not know: files, plans, which windows to plan on. Pure.

The drift of a layer is the standard deviation over its experts of ln(load after / load before), over those that have
load in both. It does not depend on how many tokens either sum holds. Counts of tokens scatter by themselves; that part,
the noise, adds to the square of the drift.

Shapes: T steps, L layers, E experts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from evaluator.loads import Drift
from evaluator.tasks.eplb.steps import Floats

NEW_REGIME = 0.2
"""Drift beyond noise from which two windows are of different regimes. In recorded loads the same class of requests
drifts by .03 to .07 from run to run, prompts of twice the length differ by .15, of four or eight times the length by .3
and more, and decode from prefill by .3 to .55."""
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
OTHER = "*"
"""The letter of a regime after the 26th."""


def drift_by_layer(before_LE: Floats, after_LE: Floats) -> Floats:
    """`[L]`: the drift of each layer; NaN where fewer than two experts have load in both."""
    both_LE = (before_LE > 0) & (after_LE > 0)
    ratio_LE = np.log(np.where(both_LE, after_LE, 1.0)) - np.log(np.where(both_LE, before_LE, 1.0))
    count_L = both_LE.sum(axis=1)
    mean_L = ratio_LE.sum(axis=1) / np.maximum(count_L, 1)
    square_L = (np.where(both_LE, ratio_LE - mean_L[:, None], 0.0) ** 2).sum(axis=1) / np.maximum(count_L, 1)
    return np.where(count_L >= 2, np.sqrt(square_L), np.nan)


def noise_by_layer(steps_TLE: Floats) -> Floats | None:
    """`[L]`: the variance of ln load that sampling gives a sum of these steps; NaN where it cannot be told.

    The steps are dealt to two halves; the halves' drift is noise alone, for both are of the same time. If the variance
    of ln of a sum falls with its load as c / load, then c follows from the halves A and B, and the sum's variance is
    that of their log ratio times A B / (A + B)^2. Steps are dealt in the order of Thue and Morse, so that neither a
    trend nor a short period favours a half. One step alone is taken for independent tokens, whose counts vary like
    Poisson's: the variance of ln n is about 1 / n (delta method). None for one step that does not hold whole numbers.
    """
    if len(steps_TLE) == 1:
        return _count_noise(steps_TLE[0])
    first_T = thue_morse(len(steps_TLE))
    whole_LE = steps_TLE.sum(axis=0)
    a_LE = steps_TLE[first_T].sum(axis=0)
    # A difference of sums of fractions may fall below 0 where all load is in one half.
    b_LE = np.maximum(whole_LE - a_LE, 0.0)
    whole_L = np.where(whole_LE.any(axis=1), whole_LE.sum(axis=1), 1.0)
    share_L = a_LE.sum(axis=1) / whole_L
    return np.asarray(drift_by_layer(a_LE, b_LE) ** 2 * share_L * (1 - share_L))


def _count_noise(loads_LE: Floats) -> Floats | None:
    if not np.array_equal(loads_LE, np.rint(loads_LE)):
        return None
    loaded_LE = loads_LE > 0
    count_L = loaded_LE.sum(axis=1)
    total_L = np.where(loaded_LE, 1 / np.where(loaded_LE, loads_LE, 1.0), 0.0).sum(axis=1)
    return np.where(count_L > 0, total_L / np.maximum(count_L, 1), np.nan)


def thue_morse(count: int) -> NDArray[np.bool_]:
    """The first `count` terms of the sequence of Thue and Morse: whether a number has an odd number of binary ones."""
    terms = np.zeros(1, dtype=bool)
    while len(terms) < count:
        terms = np.concatenate([terms, ~terms])
    return terms[:count]


def drift_between(
    before_LE: Floats,
    after_LE: Floats,
    numbers: Sequence[int],
    noises: tuple[Floats | None, Floats | None] = (None, None),
) -> Drift | None:
    """The drift of two sums of steps whose noises `[L]` are `noises`; None if no layer can be compared. `numbers` are
    the layers' numbers in the recording.
    """
    drift_L = drift_by_layer(before_LE, after_LE)
    if np.isnan(drift_L).all():
        return None
    worst = int(np.nanargmax(drift_L))
    first, second = noises
    noise_L = None if first is None or second is None else first + second
    known = noise_L is not None and not np.isnan(noise_L).all()
    return Drift(
        median=float(np.nanmedian(drift_L)),
        worst=float(drift_L[worst]),
        worst_layer=numbers[worst],
        noise=math.sqrt(float(np.nanmedian(noise_L))) if known and noise_L is not None else None,
    )


def begins_regime(drift: Drift | None) -> bool:
    """Whether a window that drifted so from the one before begins a new regime: it differs by far, and by more than
    the noise.
    """
    return drift is not None and drift.beyond_noise >= max(NEW_REGIME, drift.noise or 0.0)


def regimes(windows: Sequence[Floats], drifts: Sequence[Drift | None]) -> list[str]:
    """A letter for each window `[L, E]`; `drifts` holds the drift from the window before each. A regime that comes back
    gets its letter again: it is told by the sum of the windows that had that letter.
    """
    letters: list[str] = []
    known: dict[str, Floats] = {}
    for window_LE, drift in zip(windows, drifts, strict=True):
        letter = letters[-1] if letters and not begins_regime(drift) else _known_letter(window_LE, known)
        letters.append(letter)
        known[letter] = known[letter] + window_LE if letter in known else window_LE
    return letters


def _known_letter(window_LE: Floats, known: dict[str, Floats]) -> str:
    """The letter of the nearest known regime within NEW_REGIME, else a new one."""
    nearest, letter = NEW_REGIME, ""
    for name, sum_LE in known.items():
        drift_L = drift_by_layer(sum_LE, window_LE)
        distance = math.inf if np.isnan(drift_L).all() else float(np.nanmedian(drift_L))
        if name != OTHER and distance < nearest:
            nearest, letter = distance, name
    return letter or (LETTERS[len(known)] if len(known) < len(LETTERS) else OTHER)


def distances(count: int) -> list[int]:
    """1, 2, 4, ... below `count`."""
    return [2**power for power in range(count.bit_length()) if 2**power < count]


def ageing(windows: Sequence[Floats], pairs: int = 32) -> tuple[tuple[int, float], ...]:
    """For each distance 1, 2, 4, ... in windows: the median drift over it, over layers and at most `pairs` pairs."""
    found = []
    for distance in distances(len(windows)):
        last = len(windows) - 1 - distance
        starts = sorted({round(place) for place in np.linspace(0, last, min(pairs, last + 1)).tolist()})
        drifts = [drift_by_layer(windows[start], windows[start + distance]) for start in starts]
        medians = [float(np.nanmedian(drift_L)) for drift_L in drifts if not np.isnan(drift_L).all()]
        if medians:
            found.append((distance, float(np.median(medians))))
    return tuple(found)
