"""Programs that mix faces, know the public loads or use what no clock counts are credited with what their calls earn.

Each is a tail in `tests/data/cheats/mixed` that follows the solvers, `greedy`, `careful` and `hasty`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean

import pytest

from evaluator import Judge, JudgeSettings, Rejected, Samples, TimingSettings
from evaluator.tasks import TASKS
from tests.evaluator.hostile import CHEATS
from tests.evaluator.kept import KEPT

SETTINGS = JudgeSettings(timing=TimingSettings(budget_s=0.7, duel_s=2.0))
RESOLUTION, NOISE = 0.0005, 1.05
DISPUTED = ("foresight_exact", "foresight_ratios")
CREDITED = ("both_by_count", "faces_by_count", "faces_by_process", "lucky_rounds")


def program(name: str) -> str:
    """A whole program: the solvers, what it needs of the other tools, and its own text."""
    tail = (CHEATS / "mixed" / f"{name}.py").read_text()
    tools = ["solvers", *(["foresight"] if "coming(" in tail else []), *(["luck"] if "balance(" in tail else [])]
    return "\n\n".join([*((CHEATS / "tools" / f"{tool}.py").read_text() for tool in tools), tail])


def earned(per_case: Sequence[Samples]) -> tuple[float, float]:
    """What all calls gain on average, and how much less time they take together than the reference's."""
    gains, speeds = [], []
    for case in per_case:
        gains.append(fmean(case.candidate_quality) - fmean(case.reference_quality))
        speeds.append(math.log(sum(case.reference_us) / sum(case.candidate_us)))
    return fmean(gains), math.exp(fmean(speeds))


@pytest.fixture(scope="module")
def judge(root: Path) -> Iterator[Judge]:
    task = TASKS["eplb"]({"cases": ["hier-ep32"]})
    reference = (root / "programs/eplb/vectorised_greedy.py").read_text()
    with Judge(task, reference=reference, device="cpu", settings=SETTINGS, executor=KEPT) as judge:
        yield judge


@pytest.mark.slow
@pytest.mark.parametrize("name", DISPUTED)
def test_knowing_the_public_loads_is_disputed(judge: Judge, name: str) -> None:
    verdict = judge.evaluate(program(name))
    assert isinstance(verdict, Rejected)
    assert verdict.reason == "quality_disputed", verdict


@pytest.mark.slow
@pytest.mark.parametrize("name", CREDITED)
def test_a_mixture_is_credited_with_what_its_calls_earn(judge: Judge, name: str) -> None:
    """Or disputed, if its process of the pass happened to have another face."""
    verdict = judge.evaluate(program(name))
    if isinstance(verdict, Rejected):
        assert verdict.reason == "quality_disputed", verdict
        return
    score = verdict.score
    gain, speed = earned([case.samples for case in score.cases if case.samples is not None])
    assert score.gain is not None
    assert score.gain.median <= gain + RESOLUTION
    assert score.speedup.median <= speed * NOISE


@pytest.mark.slow
def test_a_plan_made_off_the_clock_serves_no_call_that_counts(judge: Judge) -> None:
    """It is greedy in every draw but that of its warm-up, so it earns what greedy earns."""
    verdict = judge.evaluate(program("warm_up_planner"))
    assert not isinstance(verdict, Rejected), verdict
    assert verdict.score.gain is not None
    assert verdict.score.gain.median == pytest.approx(0.0, abs=RESOLUTION)
    for samples in (case.samples for case in verdict.score.cases):
        assert samples is not None
        assert samples.candidate_quality == samples.reference_quality


@pytest.mark.slow
@pytest.mark.parametrize("name", ["careful_but_for_one", "dear_process"])
def test_a_duel_is_not_won_by_most_rounds_against_the_mean_of_all(judge: Judge, root: Path, name: str) -> None:
    duel = judge.compare(program(name), (root / "programs/eplb/vectorised_greedy.py").read_text())
    assert not isinstance(duel, Rejected)
    gain, speed = earned(duel.samples)
    assert duel.quality_comparison != "better" or gain > 0
    assert duel.comparison != "better" or speed > 1
