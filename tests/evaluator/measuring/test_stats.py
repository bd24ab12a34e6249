"""Intervals and decisions: exact values by hand, and simulations of noisy machines under fixed seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

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


def judged(
    gains: Sequence[float],
    times: Sequence[tuple[int, int]] = (),
    *,
    pairs: int = 1,
    base: Sequence[float] = (),
) -> Samples:
    """Rounds of `pairs` pairs with these gains in quality over a reference of quality `base`, and times of both."""
    base, times = base or [0.9] * len(gains), times or [(100, 100)] * len(gains)
    return Samples(
        candidate_us=tuple(candidate for candidate, _ in times),
        reference_us=tuple(reference for _, reference in times),
        rounds=(pairs,) * (len(gains) // pairs),
        candidate_quality=tuple(quality + gain for quality, gain in zip(base, gains, strict=True)),
        reference_quality=tuple(base),
        calls=tuple(range(len(gains))),
    )


def alike(samples: Samples) -> Samples:
    """The same times with answers of equal quality."""
    same = (0.9,) * len(samples.candidate_us)
    return replace(samples, candidate_quality=same, reference_quality=same, calls=tuple(range(len(same))))


# Units: pairs, blocks, rounds


def test_value_of_a_round_is_the_ratio_of_the_sums_of_both_orders() -> None:
    # The first of each pair takes twice as long.
    samples = Samples(candidate_us=(100, 200, 100, 200), reference_us=(200, 100, 200, 100), rounds=(4,))
    assert stats.round_values([samples]) == [pytest.approx(0.0)]
    # A call counts by its time: what is dear in one call is not forgotten.
    samples = Samples(candidate_us=(100, 100, 100, 700), reference_us=(100, 100, 100, 100), rounds=(4,))
    assert stats.round_values([samples]) == [pytest.approx(math.log(400 / 1000))]


def test_gain_of_a_round_is_the_mean_difference_of_its_calls_and_cases() -> None:
    first = judged([0.1, 0.3, -0.2, 0.0], pairs=2, base=[0.5, 0.6, 0.7, 0.4])
    assert stats.round_gains([first]) == pytest.approx([0.2, -0.1])
    assert stats.round_gains([first, judged([0.0] * 6, pairs=3)]) == pytest.approx([0.1, -0.05])


def test_cases_have_equal_rounds() -> None:
    for figure in (stats.round_values, stats.round_gains, stats.combined_speedup, stats.combined_gain):
        with pytest.raises(ValueError):
            figure([judged([0.1] * 3), judged([0.1] * 4)])


def test_order_of_calls_does_not_matter_however_large_its_effect() -> None:
    rng = np.random.default_rng(1)
    for order, width in ((0.0, 0.03), (0.05, 0.03), (0.5, 0.08)):
        interval = stats.combined_speedup([rounds_of(rng, 30, order=order)])
        assert 1 - width < interval.low <= 1 <= interval.high < 1 + width


def test_rounds_have_the_given_lengths() -> None:
    samples = Samples(candidate_us=(100,) * 5, reference_us=(100, 100, 200, 200, 400), rounds=(2, 2, 1))
    assert stats.round_values([samples]) == [pytest.approx(math.log(ratio)) for ratio in (1, 2, 4)]


def test_value_of_a_round_is_the_mean_over_its_cases() -> None:
    values = stats.round_values([valued([0.1, 0.3]), valued([0.3, -0.3])])
    assert values == pytest.approx([0.2, 0.0], abs=1e-8)


# Intervals by hand


@pytest.mark.parametrize("level", [0.975, 0.999, 0.99999])
def test_sequential_rank_matches_its_definition(level: float) -> None:
    for n in (5, 9, 14, 20, 41, 100, 300):
        refuted = [
            k
            for k in range(n // 2)
            if math.comb(2 * k, k) * math.comb(2 * (n - k), n - k) * (1 - level) >= 2**n * math.comb(n, k)
        ]
        assert stats._sequential_rank(n, level) == len(refuted)


def test_three_rounds_use_students_t() -> None:
    interval = stats.combined_speedup([valued([0.001, 0.002, 0.004])])
    half = 4.303 * math.sqrt(0.07e-4 / 3) / math.sqrt(3)
    assert math.log(interval.median) == pytest.approx(0.007 / 3, rel=5e-3)
    assert math.log(interval.low) == pytest.approx(0.007 / 3 - half, rel=5e-2)
    assert math.log(interval.high) == pytest.approx(0.007 / 3 + half, rel=5e-3)


def test_fewer_than_three_rounds_allow_for_process_differences() -> None:
    interval = stats.combined_speedup([uniform(2, 100, 200)])
    assert interval.median == pytest.approx(2)
    assert math.log(interval.high / interval.median) == pytest.approx(stats.PROCESS_SPREAD)
    assert math.log(interval.median / interval.low) == pytest.approx(stats.PROCESS_SPREAD)


@pytest.mark.parametrize("rounds", [1, 2, 3, 4, 5, 9, 10, 11, 50, 499, 502])
def test_every_count_gives_intervals(rounds: int) -> None:
    samples = rounds_of(np.random.default_rng(rounds), rounds, pairs=2)
    for interval in (
        stats.combined_speedup([samples]),
        stats.certain_speedup([samples]),
        stats.certain_speedup([samples], 0.5),
    ):
        assert 0 < interval.low <= interval.median <= interval.high < math.inf


def test_single_pair_gives_an_interval_and_no_decision() -> None:
    samples = Samples(candidate_us=(100,), reference_us=(900,))
    assert stats.combined_speedup([samples]).median == pytest.approx(9)
    assert stats.compare([samples]) == "undecided"


def test_combined_is_the_geometric_mean() -> None:
    combined = stats.combined_speedup([uniform(20, 100, 200), uniform(20, 100, 800)])
    assert (combined.low, combined.median, combined.high) == pytest.approx((4, 4, 4))
    assert stats.geometric_mean([2, 8]) == pytest.approx(4)


def test_runtime_is_the_mean_in_milliseconds() -> None:
    assert stats.runtime_ms([1000, 9000, 2000]) == 4.0


def test_gains_of_few_rounds_have_intervals_too() -> None:
    three = stats.combined_gain([judged([0.1, 0.2, 0.4])])
    half = 4.303 * math.sqrt(0.07 / 3) / math.sqrt(3)
    assert three is not None
    assert (three.low, three.median, three.high) == pytest.approx((0.7 / 3 - half, 0.7 / 3, 0.7 / 3 + half), abs=1e-4)
    two = stats.combined_gain([judged([0.1, 0.3])])
    assert two is not None and (two.low, two.median, two.high) == pytest.approx((-0.1, 0.2, 0.5))
    calls = judged([0.1, 0.2, 0.4, 0.3], pairs=2)
    pairs = stats.combined_gain([calls])
    half = 3.182 * math.sqrt(0.05 / 3) / math.sqrt(4)
    assert pairs is not None and pairs.median == pytest.approx(0.25)
    assert (pairs.low, pairs.high) == pytest.approx((0.25 - half, 0.25 + half), abs=1e-4)


@pytest.mark.parametrize("rounds", [1, 2, 3, 4, 5, 10, 50, 499])
def test_every_count_gives_intervals_of_gains(rounds: int) -> None:
    samples = judged((0.01 * np.random.default_rng(rounds).standard_normal(2 * rounds)).tolist(), pairs=2)
    for level in (0.5, LEVEL):
        for interval in (stats.combined_gain([samples]), stats.certain_gain([samples], level)):
            assert interval is not None and interval.low <= interval.median <= interval.high
            assert math.isfinite(interval.low) and math.isfinite(interval.high)


def test_records_without_qualities_have_no_gain() -> None:
    old, new = uniform(3, 100, 100), judged([0.1] * 3)
    assert stats.combined_gain([old]) is stats.combined_gain([new, uniform(3, 100, 100)]) is None
    assert stats.narrow_enough([uniform(5, 100, 100)], 0.02, 1e-9)
    with pytest.raises(ValueError):
        stats.certain_gain([old])
    assert stats.joined([old, new]).candidate_quality == ()


def test_measurements_are_joined_round_by_round() -> None:
    whole = stats.joined([judged([0.1, 0.2]), judged([0.3, 0.4, 0.5, 0.6], pairs=2)])
    assert whole.rounds == (1, 1, 2, 2)
    assert stats.round_gains([whole]) == pytest.approx([0.1, 0.2, 0.35, 0.55])
    single = stats.joined([uniform(2, 100, 200), Samples(candidate_us=(1, 2, 3), reference_us=(1, 2, 3))])
    assert single.rounds == (2, 2, 3)


# Mixing: careful in some calls, cheap in others

CHEAP, CAREFUL = (1000, 0.0), (5000, 0.02)
"""Time of a call, and its gain over a reference that takes as long as a cheap one."""


def mixed(order: Sequence[bool], pairs: int) -> Samples:
    """A program that is careful in some calls, in rounds of `pairs` calls."""
    made = [CAREFUL if careful else CHEAP for careful in order]
    return judged([gain for _, gain in made], [(time, 1000) for time, _ in made], pairs=pairs)


@given(order=st.permutations([True] * 3 + [False] * 8))
@settings(max_examples=60, deadline=None)
def test_what_is_paid_in_three_of_eleven_calls_is_paid(order: list[bool]) -> None:
    """Time and gain are those of the mixture: no order of calls buys the gain of the dear ones at the time of the cheap
    ones.
    """
    share = 3 / 11
    time, gain = 1 + 4 * share, 0.02 * share
    within = mixed(order, 11)
    assert stats.runtime_ms(within.candidate_us) == pytest.approx(time)
    assert stats.combined_speedup([within]).median == pytest.approx(1 / time)
    over = mixed(order, 1)
    assert stats.runtime_ms(over.candidate_us) == pytest.approx(time)
    for samples in (within, over):
        combined = stats.combined_gain([samples])
        assert combined is not None and combined.median == pytest.approx(gain)


def test_what_is_paid_in_some_rounds_is_paid() -> None:
    """No mean of logarithms, and no mean over rounds of unequal length, makes the dear calls cheaper."""
    over = mixed([False] * 8 + [True] * 3, 1)
    assert stats.combined_speedup([over]).median == pytest.approx(11 / 23)
    uneven = replace(over, rounds=(8, 1, 1, 1))
    assert stats.combined_speedup([uneven]).median == pytest.approx(11 / 23)
    for samples in (over, uneven):
        gain, certain = stats.combined_gain([samples]), stats.certain_gain([samples])
        assert gain is not None and gain.median == certain.median == pytest.approx(0.02 * 3 / 11)


def test_what_a_program_does_in_a_few_rounds_counts_for_a_decision() -> None:
    """The median of rounds alone would forget them."""
    dear = alike(valued([0.05] * 27 + [-1.5] * 3))
    assert stats.combined_speedup([dear]).median < 1
    assert stats.compare([dear]) != "better"
    lost = judged([0.001] * 27 + [-0.05] * 3)
    assert stats.certain_gain([lost]).low < 0


# Coverage


@pytest.mark.slow
@pytest.mark.parametrize("rounds", [1, 2, 3, 5, 9, 10, 20])
@pytest.mark.parametrize("two_kinds", [False, True])
def test_reading_interval_covers_under_heavy_tails_and_differing_processes(rounds: int, two_kinds: bool) -> None:
    rng, runs, covered = np.random.default_rng([rounds, two_kinds]), 600, 0
    for _ in range(runs):
        interval = stats.combined_speedup([rounds_of(rng, rounds, speedup=1.3, two_kinds=two_kinds)])
        covered += interval.low <= 1.3 <= interval.high
    assert covered >= 0.92 * runs


@pytest.mark.slow
def test_reading_interval_covers_when_measuring_stops_at_a_narrow_interval() -> None:
    rng, runs, covered, lengths = np.random.default_rng(9), 800, 0, []
    for _ in range(runs):
        whole = rounds_of(rng, 20, speedup=1.3)
        samples = next((s for s in growing(whole) if stats.narrow_enough([s], 0.02, 1.0)), whole)
        interval = stats.combined_speedup([samples])
        covered += interval.low <= 1.3 <= interval.high
        lengths.append(len(samples.rounds))
    assert covered >= 0.92 * runs
    assert min(lengths) == stats.ENOUGH_ROUNDS < max(lengths)


@pytest.mark.slow
@pytest.mark.parametrize("level", [0.9, 0.99])
@pytest.mark.parametrize("two_kinds", [False, True])
def test_certain_interval_covers_at_all_looks_at_once(level: float, two_kinds: bool, at_length: bool) -> None:
    rng, missed = np.random.default_rng([round(level * 100), two_kinds]), 0
    runs = 120 if at_length else 60
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


def drawn_gains(
    rng: np.random.Generator, rounds: int, *, gain: float = 0.0, pairs: int = 2, mixes: bool = False
) -> Samples:
    """Gains that scatter over calls as on the standard cases, by .0012; `mixes`: a program that is better by four times
    its gain in every fourth round.
    """
    count = rounds * pairs
    more = np.repeat(4 * gain * (rng.random(rounds) < 0.25), pairs) if mixes else gain
    base = 0.9 + 0.01 * rng.standard_normal(count)
    return judged((more + 0.0012 * rng.standard_t(5, count)).tolist(), pairs=pairs, base=base.tolist())


@pytest.mark.slow
@pytest.mark.parametrize("mixes", [False, True])
@pytest.mark.parametrize("rounds", [3, 5, 20])
def test_reading_interval_of_gains_covers(rounds: int, mixes: bool) -> None:
    rng, runs, covered = np.random.default_rng([rounds, mixes]), 500, 0
    gain = 0.001 / 4 if mixes else 0.002
    for _ in range(runs):
        interval = stats.combined_gain([drawn_gains(rng, rounds, gain=gain, pairs=4, mixes=mixes)])
        assert interval is not None
        covered += interval.low <= gain <= interval.high
    assert covered >= 0.92 * runs


# Decisions


@pytest.mark.slow
@pytest.mark.parametrize(("cases", "pairs"), [(1, 1), (2, 4)])
def test_equal_qualities_are_rarely_called_different(cases: int, pairs: int) -> None:
    """Randomised programs, with a look after each of 30 rounds: at a level of 99.5 %, at most one of 200 is decided."""
    rng, called, runs = np.random.default_rng(cases), 0, 400
    for _ in range(runs):
        parts = [drawn_gains(rng, 30, pairs=pairs) for _ in range(cases)]
        looks = zip(*(growing(part) for part in parts), strict=True)
        certain = (stats.certain_gain(list(look)) for look in looks)
        called += any(interval.low > 0 or interval.high < 0 for interval in certain)
    assert called <= runs / 200 + 3 * math.sqrt(runs / 200)


def test_the_same_answers_are_undecided_and_settle_early() -> None:
    same = judged([0.0] * 20, pairs=2)
    ended = next(look for look in growing(same) if stats.settled([look], LEVEL, 0.02, 0.0005))
    assert len(ended.rounds) == stats.ENOUGH_ROUNDS


def test_a_gain_of_a_thousandth_is_seen_within_forty_rounds() -> None:
    rng, seen = np.random.default_rng(6), 0
    for _ in range(60):
        lost = drawn_gains(rng, 40, gain=-0.001, pairs=4)
        certain = next((c for look in growing(lost) if (c := stats.certain_gain([look])).high < 0), None)
        seen += certain is not None
    assert seen >= 57


@pytest.mark.parametrize("rounds", [3, 5, 12])
def test_reading_interval_of_gains_covers_if_rounds_share_draws(rounds: int) -> None:
    """A slow program has one pair a round, and four rounds on one draw of loads."""
    rng, runs, plain, covered = np.random.default_rng(rounds), 500, 0, 0
    for _ in range(runs):
        draws = np.repeat(rng.standard_normal(-(-rounds // 4)), 4)[:rounds]
        samples = judged((0.6 * draws + 0.8 * rng.standard_normal(rounds)).tolist(), pairs=1)
        shared = replace(samples, draws=tuple(min(4, rounds - begin) for begin in range(0, rounds, 4)))
        for known in (samples, shared):
            interval = stats.combined_gain([known])
            assert interval is not None
            covers = interval.low <= 0 <= interval.high
            plain, covered = plain + (covers and known is samples), covered + (covers and known is shared)
    assert plain < covered and covered >= 0.9 * runs


def test_rounds_on_draws_of_their_own_are_taken_as_independent() -> None:
    whole = judged([0.1, 0.3, 0.2, 0.4, 0.2, 0.1], pairs=2)
    for draws in ((2, 2, 2), (1, 1, 2, 2)):
        assert stats.combined_gain([replace(whole, draws=draws)]) == stats.combined_gain([whole])
    one, first = (stats.combined_gain([replace(whole, draws=draws)]) for draws in ((6,), (2, 2, 2)))
    assert one is not None and first is not None
    assert one.high - one.low == pytest.approx((first.high - first.low) * 3**0.5)  # 1 + (6 - 1) * .4


def test_fewer_than_three_rounds_decide_nothing_about_quality() -> None:
    for rounds in (1, 2):
        certain = stats.certain_gain([judged([0.5] * rounds)])
        assert certain.low < -1 and certain.high > 1
    assert stats.certain_gain([judged([0.5, 0.5001, 0.4999])]).low > 0


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
        whole = alike(rounds_of(rng, 30, speedup=1 / 1.05))
        samples = next((s for s in growing(whole) if stats.settled([s], LEVEL, 0.01, 0.0005)), whole)
        assert stats.compare([samples]) != "better"
        lengths.append(len(samples.rounds) if stats.compare([samples]) == "worse" else 31)
    assert sum(length <= 30 for length in lengths) >= 97
    assert np.median(lengths) < 20


def test_few_rounds_decide_only_beyond_their_scatter_and_the_unmodelled_margin() -> None:
    rng = np.random.default_rng(5)
    assert all(stats.compare([rounds_of(rng, 4, speedup=30)]) == "better" for _ in range(100))
    assert stats.compare([valued([math.log(1.015) + at * 1e-4 for at in range(5)])]) == "undecided"
    assert stats.compare([valued([math.log(1.06) + at * 1e-4 for at in range(5)])]) == "better"
    assert stats.compare([valued([math.log(1.3)] * 5)]) == "undecided", "equal values show no scatter"


@pytest.mark.parametrize("pairs", [2, 3])
def test_rounds_that_end_within_a_block_allow_for_what_their_order_favours(pairs: int) -> None:
    """Equal programs in six cases. Which goes second in a round follows itself once more, and is 5 % faster then."""
    rng, called, missed = np.random.default_rng(6), 0, set[int]()
    for sequence in range(60):
        second = rng.integers(2, size=6)
        times = rng.normal(5e3, 50, (6, 2, 6, pairs))  # microseconds, by case, program, round, pair
        for round_, program in enumerate(second):
            times[:, program, round_, 1] *= 0.95
        for rounds in range(2, 7):
            flat = times[:, :, :rounds].astype(int).reshape(6, 2, -1)
            samples = [judged([0.0] * (rounds * pairs), case.T.tolist(), pairs=pairs) for case in flat]
            called += stats.compare(samples) != "undecided"
            if not (speedup := stats.at_all_times(samples)[0]).low <= 1 <= speedup.high:
                missed.add(sequence)
    assert called == 0 and len(missed) <= 3, "at 95 %"


def test_calls_of_seconds_allow_for_no_more_than_milliseconds_of_order() -> None:
    fast, slow = (Samples(candidate_us=(us,) * 8, reference_us=(us,) * 8, rounds=(2,) * 4) for us in (3000, 1_000_000))
    assert stats._lean([fast]) == pytest.approx(stats.FOLLOWING / 2)
    assert stats._lean([slow]) == pytest.approx(0.001)
    assert stats._lean([replace(fast, rounds=(4, 4))]) == 0


def test_at_all_times_covers_where_one_case_is_much_noisier_than_the_others() -> None:
    """The first rounds show little of its scatter, and the other cases show none of it."""
    rng, missed = np.random.default_rng(5), 0
    noise = np.array([0.2, 0.01, 0.01, 0.01, 0.01, 0.01])[:, None, None]
    for _ in range(200):
        times = (1e6 * np.exp(rng.normal(0, noise, (6, 16, 2)))).astype(int)
        looks = [[judged([0.0] * calls, case[:calls].tolist(), pairs=4) for case in times] for calls in (4, 8, 12, 16)]
        found = [stats.at_all_times(samples)[0] for samples in looks]
        missed += not all(speedup.low <= 1 <= speedup.high for speedup in found)
    assert missed <= 12, "at 95 %"


def test_many_equal_rounds_decide() -> None:
    assert stats.compare([uniform(14, 100, 101)]) == "better"
    assert stats.compare([uniform(14, 101, 100)]) == "worse"
    assert stats.compare([uniform(11, 100, 101)]) == stats.compare([uniform(99, 100, 100)]) == "undecided"


def test_narrow_needs_enough_rounds() -> None:
    assert not stats.narrow_enough([uniform(stats.ENOUGH_ROUNDS - 1, 100, 100)], 0.02, 1.0)
    assert stats.narrow_enough([uniform(stats.ENOUGH_ROUNDS, 100, 100)], 0.02, 1.0)
    assert not stats.narrow_enough([rounds_of(np.random.default_rng(7), 6)], 1e-6, 1.0)


def test_narrow_needs_a_narrow_gain_as_well() -> None:
    samples = judged([0.001, -0.001] * 10)
    assert stats.narrow_enough([samples], 0.02, 0.0005)
    assert not stats.narrow_enough([samples], 0.02, 0.0004)


def test_settled_when_decided_or_when_the_difference_is_small() -> None:
    assert stats.settled([alike(valued([math.log(1.5)] * 20))], LEVEL, 0.02, 0.0005)
    assert stats.settled([alike(valued([0.0] * 5))], LEVEL, 0.02, 0.0005)
    assert not stats.settled([alike(valued([0.0] * 4))], LEVEL, 0.02, 0.0005)
    assert not stats.settled([alike(valued([0.03] * 10))], LEVEL, 0.02, 0.0005)
    assert not stats.settled([alike(valued([0.1, -0.1] * 20))], LEVEL, 0.02, 0.0005)


def test_settled_in_speed_and_in_quality() -> None:
    assert stats.settled([judged([0.1] * 20)], LEVEL, 0.02, 0.0005)
    assert stats.settled([judged([-0.1] * 20)], LEVEL, 0.02, 0.0005)
    assert not stats.settled([judged([0.1, -0.1] * 20)], LEVEL, 0.02, 0.0005)
    assert not stats.settled([judged([0.0015, 0.0005] * 5)], LEVEL, 0.02, 0.0005)
    assert not stats.settled([judged([0.1] * 20, [(100, 103)] * 10 + [(103, 100)] * 10)], LEVEL, 0.001, 0.0005)


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
    there, back = stats.combined_speedup([samples]), stats.combined_speedup([swapped])
    assert there.median == pytest.approx(1 / back.median)
    assert there.low == pytest.approx(1 / back.high)


@given(pairs=PAIRS, factor=st.integers(2, 20))
@settings(max_examples=150, deadline=None)
def test_slower_is_never_better(pairs: list[tuple[int, int]], factor: int) -> None:
    before, after = stats.combined_speedup([_samples(pairs)]), stats.combined_speedup([_samples(pairs, factor)])
    assert after.median <= before.median
    assert after.low <= before.low and after.high <= before.high
    assert ORDER[stats.compare([_samples(pairs, factor)])] <= ORDER[stats.compare([_samples(pairs)])]


@given(pairs=PAIRS)
@settings(max_examples=100, deadline=None)
def test_stricter_level_decides_less(pairs: list[tuple[int, int]]) -> None:
    loose, strict = (stats.compare([_samples(pairs)], level) for level in (0.95, 0.9999))
    assert strict in (loose, "undecided")


@given(gains=st.lists(st.floats(-0.5, 0.5), min_size=1, max_size=40))
@settings(max_examples=150, deadline=None)
def test_swapping_the_programs_mirrors_the_gain(gains: list[float]) -> None:
    there = judged(gains)
    back = Samples(
        candidate_us=there.reference_us,
        reference_us=there.candidate_us,
        rounds=there.rounds,
        candidate_quality=there.reference_quality,
        reference_quality=there.candidate_quality,
        calls=there.calls,
    )
    for one, other in (
        (stats.combined_gain([there]), stats.combined_gain([back])),
        (stats.certain_gain([there]), stats.certain_gain([back])),
    ):
        assert one is not None and other is not None
        assert (one.low, one.median, one.high) == pytest.approx((-other.high, -other.median, -other.low), abs=1e-9)
