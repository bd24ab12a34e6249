"""How judging grows with lanes, workers and nodes.

    python tests/benchmarks/scale.py [--quick] [--json] [--ray] [--simulate]

Without options: two lanes of this machine, a process each, against one, and whether their timed results are as
believable at once as alone (a program against itself). `--ray` adds a Ray cluster on this machine, `--simulate` the
tables of a simulation at 10 to 10,000 workers. Each figure is printed beside its target.
"""

from __future__ import annotations

import argparse
import json
import math
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path
from statistics import fmean, median

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from evaluator import (
    TASKS,
    Cluster,
    JudgeSettings,
    JudgeSpec,
    Lane,
    ProcessLine,
    RemoteJudge,
    Room,
    Scored,
    TimingSettings,
    cores,
)
from evaluator.settings import own_first
from evaluator.shipped import shipped
from tests.benchmarks import loop, scale_simulation
from tests.benchmarks.machine import describe

CASE = {"name": "bench", "rows": 58, "items": 256, "packs": 32, "weights": "loads"}
PAIRS = 120
"""Pairs for each program, as in a default measurement of three cases."""


def judges(lanes: Sequence[Lane], pairs: int, budget_s: float = 60.0) -> list[RemoteJudge]:
    """A judge in a process of its own for each lane; each program gets the same number of pairs."""
    task = TASKS["balanced_packing"]({"cases": [CASE]})
    timing = TimingSettings(budget_s=budget_s, min_pairs=pairs, max_pairs=pairs, half_width=1e-6, policy="full")
    reference = shipped(task.reference).read_text()
    made = []
    for number, lane in enumerate(lanes):
        settings = JudgeSettings(timing=timing, lanes=own_first(lanes, number))
        spec = JudgeSpec.of(
            task, reference=reference, reference_name="reference", device="cpu", seed=0, settings=settings
        )
        made.append(RemoteJudge(ProcessLine(f"core {lane.cpus[0]}"), spec, task))
    return made


def judged(judges: Sequence[RemoteJudge], programs: int) -> tuple[float, list[Scored]]:
    """Seconds in which these judges judge the programs, taken from one queue by whichever is free, and the scores."""
    source = shipped(judges[0].task.reference).read_text()
    todo: queue.SimpleQueue[int] = queue.SimpleQueue()
    scores: list[Scored] = []

    def work(judge: RemoteJudge) -> None:
        while True:
            try:
                todo.get_nowait()
            except queue.Empty:
                return
            verdict = judge.evaluate(source)
            if not isinstance(verdict, Scored):
                raise SystemExit(f"expected a score, found {verdict}")
            scores.append(verdict)

    for number in range(programs):
        todo.put(number)
    begin = time.perf_counter()
    _together([lambda judge=judge: work(judge) for judge in judges])  # type: ignore[misc]
    return time.perf_counter() - begin, scores


def _together(jobs: Sequence[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


PLAIN = """
import os, sys, time
os.sched_setaffinity(0, {int(sys.argv[1])})
numbers = [float(at * 7919 % 1009) for at in range(20_000)]
sorted(numbers)
print("ready", flush=True)
for line in sys.stdin:
    begin = time.perf_counter()
    for _ in range(int(line)):
        sorted(numbers, key=abs)
    print(time.perf_counter() - begin, flush=True)
"""
"""Sorts on one core, as often as each line of its input says."""


class Plain:
    """What this machine's cores give programs that share nothing: a sorting process for each core."""

    def __init__(self, cpus: Sequence[int], enter: Callable[[subprocess.Popen[str]], subprocess.Popen[str]]) -> None:
        command = [sys.executable, "-I", "-c", PLAIN]
        pipes = partial(subprocess.Popen, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._processes = [enter(pipes([*command, str(cpu)])) for cpu in cpus]
        for process in self._processes:
            assert process.stdout is not None
            process.stdout.readline()

    def seconds(self, which: Sequence[int], times: int = 100) -> float:
        """Seconds until each of these processes has sorted this often."""
        chosen = [self._processes[at] for at in which]
        begin = time.perf_counter()
        for process in chosen:
            assert process.stdin is not None
            process.stdin.write(f"{times}\n")
            process.stdin.flush()
        for process in chosen:
            assert process.stdout is not None
            process.stdout.readline()
        return time.perf_counter() - begin

    def close(self) -> None:
        """End the processes: they end with their input."""
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.close()


def error_of(scores: Sequence[Scored]) -> tuple[float, float, float]:
    """Of a program against itself: the mean distance of its speedup from 1 and the mean half-width of the interval,
    both as log ratios, and the share of intervals that hold 1.
    """
    logs = [math.log(each.score.speedup.median) for each in scores]
    widths = [math.log(each.score.speedup.high / each.score.speedup.low) / 2 for each in scores]
    covered = [each.score.speedup.low <= 1 <= each.score.speedup.high for each in scores]
    return fmean(map(abs, logs)), median(widths), fmean(covered)


def lanes(rounds: int, programs: int, pairs: int) -> dict[str, float]:
    """Two lanes against one, by turns: in each round one lane judges some programs, then both judge twice as many. The
    lanes take turns at being alone, so that neither a slow core nor a drift of the machine counts for one side. Beside
    it, what two processes that share nothing gain over one: no more can be had on this machine.
    """
    if cores() < 2:
        raise SystemExit("expected two cores or more")
    alone_s, both_s, plain, alone, both = [], [], [], list[Scored](), list[Scored]()
    with ExitStack() as stack:
        ready = [stack.enter_context(judge) for judge in judges([Lane(cpus=(0,)), Lane(cpus=(1,))], pairs)]
        sorting = Plain((0, 1), stack.enter_context)
        stack.callback(sorting.close)
        judged(ready, 2 * len(ready))  # the reference's pass, and everything that is done once
        for number in range(rounds):
            seconds, scores = judged([ready[number % 2]], programs)
            alone_s.append(seconds)
            alone += scores
            seconds, scores = judged(ready, 2 * programs)
            both_s.append(seconds)
            both += scores
            plain.append(2 * sorting.seconds([number % 2]) / sorting.seconds([0, 1]))
    (error, width, covered), (error2, width2, covered2) = error_of(alone), error_of(both)
    speedups = [2 * one / two for one, two in zip(alone_s, both_s, strict=True)]
    return {
        "lanes2_speedup": median(speedups),
        "lanes2_speedup_least": min(speedups),
        "lanes2_speedup_most": max(speedups),
        "lanes2_speedup_plain": median(plain),
        "programs_per_s_one_lane": programs / median(alone_s),
        "programs_per_s_two_lanes": 2 * programs / median(both_s),
        "aa_error_one_lane": error,
        "aa_error_two_lanes": error2,
        "aa_half_width_one_lane": width,
        "aa_half_width_two_lanes": width2,
        "aa_covered_one_lane": covered,
        "aa_covered_two_lanes": covered2,
    }


def loop_ms(attempts: int) -> float:
    """Milliseconds of the search's thread for an attempt, measured here with a model that answers at once."""
    with tempfile.TemporaryDirectory(prefix="packsmith-scale-", ignore_cleanup_errors=True) as folder:
        timed = loop.without_latency(Path(folder) / "run", attempts + loop.WINDOW)
        return 1000 / timed.rate(attempts, loop.WINDOW)


def _simulate(*, quick: bool, judge_s: float, as_json: bool) -> None:
    costs = scale_simulation.Costs(loop_ms=loop_ms(100 if quick else 1000), judge_s=judge_s)
    outcomes = scale_simulation.table(costs, 1e7 if quick else 1e8)
    if as_json:
        sys.stdout.write(json.dumps({"costs": asdict(costs), "outcomes": [asdict(each) for each in outcomes]}) + "\n")
        return
    lines = [
        describe(),
        f"measured: {costs.loop_ms:.1f} ms of the search's thread an attempt; assumed: {costs}",
        scale_simulation.shown(outcomes),
        "",
        scale_simulation.curve(costs),
    ]
    sys.stdout.write("\n".join(lines) + "\n")


SLEEPS_S = 0.5
SLEEPER = "import time\n\ntime.sleep({seconds})\n"


def checked(judges: Sequence[RemoteJudge], programs: int, seconds: float) -> float:
    """Seconds in which these judges check programs that sleep while they are loaded, taken from one queue."""
    source = SLEEPER.format(seconds=seconds) + shipped(judges[0].task.reference).read_text()
    todo: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in range(programs):
        todo.put(number)

    def work(judge: RemoteJudge) -> None:
        while True:
            try:
                number = todo.get_nowait()
            except queue.Empty:
                return
            if (refused := judge.check(f"{source}\nNUMBER = {number}\n")) is not None:
                raise SystemExit(f"expected a valid program, found {refused}")

    for judge in judges:
        judge.check(source)
    begin = time.perf_counter()
    _together([lambda judge=judge: work(judge) for judge in judges])  # type: ignore[misc]
    return time.perf_counter() - begin


def empty_ms(judge: RemoteJudge, times: int) -> float:
    """Median milliseconds of a job in which the judge does next to nothing: a program that is no Python."""
    spent = []
    for _ in range(times):
        begin = time.perf_counter()
        judge.check("def f(:")
        spent.append(time.perf_counter() - begin)
    return 1000 * median(spent)


def _ray(*, quick: bool, as_json: bool) -> None:
    """Sleep-bound programs over 1 and 8 workers, and what a job costs more than in a process of this machine."""
    task = TASKS["balanced_packing"]({"cases": [{**CASE, "rows": 2, "items": 8, "packs": 2}]})
    settings = JudgeSettings(timing=TimingSettings(budget_s=0.1, max_pairs=3))
    reference = shipped(task.reference).read_text()
    spec = JudgeSpec.of(task, reference=reference, reference_name="r", device="cpu", seed=0, settings=settings)
    seconds, programs, times = (2 * SLEEPS_S, 3, 20) if quick else (8 * SLEEPS_S, 5, 200)
    with ExitStack() as stack:
        local = stack.enter_context(RemoteJudge(ProcessLine("this machine"), spec, task))
        cluster = stack.enter_context(Cluster("local", ships=False))
        # Eight workers on few cores: Ray counts what we say, and sleeping programs need no more.
        room = Room(cpus=cores() / 8)
        gathered = cluster.gather(spec, task, count=8, room=room, enter=stack.enter_context)
        for judge in gathered.judges:
            judge.arrive()
        one_s = checked(gathered.judges[:1], programs, seconds)
        eight_s = checked(gathered.judges, 8 * programs, seconds)
        far_ms, near_ms = empty_ms(gathered.judges[0], times), empty_ms(local, times)
    figures = {
        "share_of_ideal": one_s / eight_s,
        "overhead_ms": far_ms - near_ms,
        "job_ms_ray": far_ms,
        "job_ms_local": near_ms,
        "s_a_program": one_s / programs,
    }
    if as_json:
        sys.stdout.write(json.dumps(figures) + "\n")
        return
    lines = [
        describe(),
        f"8 workers over 1, share of the ideal  {figures['share_of_ideal']:6.1%}   (target 90 %; programs that sleep "
        f"{seconds:g} s)",
        f"a Ray job over a local one            {figures['overhead_ms']:6.2f} ms (target 15; {far_ms:.2f} and "
        f"{near_ms:.2f} ms)",
    ]
    sys.stdout.write("\n".join(lines) + "\n")


def main() -> None:
    """Measure, print, and with --json print one object of figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="under a minute")
    parser.add_argument("--json", action="store_true", help="print one object of figures")
    parser.add_argument("--simulate", action="store_true", help="a search at 10 to 10,000 workers, simulated")
    parser.add_argument("--ray", action="store_true", help="a cluster of Ray on this machine")
    parser.add_argument("--judge-s", type=float, default=4.0, help="--simulate: mean seconds of judging a program")
    options = parser.parse_args()
    if options.simulate:
        _simulate(quick=options.quick, judge_s=options.judge_s, as_json=options.json)
        return
    if options.ray:
        _ray(quick=options.quick, as_json=options.json)
        return
    figures = lanes(*((4, 1) if options.quick else (10, 3)), PAIRS)
    if options.json:
        sys.stdout.write(json.dumps(figures) + "\n")
        return
    lines = [
        describe(),
        f"two lanes over one              {figures['lanes2_speedup']:6.2f} x   (target 1.9; rounds "
        f"{figures['lanes2_speedup_least']:.2f} to {figures['lanes2_speedup_most']:.2f}; "
        f"{figures['programs_per_s_one_lane']:.2f} and {figures['programs_per_s_two_lanes']:.2f} programs/s)",
        f"two plain processes over one    {figures['lanes2_speedup_plain']:6.2f} x   (what this machine can give)",
        f"a program against itself, alone {figures['aa_error_one_lane']:6.2%} off, intervals "
        f"±{figures['aa_half_width_one_lane']:.2%}, {figures['aa_covered_one_lane']:.0%} hold 1",
        f"... on two lanes at once        {figures['aa_error_two_lanes']:6.2%} off, intervals "
        f"±{figures['aa_half_width_two_lanes']:.2%}, {figures['aa_covered_two_lanes']:.0%} hold 1",
    ]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
