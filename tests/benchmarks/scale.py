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
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import fmean, median

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from evaluator import TASKS, JudgeSettings, JudgeSpec, Lane, ProcessLine, RemoteJudge, Scored, TimingSettings, cores
from evaluator.settings import own_first
from evaluator.shipped import shipped
from tests.benchmarks.machine import describe

CASE = {"name": "bench", "rows": 58, "items": 256, "packs": 32, "weights": "loads"}
PAIRS = 24


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


def judged(lanes: Sequence[Lane], programs: int, pairs: int) -> tuple[float, list[Scored]]:
    """Seconds in which the lanes judge these programs, taken from one queue by whichever is free, and the scores."""
    with ExitStack() as stack:
        ready = [stack.enter_context(judge) for judge in judges(lanes, pairs)]
        source = shipped(ready[0].task.reference).read_text()
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

        for judge in ready:  # the reference's pass, and everything that is done once
            judge.evaluate(source)
        for number in range(programs):
            todo.put(number)
        begin = time.perf_counter()
        _together([lambda judge=judge: work(judge) for judge in ready])  # type: ignore[misc]
        return time.perf_counter() - begin, scores


def _together(jobs: Sequence[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def error_of(scores: Sequence[Scored]) -> tuple[float, float, float]:
    """Of a program against itself: the mean distance of its speedup from 1 and the mean half-width of the interval,
    both as log ratios, and the share of intervals that hold 1.
    """
    logs = [math.log(each.score.speedup.median) for each in scores]
    widths = [math.log(each.score.speedup.high / each.score.speedup.low) / 2 for each in scores]
    covered = [each.score.speedup.low <= 1 <= each.score.speedup.high for each in scores]
    return fmean(map(abs, logs)), median(widths), fmean(covered)


def lanes(programs: int, pairs: int) -> dict[str, float]:
    """Two lanes against one."""
    if cores() < 2:
        raise SystemExit("expected two cores or more")
    one, two = [Lane(cpus=(0,))], [Lane(cpus=(0,)), Lane(cpus=(1,))]
    first_s, first = judged(one, programs // 2, pairs)
    both_s, both = judged(two, 2 * programs, pairs)
    last_s, last = judged(one, programs - programs // 2, pairs)  # so that a drift of the machine meets both alike
    alone_s, alone = first_s + last_s, [*first, *last]
    (error, width, covered), (error2, width2, covered2) = error_of(alone), error_of(both)
    return {
        "lanes2_speedup": 2 * alone_s / both_s,
        "programs_per_s_one_lane": programs / alone_s,
        "programs_per_s_two_lanes": 2 * programs / both_s,
        "aa_error_one_lane": error,
        "aa_error_two_lanes": error2,
        "aa_half_width_one_lane": width,
        "aa_half_width_two_lanes": width2,
        "aa_covered_one_lane": covered,
        "aa_covered_two_lanes": covered2,
    }


def main() -> None:
    """Measure, print, and with --json print one object of figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="under a minute")
    parser.add_argument("--json", action="store_true", help="print one object of figures")
    options = parser.parse_args()
    figures = lanes(8 if options.quick else 40, PAIRS)
    if options.json:
        sys.stdout.write(json.dumps(figures) + "\n")
        return
    lines = [
        describe(),
        f"two lanes over one              {figures['lanes2_speedup']:6.2f} x   (target 1.9; "
        f"{figures['programs_per_s_one_lane']:.2f} and {figures['programs_per_s_two_lanes']:.2f} programs/s)",
        f"a program against itself, alone {figures['aa_error_one_lane']:6.2%} off, intervals "
        f"±{figures['aa_half_width_one_lane']:.2%}, {figures['aa_covered_one_lane']:.0%} hold 1",
        f"... on two lanes at once        {figures['aa_error_two_lanes']:6.2%} off, intervals "
        f"±{figures['aa_half_width_two_lanes']:.2%}, {figures['aa_covered_two_lanes']:.0%} hold 1",
    ]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
