"""What the judge does on a GPU: its tests there, scores, its clock, false decisions, and whether it sees 5 %.

    python tests/benchmarks/gpu.py [--quick] [--json]

Under 6 minutes, with --quick under a minute, with nothing else on the GPU. Its parts, in this order:

  tests     `pytest -n 0 -m gpu` in a process of its own
  programs  judges every program of `programs/eplb/`, and the child that `patches/all_pairs_refinement.patch` makes of
            `topk_swap.py`
  clock     calls the reference and `topk_swap.py` and compares two times of each call: the judge's clock, and the
            device's own events (on a CPU, the clock of the worker)
  aa        compares the reference with itself, again and again; it should never be called better or worse
  slow      compares the reference with itself plus work: each call spins for a twentieth of its own time; it should
            always be called worse

A part has a share of the time, and those after it divide what it leaves. What does not fit is skipped, with a line
that says so. A part that fails says why, and the others go on; the exit code is 1 if any failed. The default reference
plans on the CPU, as most shipped programs do; for noise of the GPU's own work take one that does not:

    python tests/benchmarks/gpu.py --reference programs/eplb/topk_swap.py --parts aa,slow
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from evaluator import EvaluatorError, TimingSettings, torch_version
from evaluator.environment import find
from tests.benchmarks.gpu_parts import EPLB, Bench, OutOfTime, aa, clock, gpu_tests, programs, slow
from tests.benchmarks.machine import describe

FIGURES = {
    "card": "the GPU's name (with --device cpu, the processor's)",
    "driver": "version of the NVIDIA driver; empty on a CPU, or where it is unknown",
    "torch": "version of torch",
    "cuda": "version of CUDA that torch was built with; empty on a CPU",
    "device": "the device judged on, such as cuda:0",
    "cases": "the cases judged on",
    "reference": "the program that run times are measured against, and that aa and slow are about",
    "tests": "the summary line of pytest",
    "programs": "for each program and case: balance, ceiling, runtime_ms, speedup over the reference with its 95 % "
    "interval speedup_low to speedup_high; or, for a program, why it was rejected",
    "clock": "for each program and case: calls, median milliseconds of a call on the judge's clock, and by how much "
    "that exceeds the device's own time, in microseconds: gap_us_median, gap_us_least, gap_us_most",
    "clock_gap_us_median": "how far the two times of a call are apart, median of all calls, in microseconds",
    "clock_gap_us_largest": "how far the two times of a call are apart at most, in microseconds",
    "clock_gap_share_largest": "the same as a share of the judge's time of that call",
    "aa_runs": "comparisons of the reference with itself",
    "aa_better": "share of them that said better (target 0)",
    "aa_worse": "share of them that said worse (target 0; better and worse together at most 0.02)",
    "aa_speedup": "median of their speed-ups",
    "aa_seconds": "median of their durations",
    "slow_runs": "comparisons of the slowed program with the reference",
    "slow_worse": "share of them that said worse (target at least 0.95)",
    "slow_speedup": "median of their speed-ups: how much slower the program really was",
    "slow_seconds": "median of their durations",
    "seconds": "duration of each part",
    "skipped": "what was skipped because the time was up",
    "failed": "what failed, and why",
}
HELP = "figures of --json; one that was not taken is null:\n" + "\n".join(
    f"  {key:<24} {text}" for key, text in FIGURES.items()
)
PARTS: Mapping[str, tuple[Callable[[Bench, float], None], float]] = {
    "tests": (gpu_tests, 0.22),
    "programs": (programs, 0.30),
    "clock": (clock, 0.08),
    "aa": (aa, 0.2),
    "slow": (slow, 0.2),
}
"""The parts, in order, with the share of the time that each may take."""


def measure(bench: Bench, parts: Sequence[str], seconds: float) -> None:
    """Run the parts. Each may take its share of the time that is left for it and those after it."""
    end = time.monotonic() + seconds
    for at, name in enumerate(parts):
        run, share = PARTS[name]
        begin = time.monotonic()
        left = max(0.0, end - begin) / sum(PARTS[later][1] for later in parts[at:])
        try:
            run(bench, begin + share * left)
        except OutOfTime:
            bench.skip(name)
        except Exception as error:  # whatever is wrong with one part, the device's time is there for the others
            bench.fail(name, f"{type(error).__name__}: {error}")
        bench.figures["seconds"][name] = round(time.monotonic() - begin, 1)


def table(figures: Mapping[str, Any]) -> Iterator[str]:
    """The figures as lines for people to read: those of programs, those of the clock, then all others."""
    yield describe()
    for row in figures["programs"] or ():
        if "rejected" in row:
            yield f"{row['program']:<42} rejected at {row['rejected']}"
            continue
        quality = f"balance {row['balance']:.4f} of {row['ceiling']:.4f}"
        speedup = f"{row['speedup']:.3g}x [{row['speedup_low']:.3g}, {row['speedup_high']:.3g}]"
        yield f"{row['program']:<42} {row['case']:<22} {quality} {row['runtime_ms']:>10.3f} ms  {speedup}"
    for row in figures["clock"] or ():
        gap = f"{row['gap_us_median']} us, {row['gap_us_least']} to {row['gap_us_most']}, in {row['calls']} calls"
        yield f"{row['program']:<42} {row['case']:<22} {row['elapsed_ms']:>10.3f} ms, above the device's time by {gap}"
    for key, value in figures.items():
        if key not in ("programs", "clock"):
            text = json.dumps(value) if isinstance(value, dict | list | tuple) else str(value)
            yield f"{key:<24} {'not measured' if value is None else text}".rstrip()


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="under a minute")
    parser.add_argument("--json", action="store_true", help="print one object of figures; progress goes to stderr")
    parser.add_argument("--device", default="cuda", help="cuda, cuda:N, or cpu to try this script (default: cuda)")
    parser.add_argument("--seconds", type=float, help="all the time there is (default: 330, with --quick 50)")
    parser.add_argument(
        "--measuring",
        type=float,
        metavar="SECONDS",
        help="time for one case of a program, and a tenth of that for a comparison (default: 1, with --quick 0.3)",
    )
    parser.add_argument("--parts", default=",".join(PARTS), help=f"the parts to run (default: {','.join(PARTS)})")
    parser.add_argument("--reference", type=Path, default=EPLB / "vectorised_greedy.py", help="another reference")
    parser.add_argument("--runs", type=int, default=1000, help="at most this many comparisons for aa, and for slow")
    parser.add_argument(
        "--case", action="append", metavar="NAME|JSON", help="a case, or its sizes (default: hier-ep32, global-ep32)"
    )
    options = parser.parse_args(arguments)
    options.parts = options.parts.split(",")
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"expected parts of {', '.join(PARTS)}, found {', '.join(sorted(unknown))}")
    options.cases = tuple(
        json.loads(c) if c.startswith("{") else c for c in options.case or ("hier-ep32", "global-ep32")
    )
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts and print what they found; the exit code is 1 if one of them failed, or without a GPU."""
    options = options_of(arguments)
    try:
        target = find(options.device)
    except EvaluatorError as error:
        print(
            f"{error}; on a GPU this needs an NVIDIA GPU, its driver, and a torch built for CUDA (`packsmith doctor`)"
        )
        return 1
    driver, _, cuda = target.driver.rpartition("CUDA ") if "CUDA " in target.driver else (target.driver, "", "")
    measuring = options.measuring or (0.3 if options.quick else 1.0)
    figures: dict[str, Any] = dict.fromkeys(FIGURES)
    figures |= {"card": target.hardware, "driver": driver.removesuffix(" with "), "torch": torch_version()}
    figures |= {"cuda": cuda, "device": target.device, "cases": options.cases, "reference": options.reference.name}
    figures |= {"seconds": {}, "skipped": [], "failed": []}
    bench = Bench(
        target=target,
        cases=options.cases,
        reference=options.reference.resolve(),
        timing=TimingSettings(budget_s=measuring, duel_s=10 * measuring),
        runs=options.runs,
        say=lambda line: print(line, file=sys.stderr if options.json else sys.stdout, flush=True),
        figures=figures,
    )
    measure(bench, options.parts, options.seconds or (50.0 if options.quick else 330.0))
    print(json.dumps(figures) if options.json else "\n".join(["", *table(figures)]))
    return 1 if figures["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
