"""Which of the recorded windows to plan on, and how many steps should make a window.

Owns: the choice and its reasons, in sentences for people. Does not know: files, plans, how drift is computed. Pure.

Plans are for loads to come, and those are nearest to the last regime. Within it, few windows are noisy and many are
old; how many serve best is tried on the recording itself: the sum of the last k windows predicts the next one.

Shapes: L layers, E experts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from evaluator.loads import Advice, StepKinds, WindowFigures
from evaluator.tasks.eplb.drift import distances, drift_by_layer
from evaluator.tasks.eplb.steps import Floats

AS_GOOD = 1.02
"""Fewer windows are preferred to more if their error is at most this many times the smallest."""
MAX_TARGETS = 32
"""At most this many windows are predicted, the last ones."""
MUCH_PREFILL = 0.9
SMALL_NOISE = 0.1
"""Half of the drift that begins a regime: with more noise in a window, regimes are missed."""


def last_regime(windows: Sequence[WindowFigures]) -> int:
    """The index at which the last regime begins."""
    first = len(windows) - 1
    while first and windows[first - 1].regime == windows[-1].regime:
        first -= 1
    return first


def prediction_errors(windows: Sequence[Floats]) -> dict[int, float]:
    """For k = 1, 2, 4, ... up to half of the windows `[L, E]`: the drift from the sum of k windows to the one after
    them, the median over layers, then over the windows predicted, which are the same for each k. {} for fewer than 4
    windows, where nothing can be compared.
    """
    counts = [count for count in distances(len(windows)) if 2 * count <= len(windows)]
    if len(counts) < 2:
        return {}
    targets = range(max(counts[-1], len(windows) - MAX_TARGETS), len(windows))
    errors = {}
    for count in counts:
        found = []
        for target in targets:
            drift_L = drift_by_layer(np.sum(windows[target - count : target], axis=0), windows[target])
            if not np.isnan(drift_L).all():
                found.append(float(np.nanmedian(drift_L)))
        if found:
            errors[count] = float(np.median(found))
    return errors


def fitting_steps(windows: Sequence[WindowFigures]) -> tuple[int, float, float] | None:
    """How many steps make windows whose noise is no more than the drift between them, with that noise and drift for the
    present size; None where either is unknown. 0 steps: no drift shows beyond the noise. The variance of the noise
    falls with the number of steps.
    """
    drifts = [window.drift for window in windows[1:] if window.drift is not None]
    noises = [drift.noise for drift in drifts if drift.noise is not None]
    if not noises or len(noises) < len(drifts):
        return None
    noise = math.sqrt(float(np.mean(np.square(noises))))
    drift = math.sqrt(max(0.0, float(np.mean([each.median**2 for each in drifts])) - noise**2))
    if drift <= noise / 10:
        return 0, noise, drift
    return max(1, _steps_for(windows, noise, drift)), noise, drift


def _steps_for(windows: Sequence[WindowFigures], noise: float, wanted: float) -> int:
    """How many steps bring a noise down to what is wanted, rounded up."""
    return round_up(max(window.steps for window in windows) * (noise / wanted) ** 2)


def round_up(count: float) -> int:
    """The smallest of 1, 2, 5, 10, 20, 50, ... that is at least `count`."""
    scale = 1
    while True:
        for digit in (1, 2, 5):
            if digit * scale >= count:
                return digit * scale
        scale *= 10


def advise(windows: Sequence[Floats], figures: Sequence[WindowFigures], kinds: StepKinds | None) -> Advice:
    """What to plan on, of windows `[L, E]` with their figures."""
    start = last_regime(figures)
    regime = figures[start:]
    errors = prediction_errors(windows[start:])
    reasons = [_where(figures, start)]
    count = len(regime)
    if errors:
        least = min(errors.values())
        count = next(count for count, error in errors.items() if error <= AS_GOOD * least)
        reasons.append(_tried(errors, count))
    elif len(regime) > 1:
        reasons.append("It has too few windows to try how many of them predict the next one best: take all.")
    size, said = _size(regime)
    reasons += said
    # What is planned on has to be as large as one good window, whatever the size of the windows here.
    least_steps = size or 0
    while count < len(regime) and sum(window.steps for window in regime[-count:]) < least_steps:
        count += 1
    chosen = regime[-count:]
    if kinds is not None:
        reasons.append(_kinds(kinds))
    return Advice(
        first=chosen[0].number,
        last=chosen[-1].number,
        steps=sum(window.steps for window in chosen),
        steps_per_window=size,
        reasons=tuple(reasons),
    )


def _where(figures: Sequence[WindowFigures], start: int) -> str:
    first = figures[start]
    if len(figures) == 1:
        return "There is one window only: how loads change, it does not tell. Record several windows."
    if first.drift is None or start == 0:
        return f"All {len(figures)} windows are of one regime."
    return (
        f"The last regime, {first.regime}, begins at window {first.number}: loads differ there by "
        f"{first.drift.median:.2f} from the window before. A plan on earlier windows is a plan for other loads."
    )


def _tried(errors: dict[int, float], count: int) -> str:
    words = f"The sum of the last {_windows(count)} predicts the next one with an error of {errors[count]:.3f}"
    others = ", ".join(f"{other}: {error:.3f}" for other, error in errors.items() if other != count)
    return f"{words} (windows summed, error: {others})."


def _windows(count: int) -> str:
    return "window" if count == 1 else f"{count} windows"


def _size(regime: Sequence[WindowFigures]) -> tuple[int | None, list[str]]:
    """How many steps a window should have, and why."""
    found = fitting_steps(regime)
    if found is None:
        return None, []
    wanted, noise, drift = found
    size, steps = max(window.steps for window in regime), sum(window.steps for window in regime)
    now = f"two windows of {_steps(size)} differ by {noise:.3f} through sampling alone"
    if noise > SMALL_NOISE:
        wanted = min(steps, _steps_for(regime, noise, SMALL_NOISE))
        hidden = f"Drift below that does not show: look again with --steps-per-window {wanted}."
        return wanted, [f"{now.capitalize()}. {hidden}"]
    if wanted == 0:
        return steps, [f"Loads drift by less than the noise shows ({now}): sum all {steps} steps of the regime."]
    beside = f"Loads drift by {drift:.3f} from window to window; {now}"
    if noise > drift:
        end = "more than were recorded: record longer" if wanted > steps else "which brings that below the drift"
        return min(wanted, steps), [f"{beside}: sum {_steps(wanted)} a window, {end}."]
    return size, [f"{beside}, which is below the drift."]


def _steps(count: int) -> str:
    return f"{count} step{'' if count == 1 else 's'}"


def _kinds(kinds: StepKinds) -> str:
    apart = "" if kinds.drift is None else f" Decode steps differ from them by {kinds.drift.median:.2f} in drift."
    share = f"{100 * kinds.prefill_share:.0f} % of the load is of prefill steps"
    if kinds.prefill_share >= MUCH_PREFILL:
        return f"{share}, so a plan on all steps is one for prefill.{apart} See --only decode."
    return f"{share}.{apart} A plan on all steps is one for the mixture: see --only decode, --only prefill."
