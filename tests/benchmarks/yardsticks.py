"""How good the shipped programs of every task are, beside what others have published.

    python tests/benchmarks/yardsticks.py [--quick] [--json] [--or3 FILE]

Online bin packing: the excess of first fit, best fit and our program over the bound L1 on OR-Library's set OR3 (from
FILE), on lists like its other uniform sets, and on Weibull lists under five seeds, beside the rows of FunSearch; how
much faster lists are packed than by a plain loop over the same function. All tasks: the quality of each shipped program
that has the task's entry point, and its time, on the standard cases. --quick: one case a task, without times.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from evaluator import TASKS, Judge, JudgeSettings, Rejected, Task, TimingSettings
from evaluator.screen import screen
from evaluator.tasks.bin_packing import driver
from evaluator.tasks.item_lists.task import EXCESS
from evaluator.types import WorkloadError
from tests.benchmarks.machine import describe
from tests.evaluator.replay import entry_of

ROOT = Path(__file__).resolve().parents[2]
OR3 = ROOT / ".." / "shared" / "data" / "binpack3_or3.txt"
SETS = ("OR1", "OR2", "OR3", "OR4", "W5k", "W10k", "W100k")
PUBLISHED = {
    "first fit": (6.42, 6.45, 5.74, 5.23, 4.23, 4.20, 4.00),
    "best fit": (5.81, 6.06, 5.37, 4.94, 3.98, 3.90, 3.79),
    "FunSearch": (5.30, 4.19, 3.11, 2.47, 0.68, 0.32, 0.03),
}
"""% of bins over the bound L1: Romera-Paredes et al., Nature 2023, table 1."""
OURS = {"first fit": "first_fit", "best fit": "best_fit", "no dust": "no_dust"}
CASES = dict(
    zip(
        SETS,
        ("uniform-120", "uniform-250", "uniform-500", "uniform-1000", "weibull-5k", "weibull-10k", "weibull-100k"),
        strict=True,
    )
)
SEEDS = range(5)
ONE = {"name": "weibull-5k", "kind": "weibull", "items": 5000, "capacity": 100, "lists": 1}
"""A list a seed, five in all: as many as FunSearch has."""
SETTINGS = JudgeSettings(timeout_s=60, load_timeout_s=60, timing=TimingSettings(budget_s=0.8))
FEW = 2000
"""How many items the plain loop of FunSearch packs with --quick, beside unopened bins for all."""


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def program(task: str, name: str) -> str:
    return (ROOT / "programs" / task / f"{name}.py").read_text()


def excesses(options: dict[str, Any], seed: int) -> Iterator[tuple[str, float, float]]:
    """Each of our programs, its excess in percent on the single case, and the seconds that judging it took."""
    task = TASKS["bin_packing"](options)
    reference = program(task.name, "best_fit")
    with Judge(task, reference=reference, device="cpu", seed=seed, settings=SETTINGS) as judge:
        judge.qualify(reference)  # the helper processes have started then
        for shown, name in OURS.items():
            began = time.perf_counter()
            qualities = judge.qualify(program(task.name, name))
            assert not isinstance(qualities, Rejected), qualities
            yield shown, qualities[0].metrics[EXCESS], time.perf_counter() - began


def table_of_excess(or3: Path, quick: bool) -> tuple[dict[str, dict[str, list[float]]], float]:
    """By program and set, the excess under each seed; and the seconds of judging best fit on Weibull 100k."""
    found: dict[str, dict[str, list[float]]] = {shown: {} for shown in OURS}
    judged_s = 0.0
    for name in SETS:
        if quick and name not in ("OR3", "W5k", "W100k"):
            continue
        recorded = name == "OR3" and or3.exists()
        seeds = SEEDS if name == "W5k" else range(1)
        say(f"{name}: {or3.name if recorded else CASES[name]}")
        if name == "OR3" and not recorded:
            say(f"  {or3} is not there: lists like it are generated, and the keys of OR3 are null")
        for seed in seeds:
            options = {"traces": [str(or3)]} if recorded else {"cases": [ONE if name == "W5k" else CASES[name]]}
            for shown, excess, seconds in excesses(options, seed):
                found[shown].setdefault(name, []).append(excess)
                if (name, shown) == ("W100k", "best fit"):
                    judged_s = seconds
    return found, judged_s


def published_loop(function: Callable[[int, Any], Any], items: list[int], bins: int, capacity: int) -> list[int]:
    """The loop of FunSearch: the function scores all bins that the item fits, unopened ones too."""
    room = np.full(bins, capacity)
    chosen = []
    for item in items:
        fits = np.nonzero(room - item >= 0)[0]
        best = int(fits[np.argmax(function(item, room[fits]))])
        room[best] -= item
        chosen.append(best)
    return chosen


def speedups(quick: bool) -> dict[str, float]:
    """How much longer plain loops take over best fit on the same Weibull list of 100,000 items, in this process."""
    [case] = TASKS["bin_packing"]({"cases": ["weibull-100k"]}).cases(0)
    items, capacity = case.data[0].tolist(), case.sizes["capacity"]
    function = entry_of(program("bin_packing", "best_fit"), "priority")

    def timed(pack: Callable[[], list[int]]) -> tuple[list[int], float]:
        began = time.process_time()
        packed = pack()
        return packed, time.process_time() - began

    ours, fast_s = min((timed(lambda: driver.by_levels(function, [items], capacity)[0]) for _ in range(3)), key=last)
    opened, opened_s = timed(lambda: driver.by_bins(function, [items], capacity)[0])
    part = items[:FEW] if quick else items
    say(f"the plain loop over {len(part):,} items")
    plain, plain_s = timed(lambda: published_loop(function, part, len(items), capacity))
    assert ours == opened and ours[: len(part)] == plain
    return {
        "weibull100k_pack_s": fast_s,
        "weibull100k_speedup": opened_s / fast_s,
        "weibull100k_speedup_published_loop": plain_s / len(part) * len(items) / fast_s,
    }


def last(pair: tuple[list[int], float]) -> float:
    return pair[1]


def standard(name: str, quick: bool) -> Task:
    """The task as it is without options; with --quick, on its first case, if its cases are chosen by name."""
    task = TASKS[name]({})
    if quick:
        try:
            return TASKS[name]({"cases": [task.cases(0)[0].name]})
        except WorkloadError:
            pass
    return task


def qualities(name: str, quick: bool) -> dict[str, tuple[float, float] | None]:
    """Quality and milliseconds of each shipped program of a task; None if it fails. Without times, nan."""
    task, found = standard(name, quick), {}
    with Judge(task, reference=(ROOT / task.reference).read_text(), device="cpu", settings=SETTINGS) as judge:
        for path in sorted((ROOT / "programs" / name).glob("*.py")):
            source = path.read_text()
            if screen(source, task.entry_point) is not None:
                continue
            say(f"{name}: {path.stem}")
            verdict = judge.qualify(source) if quick else judge.evaluate(source)
            if isinstance(verdict, Rejected):
                say(f"  {verdict.stage}: {verdict.detail[:150]}")
                found[path.stem] = None
            elif isinstance(verdict, tuple):
                found[path.stem] = (fmean(quality.value for quality in verdict), float("nan"))
            else:
                found[path.stem] = (verdict.score.quality.value, verdict.score.runtime_ms)
    return found


def show(found: dict[str, dict[str, list[float]]], figures: dict[str, Any], judged: dict[str, Any]) -> None:
    print(f"{describe()}\n\nOnline bin packing, % of bins over the bound L1")
    print(f"{'':24}" + "".join(f"{name:>8}" for name in SETS))
    for shown, row in PUBLISHED.items():
        print(f"{'published: ' + shown:24}" + "".join(f"{value:8.2f}" for value in row))
    for shown, sets in found.items():
        cells = (f"{fmean(sets[name]):8.2f}" if name in sets else f"{'':>8}" for name in SETS)
        print(f"{'ours: ' + shown:24}" + "".join(cells))
    for shown, sets in found.items():
        print(f"W5k, {shown}, five seeds: " + ", ".join(f"{value:.2f}" for value in sets["W5k"]))
    print(
        f"\nWeibull 100k, best fit: judged in {figures['weibull100k_judge_s']:.2f} s, packed in "
        f"{figures['weibull100k_pack_s']:.3f} s; a plain loop over the open bins takes "
        f"{figures['weibull100k_speedup']:.0f} times as long, that of FunSearch "
        f"{figures['weibull100k_speedup_published_loop']:.0f} times"
    )
    for name, programs in judged.items():
        print(f"\n{name}\n{'program':28}{'quality':>9}{'ms':>10}")
        for stem, pair in programs.items():
            cells = "   failed" if pair is None else f"{pair[0]:9.4f}{pair[1]:10.3f}".replace("nan", "")
            print(f"{stem:28}{cells}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--or3", type=Path, default=OR3)
    asked = parser.parse_args()
    found, judged_s = table_of_excess(asked.or3, asked.quick)
    figures: dict[str, Any] = {"weibull100k_judge_s": judged_s, **speedups(asked.quick)}
    judged = {name: qualities(name, asked.quick) for name in TASKS}
    if not asked.json:
        show(found, figures, judged)
        return
    for key, name in (("or3", "OR3"), ("weibull5k", "W5k")):
        for stem in ("first_fit", "best_fit", "no_dust"):
            excess = fmean(found[next(shown for shown, own in OURS.items() if own == stem)][name])
            figures[f"{key}_{stem}"] = None if name == "OR3" and not asked.or3.exists() else excess
    quality = {name: {stem: pair and pair[0] for stem, pair in rows.items()} for name, rows in judged.items()}
    print(json.dumps({"machine": describe(), **figures, "quality": quality}))


if __name__ == "__main__":
    main()
