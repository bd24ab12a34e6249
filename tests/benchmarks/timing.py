"""How often the judge calls a program faster or slower than itself, and whether it sees one that is 5 % slower.

    python tests/benchmarks/timing.py --quick

A/A: `programs/eplb/vectorised_greedy.py` is compared with itself, again and again, each time in fresh processes, while
a neighbour keeps the machine busy in bursts; at most 2 % of the comparisons may say better or worse. Power: the same
program, made to spin for a twentieth of its own time in each call, must be called worse in at least 95 % of the
comparisons, of at most 10 s of measuring each. Its real slowdown is measured without a neighbour and reported as well.
The reference of both is the program itself. `aa_round_spread`: the standard deviation of a round of equal programs.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import platform
import random
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from evaluator import TASKS, Duel, Judge, JudgeSettings, TimingSettings
from evaluator.environment import cores, cpu_name
from evaluator.measuring.stats import DECISION_LEVEL, round_values

PROGRAM = Path(__file__).resolve().parents[2] / "programs" / "eplb" / "vectorised_greedy.py"
SLOWER = 0.05
MEASURING_S = 10.0
TARGETS = {"aa_false_share": "at most 0.02", "power_5pct": "at least 0.95", "seconds_per_measurement": "at most 10"}

SPIN = """

import time as _time

_solve = rebalance_experts


def rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus):
    begin = _time.perf_counter_ns()
    answer = _solve(weight, num_replicas, num_groups, num_nodes, num_gpus)
    if weight.is_cuda:  # work that is still queued there is part of the call
        torch.cuda.synchronize()
    now = _time.perf_counter_ns()
    end = now + (now - begin) * {share}
    while _time.perf_counter_ns() < end:
        pass
    return answer
"""


def slowed(source: str, share: float) -> str:
    """The program, each call followed by a spin of this share of the time it took."""
    return source + SPIN.format(share=share)


def _bursts(seed: int) -> None:
    """Busy and idle in turn, for 2 to 80 ms each."""
    rng = random.Random(seed)
    parent = os.getppid()
    while os.getppid() == parent:
        end = time.monotonic() + rng.uniform(0.002, 0.08)
        while time.monotonic() < end:
            pass
        time.sleep(rng.uniform(0.002, 0.08))


@contextmanager
def neighbour(seed: int) -> Iterator[None]:
    """A process that keeps a core busy in bursts, wherever the scheduler puts it."""
    process = multiprocessing.get_context("spawn").Process(target=_bursts, args=(seed,), daemon=True)
    process.start()
    try:
        yield
    finally:
        process.kill()
        process.join()


def compare(judge: Judge, source: str, runs: int, label: str, *, quiet: bool) -> tuple[list[Duel], list[float]]:
    """Compare a program with the reference `runs` times; also returns the seconds each comparison took."""
    duels, seconds = [], []
    reference = PROGRAM.read_text()
    for number in range(runs):
        begin = time.monotonic()
        duel = judge.compare(source, reference)
        seconds.append(time.monotonic() - begin)
        if not isinstance(duel, Duel):
            sys.exit(f"{label}: rejected at {duel.stage} ({duel.reason}): {duel.detail}")
        duels.append(duel)
        if not quiet:
            result = f"{duel.comparison:<9} {duel.speedup.median:.3f} [{duel.speedup.low:.3f}, {duel.speedup.high:.3f}]"
            rounds = len(duel.samples[0].rounds)
            print(f"{label} {number + 1:>3}/{runs}  {result}  {rounds} rounds, {seconds[-1]:.1f} s", flush=True)
    return duels, seconds


def spread(duels: Sequence[Duel]) -> float:
    """The standard deviation of a round of equal programs (a log ratio): the order of calls must not add to it."""
    return math.sqrt(statistics.fmean(statistics.variance(round_values(duel.samples)) for duel in duels))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="40 A/A comparisons and 20 for power")
    parser.add_argument("--aa", type=int, default=0, help="number of A/A comparisons")
    parser.add_argument("--power", type=int, default=0, help="number of comparisons for power")
    parser.add_argument("--case", default="hier-ep32", help="the case measured")
    parser.add_argument("--seed", type=int, default=0, help="seed of the neighbour's bursts")
    parser.add_argument("--json", action="store_true", help="print one object of figures")
    options = parser.parse_args()
    aa_runs = options.aa or (40 if options.quick else 200)
    power_runs = options.power or (20 if options.quick else 80)
    source = PROGRAM.read_text()
    task = TASKS["eplb"]({"cases": [options.case]})
    settings = JudgeSettings(timing=TimingSettings(duel_s=MEASURING_S))
    with Judge(task, reference=source, device="cpu", settings=settings) as judge:
        load = os.getloadavg()[0]
        calm, _ = compare(judge, slowed(source, SLOWER), 1, "slower, no neighbour", quiet=options.json)
        with neighbour(options.seed):
            equal, equal_s = compare(judge, source, aa_runs, "A/A", quiet=options.json)
            slow, slow_s = compare(judge, slowed(source, SLOWER), power_runs, "5 % slower", quiet=options.json)
        environment = judge.environment()
    figures = {
        "aa_false_share": sum(duel.comparison != "undecided" for duel in equal) / aa_runs,
        "aa_false_quality_share": sum(duel.quality_comparison != "undecided" for duel in equal) / aa_runs,
        "power_5pct": sum(duel.comparison == "worse" for duel in slow) / power_runs,
        "seconds_per_measurement": round(statistics.fmean(equal_s + slow_s), 2),
        "aa_runs": aa_runs,
        "power_runs": power_runs,
        "aa_seconds": round(statistics.fmean(equal_s), 2),
        "power_seconds": round(statistics.fmean(slow_s), 2),
        "slowest_seconds": round(max(equal_s + slow_s), 2),
        "level": DECISION_LEVEL,
        "slowed_speedup_calm": round(calm[0].speedup.median, 4),
        "slowed_speedup": round(statistics.median(duel.speedup.median for duel in slow), 4),
        "aa_round_spread": round(spread(equal), 4),
        "aa_reads_equal": sum(duel.speedup.low <= 1 <= duel.speedup.high for duel in equal) / aa_runs,
        "reference": environment.reference,
        "case": options.case,
        "sandbox": environment.sandbox,
        "load_before": round(load, 2),
        "load_after": round(os.getloadavg()[0], 2),
        "machine": f"{cpu_name()}, {cores()} cores, Linux {platform.release()}",
    }
    if options.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:<24} {value!s:<28} {f'target: {TARGETS[name]}' if name in TARGETS else ''}".rstrip())


if __name__ == "__main__":
    main()
