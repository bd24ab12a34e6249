"""What is open to doubt: each kind is found where it is, and nothing in a run without any."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evaluator import Interval, Rejected, Scored
from harness.readings.doubts import Doubt, doubts
from harness.readings.lineage import speed_change, speed_ratio
from harness.types import Confirmation, Entry, Unjudged
from tests.harness.builders import ENVIRONMENT, around, duel, entry, scored

SEED = entry(0, scored(0.9, 1.0))


def found(*entries: Entry, shown: tuple[Entry, ...] = (), samples: tuple[int, int] = (9, 99)) -> dict[str, Doubt]:
    return {doubt.kind: doubt for doubt in doubts([SEED, *entries], shown, ENVIRONMENT, lambda _: samples)}


def in_place(verdict: Scored, **changes: object) -> Scored:
    return replace(verdict, environment=replace(verdict.environment, **changes))  # type: ignore[arg-type]


def test_a_sound_run_has_none() -> None:
    assert not found(entry(1, scored(0.9, 2.0)), entry(2, Rejected(stage="run", reason="timeout", detail="")))


def test_each_kind_names_its_attempts() -> None:
    unsure = (Confirmation(against="e0", duel=duel(1.0, 0.1)), Confirmation(against="e0", failure="it raised"))
    hot = in_place(scored(0.9, 2.0), warnings=("busy",))
    wide = replace(scored(0.9, 2.0, noise=0.3).score, gain=around(0.0, 0.01), decided="hopeless after 20 pairs")
    entries = (
        replace(entry(1, scored(0.9, 1.0)), confirmations=unsure[:1]),
        replace(entry(2, scored(0.9, 1.0)), confirmations=unsure[1:]),
        entry(3, hot),
        entry(4, scored(0.9, 2.0, hardware="another")),
        entry(5, replace(scored(0.9, 2.0), score=wide)),
        entry(6, Rejected(stage="measure", reason="clock_disputed", detail="")),
        replace(entry(7, scored(0.9, 2.0)), same_as="e1", warnings=("applied after a shift",)),
        replace(entry(8, scored(0.9, 2.0)), verdict=Unjudged()),
    )
    kinds = found(*entries, shown=(entries[4], entries[3]), samples=(3, 12))
    assert {kind: doubt.attempts for kind, doubt in kinds.items()} == {
        "undecided": (1,),
        "failed": (2,),
        "elsewhere": (4,),
        "noisy": (3,),
        "few": (4, 5),
        "early": (5,),
        "wide speed": (5,),
        "wide quality": (5,),
        "disputed": (6,),
        "reworked": (7,),
        "twins": (7,),
        "unjudged": (8,),
    }
    assert kinds["noisy"].detail == "busy" and kinds["few"].detail == "3 rounds, 12 pairs"
    assert kinds["elsewhere"].detail == "hardware a processor and another"
    assert (float(kinds["wide speed"].detail), float(kinds["wide quality"].detail)) == (
        pytest.approx(0.3),
        pytest.approx(0.01),
    )


def test_a_change_of_speed_comes_from_a_duel_or_from_the_common_reference() -> None:
    child, other = entry(1, scored(0.9, 3.0, noise=0.1)), entry(2, scored(0.9, 2.0, noise=0.1))
    change = speed_change(child, other)
    assert change is not None and change.median == pytest.approx(1.5)
    assert (change.low, change.high) == (pytest.approx(2.7 / 2.2), pytest.approx(3.3 / 1.8))
    fought = replace(child, confirmations=(Confirmation(against=other.id, duel=duel(2.0, 0.5)),))
    assert speed_change(fought, other) == Interval(median=2.0, low=1.0, high=3.0)
    assert speed_change(other, fought) == Interval(median=0.5, low=1 / 3, high=1.0)
    assert speed_change(child, entry(3, scored(0.9, 2.0, hardware="another"))) is speed_change(child, None) is None
    edge = speed_ratio(around(1.0, 0.1), Interval(median=1.0, low=0.0, high=1.0))
    assert edge.high == 1e308
