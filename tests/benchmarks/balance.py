"""How precisely balance is measured, and how often a difference is called: a real one, and one that does not exist.

    python tests/benchmarks/balance.py [--quick] [--json]

Intervals: `lpt_swap.py` and `snake.py` against the reference on the two cases of the quickstart: the half-width of the
95 % interval of their gain in balance by the number of calls a case, and after a default measurement. A/A: a program
that chooses at random how to place each layer is compared with itself; at most one comparison in 200 may be called, in
balance or in time. Power: a program that places a tenth of the layers, drawn afresh in each call, by folding instead of
greedily, so that it is worse by about .001 in balance, must be called worse in at least 95 % of the comparisons.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean, median
from textwrap import indent

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from evaluator import TASKS, Duel, Judge, JudgeSettings, Samples, Scored, TimingSettings
from evaluator.measuring import stats
from tests.benchmarks.machine import describe

PROGRAMS = Path(__file__).resolve().parents[2] / "programs" / "eplb"
CASES = ("hier-ep32", "global-ep32")
ROUNDS = (3, 5, 10, 20, 40)
FOLDED = 0.095
TARGETS = {
    "aa_called_share": "at most 0.005",
    "worse_called_share": "at least 0.95",
    "default_half_width": "at most 0.0005",
}
MIXED = """
import torch


def _make_greedy():
{greedy}
    return rebalance_experts


def _make_snake():
{snake}
    return rebalance_experts


_greedy, _snake = _make_greedy(), _make_snake()


def rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus):
    folded = torch.rand(len(weight)) < {share}
    greedily = _greedy(weight, num_replicas, num_groups, num_nodes, num_gpus)[0]
    # Both are always computed in full, so that equal programs take equal time.
    folding = _snake(weight, num_replicas, num_groups, num_nodes, num_gpus)[0]
    return torch.where(folded[:, None], folding, greedily)
"""


def mixed(share: float) -> str:
    """A program, in the form phy2log, that folds this share of the layers instead of placing them greedily."""
    parts = {
        name: (PROGRAMS / f"{path}.py").read_text() for name, path in (("greedy", "vectorised_greedy"), ("snake",) * 2)
    }
    # Each in a function of its own, since both define helpers of the same names.
    texts = {
        name: indent(text.replace("from __future__ import annotations", ""), "    ") for name, text in parts.items()
    }
    return MIXED.format(share=share, **texts)


def first_rounds(samples: Samples, rounds: int) -> Samples:
    """The first rounds of some samples."""
    pairs = sum(samples.rounds[:rounds])
    return Samples(
        candidate_us=samples.candidate_us[:pairs],
        reference_us=samples.reference_us[:pairs],
        rounds=samples.rounds[:rounds],
        candidate_quality=samples.candidate_quality[:pairs],
        reference_quality=samples.reference_quality[:pairs],
        calls=samples.calls[:pairs],
    )


def half_width(samples: list[Samples]) -> float:
    """The half-width of the 95 % interval of the mean gain over the cases."""
    gain = stats.combined_gain(samples)
    assert gain is not None
    return (gain.high - gain.low) / 2


def samples_of(program: str, timing: TimingSettings, times: int) -> Iterator[list[Samples]]:
    """The samples of each case, from some measurements of a program."""
    task = TASKS["eplb"]({"cases": list(CASES)})
    reference = (PROGRAMS / "vectorised_greedy.py").read_text()
    with Judge(task, reference=reference, device="cpu", settings=JudgeSettings(timing=timing)) as judge:
        for _ in range(times):
            verdict = judge.evaluate((PROGRAMS / f"{program}.py").read_text())
            if not isinstance(verdict, Scored):
                raise SystemExit(f"expected a score of {program}, found {verdict}")
            samples = [case.samples for case in verdict.score.cases]
            yield [case for case in samples if case is not None]


def intervals(program: str, times: int) -> dict[str, float]:
    """Median half-widths by the number of calls a case, and of default measurements, with their calls and seconds."""
    long = TimingSettings(budget_s=20.0, half_width=1e-9, max_pairs=max(ROUNDS) * TimingSettings().round_pairs)
    measured = list(samples_of(program, long, times))
    found = {}
    for rounds in ROUNDS:
        widths = [half_width([first_rounds(case, rounds) for case in samples]) for samples in measured]
        found[f"{program}_{rounds * TimingSettings().round_pairs}_calls"] = round(median(widths), 6)
    begin = time.perf_counter()
    default = list(samples_of(program, TimingSettings(), 3 * times))
    found[f"{program}_default_half_width"] = round(median(map(half_width, default)), 6)
    found[f"{program}_default_calls"] = median(len(samples[0].calls) for samples in default)
    found[f"{program}_default_s"] = round((time.perf_counter() - begin) / len(default), 2)
    return found


def duels(source: str, other: str, runs: int, label: str) -> list[Duel]:
    """Comparisons of two programs with default settings, with progress on the error stream."""
    task = TASKS["eplb"]({"cases": list(CASES), "form": "phy2log"})
    found: list[Duel] = []
    with Judge(task, reference=other, device="cpu") as judge:
        for run in range(runs):
            duel = judge.compare(source, other)
            if not isinstance(duel, Duel):
                raise SystemExit(f"expected a comparison, found {duel}")
            found.append(duel)
            print(f"\r{label} {run + 1} of {runs}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return found


def main() -> None:
    """Measure, print, and with --json print one object of figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="under a minute: few comparisons")
    parser.add_argument("--aa", type=int, help="number of A/A comparisons (default 200)")
    parser.add_argument("--power", type=int, help="number of comparisons for power (default 100)")
    parser.add_argument("--json", action="store_true", help="print one object of figures")
    options = parser.parse_args()
    runs = {"aa": options.aa, "power": options.power}
    for name, (few, many) in {"aa": (5, 200), "power": (3, 100)}.items():
        runs[name] = (few if options.quick else many) if runs[name] is None else runs[name]
    figures: dict[str, float] = {}
    for program in ("lpt_swap", "snake"):
        figures |= intervals(program, 1 if options.quick else 5)
    begin = time.perf_counter()
    equal = duels(mixed(0.5), mixed(0.5), runs["aa"], "A/A")
    worse = duels(mixed(FOLDED), mixed(0.0), runs["power"], "worse by .001")
    seconds = (time.perf_counter() - begin) / max(1, len(equal) + len(worse))
    if equal:
        called = [duel.comparison != "undecided" or duel.quality_comparison != "undecided" for duel in equal]
        figures["aa_called_share"] = sum(called) / len(equal)
    if worse:
        figures["worse_called_share"] = sum(duel.quality_comparison == "worse" for duel in worse) / len(worse)
        figures["worse_gain"] = round(fmean(duel.gain.median for duel in worse if duel.gain is not None), 6)
    figures["seconds_per_comparison"] = round(seconds, 2)
    widths = [value for name, value in figures.items() if name.endswith("_default_half_width")]
    figures["default_half_width"] = max(widths)
    if options.json:
        print(json.dumps(figures))
        return
    print(describe())
    for name, value in figures.items():
        target = f"   target: {TARGETS[name]}" if name in TARGETS else ""
        print(f"{name:<32} {value:>10g}{target}")


if __name__ == "__main__":
    main()
