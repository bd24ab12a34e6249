"""Which windows to plan on, where the answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from evaluator.loads import Drift, WindowFigures
from evaluator.tasks.eplb.planning_windows import advise, fitting_steps, prediction_errors, round_up


def window(
    number: int, regime: str = "A", drift: float | None = 0.05, noise: float | None = 0.03, steps: int = 100
) -> WindowFigures:
    found = None if drift is None else Drift(median=drift, worst=drift, worst_layer=0, noise=noise)
    return WindowFigures(
        number=number,
        source="t.npy",
        steps=steps,
        load=1.0,
        peak=2.0,
        prefill_share=None,
        drift=found,
        regime=regime,
    )


def draws(count: int, wander: float, flutter: float) -> list[np.ndarray]:
    """Windows whose ln loads walk at random by `wander` a window, with independent scatter around the walk."""
    rng = np.random.default_rng(2)
    walk = np.cumsum(rng.normal(0, wander, (count, 4, 128)), axis=0)
    return list(np.exp(walk + rng.normal(0, flutter, walk.shape)))


def test_noise_asks_for_many_windows_and_a_walk_for_the_last() -> None:
    noisy, walking = prediction_errors(draws(16, 0.0, 0.1)), prediction_errors(draws(16, 0.1, 0.0))
    assert list(noisy) == [1, 2, 4, 8]
    assert list(noisy.values()) == sorted(noisy.values(), reverse=True)
    assert list(walking.values()) == sorted(walking.values())
    assert noisy[1] == pytest.approx(0.1 * np.sqrt(2), rel=0.1), "two draws of the same scatter"
    assert walking[1] == pytest.approx(0.1, rel=0.1), "one step of the walk"
    assert prediction_errors(draws(3, 0.1, 0.1)) == {}


def test_the_advice_takes_the_last_windows_of_the_last_regime() -> None:
    walking = [*draws(4, 0.0, 0.5), *draws(8, 0.1, 0.0)]
    figures = [window(number, "AB"[number >= 4], drift=0.5 if number == 4 else 0.1) for number in range(12)]
    advice = advise(walking, figures, None)
    assert (advice.first, advice.last, advice.steps, advice.steps_per_window) == (11, 11, 100, 100)
    where, tried, size = advice.reasons
    assert where.startswith("The last regime, B, begins at window 4: loads differ there by 0.50")
    assert tried.startswith("The sum of the last window predicts the next one with an error of 0.1")
    assert size.endswith("two windows of 100 steps differ by 0.030 through sampling alone, which is below the drift.")
    steady = [*draws(4, 0.0, 0.5), *draws(8, 0.0, 0.1)]
    assert (advise(steady, figures, None).first, advise(steady, figures, None).steps) == (8, 400)


def test_a_short_regime_is_taken_whole() -> None:
    figures = [window(0, drift=None), window(1), window(2, "B", drift=0.5), window(3, "B")]
    advice = advise(draws(4, 0.1, 0.0), figures, None)
    assert (advice.first, advice.last) == (2, 3)
    assert "too few windows to try" in advice.reasons[1]


def test_one_window_tells_nothing_of_change() -> None:
    advice = advise(draws(1, 0.1, 0.0), [window(7, drift=None)], None)
    assert (advice.first, advice.last, advice.steps_per_window) == (7, 7, None)
    assert advice.reasons == ("There is one window only: how loads change, it does not tell. Record several windows.",)


def test_noise_falls_with_the_steps_of_a_window() -> None:
    # The drift without noise is .04, the noise .08: twice the drift, so four times the steps.
    found = fitting_steps([window(0, drift=None), *(window(n, drift=np.hypot(0.04, 0.08), noise=0.08) for n in (1, 2))])
    assert found is not None
    assert (found[0], round(found[1], 9), round(found[2], 9)) == (500, 0.08, 0.04)
    assert fitting_steps([window(0, drift=None), window(1, noise=None)]) is None
    assert fitting_steps([window(0, drift=None), window(1, drift=0.03, noise=0.03)]) == (0, 0.03, 0.0)
    figures = [window(0, drift=None), *(window(number, drift=0.03, noise=0.03) for number in range(1, 4))]
    advice = advise(draws(4, 0.0, 0.1), figures, None)
    assert advice.steps_per_window == 400
    assert advice.reasons[-1].endswith(
        "(two windows of 100 steps differ by 0.030 through sampling alone): sum all 400 steps of the regime."
    )


@pytest.mark.parametrize(("count", "rounded"), [(0.2, 1), (1, 1), (1.1, 2), (3, 5), (5.5, 10), (21, 50), (400, 500)])
def test_sizes_are_rounded_up(count: float, rounded: int) -> None:
    assert round_up(count) == rounded


def test_windows_too_small_to_show_drift_are_said_to_be_so() -> None:
    figures = [window(0, drift=None, steps=1), *(window(n, drift=0.5, noise=0.4, steps=1) for n in range(1, 32))]
    advice = advise(draws(32, 0.0, 0.3), figures, None)
    # A noise of .4 is four times .1, so 16 steps, rounded up to 20: the plan is on as many windows of one step.
    assert (advice.first, advice.steps, advice.steps_per_window) == (12, 20, 20)
    assert advice.reasons[-1] == (
        "Two windows of 1 step differ by 0.400 through sampling alone. Drift below that does not show: look again with "
        "--steps-per-window 20."
    )
