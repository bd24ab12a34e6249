"""When two clocks of one call agree: busy but honest machines, and processes that report false times."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from evaluator import Judge, JudgeSettings, Scored, TimingSettings
from evaluator.environment import cores
from evaluator.measuring.clocks import ALLOWANCE_NS, CONVINCING, EXCESS_NS, Clocks
from evaluator.tasks import TASKS
from tests.evaluator.kept import KEPT

MS = 1_000_000
CASE = {"layers": 2, "experts": 8, "replicas": 12, "groups": 1, "nodes": 1, "gpus": 4}


def clocks(
    own_ms: list[float], elapsed_ms: list[float], other_gap_ms: list[float] | None = None, other_ms: float = 2.0
) -> Clocks:
    pairs_of_times = Clocks()
    for own, elapsed, gap in zip(own_ms, elapsed_ms, other_gap_ms or [0.1] * len(own_ms), strict=True):
        pairs_of_times.add(
            elapsed_ns=round(elapsed * MS),
            own_ns=round(own * MS),
            other_elapsed_ns=round((other_ms + gap) * MS),
            other_own_ns=round(other_ms * MS),
        )
    return pairs_of_times


def test_no_pairs_give_no_dispute() -> None:
    assert Clocks().dispute() == ""


@pytest.mark.parametrize("own_ms", [0.01, 2.0, 5000.0])
@pytest.mark.parametrize("pairs", [1, 2, 3, 50])
def test_cost_of_an_exchange_is_no_dispute(own_ms: float, pairs: int) -> None:
    assert clocks([own_ms] * pairs, [own_ms + 0.1] * pairs).dispute() == ""


@pytest.mark.parametrize("pairs", [1, 3, 4, 50])
def test_process_that_hides_time_is_disputed(pairs: int) -> None:
    dispute = clocks([2.0] * pairs, [30.0] * pairs).dispute()
    assert "at least 28.0 ms more than the program's own process says" in dispute
    assert "explains at most 5.4 ms" in dispute


def test_process_that_reports_no_time_is_disputed_when_calls_are_long() -> None:
    assert clocks([0.0] * 5, [30.0] * 5).dispute()
    assert clocks([0.0] * 5, [3.0] * 5).dispute() == "", "a lie too small to distinguish from an exchange"


def test_allowance_is_exact() -> None:
    allowed_ms = 0.1 + ALLOWANCE_NS / MS + 0.01 * 30.0
    assert clocks([30.0 - allowed_ms + 0.01] * 5, [30.0] * 5).dispute() == ""
    assert clocks([30.0 - allowed_ms - 0.01] * 5, [30.0] * 5).dispute()


def test_process_that_reports_too_much_time_is_disputed() -> None:
    assert "took 8.0 ms longer" in clocks([10.0] * 3, [2.0] * 3).dispute()
    assert clocks([2**64 / MS] * 3, [2.0] * 3).dispute()
    edge_ms = EXCESS_NS / MS + 0.01 * 2.0
    assert clocks([2.0 + edge_ms - 0.001] * 3, [2.0] * 3).dispute() == ""
    assert clocks([2.0 + edge_ms + 0.001] * 3, [2.0] * 3).dispute()


def test_delayed_calls_are_no_dispute_if_some_agree() -> None:
    """The machine may delay most calls: the calls without delay decide."""
    assert clocks([2.0] * 20, [2.1] * 3 + [80.0] * 17).dispute() == ""
    assert clocks([2.0] * 3, [80.0, 2.1, 80.0]).dispute() == ""
    assert clocks([2.0] * 20, [2.1] * 2 + [80.0] * 18).dispute()


def test_dispute_from_few_pairs_is_doubtful() -> None:
    assert clocks([2.0] * (CONVINCING - 1), [30.0] * (CONVINCING - 1)).doubtful
    assert not clocks([2.0] * CONVINCING, [30.0] * CONVINCING).doubtful
    assert not clocks([2.0] * 3, [2.1] * 3).doubtful


def test_machine_that_delays_both_programs_is_no_dispute() -> None:
    assert clocks([2.0] * 9, [42.0] * 9, [40.0] * 9).dispute() == ""
    assert clocks([2.0] * 9, [42.0] * 9, [20.0] * 9).dispute()


def test_other_program_that_reports_too_much_does_not_tighten_the_rule() -> None:
    assert clocks([2.0] * 9, [6.0] * 9, [-1000.0] * 9).dispute() == ""


@pytest.mark.parametrize("pairs", [10, CONVINCING, 50])
def test_machine_that_delays_half_of_all_exchanges_is_no_dispute(pairs: int) -> None:
    """Every other exchange is delayed by some tens of milliseconds, with heavy tails."""
    rng = np.random.default_rng(pairs)
    disputed = 0
    for _ in range(2000):
        delays = 0.1 + rng.exponential(20.0, (2, pairs)) * (rng.random((2, pairs)) < 0.5)
        disputed += bool(clocks([2.0] * pairs, list(2.0 + delays[0]), list(delays[1])).dispute())
    assert disputed <= (2 if pairs < CONVINCING else 0)


@pytest.mark.slow
def test_honest_program_is_not_disputed_on_a_machine_with_more_work_than_cores(root: Path, at_length: bool) -> None:
    source = (root / "programs/eplb/greedy.py").read_text()
    settings = JudgeSettings(timing=TimingSettings(budget_s=0.05))
    neighbours: list[subprocess.Popen[bytes]] = []
    task = TASKS["eplb"]({"cases": [CASE]})
    with Judge(task, reference=source, device="cpu", settings=settings, executor=KEPT) as judge:
        verdicts = [judge.evaluate(source)]  # which starts the judge's processes while the machine is still free
        try:
            for _ in range(2 * cores()):
                neighbours.append(subprocess.Popen(["sh", "-c", "while :; do :; done"]))
            verdicts += [judge.evaluate(source) for _ in range(15 if at_length else 4)]
        finally:
            for neighbour in neighbours:
                neighbour.kill()
                neighbour.wait()
    assert not [verdict for verdict in verdicts if not isinstance(verdict, Scored)]
