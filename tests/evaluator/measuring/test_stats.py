"""Intervals and decisions: exact values by hand, and simulations of noisy machines under fixed seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluator.measuring import stats
from evaluator.types import Samples
from tests.evaluator.machines import growing, rounds_of

LEVEL = stats.DECISION_LEVEL


def uniform(rounds: int, candidate_us: int, reference_us: int) -> Samples:
    """Rounds of one block, all equal."""
    count = 2 * rounds
    return Samples(candidate_us=(candidate_us,) * count, reference_us=(reference_us,) * count, rounds=(2,) * rounds)


def valued(values: Sequence[float], base_us: int = 10**9) -> Samples:
    """Rounds with these log ratios."""
    reference = [round(base_us * math.exp(value)) for value in values]
    return Samples(candidate_us=(base_us,) * len(values), reference_us=tuple(reference), rounds=(1,) * len(values))


# Units: pairs, blocks, rounds


def test_value_of_a_round_is_the_mean_of_the_medians_of_both_orders() -> None:
    # The first of each pair takes twice as long, and one pair was disturbed.
    samples = Samples(
        candidate_us=(100, 200, 100, 200, 100, 200), reference_us=(200, 100, 200, 100, 200, 90_000), rounds=(6,)
    )
    assert stats.round_values([samples]) == [pytest.approx(0.0)]


def test_order_of_calls_does_not_matter_however_large_its_effect() -> None:
    rng = np.random.default_rng(1)
    for order in (0.0, 0.05, 0.5):
        interval = stats.speedup(rounds_of(rng, 30, order=order))
        assert 0.98 < interval.low <= interval.high < 1.02


def test_rounds_have_the_given_lengths() -> None:
    samples = Samples(candidate_us=(100,) * 5, reference_us=(100, 100, 200, 200, 400), rounds=(2, 2, 1))
    assert stats.round_values([samples]) == [pytest.approx(math.log(ratio)) for ratio in (1, 2, 4)]


def test_orders_have_equal_weight_even_if_one_has_more_pairs() -> None:
    samples = Samples(candidate_us=(100, 100, 100, 100), reference_us=(400, 100, 400, 200), rounds=(3, 1))
    assert stats.round_values([samples]) == [pytest.approx(math.log(4) / 2), pytest.approx(math.log(2))]


def test_value_of_a_round_is_the_mean_over_its_cases() -> None:
    values = stats.round_values([valued([0.1, 0.3]), valued([0.3, -0.3])])
    assert values == pytest.approx([0.2, 0.0], abs=1e-8)


# Intervals by hand


@pytest.mark.parametrize(("n", "rank"), [(6, 1), (9, 2), (12, 3), (20, 6), (30, 10), (50, 18), (100, 40)])
def test_order_statistics_match_the_sign_test_table(n: int, rank: int) -> None:
    assert stats._fixed_rank(n, 0.95) == rank


@pytest.mark.parametrize("n", [500, 501])
def test_approximation_for_many_rounds_matches_the_exact_rank(n: int) -> None:
    exact = max(k for k in range(1, n // 2) if sum(math.comb(n, i) for i in range(k)) / 2**n <= 0.025)
    assert abs(stats._fixed_rank(n, 0.95) - exact) <= 1


@pytest.mark.parametrize("level", [0.975, 0.999, 0.99999])
def test_sequential_rank_matches_its_definition(level: float) -> None:
    for n in (5, 9, 14, 20, 41, 100, 300):
        refuted = [k for k in range(n // 2) if math.comb(n, k) * (n + 1) <= (1 - level) * 2**n]
        assert stats._sequential_rank(n, level) == len(refuted)


def test_sequential_interval_is_wider_than_the_fixed_one() -> None:
    for n in range(6, 400, 7):
        assert stats._sequential_rank(n, 0.95) <= stats._fixed_rank(n, 0.95)


def test_three_rounds_use_students_t() -> None:
    interval = stats.speedup(valued([0.1, 0.2, 0.4]))
    half = 4.303 * math.sqrt(0.07 / 3) / math.sqrt(3)
    assert math.log(interval.median) == pytest.approx(0.2)
    assert math.log(interval.low) == pytest.approx(0.7 / 3 - half)
    assert math.log(interval.high) == pytest.approx(0.7 / 3 + half)


def test_fewer_than_three_rounds_allow_for_process_differences() -> None:
    interval = stats.speedup(uniform(2, 100, 200))
    assert interval.median == pytest.approx(2)
    assert math.log(interval.high / interval.median) == pytest.approx(stats.PROCESS_SPREAD)
    assert math.log(interval.median / interval.low) == pytest.approx(stats.PROCESS_SPREAD)


@pytest.mark.parametrize("rounds", [1, 2, 3, 4, 5, 9, 10, 11, 50, 499, 502])
def test_every_count_gives_intervals(rounds: int) -> None:
    samples = rounds_of(np.random.default_rng(rounds), rounds, pairs=2)
    for interval in (stats.speedup(samples), stats.certain_speedup([samples]), stats.certain_speedup([samples], 0.5)):
        assert 0 < interval.low <= interval.median <= interval.high < math.inf


def test_single_pair_gives_an_interval_and_no_decision() -> None:
    samples = Samples(candidate_us=(100,), reference_us=(900,))
    assert stats.speedup(samples).median == pytest.approx(9)
    assert stats.compare([samples]) == "undecided"


def test_combined_is_the_geometric_mean() -> None:
    combined = stats.combined_speedup([uniform(20, 100, 200), uniform(20, 100, 800)])
    assert (combined.low, combined.median, combined.high) == pytest.approx((4, 4, 4))
    assert stats.geometric_mean([2, 8]) == pytest.approx(4)


def test_runtime_is_the_median_in_milliseconds() -> None:
    assert stats.runtime_ms([1000, 9000, 2000]) == 2.0
    assert stats.runtime_ms([1000, 2000]) == 1.5


# Coverage


@pytest.mark.slow
@pytest.mark.parametrize("rounds", [1, 2, 3, 5, 9, 10, 20])
@pytest.mark.parametrize("two_kinds", [False, True])
def test_reading_interval_covers_under_heavy_tails_and_differing_processes(rounds: int, two_kinds: bool) -> None:
    rng, runs, covered = np.random.default_rng([rounds, two_kinds]), 600, 0
    for _ in range(runs):
        interval = stats.speedup(rounds_of(rng, rounds, speedup=1.3, two_kinds=two_kinds))
        covered += interval.low <= 1.3 <= interval.high
    assert covered >= 0.92 * runs


@pytest.mark.slow
def test_reading_interval_covers_when_measuring_stops_at_a_narrow_interval() -> None:
    rng, runs, covered, lengths = np.random.default_rng(9), 800, 0, []
    for _ in range(runs):
        whole = rounds_of(rng, 20, speedup=1.3)
        samples = next((s for s in growing(whole) if stats.narrow_enough([s], 0.02)), whole)
        interval = stats.speedup(samples)
        covered += interval.low <= 1.3 <= interval.high
        lengths.append(len(samples.rounds))
    assert covered >= 0.92 * runs
    assert min(lengths) == stats.ENOUGH_ROUNDS < max(lengths)


@pytest.mark.slow
@pytest.mark.parametrize("level", [0.9, 0.99])
@pytest.mark.parametrize("two_kinds", [False, True])
def test_certain_interval_covers_at_all_looks_at_once(level: float, two_kinds: bool) -> None:
    rng, runs, missed = np.random.default_rng([round(level * 100), two_kinds]), 120, 0
    for _ in range(runs):
        whole = rounds_of(rng, 60, pairs=2, speedup=1.3, two_kinds=two_kinds)
        looks = (stats.certain_speedup([samples], level) for samples in growing(whole))
        missed += any(not look.low <= 1.3 <= look.high for look in looks)
    allowed = runs * (1 - level) + 3 * math.sqrt(runs * level * (1 - level))
    assert missed <= allowed


@pytest.mark.slow
@pytest.mark.parametrize("cases", [1, 2, 6])
def test_combined_interval_covers_when_processes_differ_equally_in_all_cases(cases: int) -> None:
    rng, runs, covered = np.random.default_rng(cases), 400, 0
    speeds = np.linspace(0.5, 2, cases)
    for _ in range(runs):
        bias = np.repeat(np.exp(0.015 * rng.standard_normal(5)), 10)
        parts = []
        for speed in speeds:
            plain = rounds_of(rng, 5, speedup=float(speed), processes=0.0)
            shifted = np.maximum(1, np.array(plain.reference_us) * bias).astype(int)
            parts.append(
                Samples(candidate_us=plain.candidate_us, reference_us=tuple(shifted.tolist()), rounds=plain.rounds)
            )
        interval = stats.combined_speedup(parts)
        covered += interval.low <= stats.geometric_mean(list(speeds)) <= interval.high
    assert covered >= 0.92 * runs


# Decisions


@pytest.mark.slow
@pytest.mark.parametrize("two_kinds", [False, True])
@pytest.mark.parametrize("processes", [0.0, 0.015, 0.06])
def test_program_against_itself_is_rarely_decided(processes: float, two_kinds: bool) -> None:
    """With a look after each of 50 rounds, a level of 99.5 % allows at most one wrong decision in 200."""
    rng, called = np.random.default_rng(3), 0
    for _ in range(100):
        whole = rounds_of(rng, 50, pairs=2, processes=processes, two_kinds=two_kinds)
        called += any(stats.compare([samples]) != "undecided" for samples in growing(whole))
    assert called <= 2


@pytest.mark.slow
@pytest.mark.parametrize("base_us", [3.0, 10.0, 40.0])
def test_coarse_clock_does_not_create_certainty(base_us: float) -> None:
    """Calls of a few microseconds are stored as integers: a few equal ratios prove nothing."""
    rng, called = np.random.default_rng(2), 0
    for _ in range(1000):
        rounded = np.maximum(1, (base_us + rng.normal(0, 0.3, (2, 6))).astype(int))
        samples = Samples(
            candidate_us=tuple(rounded[0].tolist()), reference_us=tuple(rounded[1].tolist()), rounds=(2, 2, 2)
        )
        called += stats.compare([samples]) != "undecided"
    assert called <= 3


def test_five_percent_slower_is_detected_within_thirty_rounds() -> None:
    rng, lengths = np.random.default_rng(4), []
    for _ in range(100):
        whole = rounds_of(rng, 30, speedup=1 / 1.05)
        samples = next((s for s in growing(whole) if stats.settled([s], LEVEL, 0.01)), whole)
        assert stats.compare([samples]) != "better"
        lengths.append(len(samples.rounds) if stats.compare([samples]) == "worse" else 31)
    assert sum(length <= 30 for length in lengths) >= 97
    assert np.median(lengths) < 20


def test_few_rounds_decide_only_beyond_the_unmodelled_margin() -> None:
    rng = np.random.default_rng(5)
    assert all(stats.compare([rounds_of(rng, 3, speedup=30)]) == "better" for _ in range(100))
    assert stats.compare([valued([math.log(1.2)] * 3)]) == "undecided"
    assert stats.compare([valued([math.log(1.3)] * 3)]) == "better"
    assert stats.compare([valued([math.log(1.3)] * 2)]) == "undecided"


def test_many_equal_rounds_decide() -> None:
    assert stats.compare([uniform(14, 100, 101)]) == "better"
    assert stats.compare([uniform(14, 101, 100)]) == "worse"
    assert stats.compare([uniform(11, 100, 101)]) == stats.compare([uniform(99, 100, 100)]) == "undecided"


def test_narrow_needs_enough_rounds() -> None:
    assert not stats.narrow_enough([uniform(stats.ENOUGH_ROUNDS - 1, 100, 100)], 0.02)
    assert stats.narrow_enough([uniform(stats.ENOUGH_ROUNDS, 100, 100)], 0.02)
    assert not stats.narrow_enough([rounds_of(np.random.default_rng(7), 6)], 1e-6)


def test_settled_when_decided_or_when_the_difference_is_small() -> None:
    assert stats.settled([uniform(20, 100, 150)], LEVEL, 0.02)
    assert stats.settled([uniform(5, 100, 100)], LEVEL, 0.02)
    assert not stats.settled([uniform(4, 100, 100)], LEVEL, 0.02)
    assert not stats.settled([uniform(10, 100, 103)], LEVEL, 0.02)
    assert not stats.settled([valued([0.1, -0.1] * 20)], LEVEL, 0.02)


# Properties

PAIRS = st.lists(st.tuples(st.integers(1, 10**6), st.integers(1, 10**6)), min_size=1, max_size=40)
ORDER = {"worse": 0, "undecided": 1, "better": 2}


def _samples(pairs: Sequence[tuple[int, int]], factor: int = 1) -> Samples:
    rounds = (2,) * (len(pairs) // 2) + (1,) * (len(pairs) % 2)
    return Samples(
        candidate_us=tuple(c * factor for c, _ in pairs), reference_us=tuple(r for _, r in pairs), rounds=rounds
    )


@given(pairs=PAIRS)
@settings(max_examples=150, deadline=None)
def test_swapping_the_programs_mirrors_the_decision(pairs: list[tuple[int, int]]) -> None:
    samples = _samples(pairs)
    swapped = Samples(candidate_us=samples.reference_us, reference_us=samples.candidate_us, rounds=samples.rounds)
    mirrored = {"better": "worse", "worse": "better", "undecided": "undecided"}
    assert stats.compare([swapped]) == mirrored[stats.compare([samples])]
    there, back = stats.speedup(samples), stats.speedup(swapped)
    assert there.median == pytest.approx(1 / back.median)
    assert there.low == pytest.approx(1 / back.high)


@given(pairs=PAIRS, factor=st.integers(2, 20))
@settings(max_examples=150, deadline=None)
def test_slower_is_never_better(pairs: list[tuple[int, int]], factor: int) -> None:
    before, after = stats.speedup(_samples(pairs)), stats.speedup(_samples(pairs, factor))
    assert after.median <= before.median
    assert after.low <= before.low and after.high <= before.high
    assert ORDER[stats.compare([_samples(pairs, factor)])] <= ORDER[stats.compare([_samples(pairs)])]


@given(pairs=PAIRS)
@settings(max_examples=100, deadline=None)
def test_stricter_level_decides_less(pairs: list[tuple[int, int]]) -> None:
    loose, strict = (stats.compare([_samples(pairs)], level) for level in (0.95, 0.9999))
    assert strict in (loose, "undecided")
