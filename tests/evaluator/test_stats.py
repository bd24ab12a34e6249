"""Intervals and decisions: exact values by hand, and simulations of noisy machines under fixed seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluator import stats
from evaluator.types import Samples

COARSE, FINE = 0.95, stats.DECISION_LEVEL


def paired(rng: np.random.Generator, n: int, *, speedup: float = 1.0, base_us: float = 1900.0) -> Samples:
    """Pairs as JUDGE's figures describe them: what slows a pair slows both (46 % from call to call); what is left
    between the two of a pair has heavy tails (Student's t with 2 degrees of freedom), and makes medians of 20 ratios
    scatter by 0.9 %.
    """
    common = base_us * np.exp(0.4 * rng.standard_normal(n)) * np.where(rng.random(n) < 0.1, 3.0, 1.0)
    reference = common * np.exp(0.02 * rng.standard_t(2, n))
    candidate = common / speedup * np.exp(0.02 * rng.standard_t(2, n))
    return Samples(
        candidate_us=tuple(int(x) for x in np.maximum(1, candidate)),
        reference_us=tuple(int(x) for x in np.maximum(1, reference)),
    )


def uniform(n: int, candidate_us: int, reference_us: int) -> Samples:
    return Samples(candidate_us=(candidate_us,) * n, reference_us=(reference_us,) * n)


# The ranks of the sign test's interval, as any table of it gives them.
@pytest.mark.parametrize(
    ("n", "level", "rank"),
    [
        (6, COARSE, 1),
        (8, COARSE, 1),
        (9, COARSE, 2),
        (11, COARSE, 2),
        (12, COARSE, 3),
        (20, COARSE, 6),
        (30, COARSE, 10),
        (50, COARSE, 18),
        (100, COARSE, 40),
        (11, FINE, 1),
        (13, FINE, 1),
        (14, FINE, 1),
        (15, FINE, 2),
        (20, FINE, 3),
        (100, FINE, 34),
    ],
)
def test_order_statistics_by_the_table(n: int, level: float, rank: int) -> None:
    middle, low, high = stats.median_interval(list(range(1, n + 1)), level)
    assert (middle, low, high) == ((n + 1) / 2, rank, n + 1 - rank)


def test_three_values_by_students_t() -> None:
    middle, low, high = stats.median_interval([1.0, 2.0, 4.0])
    half = 4.303 * math.sqrt(7 / 3) / math.sqrt(3)
    assert middle == 2
    assert low == pytest.approx(7 / 3 - half)
    assert high == pytest.approx(7 / 3 + half)


def test_interval_holds_its_median_and_its_small_samples() -> None:
    middle, low, high = stats.median_interval([0.0, 0.0, 0.0, 0.0, 100.0])
    assert low <= 0 == middle and high >= 100


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6, 7, 10, 11, 20, 499, 500, 501, 502])
@pytest.mark.parametrize("level", [COARSE, FINE])
def test_every_count_gives_an_interval(n: int, level: float) -> None:
    values = list(np.random.default_rng(n).standard_normal(n))
    middle, low, high = stats.median_interval(values, level)
    assert low <= middle <= high
    assert stats.median_interval(list(reversed(values)), level) == (middle, low, high)


@pytest.mark.parametrize(("level", "n"), [(COARSE, 500), (COARSE, 501), (FINE, 500), (FINE, 501)])
def test_approximation_for_many_pairs_meets_the_exact_rank(level: float, n: int) -> None:
    exact = stats._rank(n, level)
    assert exact is not None and abs(stats._normal_rank(n, level) - exact) <= 1


@pytest.mark.parametrize("n", [3, 4, 5, 6, 8, 10, 11, 20, 50])
@pytest.mark.parametrize("level", [COARSE, FINE])
def test_coverage_under_heavy_tails(n: int, level: float) -> None:
    rng, runs, covered = np.random.default_rng([n, round(level * 1000)]), 1500, 0
    for _ in range(runs):
        interval = stats.speedup(paired(rng, n, speedup=1.3), level)
        covered += interval.low <= 1.3 <= interval.high
    # Three standard errors below the promise, at the least three misses.
    allowed = max(3.0, runs * (1 - level) + 3 * math.sqrt(runs * level * (1 - level)))
    assert runs - covered <= allowed


@pytest.mark.parametrize("sizes", [(3, 3), (3, 20), (5, 5, 5, 5, 5, 5), (20,) * 6])
def test_coverage_of_the_combined_interval(sizes: tuple[int, ...]) -> None:
    rng, runs, covered = np.random.default_rng(11), 600, 0
    for _ in range(runs):
        parts = [paired(rng, n, speedup=s) for n, s in zip(sizes, np.linspace(0.5, 2, len(sizes)), strict=True)]
        truth = stats.geometric_mean(list(np.linspace(0.5, 2, len(sizes))))
        interval = stats.combined_speedup(parts)
        covered += interval.low <= truth <= interval.high
    assert covered >= 0.93 * runs


@pytest.mark.parametrize("sizes", [(3,), (5,), (6,), (10,), (20,), (100,), (3, 3), (20, 20, 20)])
def test_program_against_itself_is_hardly_ever_called(sizes: tuple[int, ...]) -> None:
    rng, runs = np.random.default_rng([1, *sizes]), 1000
    called = sum(stats.compare([paired(rng, n) for n in sizes]) != "undecided" for _ in range(runs))
    assert called <= 4  # one is expected


@pytest.mark.parametrize("base_us", [3.0, 10.0, 40.0])
def test_coarse_clock_does_not_make_certainty(base_us: float) -> None:
    """Calls of a few microseconds, stored as whole ones: equal ratios are no proof."""
    rng, called = np.random.default_rng(2), 0
    for _ in range(2000):
        times = np.maximum(1, (base_us + rng.normal(0, 0.3, (2, 3))).astype(int))
        samples = Samples(candidate_us=tuple(times[0].tolist()), reference_us=tuple(times[1].tolist()))
        called += stats.compare([samples]) != "undecided"
    assert called <= 6


def test_five_percent_slower_is_seen_with_a_hundred_pairs() -> None:
    rng = np.random.default_rng(3)
    verdicts = [stats.compare([paired(rng, 100, speedup=1 / 1.05)]) for _ in range(200)]
    assert set(verdicts) == {"worse"}


def test_five_percent_faster_in_six_cases_of_twenty_pairs_is_seen() -> None:
    rng = np.random.default_rng(4)
    verdicts = [stats.compare([paired(rng, 20, speedup=1.05) for _ in range(6)]) for _ in range(100)]
    assert verdicts.count("better") >= 95 and "worse" not in verdicts


def test_half_width_with_twenty_pairs_is_what_was_measured() -> None:
    rng = np.random.default_rng(5)
    intervals = [stats.speedup(paired(rng, 20)) for _ in range(300)]
    assert 0.012 < float(np.median([(i.high - i.low) / 2 for i in intervals])) < 0.04


@pytest.mark.parametrize("n", [1, 2])
def test_one_or_two_pairs_decide_nothing(n: int) -> None:
    assert stats.compare([uniform(n, 100, 900)]) == "undecided"
    assert stats.compare([uniform(20, 100, 900), uniform(n, 100, 900)]) == "undecided"


def test_many_equal_pairs_decide() -> None:
    assert stats.compare([uniform(20, 100, 101)]) == "better"
    assert stats.compare([uniform(20, 101, 100)]) == "worse"
    assert stats.compare([uniform(20, 100, 100)]) == "undecided"


def _swapped(samples: Samples) -> Samples:
    return Samples(candidate_us=samples.reference_us, reference_us=samples.candidate_us)


TIMES = st.lists(st.tuples(st.integers(1, 10**6), st.integers(1, 10**6)), min_size=1, max_size=30)
ORDER = {"worse": 0, "undecided": 1, "better": 2}


def _samples(times: Sequence[tuple[int, int]]) -> Samples:
    return Samples(candidate_us=tuple(c for c, _ in times), reference_us=tuple(r for _, r in times))


@given(times=TIMES)
@settings(max_examples=150, deadline=None)
def test_swapping_the_two_mirrors_the_decision(times: list[tuple[int, int]]) -> None:
    samples = _samples(times)
    mirrored = {"better": "worse", "worse": "better", "undecided": "undecided"}
    assert stats.compare([_swapped(samples)]) == mirrored[stats.compare([samples])]
    there, back = stats.speedup(samples), stats.speedup(_swapped(samples))
    assert there.median == pytest.approx(1 / back.median)
    assert there.low == pytest.approx(1 / back.high)


@given(times=TIMES, factor=st.integers(2, 20))
@settings(max_examples=150, deadline=None)
def test_slower_is_never_better(times: list[tuple[int, int]], factor: int) -> None:
    samples = _samples(times)
    slower = Samples(candidate_us=tuple(t * factor for t in samples.candidate_us), reference_us=samples.reference_us)
    before, after = stats.speedup(samples), stats.speedup(slower)
    assert after.median == pytest.approx(before.median / factor)
    assert after.low <= before.low and after.high <= before.high
    assert ORDER[stats.compare([slower])] <= ORDER[stats.compare([samples])]


@given(times=TIMES)
@settings(max_examples=100, deadline=None)
def test_stricter_level_is_wider(times: list[tuple[int, int]]) -> None:
    loose, strict = stats.speedup(_samples(times), COARSE), stats.speedup(_samples(times), FINE)
    assert strict.low <= loose.low and loose.high <= strict.high


def test_combined_is_the_geometric_mean() -> None:
    combined = stats.combined_speedup([uniform(20, 100, 200), uniform(20, 100, 800)])
    assert combined.median == pytest.approx(4)
    assert combined.low == pytest.approx(4) and combined.high == pytest.approx(4)
    assert stats.geometric_mean([2, 8]) == pytest.approx(4)


def test_combined_of_one_case_is_that_case() -> None:
    samples = paired(np.random.default_rng(6), 20)
    one, same = stats.combined_speedup([samples]), stats.speedup(samples)
    assert (one.low, one.median, one.high) == pytest.approx((same.low, same.median, same.high))


def test_narrow_enough_needs_order_statistics() -> None:
    assert not stats.narrow_enough(uniform(5, 100, 100), 0.02)
    assert stats.narrow_enough(uniform(6, 100, 100), 0.02)
    assert not stats.narrow_enough(paired(np.random.default_rng(7), 6), 1e-6)


def test_runtime_is_the_median_in_milliseconds() -> None:
    assert stats.runtime_ms([1000, 9000, 2000]) == 2.0
    assert stats.runtime_ms([1000, 2000]) == 1.5
