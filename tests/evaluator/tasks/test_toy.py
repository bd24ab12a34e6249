"""A second task passes the same contract, is judged by the real judge and shown in the reports."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console, RenderableType

from evaluator import Judge, JudgeSettings, Rejected, Scored, TaskKind, TimingSettings, shipped
from evaluator.task_protocol import Task
from evaluator.types import Answer, Call, Case
from harness.cli.console import UserError
from harness.cli.ladder import climb
from harness.report import tables
from tests.evaluator.contracts import TaskContract
from tests.evaluator.kept import KEPT
from tests.evaluator.tasks.toy import KIND, Toy

SETTINGS = JudgeSettings(timeout_s=20, timing=TimingSettings(budget_s=0.05, max_pairs=8))


class TestToy(TaskContract):
    def make(self) -> Task:
        return Toy()

    def kind(self) -> TaskKind:
        return KIND

    def option_texts(self, folder: Path) -> dict[str, tuple[str, ...]]:
        return {"--spread": ("even", "uneven")}

    def answer(self, task: Task, case: Case, call: Call) -> Answer:
        """The heaviest item first, to bins in turn, back and forth."""
        weights, bins = call.args
        turn = np.arange(len(weights))
        plan = np.empty(len(weights), dtype=np.int64)
        plan[np.argsort(-weights)] = np.where(turn // bins % 2, bins - 1 - turn % bins, turn % bins)
        return (plan,)


def shown(view: RenderableType) -> str:
    text = io.StringIO()
    Console(file=text, width=100).print(view)
    return text.getvalue()


class Bare(Toy):
    """A task that describes only what it must."""

    columns = ()
    ladder = None


@pytest.mark.slow
def test_a_toy_task_is_judged_and_reported_like_any_task() -> None:
    task = KIND({"spread": "uneven"})
    source = shipped("tests/data/toy/back_and_forth.py").read_text()
    with Judge(
        task, reference=shipped(task.reference).read_text(), device="cpu", settings=SETTINGS, executor=KEPT
    ) as judge:
        verdict, refused = judge.evaluate(source), judge.evaluate(source.replace("% num_bins", "% 99"))
    assert isinstance(verdict, Scored), verdict
    assert isinstance(refused, Rejected) and (refused.stage, refused.reason) == ("validate", "range")
    [case] = verdict.score.cases
    lightest = case.quality.metrics["lightest_share"]
    assert dict(verdict.score.metrics) == {"lightest_share": lightest}
    text = shown(tables.verdict_view(verdict, program="mine", task=task))
    assert "same" not in text and "balance" not in text
    heading, cells = (next(line for line in text.splitlines() if word in line) for word in ("evenness", "uneven "))
    assert heading.split() == ["case", "evenness", "ceiling", "points", "bin", "ms", "speed-up"]
    assert cells.split()[1] == f"{case.value:.4f}" and cells.split()[3] == f"{case.quality.ceiling:.4f}"
    assert cells.split()[5] == f"{lightest:.4f}"
    change = shown(tables.change_table(verdict, verdict, task=task))
    assert "lightest bin," in change and "+0.00" in change
    bare = shown(tables.verdict_view(verdict, program="mine", task=Bare(spread="uneven")))
    [heading] = [line for line in bare.splitlines() if "evenness" in line]
    assert heading.split() == ["case", "evenness", "ceiling", "points", "ms", "speed-up"]


def test_a_task_without_a_ladder_says_so() -> None:
    with pytest.raises(UserError, match="--ladder: toy has no programs of known order"):
        climb(Judge(Bare(), reference="", device="cpu"), json=True, split="search")
