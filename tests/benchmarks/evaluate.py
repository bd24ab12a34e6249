"""What judging costs: candidates per second, confinement, scoring, and the share of time spent in the solver.

    python tests/benchmarks/evaluate.py [--quick] [--json]

Each figure is printed beside its target and beside the reference it improves on, measured in the same run.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from evaluator import TASKS, Judge, JudgeSettings, LocalExecutor, Scored, TimingSettings, cores
from evaluator.settings import Lane, SandboxLevel
from evaluator.task_protocol import Task
from tests.benchmarks.machine import describe

TINY = {"layers": 2, "experts": 8, "replicas": 8, "groups": 1, "nodes": 1, "gpus": 4}
TRIVIAL = """
from functools import cache

import torch


def rebalance_experts(weight, replicas, groups, nodes, gpus):
    return plan(*weight.shape, replicas, groups, nodes)


@cache
def plan(layers, experts, replicas, groups, nodes):
    nodes = nodes if groups % nodes == 0 else 1
    own = experts // nodes
    row = [node * own + slot % own for node in range(nodes) for slot in range(replicas // nodes)]
    slots = [[slot for slot, held in enumerate(row) if held == expert] for expert in range(experts)]
    most = max(map(len, slots))
    padded = [held + [-1] * (most - len(held)) for held in slots]
    return tuple(torch.tensor([rows] * layers) for rows in (row, padded, list(map(len, slots))))
"""
FRESH = "import torch; exec({source!r}); rebalance_experts(torch.rand(2, 8), 8, 1, 1, 4)"


def first_answer(executor: LocalExecutor, task: Task) -> None:
    """Run a candidate from source to a validated first answer, and end it."""
    (case,) = task.cases(0)
    worker = executor.open(
        request_bytes=task.call_bytes(case) + (1 << 16), answer_bytes=task.answer_bytes(case), device="cpu"
    )
    worker.load(TRIVIAL, task.entry_point, ())
    answer, _ = worker.call(task.call(case, 0, ()), 0, what="the first call")
    task.read(case, answer)
    executor.end()


def _lane(
    kind: str, core: int, seconds: float, ready: Any, go: Any, counts: Any, level: SandboxLevel | None = None
) -> None:
    """One lane in a process of its own: judge the trivial solver again and again for some seconds."""
    os.sched_setaffinity(0, {core})
    task = TASKS["eplb"]({"cases": [TINY]})
    timing = TimingSettings(budget_s=60, min_pairs=20, max_pairs=20, round_pairs=20)
    settings = JudgeSettings(lanes=(Lane(cpus=(core,)),), timing=timing)

    def repeat(judge_one: Callable[[], None]) -> None:
        judge_one()
        ready.release()
        go.wait()
        begin, count = time.perf_counter(), 0
        while time.perf_counter() - begin < seconds:
            judge_one()
            count += 1
        counts.put(count / (time.perf_counter() - begin))

    if kind == "first":
        with LocalExecutor(settings, level) as executor:
            repeat(lambda: first_answer(executor, task))
    else:
        with Judge(task, reference=TRIVIAL, device="cpu", settings=settings) as judge:

            def judge_one() -> None:
                verdict = judge.evaluate(TRIVIAL)
                if not isinstance(verdict, Scored):
                    raise SystemExit(f"expected a score, found {verdict}")

            repeat(judge_one)


def per_second(kind: str, seconds: float) -> float:
    """Candidates per second over two lanes, a process and a core each."""
    lanes = min(2, cores())
    context = multiprocessing.get_context("spawn")
    ready, go, counts = context.Semaphore(0), context.Event(), context.Queue()
    processes = [context.Process(target=_lane, args=(kind, core, seconds, ready, go, counts)) for core in range(lanes)]
    for process in processes:
        process.start()
    for _ in processes:
        ready.acquire()
    go.set()
    rates = [counts.get(timeout=seconds + 120) for _ in processes]
    for process in processes:
        process.join()
    return sum(rates)


def milliseconds_each(level: SandboxLevel, times: int) -> float:
    """Median milliseconds of one candidate, from source to end, at a sandbox level."""
    task = TASKS["eplb"]({"cases": [TINY]})
    with LocalExecutor(JudgeSettings(require="L0"), level) as executor:
        first_answer(executor, task)
        spent = []
        for _ in range(times):
            begin = time.perf_counter()
            first_answer(executor, task)
            spent.append(time.perf_counter() - begin)
    return 1000 * median(spent)


def fresh_interpreter_per_s(times: int) -> float:
    """The reference: a fresh interpreter for each candidate, two at a time, unconfined."""
    command = [sys.executable, "-c", FRESH.format(source=TRIVIAL)]
    begin = time.perf_counter()
    for _ in range(times):
        pair = [subprocess.Popen(command) for _ in range(min(2, cores()))]
        for process in pair:
            if process.wait() != 0:
                raise SystemExit("the reference interpreter failed")
    return times * min(2, cores()) / (time.perf_counter() - begin)


def scoring_ms(times: int) -> float:
    """Median milliseconds of validating and scoring one answer of a standard case."""
    task = TASKS["eplb"]({"cases": ["hier-ep32"]})
    (case,) = task.cases(0)
    sizes = case.sizes
    layers, experts, replicas = sizes["layers"], sizes["experts"], sizes["replicas"]
    plan = np.empty((layers, replicas), np.int64)
    # Every GPU holds the experts of its node in turn, the first of them twice: a valid plan.
    per_node = experts // sizes["nodes"]
    slots = replicas // sizes["nodes"]
    for node in range(sizes["nodes"]):
        plan[:, node * slots : (node + 1) * slots] = node * per_node + np.arange(slots) % per_node
    counts = np.apply_along_axis(np.bincount, 1, plan, minlength=experts)
    lists = np.full((layers, experts, int(counts.max())), -1, np.int64)
    for layer in range(layers):
        filled = [0] * experts
        for slot, expert in enumerate(plan[layer]):
            lists[layer, expert, filled[expert]] = slot
            filled[expert] += 1
    spent = []
    for _ in range(times):
        begin = time.perf_counter()
        task.step_quality(case, 0, task.read(case, (plan, lists, counts)))
        spent.append(time.perf_counter() - begin)
    return 1000 * median(spent)


def solver_share(budget_s: float) -> float:
    """Share of an evaluation's wall time spent inside calls of candidate and reference, for a solver of about 2 ms."""
    source = (Path(__file__).resolve().parents[2] / "programs/eplb/vectorised_greedy.py").read_text()
    task = TASKS["eplb"]({"cases": ["hier-ep32"]})
    settings = JudgeSettings(timing=TimingSettings(budget_s=budget_s, half_width=1e-9, max_pairs=100_000))
    with Judge(task, reference=source, device="cpu", settings=settings) as judge:
        judge.qualify(source)
        begin = time.perf_counter()
        verdict = judge.evaluate(source)
        wall_us = 1e6 * (time.perf_counter() - begin)
    if not isinstance(verdict, Scored):
        raise SystemExit(f"expected a score, found {verdict}")
    return sum(sum(c.samples.candidate_us) + sum(c.samples.reference_us) for c in verdict.score.cases) / wall_us


def main() -> None:
    """Measure, print, and with --json print one object of figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="under a minute")
    parser.add_argument("--json", action="store_true", help="print one object of figures")
    options = parser.parse_args()
    seconds, times = (5.0, 40) if options.quick else (20.0, 200)
    confined, bare = milliseconds_each("L2", times), milliseconds_each("L0", times)
    figures = {
        "candidates_per_s": per_second("first", seconds),
        "timed_candidates_per_s": per_second("timed", seconds),
        "fresh_interpreter_per_s": fresh_interpreter_per_s(2 if options.quick else 8),
        "confinement_ms": confined - bare,
        "scoring_ms": scoring_ms(times),
        "solver_share": solver_share(2.0 if options.quick else 10.0),
    }
    if options.json:
        sys.stdout.write(json.dumps(figures) + "\n")
        return
    fresh = figures["fresh_interpreter_per_s"]
    lines = [
        describe(),
        f"source to validated first answer   {figures['candidates_per_s']:8.1f} candidates/s   (target 100; a fresh "
        f"interpreter each: {fresh:.2f}, {figures['candidates_per_s'] / fresh:.0f}x fewer)",
        f"with 20 timed pairs                {figures['timed_candidates_per_s']:8.1f} candidates/s   (target 40)",
        f"confinement                        {figures['confinement_ms']:8.2f} ms a candidate   (target under 10; with "
        f"{confined:.1f} ms from source to end, without {bare:.1f})",
        f"validating and scoring one answer  {figures['scoring_ms']:8.2f} ms   (target under 2)",
        f"share of wall time in solver calls {figures['solver_share']:8.2f}   (candidate and reference, 2 ms each)",
    ]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
