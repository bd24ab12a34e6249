"""Waiting for a core, with real processes: what others cause is counted, what a process causes itself is not."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from evaluator.run_queue import RunQueue

WORK_S = 0.3
SPIN = """
import os, sys, threading, time

def spin(seconds):
    while time.thread_time() < seconds:
        pass

os.sched_setaffinity(0, {int(sys.argv[1])})
print("ready", flush=True)
"""
WORKS = SPIN + "sys.stdin.readline(); spin(float(sys.argv[2])); print('done', flush=True); sys.stdin.readline()\n"
"""Computes for the given seconds when asked, and says when it is done."""
WITH_A_THREAD = WORKS.replace(
    "spin(float", "threading.Thread(target=spin, args=(60,), daemon=True).start(); spin(float"
)
DISTURBS = SPIN + "spin(60)\n"

needs_counts = pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="the kernel does not count waiting")


@contextmanager
def process(code: str, core: int) -> Iterator[subprocess.Popen[str]]:
    """A process on one core that has said that it is ready."""
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", code, str(core), str(WORK_S)]
    running = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, bufsize=1)
    assert running.stdin is not None and running.stdout is not None
    try:
        assert running.stdout.readline() == "ready\n"
        yield running
    finally:
        running.kill()
        running.communicate()


def computed_s(pid: int) -> float:
    """Seconds of CPU time of all threads of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def timed(code: str, core: int) -> tuple[float, float, float]:
    """Seconds that the work of a process took, how many of them count as waiting, and how many it computed."""
    with process(code, core) as worker:
        assert worker.stdin is not None and worker.stdout is not None
        queue = RunQueue(worker.pid)
        queue.begin()
        begin, before_s = time.perf_counter_ns(), computed_s(worker.pid)
        worker.stdin.write("go\n")
        assert worker.stdout.readline() == "done\n"
        elapsed = time.perf_counter_ns() - begin
        waited = queue.waited_ns(elapsed)
        cpu_s = computed_s(worker.pid) - before_s
        queue.close()
    return elapsed / 1e9, waited / 1e9, cpu_s


@pytest.fixture
def core() -> Iterator[int]:
    """A core for the processes; this one keeps to another where there is one."""
    allowed = os.sched_getaffinity(0)
    if others := allowed - {max(allowed)}:
        os.sched_setaffinity(0, others)
    yield max(allowed)
    os.sched_setaffinity(0, allowed)


@needs_counts
def test_waiting_for_a_core_that_another_process_uses_is_counted(core: int) -> None:
    with process(DISTURBS, core):
        elapsed, waited, _ = timed(WORKS, core)
    assert elapsed > 1.5 * WORK_S
    assert elapsed - waited == pytest.approx(WORK_S, rel=0.25)


@needs_counts
def test_a_process_that_waits_for_its_own_threads_gains_nothing(core: int) -> None:
    """Its main thread waits as long as in the test before, but meanwhile its process computes."""
    elapsed, waited, cpu_s = timed(WITH_A_THREAD, core)
    assert cpu_s > 1.5 * WORK_S
    assert elapsed - waited > cpu_s - 0.05  # clock ticks are coarse


def test_waiting_is_never_negative_nor_more_than_the_call_took() -> None:
    queue = RunQueue(os.getpid())
    queue.begin()
    for elapsed_ns in (0, 1, 10**9):
        assert 0 <= queue.waited_ns(elapsed_ns) <= elapsed_ns
    queue.close()


def test_nothing_is_taken_off_where_nothing_is_known() -> None:
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
    queue = RunQueue(ended.pid)
    queue.begin()
    assert queue.waited_ns(10**9) == 0
    queue.close()
    queue.close()
    assert queue.waited_ns(10**9) == 0


def test_a_process_that_ends_in_a_call_has_nothing_taken_off() -> None:
    with subprocess.Popen(["sleep", "60"]) as running:
        queue = RunQueue(running.pid)
        queue.begin()
        running.kill()
    assert queue.waited_ns(10**9) == 0
    queue.close()
