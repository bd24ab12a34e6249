"""Which mean each figure of a score is."""

from __future__ import annotations

import math

import pytest

from evaluator.scoring import score_cases, score_program
from evaluator.tasks import TASKS
from evaluator.types import CaseQuality, Samples

QUALITIES = (
    CaseQuality(case="one", value=0.8, ceiling=0.9, metrics={"same_window_balance": 0.7}),
    CaseQuality(case="two", value=0.6, ceiling=0.7, metrics={"same_window_balance": 0.5}),
)
SAMPLES = (
    Samples(candidate_us=(1000,) * 8, reference_us=(2000,) * 8),
    Samples(candidate_us=(4000,) * 8, reference_us=(2000,) * 8),
)


def test_each_case_has_its_own_figures() -> None:
    first, second = score_cases(QUALITIES, SAMPLES)
    assert (first.runtime_ms, first.reference_ms, first.speedup.median) == (1.0, 2.0, 2.0)
    assert (second.runtime_ms, second.reference_ms, second.speedup.median) == (4.0, 2.0, 0.5)
    assert (first.quality, second.samples) == (QUALITIES[0], SAMPLES[1])


def test_qualities_have_arithmetic_and_times_geometric_means() -> None:
    score = score_program(TASKS["eplb"]({}), QUALITIES, SAMPLES, [4_000_000, 2_000_000, 9_000_000])
    assert score.quality.value == pytest.approx(0.7) and score.quality.ceiling == pytest.approx(0.8)
    assert score.metrics == {"same_window_balance": pytest.approx(0.6)}
    assert score.runtime_ms == pytest.approx(math.sqrt(1.0 * 4.0))
    assert score.speedup.median == pytest.approx(1.0)
    assert score.load_s == 0.004  # the median: a first process may be slow


def test_a_case_without_samples_is_an_error() -> None:
    with pytest.raises(ValueError):
        score_cases(QUALITIES, SAMPLES[:1])
