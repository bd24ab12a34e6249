"""A call beside a busy interpreter, in a real process: who waits, and who is held up."""

from __future__ import annotations

import ctypes
import time

import pytest

from evaluator import BusyTime, JudgeSettings, Rejected, busy_times, shipped
from evaluator.confined.worker import beside_a_loop
from evaluator.tasks import TASKS

SOLVER = shipped("programs/eplb/vectorised_greedy.py").read_text()


def test_a_solver_is_measured_alone_and_beside_the_loop() -> None:
    task = TASKS["eplb"]({"cases": [{"layers": 8, "experts": 16, "replicas": 24, "groups": 1, "nodes": 1, "gpus": 4}]})
    figures = busy_times(SOLVER, task, settings=JudgeSettings(memory_gb=1))
    assert not isinstance(figures, Rejected)
    [figure] = figures
    assert figure.case == "8x16-r24-g1-n1-gpu4"
    assert figure.busy_ms > figure.held_ms > 0 and figure.alone_ms > 0
    assert isinstance(figure, BusyTime) and figure.times == figure.busy_ms / figure.alone_ms


def test_a_program_that_cannot_be_loaded_is_rejected() -> None:
    figures = busy_times("def other(): pass\n", TASKS["eplb"]({}))
    assert isinstance(figures, Rejected) and figures.reason == "entry_point"


def test_what_keeps_the_lock_holds_the_loop_up_and_what_gives_it_up_does_not() -> None:
    with_the_lock = ctypes.PyDLL(None).usleep
    assert beside_a_loop(lambda: with_the_lock(30_000), 0.005) > 25_000_000
    assert min(beside_a_loop(lambda: time.sleep(0.03), 0.005) for _ in range(5)) < 25_000_000


def test_the_error_of_the_call_is_raised() -> None:
    def fails() -> None:
        raise ValueError("no room")

    with pytest.raises(ValueError, match="no room"):
        beside_a_loop(fails, 0.001)
