"""Stopping a judge from another thread: it ends at once, whatever it does, and stays usable."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from evaluator import EvaluatorError, Judge, JudgeSettings, Scored, TimingSettings, Verdict
from evaluator.tasks import TASKS

FLAT = {"layers": 3, "experts": 16, "replicas": 20, "groups": 1, "nodes": 1, "gpus": 4}
SETTINGS = JudgeSettings(timeout_s=60, timing=TimingSettings(budget_s=0.05, max_pairs=8))
SLEEPER = """
import time

def rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus):
    time.sleep(50)
"""


@pytest.mark.parametrize("calling", [False, True])
def test_judge_stops_during_its_start_and_during_a_call(root: Path, calling: bool) -> None:
    greedy = (root / "programs/eplb/greedy.py").read_text()
    task = TASKS["eplb"]({"cases": [FLAT]})
    outcomes: list[Verdict | EvaluatorError] = []
    with Judge(task, reference=greedy, reference_name="greedy.py", device="cpu", settings=SETTINGS) as judge:

        def judging() -> None:
            try:
                outcomes.append(judge.evaluate(SLEEPER))
            except EvaluatorError as error:
                outcomes.append(error)

        thread = threading.Thread(target=judging)
        thread.start()
        while calling and not judge._executor._workers:
            time.sleep(0.01)
        time.sleep(0.5 * calling)
        begun = time.monotonic()
        while thread.is_alive() and time.monotonic() < begun + 20:
            judge.stop()
            thread.join(0.1)
        assert time.monotonic() - begun < 5
        assert len(outcomes) == 1 and not isinstance(outcomes[0], Scored)
        judge.stop()
        assert isinstance(judge.evaluate(greedy), Scored)
        if calling:
            return
        judge.stop()  # while it does nothing
        assert judge.environment().torch
        judge.stop()
        assert isinstance(judge.qualify(greedy), tuple)


def test_a_judge_stopped_before_it_was_ready_says_where_it_works(root: Path) -> None:
    task = TASKS["eplb"]({"cases": [FLAT]})
    with Judge(task, reference=(root / task.reference).read_text(), device="cpu", settings=SETTINGS) as judge:
        judge.stop()
        assert judge.environment().torch
