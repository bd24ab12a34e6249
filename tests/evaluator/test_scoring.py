"""Which mean each figure of a score is, and when the pass and the secret calls of a program disagree."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from evaluator.scoring import disagreement, score_cases, score_program
from evaluator.tasks import TASKS
from evaluator.types import CaseQuality, Samples

QUALITIES = (
    CaseQuality(case="one", value=0.8, ceiling=0.9, metrics={"same_window_balance": 0.7}),
    CaseQuality(case="two", value=0.6, ceiling=0.7, metrics={"same_window_balance": 0.5}),
)
REFERENCES = (0.75, 0.65)


def measured(candidate_us: int, gains: Sequence[float], base: Sequence[float] = ()) -> Samples:
    """Pairs against a reference that takes 2 ms and has quality `base`; gains over it."""
    base = base or [0.5] * len(gains)
    return Samples(
        candidate_us=(candidate_us,) * len(gains),
        reference_us=(2000,) * len(gains),
        candidate_quality=tuple(quality + gain for quality, gain in zip(base, gains, strict=True)),
        reference_quality=tuple(base),
        calls=tuple(range(len(gains))),
    )


SAMPLES = (measured(1000, [0.02, 0.04] * 4), measured(4000, [-0.01] * 8))


def test_each_case_has_its_own_figures() -> None:
    first, second = score_cases(QUALITIES, SAMPLES, REFERENCES)
    assert (first.runtime_ms, first.reference_ms, first.speedup.median) == (1.0, 2.0, 2.0)
    assert (second.runtime_ms, second.reference_ms, second.speedup.median) == (4.0, 2.0, 0.5)
    assert (first.quality, second.samples) == (QUALITIES[0], SAMPLES[1])
    assert (first.reference_quality, second.reference_quality) == REFERENCES
    assert first.gain is not None and second.gain is not None
    assert (first.gain.median, second.gain.median) == pytest.approx((0.03, -0.01))


def test_the_quality_that_counts_is_the_references_with_the_gain() -> None:
    """Not that of the pass, which a program could know."""
    first, second = score_cases(QUALITIES, SAMPLES, REFERENCES)
    assert (first.value, second.value) == pytest.approx((0.78, 0.64))
    assert first.gain is not None
    assert first.interval.median == first.value
    assert first.interval.high - first.value == pytest.approx(first.gain.high - first.gain.median) != 0
    score = score_program(TASKS["eplb"]({}), QUALITIES, SAMPLES, references=REFERENCES, loads_ns=[1], secret="ab")
    assert score.quality.value == pytest.approx(0.71) and score.pass_quality == pytest.approx(0.7)
    assert score.gain is not None and score.gain.median == pytest.approx(0.01)
    assert score.quality_interval.low == pytest.approx(0.7 + score.gain.low)
    assert score.secret == "ab"


def test_qualities_have_arithmetic_and_times_geometric_means() -> None:
    loads_ns = [4_000_000, 2_000_000, 9_000_000]
    score = score_program(TASKS["eplb"]({}), QUALITIES, SAMPLES, references=REFERENCES, loads_ns=loads_ns)
    assert score.quality.ceiling == pytest.approx(0.8)
    assert score.metrics == {"same_window_balance": pytest.approx(0.6)}
    assert score.runtime_ms == pytest.approx(math.sqrt(1.0 * 4.0))
    assert score.speedup.median == pytest.approx(1.0)
    assert score.load_s == 0.004  # the median: a first process may be slow


def test_samples_without_qualities_leave_the_quality_of_the_pass() -> None:
    """As stored by earlier versions."""
    old = [Samples(candidate_us=(1000,) * 8, reference_us=(2000,) * 8)] * 2
    score = score_program(TASKS["eplb"]({}), QUALITIES, old, references=REFERENCES, loads_ns=[1])
    assert score.gain is None and score.quality.value == score.pass_quality == pytest.approx(0.7)
    assert [case.value for case in score.cases] == [0.8, 0.6]
    assert score.quality_interval.low == score.quality_interval.high == score.quality.value


def test_a_case_without_samples_is_an_error() -> None:
    with pytest.raises(ValueError):
        score_cases(QUALITIES, SAMPLES[:1], REFERENCES)


# Disagreement

SCATTER, RESOLUTION = 0.002, 0.0005


def disputed(public: Sequence[float], secret: Sequence[float], scatter: float = SCATTER, base: float = 0.0) -> str:
    """`base`: the standard deviation of the reference's quality from call to call."""
    samples = measured(1000, secret)
    theirs = [value + base * (-1) ** at for at, value in enumerate(samples.reference_quality)]
    mine = [value + gain for value, gain in zip(theirs, secret, strict=True)]
    samples = replace(samples, reference_quality=tuple(theirs), candidate_quality=tuple(mine))
    return disagreement(public, samples, scatter=scatter, resolution=RESOLUTION)


def test_a_program_that_plans_alike_agrees() -> None:
    rng = np.random.default_rng(0)
    for gain in (0.0, 0.02, -0.2):
        for _ in range(200):
            public, secret = (gain + SCATTER * rng.standard_normal(size) for size in (4, 40))
            assert not disputed(public.tolist(), secret.tolist())


def test_foresight_in_the_pass_is_disputed() -> None:
    found = disputed([0.03] * 4, [0.0] * 40)
    assert "+0.0300 in the pass and +0.0000 on secret loads" in found and "at most 0.0105" in found
    assert "any loads equally well" in found


def test_care_in_the_pass_alone_is_disputed_and_so_is_care_in_secret_calls_alone() -> None:
    assert disputed([0.0] * 4, [-0.03] * 40)
    assert disputed([-0.03] * 4, [0.0] * 40)


def test_the_candidates_own_scatter_allows_no_more_than_the_references() -> None:
    """A program of two faces scatters by itself, as much as it likes."""
    steady, wild, wilder = [-0.03] * 40, [0.3, -0.36] * 20, [0.9, -0.96] * 20
    assert disputed([0.0] * 4, steady)
    assert disputed([0.1] * 4, wild, base=0.01) == disputed([0.1] * 4, wilder, base=0.01) != ""


def test_an_honest_program_on_a_small_case_is_not_disputed() -> None:
    """Its gain scatters as much as the reference's quality does, and far more than that drifts."""
    rng = np.random.default_rng(2)
    for _ in range(200):
        public, secret = (0.01 + 0.008 * rng.standard_normal(size) for size in (1, 12))
        assert not disputed(public.tolist(), secret.tolist(), scatter=0.001, base=0.01)


def test_hopeless_programs_that_scatter_a_lot_are_not_disputed() -> None:
    """The worse a program is, the more its quality varies with the loads."""
    rng = np.random.default_rng(1)
    for _ in range(200):
        public, secret = (-0.4 + 0.03 * rng.standard_normal(size) for size in (4, 11))
        assert not disputed(public.tolist(), secret.tolist())


def test_a_reference_that_scatters_allows_more() -> None:
    assert disputed([0.03] * 4, [0.0] * 40, scatter=0.005) and not disputed([0.03] * 4, [0.0] * 40, scatter=0.006)


def test_a_reference_without_scatter_leaves_the_resolution() -> None:
    assert not disputed([0.0004], [0.0] * 3, scatter=0.0)
    assert disputed([0.0006], [0.0] * 3, scatter=0.0)
