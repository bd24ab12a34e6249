"""Solvers in numba: they compile and run confined, compiling is never timed, and threads stay what the judge allows."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from evaluator import Judge, JudgeSettings, LocalExecutor, Rejected, Scored, TimingSettings
from evaluator.executors import EXECUTORS
from evaluator.screen import EXTRAS, available_imports, screen
from evaluator.settings import SandboxLevel
from evaluator.tasks import TASKS
from evaluator.types import Call
from tests.evaluator.kept import KEPT

TINY = {"layers": 2, "experts": 8, "replicas": 12, "groups": 1, "nodes": 1, "gpus": 4}
NUMBA = "numba" in available_imports()
needs_numba = pytest.mark.skipif(not NUMBA, reason="numba is not installed")
WEIGHT = np.arange(12, dtype=np.float32).reshape(3, 4)

IN_PARALLEL = """
import numba
import torch

@numba.njit(parallel=True, cache=True)
def total(values):
    result = 0.0
    for row in numba.prange(values.shape[0]):
        result += values[row].sum()
    return result

def solve(weight):
    found = total(weight.numpy()), numba.get_num_threads(), numba.config.NUMBA_NUM_THREADS
    return torch.tensor(found)
"""
COMPILES_LATE = """

from numba import njit

@njit
def weigh(weight, old):
    return weight.sum() if old is None else weight.sum() + old.sum()

def rebalance_experts(weight, *sizes, old_phy2log=None):
    weigh(weight.numpy(), None if old_phy2log is None else old_phy2log.numpy())
    return solve(weight, *sizes)
"""
IS_SLOW = """

import time

def rebalance_experts(*arguments):
    time.sleep(0.03)
    return solve(*arguments)
"""


@pytest.fixture(scope="module")
def greedy(root: Path) -> str:
    return (root / "programs/eplb/greedy.py").read_text()


def with_front(greedy: str, front: str) -> str:
    """The program with another entry point in front of its own."""
    return greedy.replace("def rebalance_experts(", "def solve(") + front


@needs_numba
@pytest.mark.parametrize(("level", "threads"), [("L2", 1), ("L1", 2)])
def test_parallel_loops_use_the_threads_that_the_judge_allows(level: SandboxLevel, threads: int) -> None:
    settings = JudgeSettings(threads=threads, timeout_s=60)
    # L2 is the level of the processes that are shared, where there is that level.
    with EXECUTORS[KEPT](settings) if level == "L2" else LocalExecutor(settings, level) as executor:
        if executor.ready.level != level:
            pytest.skip(f"this machine does not give {level}")
        worker = executor.open(request_bytes=1 << 16, answer_bytes=1 << 16, device="cpu")
        worker.load(IN_PARALLEL, "solve", ())
        (found,), _ = worker.call(Call(args=(WEIGHT,)), 1, what="the call")
        running = len(list(Path(f"/proc/{worker._link.pid}/task").iterdir()))
        executor.end()
    assert found.tolist() == [WEIGHT.sum(), threads, threads]
    assert running <= threads


@needs_numba
@pytest.mark.slow
def test_the_shipped_solver_compiles_while_it_is_loaded(root: Path, greedy: str) -> None:
    source = (root / "programs/eplb/lpt_swap_numba.py").read_text()
    timing = TimingSettings(budget_s=0.2, round_pairs=2)
    settings = JudgeSettings(load_timeout_s=60, timing=timing)
    with Judge(
        TASKS["eplb"]({"cases": [TINY]}), reference=greedy, device="cpu", settings=settings, executor=KEPT
    ) as judge:
        verdict = judge.evaluate(source)
    assert isinstance(verdict, Scored)
    samples = verdict.score.cases[0].samples
    assert samples is not None and len(samples.rounds) >= 2
    # Each of these processes compiled for a second or more; a call takes a fraction of a millisecond.
    assert verdict.score.load_s > 0.3
    assert max(samples.candidate_us) / 1e6 < verdict.score.load_s / 4


@needs_numba
@pytest.mark.slow
def test_a_compiler_at_work_in_the_first_calls_is_never_timed(greedy: str) -> None:
    """Against a slow reference, so that full calls to warm up are left out; some calls bring a placement, some none."""
    task = TASKS["eplb"]({"cases": [TINY]})
    settings = JudgeSettings(timeout_s=60, timing=TimingSettings(budget_s=0.1, min_pairs=8, round_pairs=4))
    reference = with_front(greedy, IS_SLOW)
    with Judge(task, reference=reference, device="cpu", settings=settings, executor=KEPT) as judge:
        verdict = judge.evaluate(with_front(greedy, COMPILES_LATE))
    assert isinstance(verdict, Scored)
    samples = verdict.score.cases[0].samples
    assert samples is not None and len(samples.rounds) >= 2
    assert max(samples.candidate_us) < 100_000, "compiling takes longer than that"


def test_a_machine_without_numba_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)  # what Python itself takes for a module that cannot be imported
    refused = screen("import torch\nfrom numba import njit\ndef solve(weight): pass\n", "solve")
    assert refused is not None and (refused.stage, refused.reason) == ("screen", "not_installed")
    assert refused.detail == (
        "line 2 imports 'numba'; numba is not installed on this machine: pip install 'packsmith[numba]'"
    )
    other = screen("import os\ndef solve(weight): pass\n", "solve")
    assert other is not None and "numpy" in other.detail and "numba" not in other.detail
    assert not EXTRAS & available_imports()


@needs_numba
def test_a_machine_with_numba_accepts_it() -> None:
    assert screen("from numba import njit\ndef solve(weight): pass\n", "solve") is None
    refused = screen("import os\ndef solve(weight): pass\n", "solve")
    assert isinstance(refused, Rejected) and "numba" in refused.detail
