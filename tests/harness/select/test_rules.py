import math
import random
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.select import (
    SELECTORS,
    AdaptiveSettings,
    Behaviour,
    IslandSettings,
    Objective,
    Pareto,
    PowerLawSettings,
    RuleSettings,
    RuntimeLimit,
    TournamentSettings,
    TradeOffSettings,
    Weighted,
    build,
    standing,
)
from harness.select.pool import Pool, crowding, layers, point
from harness.types import Entry
from tests.harness.builders import REJECTED, entry, scored
from tests.harness.select.contracts import RuleContract, searched, source


class TestFront(RuleContract):
    name = "front"

    def test_reaches_every_member_as_first(self) -> None:
        where = self.standing()
        firsts = {self.make()(where, random.Random(seed), 1)[0].id for seed in range(200)}
        assert firsts == {entry.id for entry in where.front}


class TestBest(RuleContract):
    name = "best"

    def test_champion_comes_first(self) -> None:
        where = self.standing()
        assert where.champion is not None
        assert {self.make()(where, random.Random(seed), 2)[0].id for seed in range(20)} == {where.champion.id}


class TestRandom(RuleContract):
    name = "random"

    def test_reaches_programs_off_the_front(self) -> None:
        firsts = {self.make()(self.standing(), random.Random(seed), 1)[0].number for seed in range(200)}
        assert firsts == {0, 1, 2, 5, 6}


def firsts(name: str, entries: list[Entry], settings: RuleSettings | None = None, draws: int = 400) -> Counter[int]:
    """How often each attempt is the first parent."""
    rule, where = build(name, settings or RuleSettings(), source), standing(entries, Pareto(epsilon=0.5))
    return Counter(rule(where, random.Random(seed), 1)[0].number for seed in range(draws))


STAIRS = [entry(0, scored(0.80, 1.0)), *(entry(n, scored(0.80 + n / 100, 1.0 + n)) for n in range(1, 6))]
"""Each program beats the one before in both numbers."""


class TestCrowding(RuleContract):
    name = "crowding"

    def test_a_better_layer_goes_before_a_worse(self) -> None:
        counts = firsts("crowding", STAIRS)
        assert [number for number, _ in counts.most_common()] == [5, 4, 3, 2, 1, 0]

    def test_within_a_layer_the_lonely_go_before_the_crowded(self) -> None:
        crowd = [entry(n, scored(0.90 + n / 10_000, 4.0 - n / 100)) for n in range(2, 8)]
        lonely = entry(9, scored(0.85, 8.0))
        counts = firsts("crowding", [entry(0, scored(0.80, 1.0)), *crowd, lonely])
        assert counts[9] > max(counts[number] for number in range(3, 7))


class TestTournament(RuleContract):
    name = "tournament"

    def test_a_larger_one_is_stricter(self) -> None:
        sizes = [RuleSettings(tournament=TournamentSettings(size=size)) for size in (1, 3, 9)]
        shares = [firsts("tournament", STAIRS, settings)[5] for settings in sizes]
        assert shares[0] < shares[1] < shares[2]


class TestPowerLaw(RuleContract):
    name = "power_law"

    def test_zero_is_uniform_and_a_large_alpha_the_best(self) -> None:
        flat = firsts("power_law", STAIRS, RuleSettings(power_law=PowerLawSettings(alpha=0.0)), draws=1200)
        assert max(flat.values()) < 1.5 * min(flat.values())
        assert set(firsts("power_law", STAIRS, RuleSettings(power_law=PowerLawSettings(alpha=30.0)))) == {5}


class TestIslands(RuleContract):
    name = "islands"

    def lineages(self, settings: IslandSettings) -> Counter[int]:
        """The first two children of the seed found two islands; only the first one's lineage gets anywhere."""
        entries = [
            entry(0, scored(0.80, 1.0)),
            entry(1, scored(0.81, 1.0), parents=("e0",)),
            entry(2, scored(0.80, 1.1), parents=("e0",)),
            *(entry(n, scored(0.81 + n / 100, 2.0**n), parents=(f"e{1 if n == 3 else n - 1}",)) for n in range(3, 7)),
        ]
        return firsts("islands", entries, RuleSettings(islands=settings, power_law=PowerLawSettings(alpha=30.0)))

    def test_islands_evolve_apart(self) -> None:
        counts = self.lineages(IslandSettings(count=2, migrate_every=0, reset_every=0))
        assert set(counts) == {2, 6} and min(counts.values()) > 100

    def test_the_best_migrates(self) -> None:
        assert set(self.lineages(IslandSettings(count=2, migrate_every=6, reset_every=0))) == {6}

    def test_the_worst_island_starts_anew_from_the_best(self) -> None:
        entries = [entry(0, scored(0.80, 1.0)), *(entry(n, REJECTED) for n in (1, 2))]
        entries.append(entry(3, scored(0.9, 4.0), parents=("e0",)))
        settings = RuleSettings(
            islands=IslandSettings(count=2, migrate_every=0, reset_every=3), power_law=PowerLawSettings(alpha=0.0)
        )
        assert firsts("islands", entries[:3], settings) == {0: 400}
        counts = firsts("islands", entries, settings)
        assert counts[3] > 250, "one island holds it beside the seed, the other alone"


class TestMapElites(RuleContract):
    name = "map_elites"

    def axes(self, entries: list[Entry], *axes: str) -> set[int]:
        return set(firsts("map_elites", entries, RuleSettings(map_elites=Behaviour(axes=axes))))  # type: ignore[arg-type]

    def test_a_cell_keeps_its_best_program(self) -> None:
        entries = [entry(0, scored(0.80, 1.0)), entry(1, scored(0.801, 1.01)), entry(2, scored(0.80, 9.0))]
        assert self.axes(entries, "quality", "time") == {1, 2}

    def test_each_axis_tells_programs_apart(self) -> None:
        long_texts = [entry(0, scored(0.80, 1.0)), entry(6, scored(0.79, 0.9))]
        assert self.axes(long_texts, "size") == {0}
        assert self.axes([entry(0, scored(0.80, 1.0)), entry(1, scored(0.99, 1.0))], "cases") == {0, 1}
        assert self.axes([entry(0, scored(0.80, 1.0)), entry(1, scored(0.80, 0.9))], "structure") == {0}

    def test_texts_are_read_once(self) -> None:
        read: list[str] = []

        def counted(entry_id: str) -> str:
            read.append(entry_id)
            return source(entry_id)

        rule = build("map_elites", RuleSettings(map_elites=Behaviour(axes=("size",))), counted)
        where = standing(searched(50), Pareto())
        for seed in range(5):
            rule(where, random.Random(seed), 4)
        assert sorted(read) == sorted(entry.id for entry in where.valid)


class TestAdaptive(RuleContract):
    name = "adaptive"

    def test_effort_leaves_a_parent_whose_children_bring_nothing(self) -> None:
        pair = [entry(0, scored(0.80, 1.0)), entry(1, scored(0.9, 4.0)), entry(2, scored(0.85, 8.0))]
        even = firsts("adaptive", pair)
        tired = firsts("adaptive", [*pair, *(entry(n, REJECTED, parents=("e1",)) for n in range(3, 9))])
        assert tired[1] < even[1] / 2

    def test_effort_stays_where_improvement_comes_from(self) -> None:
        pair = [entry(0, scored(0.80, 1.0)), entry(1, scored(0.9, 4.0)), entry(2, scored(0.85, 8.0))]
        wins = [entry(n, scored(0.9 + n / 1000, 4.0), parents=("e1",)) for n in range(3, 6)]
        losses = [entry(n, REJECTED, parents=("e1",)) for n in range(3, 6)]
        settings = RuleSettings(adaptive=AdaptiveSettings(depth=1.0))
        assert firsts("adaptive", [*pair, *wins], settings)[1] > firsts("adaptive", [*pair, *losses], settings)[1]


class TestTradeOffs(RuleContract):
    name = "trade_offs"
    FRONT = (entry(0, scored(0.80, 8.0)), entry(1, scored(0.88, 4.0)), entry(2, scored(0.90, 2.0)))

    def picks(self, objective: Objective, entries: Sequence[Entry] = FRONT, **options: float) -> Counter[int]:
        rule = build("trade_offs", RuleSettings(trade_offs=TradeOffSettings(**options)), source)
        where = standing(entries, objective)
        return Counter(rule(where, random.Random(seed), 1)[0].number for seed in range(300))

    def test_random_weights_reach_the_whole_front_and_nothing_behind_it(self) -> None:
        behind = entry(3, scored(0.81, 1.0))
        counts = self.picks(Pareto(epsilon=0.5), (*self.FRONT, behind), goal=0.0)
        assert set(counts) == {0, 1, 2} and min(counts.values()) > 20

    def test_the_goal_is_that_of_the_objective(self) -> None:
        assert set(self.picks(Pareto(), goal=1.0)) == {0}
        assert set(self.picks(RuntimeLimit(min_speedup_over_seed=0.1), goal=1.0)) == {2}
        assert set(self.picks(Weighted(quality_weight=100, speed_weight=0), goal=1.0)) == {2}
        assert set(self.picks(Weighted(quality_weight=0, speed_weight=1), goal=1.0)) == {0}


def test_every_rule_has_a_contract_test() -> None:
    assert {suite.name for suite in RuleContract.__subclasses__()} == set(SELECTORS)


@pytest.mark.parametrize(
    "make",
    [
        lambda: TournamentSettings(size=0),
        lambda: PowerLawSettings(alpha=-1.0),
        lambda: IslandSettings(count=0),
        lambda: IslandSettings(migrate_every=-1),
        lambda: Behaviour(axes=()),
        lambda: Behaviour(axes=("size", "size")),
        lambda: Behaviour(axes=("colour",)),  # type: ignore[arg-type]
        lambda: AdaptiveSettings(depth=1.5),
        lambda: TradeOffSettings(goal=2.0),
    ],
)
def test_invalid_options_are_refused(make: object) -> None:
    assert callable(make)
    with pytest.raises(ValueError, match=r"expected .*, found"):
        make()


POINTS = st.lists(
    st.tuples(st.integers(0, 8), st.integers(0, 8)).map(lambda p: (float(p[0]), float(p[1]))), max_size=30
)


def layers_by_definition(points: list[tuple[float, float]]) -> list[int]:
    """Take the points that no other dominates away, layer by layer."""
    found, left, layer = [0] * len(points), set(range(len(points))), 0
    while left:
        top = {
            at
            for at in left
            if not any(
                points[other][0] >= points[at][0] and points[other][1] >= points[at][1] and points[other] != points[at]
                for other in left
            )
        }
        for at in top:
            found[at] = layer
        left, layer = left - top, layer + 1
    return found


@given(POINTS)
def test_layers_of_any_points(points: list[tuple[float, float]]) -> None:
    assert layers(points) == layers_by_definition(points)


def test_crowding_of_three_points() -> None:
    assert crowding([(0.0, 4.0), (1.0, 2.0), (4.0, 0.0)]) == [math.inf, 2.0, math.inf]


def test_a_pool_keeps_the_front_of_a_long_search() -> None:
    where = standing(searched(1000), Pareto())
    pool = Pool(size=40).follow(where)
    everything = [point(entry) for entry in where.valid]
    front = {at for at, layer in zip(everything, layers(everything), strict=True) if layer == 0}
    kept = [point(entry) for entry, layer in zip(pool.entries, pool.layer, strict=True) if layer == 0]
    assert set(kept) == front and len(pool.entries) < 100
