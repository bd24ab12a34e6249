import math
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluator.types import Score, Scored
from harness.select import (
    RUN_ERROR,
    Objective,
    Pareto,
    QualityLimit,
    RuntimeLimit,
    Standing,
    Weighted,
    claim,
    confirmation_level,
    improves,
    quality,
    speed,
    standing,
)
from harness.types import Confirmation, Entry
from tests.harness.builders import ENVIRONMENT, REJECTED, confirmed, duel, entry, scored

PARETO = Pareto()


def numbers(entries: tuple[Entry, ...]) -> list[int]:
    return [entry.number for entry in entries]


def pareto(entries: list[Entry], epsilon: float = 0.0) -> list[int]:
    """The numbers of the Pareto front once every claim of speed is confirmed."""
    objective = Pareto(epsilon=epsilon)
    return numbers(standing(confirmed(entries, objective), objective).pareto)


class TestFront:
    def test_floor_is_the_seeds_quality_less_epsilon(self) -> None:
        entries = [entry(0, scored(0.8, 1.0)), entry(1, scored(0.9, 1.0))]
        assert standing(entries, Pareto(epsilon=0.05)).floor == pytest.approx(0.75)

    def test_floor_before_the_seed_is_scored_is_no_floor(self) -> None:
        assert standing([], Pareto(epsilon=0.1)).floor == -math.inf

    def test_holds_what_nothing_beats_on_both_fastest_first(self) -> None:
        entries = [
            entry(0, scored(0.80, 1.0)),
            entry(1, scored(0.90, 0.5)),
            entry(2, scored(0.85, 2.0)),
            entry(3, scored(0.70, 9.0)),
            entry(4, scored(0.84, 1.9)),
            entry(5, REJECTED),
        ]
        assert pareto(entries) == [2, 1]

    def test_program_at_the_floor_is_kept(self) -> None:
        entries = [entry(0, scored(0.8, 1.0)), entry(1, scored(0.7, 2.0)), entry(2, scored(0.69, 4.0))]
        assert pareto(entries, epsilon=0.1) == [1, 0]

    def test_same_program_twice_counts_once_the_earlier(self) -> None:
        twice = [entry(1, scored(0.8, 1.0), source="a"), entry(2, scored(0.8, 5.0), source="a")]
        assert pareto([entry(0, scored(0.5, 1.0)), *twice]) == [1]

    def test_equal_quality_within_noise_is_no_gain(self) -> None:
        assert pareto([entry(0, scored(0.8, 1.0, noise=0.1)), entry(1, scored(0.8, 1.1, noise=0.1))]) == [0]

    def test_equal_quality_and_clearly_faster_replaces(self) -> None:
        assert pareto([entry(0, scored(0.8, 1.0, noise=0.1)), entry(1, scored(0.8, 1.5, noise=0.1))]) == [1]

    def test_rounding_in_the_last_digits_is_no_better_quality(self) -> None:
        assert pareto([entry(0, scored(0.8, 1.0)), entry(1, scored(0.8 + 1e-13, 1.0))]) == [0]


class TestBest:
    def seeded(self, *others: Entry) -> list[Entry]:
        return [entry(0, scored(0.8, 1.0)), *others]

    def number(self, entries: list[Entry], objective: Objective) -> int:
        champion = standing(confirmed(entries, objective), objective).champion
        assert champion is not None
        return champion.number

    def test_none_before_the_seed(self) -> None:
        assert standing([], Pareto()).champion is None
        assert standing([entry(0, REJECTED)], Pareto()).champion is None

    def test_pareto_takes_the_fastest_above_the_floor(self) -> None:
        entries = self.seeded(entry(1, scored(0.79, 50.0)), entry(2, scored(0.8, 3.0)), entry(3, scored(0.9, 2.0)))
        assert self.number(entries, Pareto()) == 2
        assert self.number(entries, Pareto(epsilon=0.02)) == 1

    def test_lucky_run_of_an_equal_program_does_not_become_best(self) -> None:
        entries = self.seeded(*(entry(n, scored(0.8, 2.0 + n / 100, noise=0.05)) for n in range(1, 6)))
        assert self.number(entries, Pareto()) == 1

    def test_faster_within_noise_and_better_quality_becomes_best(self) -> None:
        entries = self.seeded(entry(1, scored(0.8, 2.0, noise=0.1)), entry(2, scored(0.81, 2.1, noise=0.1)))
        assert self.number(entries, Pareto()) == 2

    def test_speed_is_never_given_away_for_quality_under_pareto(self) -> None:
        entries = self.seeded(
            *(entry(n, scored(0.8 + n / 100, 2.0 * 0.97**n, noise=0.05)) for n in range(1, 8)),
        )
        assert self.number(entries, Pareto()) == 1

    def test_runtime_limit_then_best_quality(self) -> None:
        objective = RuntimeLimit(min_speedup_over_seed=20)
        entries = self.seeded(entry(1, scored(0.95, 5.0)), entry(2, scored(0.85, 30.0)), entry(3, scored(0.9, 25.0)))
        assert self.number(entries, objective) == 3

    def test_runtime_limit_counts_the_low_end_of_the_interval(self) -> None:
        objective = RuntimeLimit(min_speedup_over_seed=20)
        entries = self.seeded(entry(1, scored(0.85, 30.0)), entry(2, scored(0.9, 20.3)))
        assert self.number(entries, objective) == 1

    def test_runtime_limit_before_any_program_meets_it_takes_the_fastest(self) -> None:
        objective = RuntimeLimit(min_speedup_over_seed=20)
        entries = self.seeded(entry(1, scored(0.95, 5.0)), entry(2, scored(0.85, 7.0)))
        assert self.number(entries, objective) == 2

    def test_runtime_limit_is_relative_to_the_seed_program(self) -> None:
        objective = RuntimeLimit(min_speedup_over_seed=20)
        entries = [entry(0, scored(0.8, 0.02)), entry(1, scored(0.85, 0.5)), entry(2, scored(0.9, 0.3))]
        assert self.number(entries, objective) == 1

    def test_quality_limit_then_fastest(self) -> None:
        entries = self.seeded(entry(1, scored(0.79, 5.0)), entry(2, scored(0.7, 9.0)), entry(3, scored(0.99, 2.0)))
        assert self.number(entries, QualityLimit(within=0.02)) == 1

    def test_weighted_formula(self) -> None:
        entries = self.seeded(entry(1, scored(0.81, 4.0)), entry(2, scored(0.9, 2.0)))
        assert self.number(entries, Weighted(quality_weight=1, speed_weight=1)) == 1
        assert self.number(entries, Weighted(quality_weight=100, speed_weight=1)) == 2

    def test_weighted_ignores_noise_at_equal_quality(self) -> None:
        entries = self.seeded(entry(1, scored(0.9, 4.0, noise=0.1)), entry(2, scored(0.9, 4.3, noise=0.1)))
        assert self.number(entries, Weighted(quality_weight=1, speed_weight=1)) == 1

    @pytest.mark.parametrize(
        "make",
        [
            lambda: Pareto(epsilon=-0.1),
            lambda: RuntimeLimit(min_speedup_over_seed=0),
            lambda: QualityLimit(within=-1),
            lambda: Weighted(quality_weight=0, speed_weight=0),
        ],
    )
    def test_invalid_numbers_are_refused(self, make: object) -> None:
        assert callable(make)
        with pytest.raises(ValueError, match="expected"):
            make()


class TestConfirmation:
    """A claim of speed wins only by a duel with the current champion."""

    def standing(self, challenger: Score, *confirmations: Confirmation, objective: Objective = PARETO) -> Standing:
        verdict = Scored(score=challenger, environment=ENVIRONMENT)
        later = replace(entry(1, verdict), confirmations=confirmations)
        return standing([entry(0, scored(0.8, 1.0)), later], objective)

    def champion(self, challenger: Score, *confirmations: Confirmation, objective: Objective = PARETO) -> int:
        champion = self.standing(challenger, *confirmations, objective=objective).champion
        assert champion is not None
        return champion.number

    def test_clearly_faster_without_a_duel_neither_leads_nor_joins_the_front(self) -> None:
        where = self.standing(scored(0.8, 2.0).score)
        assert where.champion is not None and where.champion.number == 0
        assert numbers(where.front) == [0] and numbers(where.valid) == [0, 1]

    def test_duel_with_the_champion_decides(self) -> None:
        for ratio, noise, winner in ((1.5, 0.1, 1), (1.05, 0.1, 0), (0.9, 0.01, 0)):
            won = Confirmation(against="e0", duel=duel(ratio, noise))
            assert self.champion(scored(0.8, 2.0).score, won) == winner

    def test_duel_with_another_does_not_count(self) -> None:
        assert self.champion(scored(0.8, 2.0).score, Confirmation(against="e7", duel=duel(2.0))) == 0

    def test_champion_that_fails_again_has_lost(self) -> None:
        assert self.champion(scored(0.8, 2.0).score, Confirmation(against="e0", failure="it raised")) == 1

    def test_a_duel_alone_makes_no_champion(self) -> None:
        assert self.champion(scored(0.8, 1.01).score, Confirmation(against="e0", duel=duel(2.0))) == 0
        assert self.champion(scored(0.7, 9.0).score, Confirmation(against="e0", duel=duel(9.0))) == 0

    def test_quality_of_an_earlier_version_needs_no_duel(self) -> None:
        assert self.champion(scored(0.9, 1.01).score) == 1
        limit = RuntimeLimit(min_speedup_over_seed=0.5)
        assert self.champion(scored(0.9, 0.7).score, objective=limit) == 1

    def test_quality_wins_by_a_duel(self) -> None:
        better = scored(0.9, 1.01, gain=0.1).score
        for gain, noise, ratio, winner in ((0.1, 0.01, 1.0, 1), (0.1, 0.2, 1.0, 0), (-0.1, 0.01, 2.0, 0)):
            won = Confirmation(against="e0", duel=duel(ratio, 0.01, gain=gain, gain_noise=noise))
            assert self.champion(better, won) == winner, (gain, noise)
        assert self.champion(better) == 0

    def test_quality_that_costs_speed_in_the_duel_does_not_win(self) -> None:
        slower = Confirmation(against="e0", duel=duel(0.9, 0.01, gain=0.1))
        assert self.champion(scored(0.9, 1.01, gain=0.1).score, slower) == 0

    def test_quality_within_its_interval_is_no_claim(self) -> None:
        seed = entry(0, scored(0.8, 1.0, gain=0.0, gain_noise=0.01))
        for quality_, claimed in ((0.815, "none"), (0.83, "quality")):
            verdict = scored(quality_, 1.01, gain=quality_ - 0.8, gain_noise=0.01)
            assert standing([seed], PARETO).claim("other", verdict) == claimed

    def test_unconfirmed_quality_does_not_join_the_front_by_it(self) -> None:
        assert numbers(self.standing(scored(0.9, 1.01, gain=0.1).score).front) == [0]

    def test_floor_is_crossed_only_with_the_whole_interval(self) -> None:
        seed = entry(0, scored(0.8, 1.0, gain=0.0, gain_noise=0.001))
        near, far = (entry(1, scored(value, 0.5, gain=value - 0.8, gain_noise=0.001)) for value in (0.7985, 0.7975))
        assert numbers(tuple(standing([seed, near], PARETO).valid)) == [0, 1]
        assert numbers(tuple(standing([seed, far], PARETO).valid)) == [0]

    def test_speed_at_equal_quality_above_the_limit_must_not_cost_quality_in_the_duel(self) -> None:
        """A test of non-inferiority: no loss must be possible, and a loss that matters must not be."""
        limit = RuntimeLimit(min_speedup_over_seed=0.5)
        faster = scored(0.8, 2.0, gain=0.0, gain_noise=0.001).score
        for gain, noise, winner in ((0.0, 0.0005, 1), (-0.0002, 0.0005, 1), (-0.0006, 0.0005, 0), (0.0, 0.002, 0)):
            won = Confirmation(against="e0", duel=duel(2.0, gain=gain, gain_noise=noise))
            assert self.champion(faster, won, objective=limit) == winner, (gain, noise)

    def test_a_wide_interval_gives_no_more_leeway(self) -> None:
        seed = entry(0, scored(0.8, 1.0, gain=0.0, gain_noise=0.0))
        for value, kept in ((0.7995, [0, 1]), (0.79, [0])):
            wide = entry(1, scored(value, 2.0, gain=value - 0.8, gain_noise=0.05))
            assert numbers(tuple(standing([seed, wide], PARETO).valid)) == kept
        slower = scored(0.9, 0.9, noise=0.3, gain=0.1)
        assert standing([seed], PARETO).claim("other", slower) == "none"
        faster = scored(0.7995, 2.0, gain=-0.0005).score
        unsure = Confirmation(against="e0", duel=duel(2.0, gain=-0.01, gain_noise=0.05))
        assert self.champion(faster, unsure) == 0

    def test_speed_that_the_duel_finds_below_the_floor_does_not_win(self) -> None:
        faster = scored(0.7995, 2.0, gain=-0.0005, gain_noise=0.001).score
        for gain, winner in ((-0.0005, 1), (-0.002, 0)):
            won = Confirmation(against="e0", duel=duel(2.0, gain=gain, gain_noise=0.001))
            assert self.champion(faster, won) == winner

    def test_an_unconfirmed_program_with_better_quality_joins_the_front(self) -> None:
        where = self.standing(scored(0.9, 5.0).score, objective=RuntimeLimit(min_speedup_over_seed=4))
        assert where.champion is not None and where.champion.number == 0
        assert numbers(where.pareto) == [1]

    def test_weighted_trade_gains_even_at_the_low_end(self) -> None:
        objective = Weighted(quality_weight=1, speed_weight=1, epsilon=0.1)
        trade = scored(0.75, 1.08, noise=0.001).score  # gains 0.077 in ln(speed), loses 0.05
        for low, winner in ((1.06, 1), (1.04, 0)):
            assert self.champion(trade, Confirmation(against="e0", duel=duel(low)), objective=objective) == winner
        slower = scored(0.9, 0.95, noise=0.001).score  # gains 0.1, loses 0.051
        for low, winner in ((0.92, 1), (0.89, 0)):
            assert self.champion(slower, Confirmation(against="e0", duel=duel(low)), objective=objective) == winner

    def test_claims_by_objective(self) -> None:
        seed, limit = scored(0.8, 1.0).score, RuntimeLimit(min_speedup_over_seed=2)
        weighted = Weighted(quality_weight=1, speed_weight=1)
        rows: list[tuple[Objective, tuple[float, float], tuple[float, float], str]] = [
            (PARETO, (0.8, 2.0), (0.8, 1.0), "speed"),
            (PARETO, (0.9, 2.0), (0.8, 1.0), "quality"),
            (PARETO, (0.7, 2.0), (0.8, 1.0), "speed"),
            (PARETO, (0.9, 0.99), (0.8, 1.0), "none"),
            (limit, (0.8, 3.0), (0.9, 1.0), "speed"),
            (limit, (0.9, 1.0), (0.8, 3.0), "none"),
            (limit, (0.8, 4.0), (0.8, 3.0), "speed"),
            (limit, (0.9, 2.5), (0.8, 3.0), "quality"),
            (limit, (0.7, 9.0), (0.8, 3.0), "none"),
            (weighted, (0.8, 2.0), (0.8, 1.0), "speed"),
            (weighted, (0.81, 1.0), (0.8, 1.0), "quality"),
            (weighted, (0.9, 0.99), (0.8, 1.0), "speed"),
            (weighted, (0.8, 1.001), (0.8, 1.0), "none"),
        ]
        for objective, challenger, champion, expected in rows:
            found = claim(objective, scored(*challenger).score, scored(*champion).score, seed)
            assert found == expected, (objective, challenger, champion)

    def test_levels_of_a_run_of_any_length_sum_to_the_error_allowed(self) -> None:
        errors = [1 - confirmation_level(number) for number in range(1, 100_001)]
        assert all(error > 0 for error in errors) and errors == sorted(errors, reverse=True)
        assert 0.0499 < sum(errors) < RUN_ERROR + 1e-9


OBJECTIVES = st.sampled_from(
    [
        Pareto(),
        Pareto(epsilon=0.1),
        RuntimeLimit(min_speedup_over_seed=2),
        QualityLimit(within=0.2),
        Weighted(quality_weight=3, speed_weight=1),
    ]
)
VERDICTS = st.one_of(
    st.just(REJECTED),
    st.builds(
        scored,
        st.integers(0, 20).map(lambda q: q / 20),
        st.integers(1, 40).map(lambda s: s / 4),
        st.sampled_from([0.0, 0.05, 0.3]),
    ),
)


def front_by_definition(entries: list[Entry], floor: float) -> tuple[Entry, ...]:
    """The front from the scores alone: an entry joins unless a member is as good, and removes those it dominates."""
    front: list[Entry] = []
    for one in entries:
        if one.scored is None or quality(one) < floor - 1e-9 or not all(improves(one, member) for member in front):
            continue
        front = [member for member in front if quality(member) > quality(one) or speed(member) > speed(one)] + [one]
    return tuple(sorted(front, key=lambda member: (-speed(member), member.number)))


@given(OBJECTIVES, st.lists(VERDICTS, max_size=25))
def test_standing_of_any_search(objective: Objective, verdicts: list[object]) -> None:
    plain = [entry(0, scored(0.5, 1.0)), *(entry(n, v) for n, v in enumerate(verdicts, 1))]  # type: ignore[arg-type]
    entries = confirmed(plain, objective)
    where = standing(entries, objective)
    assert where.pareto == front_by_definition(entries, 0.5 - objective.epsilon)
    assert where.champion is not None
    assert where.champion in where.valid and where.champion in where.front
    assert set(numbers(where.front)) - set(numbers(where.pareto)) <= {where.champion.number}
    assert set(numbers(where.front)) <= set(numbers(where.valid))
    assert all(quality(member) >= where.floor - 1e-9 for member in where.valid)
    for faster, slower in pairwise(where.pareto):
        assert speed(faster) >= speed(slower)
        assert quality(slower) > quality(faster)


@given(OBJECTIVES, st.lists(VERDICTS, max_size=15), st.integers(0, 15))
def test_standing_grows_one_by_one(objective: Objective, verdicts: list[object], cut: int) -> None:
    plain = [entry(0, scored(0.5, 1.0)), *(entry(n, v) for n, v in enumerate(verdicts, 1))]  # type: ignore[arg-type]
    entries = confirmed(plain, objective)
    where: Standing = standing(entries[:cut], objective)
    for more in entries[cut:]:
        where = where.add(more)
    assert where == standing(entries, objective)


POINTS = st.tuples(st.integers(0, 10), st.integers(1, 10))


@given(st.lists(POINTS, min_size=1, max_size=25))
def test_without_noise_the_front_is_the_plain_pareto_front(points: list[tuple[int, int]]) -> None:
    dominated_seed = entry(0, scored(0.0, 0.5, noise=0.0))
    entries = [entry(n, scored(q / 10, float(s), noise=0.0)) for n, (q, s) in enumerate(points, 1)]
    dominated = {(q, s) for q, s in points for q2, s2 in points if (q2 >= q and s2 > s) or (q2 > q and s2 >= s)}
    expected = {points.index(point) + 1 for point in points if point not in dominated}
    assert set(pareto([dominated_seed, *entries])) == expected


class TestBetterButSlowerThanTheClaim:
    """The first scores overlap in speed, so the claim is one of quality; the duel then shows the program slower."""

    SEED = entry(0, scored(0.825, 0.70, 0.15, gain=0.0, gain_noise=0.001))

    def challenger(self, speed_ratio: float, gain: float) -> Entry:
        made = entry(1, scored(0.995, 0.61, 0.15, gain=0.17, gain_noise=0.03))
        fought = Confirmation(against="e0", duel=duel(speed_ratio, 0.03, gain=gain, gain_noise=0.03))
        assert made.scored is not None
        assert standing([self.SEED], Weighted(quality_weight=100, speed_weight=1)).claim("p", made.scored) == "quality"
        return replace(made, confirmations=(fought,))

    def test_the_formula_decides_under_weights(self) -> None:
        for weight, champion in ((100, 1), (0.5, 0)):
            where = standing([self.SEED, self.challenger(0.88, 0.17)], Weighted(quality_weight=weight, speed_weight=1))
            assert where.champion is not None and where.champion.number == champion

    @pytest.mark.parametrize("objective", [Pareto(), QualityLimit(within=0.1)])
    def test_it_joins_the_front_without_the_title(self, objective: Objective) -> None:
        where = standing([self.SEED, self.challenger(0.88, 0.17)], objective)
        assert where.champion is not None and where.champion.number == 0
        assert numbers(where.front) == [0, 1]
        refuted = standing([self.SEED, self.challenger(0.88, 0.0)], objective)
        assert numbers(refuted.front) == [0], "the duel does not show it better"
