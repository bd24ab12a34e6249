"""The course of a search, the comparison of several, and the checkpoints of these."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from evaluator import Scored
from harness.gate import gated_standing as standing
from harness.readings.checkpoints import shared, states
from harness.readings.contrast import Contestant, levels, quality_of
from harness.readings.course import EFFORTS, Course, course
from harness.readings.hypervolume import ReferencePoint
from harness.select import Pareto
from harness.types import Entry
from tests.harness.builders import REJECTED, confirmed, entry, scored
from tests.harness.qualities import judged

PARETO = Pareto()


def verdict(speed: float, gain: float = 0.0, seed: int = 0, hardware: str = "a processor") -> Scored:
    return judged(scored(0.9, speed, hardware=hardware), gain=gain, scatter=0.0001, seed=seed)


def searched(*speeds: float, hardware: str = "a processor", usd: float = 0.5) -> list[Entry]:
    """The seed program and programs of these speeds, one a minute; 0 is a rejected one."""
    made = [
        entry(number, verdict(speed, seed=number, hardware=hardware) if speed else REJECTED)
        for number, speed in enumerate((1.0, *speeds))
    ]
    return confirmed(
        [replace(one, when_s=600 + 60 * one.number, usd=usd * (one.number > 0), tokens=10) for one in made], PARETO
    )


def contestant(name: str, entries: list[Entry], *, seed: int = 1, cases: str = "small") -> Contestant:
    return Contestant(
        name=name, quality_key="balance", course=course(entries, PARETO), workload={"cases": cases}, seed=seed
    )


def champions(way: Course) -> list[int]:
    return [change.champion.number for change in way.changes]


def test_effort_adds_up_and_changes_are_found_by_it() -> None:
    entries = searched(0, 2.0, 1.5, 4.0)
    way = course(reversed(entries), PARETO)
    assert way.spent["attempts"] == (0, 1, 2, 3, 4) and way.spent["minutes"] == (0, 1, 2, 3, 4)
    assert way.spent["dollars"] == (0, 0.5, 1, 1.5, 2) and way.total("judged") == 5
    assert champions(way) == [0, 2, 4] and way.standing.champion is entries[4]
    found = [way.after("minutes", most) for most in (-1, 0, 1.9, 2, 100)]
    assert [change and change.champion.number for change in found] == [None, 0, 0, 2, 4]
    assert way.standing.front == way.changes[-1].front == standing(entries, PARETO).front


def test_the_sums_never_fall_whatever_the_clock_does() -> None:
    entries = [replace(one, when_s=1000 - one.number) for one in searched(2.0, 4.0)]
    way = course(entries, PARETO)
    assert all(one <= other for kind in EFFORTS for one, other in pairwise(way.spent[kind]))
    assert way.steps("minutes") == ((0.0, way.changes[-1]),), "of several at once, the last"


def test_a_run_without_a_score_has_no_changes() -> None:
    way = course([entry(0, REJECTED)], PARETO)
    assert not way.changes and way.after("attempts", 9) is None and course([], PARETO).total("attempts") == 0


def test_runs_under_equal_conditions_are_one_group() -> None:
    [level] = levels([contestant("a", searched(2.0)), contestant("b", searched(4.0))])
    assert [run.name for run in level.members] == ["a", "b"] and not level.differs and not level.relative
    assert level.above.speedup == pytest.approx(0.1) and level.above.quality == pytest.approx(0.89, abs=1e-3)


def test_other_machines_and_workloads_stand_apart_and_say_what_differs() -> None:
    runs = [
        contestant("a", searched(2.0)),
        contestant("b", searched(2.0, hardware="another")),
        contestant("c", searched(2.0), cases="large"),
    ]
    first, second, third = levels(runs)
    assert first.differs == ()
    assert second.differs == ("hardware a processor and another",)
    assert third.differs == ("the task's cases small and large",)


def test_among_other_seeds_quality_is_the_gain_over_the_reference() -> None:
    [level] = levels([contestant("a", searched(2.0), seed=1), contestant("b", searched(4.0), seed=2)])
    champion = level.members[0].champion
    assert level.relative and champion.scored is not None
    assert level.quality(champion) == champion.scored.score.gain == quality_of(champion, relative=True)
    assert -0.011 < level.above.quality < -0.009


def test_scores_of_earlier_versions_compare_within_one_seed_only() -> None:
    old = [entry(0, scored(0.9, 1.0)), entry(1, scored(0.9, 2.0))]
    one, other = levels([contestant("a", old, seed=1), contestant("b", old, seed=2)])
    assert one.relative is other.relative is False
    assert other.differs == ("seed 1 and 2, in scores of an earlier version",)


def test_checkpoints_are_those_that_every_run_reached() -> None:
    long, short = contestant("long", searched(0, 2.0, 0, 4.0, 0, 8.0)), contestant("short", searched(0, 3.0))
    [level] = levels([long, short], ReferencePoint(quality=0.89, speedup=0.5))
    assert shared(level, "attempts") == (1, 2) and shared(level, "dollars") == (0.25, 0.5, 1.0)
    rows = [(state.run.name, state.at, state.champion and state.champion.number) for state in states(level, "attempts")]
    assert rows == [
        *(("long", 1, 0), ("short", 1, 0), ("long", 2, 2), ("short", 2, 2)),
        *(("long", 6, 6), ("short", 2, 2)),
    ]
    volumes = [state.hypervolume.median for state in states(level, "attempts") if state.hypervolume and state.end]
    assert volumes[0] > volumes[1] > 0
    free = contestant("free", searched(2.0, usd=0))
    [level] = levels([long, free])
    assert shared(level, "dollars") == (), "one of them spent none"
