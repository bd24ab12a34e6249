"""Groups of comparable measurements, their pooled figure, and the report on the others."""

from __future__ import annotations

import io
import math
import random
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from evaluator import TASKS, Environment, Samples, Scored, Verdict, combined_speedup, joined
from harness.gate import gated_standing as standing
from harness.readings.comparable import groups, members
from harness.report import attempts, measurements_view, tables
from harness.search.judging import same_machine
from harness.select import Pareto, clearly_faster
from harness.types import HarnessError, Measurement
from tests.harness.archive.archives import read_verdict, stored_verdict
from tests.harness.builders import ENVIRONMENT, REJECTED, KnobJudge, entry, scored
from tests.harness.qualities import judged
from tests.harness.search.test_search import archive_at, run


def there(**changes: object) -> Environment:
    return replace(ENVIRONMENT, **changes)  # type: ignore[arg-type]


def taken(
    ratio: float, *, seed: int = 7, where: Environment = ENVIRONMENT, rounds: int = 5, noise: int = 0, when_s: int = 1
) -> Measurement:
    """A measurement of a program `ratio` times as fast as the reference, on two cases; each round is off by up to
    `noise` per mille.
    """
    rng = random.Random(f"{ratio} {noise} {when_s}")
    verdict = scored(0.5, ratio)
    [case] = verdict.score.cases

    def samples() -> Samples:
        off = [1 + rng.randint(-noise, noise) / 1000 for _ in range(rounds)]
        times = tuple(round(10_000 / ratio * one) for one in off for _ in range(4))
        return Samples(candidate_us=times, reference_us=(10_000,) * len(times), rounds=(4,) * rounds)

    per_case = [samples(), samples()]
    cases = tuple(
        replace(case, quality=replace(case.quality, case=name), samples=one, speedup=combined_speedup([one]))
        for name, one in zip(("a", "b"), per_case, strict=True)
    )
    score = replace(verdict.score, cases=cases, speedup=combined_speedup(per_case))
    return Measurement(
        verdict=replace(verdict, score=score, environment=where), when_s=when_s, seed=seed, environment=where
    )


def with_qualities(measurement: Measurement, seed: int, gain: float = 0.01) -> Measurement:
    assert isinstance(measurement.verdict, Scored)
    return replace(measurement, verdict=judged(measurement.verdict, gain=gain, scatter=0.001, seed=seed))


def rejected(where: Environment = ENVIRONMENT) -> Measurement:
    return Measurement(verdict=REJECTED, when_s=5, seed=7, environment=where)


def test_comparable_measurements_are_pooled_over_all_rounds() -> None:
    own, again = taken(2.0, noise=20), taken(2.0, noise=20, when_s=2)
    [group] = groups(members(entry(1, own.verdict), 7, None, [again]))
    assert [one.taken for one in group.members] == ["in the run", "noted"] and group.differs == ()
    found = group.pooled
    assert found is not None and (found.measurements, found.rounds, found.apart) == (2, 10, False)
    assert isinstance(own.verdict, Scored)
    single = own.verdict.score.speedup
    assert found.speedup.low <= 2.0 <= found.speedup.high
    assert math.log(found.speedup.high / found.speedup.low) < math.log(single.high / single.low)
    assert [case.name for case in found.cases] == ["a", "b"]
    assert found.gain is found.quality is None, "measurements of earlier versions have no qualities"


def test_gains_are_pooled_over_all_rounds() -> None:
    own, again = (with_qualities(taken(2.0, noise=20, when_s=when_s), when_s) for when_s in (1, 2))
    [group] = groups(members(entry(1, own.verdict), 7, None, [again]))
    found = group.pooled
    assert isinstance(own.verdict, Scored) and isinstance(again.verdict, Scored)
    single, other = own.verdict.score.gain, again.verdict.score.gain
    assert found is not None and found.gain is not None and found.quality is not None
    assert single is not None and other is not None and found.gain.low < 0.01 < found.gain.high
    assert found.gain.median == pytest.approx((single.median + other.median) / 2), "rounds count equally"
    assert found.gain.high - found.gain.low < min(single.high - single.low, other.high - other.low)
    assert found.quality.median == pytest.approx(0.9 + found.gain.median)
    for case in found.cases:
        assert case.gain is not None and case.quality is not None
        assert case.quality.low == pytest.approx(0.9 + case.gain.low)
    assert not found.apart

    [group] = groups(members(entry(1, own.verdict), 7, None, [again, taken(2.0, noise=20)]))
    assert group.pooled is not None and group.pooled.gain is None, "one of them has no qualities"
    assert all(case.gain is None for case in group.pooled.cases)


def test_the_pooled_gain_is_shown_and_in_json() -> None:
    own, again = (with_qualities(taken(2.0, noise=20, when_s=when_s), when_s) for when_s in (1, 2))
    one = replace(entry(1, own.verdict), name="mine")
    found = groups(members(one, 7, None, [again]))
    assert found[0].pooled is not None and found[0].pooled.quality is not None
    shown_quality = tables.with_half_width(found[0].pooled.quality)
    [row] = [line for line in shown(own, again).splitlines() if line.startswith("together")]
    assert f" {shown_quality} " in row
    [joint] = measurements_view.record(one, found, TASKS["eplb"]({}))["joint"]
    assert joint["gain"]["median"] == found[0].pooled.gain.median  # type: ignore[union-attr]
    assert list(joint["case_gains"]) == list(joint["cases"]) == ["a", "b"]


def cut(measurement: Measurement) -> Measurement:
    """The measurement as the race ends it early."""
    assert isinstance(measurement.verdict, Scored)
    score = replace(measurement.verdict.score, decided="decided after 8 pairs a case: not better than attempt 0")
    return replace(measurement, verdict=replace(measurement.verdict, score=score))


def test_measurements_that_ended_early_are_listed_and_not_pooled() -> None:
    """When they ended depends on their outcome."""
    own, *again = (with_qualities(taken(2.0, noise=20, when_s=when_s), when_s) for when_s in (1, 2, 3))
    early = cut(with_qualities(taken(1.5, noise=20, when_s=4), 4, gain=-0.05))
    [without] = groups(members(entry(1, own.verdict), 7, None, again))
    [group] = groups(members(entry(1, early.verdict), 7, None, [own, *again]))
    assert without.pooled is not None and group.pooled == without.pooled and not group.pooled.apart
    assert (len(group.members), group.ended_early, without.ended_early) == (4, 1, 0)
    listed = measurements_view.record(entry(1, early.verdict), [group], TASKS["eplb"]({}))["measurements"]
    assert [bool(one["decided"]) for one in listed] == [True, False, False, False]
    words = "ended early, and are in no joint figure"
    assert f"1 of these {words}" in " ".join(shown(early, own, *again).split())
    assert words not in " ".join(shown(own, *again).split()) and words not in " ".join(shown(early).split())

    [group] = groups(members(entry(1, early.verdict), 7, None, [own, rejected()]))
    assert len(group.members) == 3 and group.pooled is None, "one full measurement is no pool"


def test_gains_that_disagree_are_marked() -> None:
    own, again = taken(2.0, noise=2), taken(2.0, noise=2, when_s=2)
    assert "do not overlap" not in shown(with_qualities(own, 1), with_qualities(again, 2))
    assert "do not overlap" in shown(with_qualities(own, 1), with_qualities(again, 2, gain=0.02))


@given(counts=st.lists(st.lists(st.integers(1, 6), min_size=1, max_size=5), min_size=1, max_size=4))
def test_pooled_samples_keep_their_rounds(counts: list[list[int]]) -> None:
    """Rounds split into any measurements give the same figure as rounds taken at once."""
    rng = random.Random(str(counts))
    parts = []
    for rounds in counts:
        times = [tuple(rng.randrange(900, 1100) for _ in range(sum(rounds))) for _ in range(2)]
        parts.append(Samples(candidate_us=times[0], reference_us=times[1], rounds=tuple(rounds)))
    whole = Samples(
        candidate_us=sum((one.candidate_us for one in parts), ()),
        reference_us=sum((one.reference_us for one in parts), ()),
        rounds=sum((one.rounds for one in parts), ()),
    )
    assert joined(parts) == whole and combined_speedup([joined(parts)]) == combined_speedup([whole])


def test_single_rounds_stay_separate_rounds() -> None:
    one = Samples(candidate_us=(5, 6), reference_us=(7, 8))
    assert joined([one, one, one]).rounds == (2, 2, 2)


@pytest.mark.parametrize(
    ("other", "differs"),
    [
        (taken(4.0, where=there(torch="2.14")), ("torch 2.13 and 2.14",)),
        (taken(4.0, seed=8), ("seed 7 and 8",)),
        (taken(4.0, seed=8, where=there(python="3.12")), ("Python 3.11 and 3.12", "seed 7 and 8")),
    ],
)
def test_incomparable_measurements_are_listed_apart_and_change_no_figure(
    other: Measurement, differs: tuple[str, ...]
) -> None:
    own = taken(2.0, noise=5)
    alone, _ = groups(members(entry(1, own.verdict), 7, None, [taken(2.0, noise=5)], [other]))
    mixed, apart = groups(members(entry(1, own.verdict), 7, None, [other, taken(2.0, noise=5)]))
    assert mixed.pooled == alone.pooled and apart.differs == differs and apart.pooled is None


def test_different_cases_are_never_pooled() -> None:
    own, other = taken(2.0), scored(0.5, 2.0)
    found = groups(
        members(entry(1, own.verdict), 7, None, [Measurement(verdict=other, when_s=1, seed=7, environment=ENVIRONMENT)])
    )
    assert [group.differs for group in found] == [(), ("other cases",)]


def test_rejected_measurements_are_listed_and_not_pooled() -> None:
    own = taken(2.0)
    [group] = groups(members(entry(1, own.verdict), 7, None, [rejected()]))
    assert len(group.members) == 2 and group.pooled is None
    [group] = groups(members(entry(1, REJECTED), 7, ENVIRONMENT, [taken(2.0), taken(2.0)]))
    assert [one.taken for one in group.members] == ["in the run", "noted", "noted"] and group.pooled is not None
    assert groups(members(entry(1, REJECTED), 7, None, [])) == ()


def test_measurements_that_disagree_are_marked() -> None:
    own = taken(2.0, noise=2)
    [group] = groups(members(entry(1, own.verdict), 7, None, [taken(2.2, noise=2)]))
    assert group.pooled is not None and group.pooled.apart
    assert "do not overlap" in shown(own, taken(2.2, noise=2))
    assert "do not overlap" not in shown(own, taken(2.0, noise=2))


def shown(own: Measurement, *noted: Measurement) -> str:
    one = replace(entry(1, own.verdict), name="[bold]\x1b[31mname")
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(measurements_view.view(one, groups(members(one, 7, None, noted)), TASKS["eplb"]({})))
    return console.export_text()


def test_view_names_the_differences_and_escapes_markup() -> None:
    text = shown(taken(2.0), taken(2.0), taken(2.0, where=there(torch="2.14\x1b[2J")), rejected())
    assert "Measurements of attempt 1, [bold] [31mname" in text and "\x1b" not in text
    assert "together   10 rounds" in text and "rejected at run: exception" in text
    assert "Not compared with these: torch 2.13 and 2.14 [2J" in text
    assert max(map(len, text.splitlines())) <= 80


def test_run_continues_only_where_run_times_are_comparable() -> None:
    for changes in ({"kernel": "7"}, {"sandbox": "L2"}, {"warnings": ("busy",)}, {"scatter": 0.5}, {"cores": 64}):
        assert same_machine(ENVIRONMENT, there(**changes))
    for changes in ({"torch": "3"}, {"hardware": "x"}, {"driver": "570"}, {"task": "toy/2"}, {"threads": 2}):
        assert not same_machine(ENVIRONMENT, there(**changes))


def test_run_under_another_torch_is_refused_with_what_to_do(tmp_path: Path) -> None:
    class Newer(KnobJudge):
        def evaluate(self, source: str, *, progress: object = None) -> Verdict:
            return replace(scored(0.9, 1.0), environment=there(torch="2.14"))

    archive = archive_at(tmp_path / "run")
    list(run(archive, attempts=1))
    with pytest.raises(HarnessError, match=r"torch 2\.13 and 2\.14.*--run DIR.*packsmith remeasure"):
        list(run(archive, judge=Newer()))
    assert len(archive.entries) == 2


def test_a_higher_speed_under_other_conditions_is_not_faster() -> None:
    slow, fast = entry(0, scored(0.5, 1.0)), entry(1, scored(0.5, 2.0))
    assert isinstance(fast.verdict, Scored) and clearly_faster(fast, slow)
    elsewhere = replace(fast, verdict=replace(fast.verdict, environment=there(torch="2.14")))
    assert not clearly_faster(elsewhere, slow) and not clearly_faster(slow, elsewhere)
    better = replace(elsewhere, verdict=replace(elsewhere.verdict, score=scored(0.6, 2.0).score))
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(attempts.front_table(standing([slow, better], Pareto()), TASKS["eplb"]({}), "toy"))
    assert "is not comparable with the best's: torch 2.1" in console.export_text()


def test_records_of_earlier_versions_have_no_driver() -> None:
    stored = stored_verdict(scored(0.5, 1.0))
    assert stored["scored"]["environment"].pop("driver") == ""
    found = read_verdict(stored)
    assert isinstance(found, Scored) and found.environment.driver == ""
    assert found == scored(0.5, 1.0)
