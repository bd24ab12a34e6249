import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluator.fate import Estimate, OpenDuel
from evaluator.types import Interval
from harness.fate import decided, settled
from harness.select import Claim, Objective, Pareto, RuntimeLimit, Weighted, standing
from harness.types import Entry
from tests.harness.builders import confirmed, duel, entry, scored

HALF_WIDTH, RESOLUTION = 0.02, 0.0005
SEED = entry(0, scored(0.8, 1.0, gain=0.0, gain_noise=0.0005))
BETTER = entry(1, scored(0.82, 0.5, gain=0.02, gain_noise=0.0005))


def estimate(
    quality: float, speed: float, *, unsure: float = 0.0005, noise: float = 0.02, rounds: bool = True
) -> Estimate:
    return Estimate(
        speedup=Interval(median=speed, low=speed * (1 - noise), high=speed * (1 + noise)),
        quality=Interval(median=quality, low=quality - unsure, high=quality + unsure),
        half_width=HALF_WIDTH,
        resolution=RESOLUTION,
        processes_differ=rounds,
    )


def fate(found: Estimate, *entries: Entry, parent: Entry | None = None, objective: Objective | None = None) -> str:
    objective = objective or Pareto()
    return decided(standing(confirmed([SEED, *entries], objective), objective), parent, found)


def test_nothing_is_decided_before_the_seed_program_has_a_score() -> None:
    assert decided(standing([], Pareto()), None, estimate(0.1, 0.1)) == ""


def test_surely_below_the_floor() -> None:
    assert fate(estimate(0.79, 5.0)) == "below the floor"
    assert fate(estimate(0.79, 5.0, unsure=0.02)) == "", "the interval reaches the floor"
    assert fate(estimate(0.79, 5.0), objective=Pareto(epsilon=0.05)) == ""


def test_neither_better_nor_faster_than_a_member_of_the_front() -> None:
    assert fate(estimate(0.8, 0.9)) == "not better than attempt 0"
    assert fate(estimate(0.815, 0.4), BETTER) == "not better than attempt 1"
    assert fate(estimate(0.815, 0.7), BETTER) == "on the front, behind the champion"


def test_equal_programs_are_decided_within_what_a_full_measurement_tells() -> None:
    assert fate(estimate(0.8, 1.0)) == "not better than attempt 0"
    assert fate(estimate(0.8, 1.0, noise=0.06)) == "", "it may be clearly faster"
    assert fate(estimate(0.8, 1.0, unsure=0.002)) == "", "it may be clearly better"


def test_better_than_its_parent_decides_where_it_surely_joins_no_front() -> None:
    poor = entry(2, scored(0.805, 0.2, gain=0.005, gain_noise=0.0005))
    child, told = estimate(0.81, 0.3), "better than its parent, attempt 2, but not better than attempt 1"
    assert fate(child, BETTER, poor, parent=poor) == told
    slow = entry(2, scored(0.815, 0.2, gain=0.015, gain_noise=0.0005))
    assert fate(child, BETTER, slow, parent=slow) == told.replace("better", "faster", 1), "its quality is lower"
    assert fate(estimate(0.82, 0.5, noise=0.06, unsure=0.002), BETTER, poor, parent=poor) == "", "it may pass 1"
    assert fate(child, BETTER, poor, parent=BETTER) == "not better than attempt 1"
    assert fate(estimate(0.81, 0.3, rounds=False), BETTER, poor, parent=poor) == "", "one process may be lucky"
    assert fate(estimate(0.81, 0.3, unsure=0.02), BETTER, poor, parent=poor) == "", "it may be below the floor"
    assert fate(estimate(0.81, 1.0), BETTER, poor, parent=poor) == "", "it may claim the champion's place"
    assert fate(estimate(0.8055, 0.2), BETTER, poor, parent=poor) == "", "it may be no better"


def test_better_than_its_parent_is_measured_on_while_it_may_join_the_front() -> None:
    """The usual parent leads, and what trades speed for quality is soon better than it, in quality."""
    assert fate(estimate(0.822, 0.5, unsure=0.003), BETTER, parent=SEED) == ""
    assert fate(estimate(0.8205, 0.5, noise=0.06), BETTER, parent=SEED) == ""
    told = "better than its parent, attempt 0, behind the champion"
    assert fate(estimate(0.8205, 0.5), BETTER, parent=SEED) == told, "measured well enough to be ranked"
    full = entry(2, scored(0.822, 0.5, gain=0.022, gain_noise=RESOLUTION))
    assert full in standing(confirmed([SEED, BETTER, full], Pareto()), Pareto()).front


def test_what_may_become_champion_is_measured_on() -> None:
    assert fate(estimate(0.8, 1.5)) == ""
    assert fate(estimate(0.81, 1.0)) == ""
    limit = RuntimeLimit(min_speedup_over_seed=0.3)
    assert fate(estimate(0.83, 0.5), BETTER, objective=limit) == ""
    assert fate(estimate(0.81, 0.7), BETTER, objective=limit) == ""
    assert fate(estimate(0.83, 0.5), objective=Weighted(quality_weight=1, speed_weight=1)) == ""


def test_a_member_of_the_front_is_sure_and_seen_in_several_processes() -> None:
    assert fate(estimate(0.85, 0.3, noise=0.1, unsure=0.01), BETTER) == "on the front, behind the champion"
    assert fate(estimate(0.85, 0.3, unsure=0.04), BETTER) == ""
    assert fate(estimate(0.85, 0.3, rounds=False), BETTER) == "", "one process may be lucky"


@pytest.mark.parametrize("objective", [Pareto(), RuntimeLimit(min_speedup_over_seed=0.3)])
@given(
    st.floats(0.78, 0.84), st.floats(0.2, 2.0), st.sampled_from([0.0005, 0.003]), st.sampled_from([None, SEED, BETTER])
)
def test_what_is_decided_against_would_not_have_joined(
    objective: Objective, quality: float, speed: float, unsure: float, parent: Entry | None
) -> None:
    """A full measurement anywhere within the estimate, as narrow as it gets, neither joins the front nor leads."""
    found = estimate(quality, speed, unsure=unsure)
    before = standing(confirmed([SEED, BETTER], objective), objective)
    clause = decided(before, parent, found)
    full = scored(quality, speed, noise=HALF_WIDTH, gain=quality - 0.8, gain_noise=RESOLUTION)
    after = before.add(entry(2, full))
    joined = any(member.number == 2 for member in after.front)
    if "not better" in clause or clause.startswith("below"):
        assert not joined
    if clause.startswith("on the front"):
        assert joined and after.champion == before.champion


FAST = entry(1, scored(0.8, 30.0, gain=0.0, gain_noise=0.0002))
"""A champion that meets a limit of twenty times the seed program's speed."""


def told(
    made: Claim,
    ratio: float,
    gain: float,
    *,
    noise: float = 0.02,
    unsure: float = 0.0004,
    enough: bool = True,
    decided: bool = False,
    objective: Objective | None = None,
    champion: Entry = FAST,
) -> bool:
    """Whether a duel with these intervals, of speed and of gain, settles a claim."""
    objective = objective or RuntimeLimit(min_speedup_over_seed=20)
    now = OpenDuel(
        duel=duel(ratio, noise, gain=gain, gain_noise=unsure),
        half_width=HALF_WIDTH,
        resolution=RESOLUTION,
        enough_rounds=enough,
        decided=decided,
    )
    return settled(standing(confirmed([SEED, champion], objective), objective), made, now)


@pytest.mark.parametrize("objective", [Pareto(), RuntimeLimit(min_speedup_over_seed=20)])
def test_a_claim_of_speed_is_settled_by_speed(objective: Objective) -> None:
    assert told("speed", 1.2, 0.0, objective=objective)
    assert told("speed", 0.9, 0.0, objective=objective)
    assert not told("speed", 1.02, 0.0, noise=0.03, objective=objective), "it may be faster"
    assert told("speed", 1.0, 0.0, objective=objective), "no difference that matters"
    assert not told("speed", 1.0, 0.0, enough=False, objective=objective), "few rounds may agree by chance"
    assert not told("speed", 1.2, 0.0, unsure=0.002, objective=objective), "quality may be worse"


def test_worse_quality_refutes_speed_only_where_quality_comes_first() -> None:
    assert told("speed", 1.05, -0.01, noise=0.1, unsure=0.002)
    assert not told("speed", 1.05, -0.01, noise=0.1, unsure=0.002, objective=Pareto(epsilon=0.1))
    slow = entry(1, scored(0.8, 2.0, gain=0.0, gain_noise=0.0002))
    assert not told("speed", 1.05, -0.01, noise=0.1, unsure=0.002, champion=slow), "the champion misses the limit"


def test_a_claim_of_quality_is_settled_by_quality() -> None:
    assert told("quality", 0.5, 0.01, noise=0.3)
    assert told("quality", 0.5, -0.01, noise=0.3)
    assert not told("quality", 0.5, 0.0003)
    assert told("quality", 0.5, 0.0), "no difference that matters"
    assert not told("quality", 0.5, 0.0, enough=False)


def test_under_pareto_better_quality_must_not_cost_speed() -> None:
    pareto = Pareto()
    assert told("quality", 1.0, 0.01, noise=0.01, objective=pareto)
    assert told("quality", 0.9, 0.01, objective=pareto) and told("quality", 1.2, 0.01, objective=pareto)
    assert not told("quality", 0.99, 0.01, noise=0.05, objective=pareto), "it may be slower"
    assert told("quality", 0.99, -0.01, noise=0.05, objective=pareto)


def test_a_weighted_trade_needs_both_decided() -> None:
    weighted = Weighted(quality_weight=1, speed_weight=1)
    assert not told("speed", 1.2, 0.01, objective=weighted)
    assert told("speed", 1.2, 0.01, objective=weighted, decided=True)


def test_a_trade_is_settled_once_the_gain_is_bounded() -> None:
    """Two programs of equal answers: the formula takes the low end of the gain, and has none before some rounds."""
    weighted = Weighted(quality_weight=100, speed_weight=1)
    assert told("speed", 1.4, 0.0, decided=True, objective=weighted)
    assert not told("speed", 1.4, 0.0, unsure=30.0, decided=True, objective=weighted)
    assert not told("speed", 1.4, 0.0, objective=weighted)
