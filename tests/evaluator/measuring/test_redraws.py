"""The secret calls of a score, answered again by real workers: which answers agree with what is stored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from evaluator import EvaluatorError, Judge, JudgeSettings, Redrawn, Rejected, Score, Scored, TimingSettings
from evaluator.tasks import TASKS
from tests.evaluator.kept import KEPT

CASES = [
    {"name": "one", "layers": 3, "experts": 16, "replicas": 20, "groups": 1, "nodes": 1, "gpus": 4},
    {"name": "two", "layers": 2, "experts": 16, "replicas": 24, "groups": 1, "nodes": 1, "gpus": 8},
]
SETTINGS = JudgeSettings(timeout_s=5, timing=TimingSettings(budget_s=0.05, max_pairs=12))

CHAINED = """
import torch

def rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus, old_phy2log=None):
    layers, experts = weight.shape
    nodes = num_nodes if num_groups % num_nodes == 0 else 1
    own, slots = experts // nodes, num_replicas // nodes
    plan = torch.cat([node * own + torch.arange(slots) % own for node in range(nodes)]).repeat(layers, 1)
    if old_phy2log is not None:
        plan = old_phy2log.reshape(layers, nodes, slots).roll(1, 2).reshape(layers, num_replicas)
    logcnt = torch.zeros(layers, experts, dtype=torch.int64)
    logcnt.scatter_add_(1, plan, torch.ones_like(plan))
    log2phy = torch.full((layers, experts, int(logcnt.max())), -1, dtype=torch.int64)
    for layer in range(layers):
        seen = [0] * experts
        for slot, expert in enumerate(plan[layer].tolist()):
            log2phy[layer, expert, seen[expert]] = slot
            seen[expert] += 1
    return plan, log2phy, logcnt
"""
"""A program whose plans depend on the plans before them in the same draw."""


@pytest.fixture(scope="module")
def judge(root: Path) -> Iterator[Judge]:
    reference = (root / "programs/eplb/snake.py").read_text()
    with Judge(
        TASKS["eplb"]({"cases": CASES}), reference=reference, device="cpu", settings=SETTINGS, executor=KEPT
    ) as judge:
        yield judge


@pytest.fixture(scope="module")
def score(judge: Judge) -> Score:
    verdict = judge.evaluate(CHAINED)
    assert isinstance(verdict, Scored), verdict
    return verdict.score


def again(judge: Judge, score: Score, source: str = CHAINED) -> tuple[Redrawn, ...]:
    found = judge.requalify(source, score)
    assert not isinstance(found, Rejected), found
    return found


def with_first(score: Score, **changes: object) -> Score:
    """The score with changes to the samples of its first case."""
    first, *others = score.cases
    assert first.samples is not None
    changed = replace(first, samples=replace(first.samples, **changes))  # type: ignore[arg-type]
    return replace(score, cases=(changed, *others))


def test_every_call_of_an_honest_program_agrees(judge: Judge, score: Score) -> None:
    found = again(judge, score)
    assert [case.case for case in found] == ["one", "two"]
    for each, case in zip(found, score.cases, strict=True):
        assert case.samples is not None and each.calls == len(case.samples.calls) >= 3
        assert each.ok and (each.agree, each.largest) == (each.calls, 0.0)


def test_a_changed_figure_is_found_in_the_last_stored_decimal(judge: Judge, score: Score) -> None:
    samples = score.cases[0].samples
    assert samples is not None
    first, *others = samples.candidate_quality
    one, two = again(judge, with_first(score, candidate_quality=(round(first + 1e-7, 7), *others)))
    assert not one.ok and one.agree == one.calls - 1 and one.largest == pytest.approx(1e-7, rel=0.01)
    assert two.ok


def test_another_program_another_secret_and_other_calls_do_not_agree(judge: Judge, score: Score, root: Path) -> None:
    assert not any(case.ok for case in again(judge, score, (root / "programs/eplb/greedy.py").read_text()))
    assert not any(case.ok for case in again(judge, replace(score, secret="0" * 32)))
    samples = score.cases[0].samples
    assert samples is not None
    one, two = again(judge, with_first(score, calls=tuple(call + 40 for call in samples.calls)))
    assert not one.ok and two.ok


def test_a_program_that_fails_is_rejected(judge: Judge, score: Score) -> None:
    found = judge.requalify("def rebalance_experts(*arguments):\n    raise ValueError('no')\n", score)
    assert isinstance(found, Rejected) and (found.stage, found.reason) == ("run", "exception")
    assert "call 0 again" in found.detail


def test_scores_of_earlier_versions_and_of_other_cases_are_errors(judge: Judge, score: Score) -> None:
    with pytest.raises(EvaluatorError, match="no secret and no calls, because an earlier version took it"):
        judge.requalify(CHAINED, replace(score, secret=""))
    bare = with_first(score, candidate_quality=(), reference_quality=(), calls=())
    with pytest.raises(EvaluatorError, match="no secret and no calls"):
        judge.requalify(CHAINED, bare)
    first, *others = score.cases
    renamed = replace(first, quality=replace(first.quality, case="three"))
    with pytest.raises(EvaluatorError, match="expected a score of the cases one, two, found one of three"):
        judge.requalify(CHAINED, replace(score, cases=(renamed, *others)))
