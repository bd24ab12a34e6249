"""When a race is over, and how often its intervals are wrong, whenever they are looked at."""

from __future__ import annotations

import math

import numpy as np
import pytest

from evaluator.fate import Estimate
from evaluator.measuring import stats
from evaluator.measuring.race import Race
from evaluator.types import Samples


def samples(rng: np.random.Generator, rounds: int, *, speed: float, gain: float) -> Samples:
    """Rounds of four pairs with the noise of a quiet machine: .75 % between processes, 3 % and .001 between calls."""
    process = np.repeat(rng.normal(0, 0.0075, rounds), 4)
    ratios = np.exp(math.log(speed) + process + rng.normal(0, 0.03, 4 * rounds))
    qualities = rng.normal(0.8, 0.01, 4 * rounds)
    return Samples(
        candidate_us=tuple(np.rint(100_000 / ratios).astype(int).tolist()),
        reference_us=(100_000,) * 4 * rounds,
        rounds=(4,) * rounds,
        candidate_quality=tuple((qualities + gain + rng.normal(0, 0.001, 4 * rounds)).tolist()),
        reference_quality=tuple(qualities.tolist()),
        calls=tuple(range(4 * rounds)),
    )


def prefix(whole: Samples, rounds: int) -> Samples:
    pairs = 4 * rounds
    return Samples(
        candidate_us=whole.candidate_us[:pairs],
        reference_us=whole.reference_us[:pairs],
        rounds=whole.rounds[:rounds],
        candidate_quality=whole.candidate_quality[:pairs],
        reference_quality=whole.reference_quality[:pairs],
        calls=whole.calls[:pairs],
    )


def test_intervals_hold_at_all_times_at_once() -> None:
    """Looked at after each of 12 rounds, each interval loses the truth in at most 5 % of measurements."""
    rng, lost = np.random.default_rng(3), 0
    for _ in range(400):
        whole = [samples(rng, 12, speed=1.2, gain=0.002) for _ in range(2)]
        looks = [stats.at_all_times([prefix(case, rounds) for case in whole]) for rounds in range(1, 13)]
        lost += not all(speed.low <= 1.2 <= speed.high and gain.low <= 0.002 <= gain.high for speed, gain in looks)
    assert lost <= 40  # at most 20 expected for each of the two


def test_intervals_narrow_with_rounds_and_are_useful_after_the_second() -> None:
    """After the first one, only that of speed: a round has one draw of loads."""
    rng = np.random.default_rng(4)
    whole = [samples(rng, 20, speed=1.0, gain=0.0) for _ in range(6)]
    one, first, last = (stats.at_all_times([prefix(case, rounds) for case in whole]) for rounds in (1, 2, 20))
    assert one[0].high < 1.15 and one[1].high > 1
    assert first[0].high < 1.15 and first[1].high < 0.003
    assert last[0].high - last[0].low < (first[0].high - first[0].low) / 3
    assert last[1].high - last[1].low < (first[1].high - first[1].low) / 2


def test_too_few_pairs_tell_nothing() -> None:
    one = Samples(
        candidate_us=(1, 1), reference_us=(2, 2), candidate_quality=(1, 1), reference_quality=(0, 0), calls=(0, 1)
    )
    speed, gain = stats.at_all_times([one])
    assert speed.low < 1e-9 and speed.high > 1e9 and gain.low < -1 and gain.high > 1


def test_a_race_is_over_when_its_fate_is_decided() -> None:
    rng, seen = np.random.default_rng(5), list[Estimate]()

    def fate(estimate: Estimate) -> str:
        seen.append(estimate)
        return "not better than attempt 3" if len(seen) == 2 else ""

    race = Race(fate, 0.7, half_width=0.02, resolution=0.0005)
    whole = [samples(rng, 2, speed=1.2, gain=0.01) for _ in range(2)]
    assert not race.is_over([prefix(case, 1) for case in whole]) and race.decided == ""
    assert race.is_over(whole) and race.decided == "decided after 8 pairs a case: not better than attempt 3"
    assert seen[0].quality.median == pytest.approx(0.71, abs=0.002), "absolute, as scores are"
    assert (seen[0].half_width, seen[0].resolution) == (0.02, 0.0005)
