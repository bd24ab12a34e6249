"""How good the shipped programs of every task are, beside what others have published.

    python tests/benchmarks/yardsticks.py [--quick] [--json] [--or3 FILE]

Online bin packing: the excess of first fit, best fit and our program over the bound L1 on OR-Library's set OR3 (from
FILE), on lists like its other uniform sets, and on Weibull lists under five seeds, beside the rows of FunSearch; how
much faster lists are packed than by a plain loop over the same function. Offline: the same of its programs, with
triplets. All tasks: the quality of each shipped program that has the task's entry point in the pass of seed 0, case by
case, and its time. --quick: fewer sets, one case a task, without times. The tables are those of the tasks' pages.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from evaluator import TASKS, Judge, JudgeSettings, Rejected, Scored, Task, TimingSettings
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
OFFLINE = ("OR3", "uniform-120", "triplet-60", "triplet-120", "triplet-501")
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


Excesses = dict[str, dict[str, list[float]]]
"""By program and set, the excess over L1 in percent, under each seed."""


def excesses(
    task_name: str, programs: Mapping[str, str], options: dict[str, Any], seed: int
) -> Iterator[tuple[str, float, float]]:
    """Each program by the name that is shown, its excess on the single case, and the seconds that judging it took."""
    task = TASKS[task_name](options)
    reference = (ROOT / task.reference).read_text()
    with Judge(task, reference=reference, device="cpu", seed=seed, settings=SETTINGS) as judge:
        judge.qualify(reference)  # the helper processes have started then
        for shown, name in programs.items():
            began = time.perf_counter()
            qualities = judge.qualify(program(task.name, name))
            assert not isinstance(qualities, Rejected), qualities
            yield shown, qualities[0].metrics[EXCESS], time.perf_counter() - began


def chosen(name: str, or3: Path) -> dict[str, Any]:
    """The options of a task over lists for one set."""
    if name == "OR3" and or3.exists():
        return {"traces": [str(or3)]}
    if name == "OR3":
        say(f"  {or3} is not there: lists like it are generated, and the keys of OR3 are null")
    return {"cases": [ONE if name == "W5k" else CASES.get(name, name)]}


def online(or3: Path, quick: bool) -> tuple[Excesses, float]:
    """The excesses of OURS, and the seconds of judging best fit on Weibull 100k."""
    found: Excesses = {shown: {} for shown in OURS}
    judged_s = 0.0
    for name in ("OR3", "W5k", "W100k") if quick else SETS:
        say(f"online, {name}")
        for seed in SEEDS if name == "W5k" else range(1):
            for shown, excess, seconds in excesses("bin_packing", OURS, chosen(name, or3), seed):
                found[shown].setdefault(name, []).append(excess)
                if (name, shown) == ("W100k", "best fit"):
                    judged_s = seconds
    return found, judged_s


def offline(or3: Path, quick: bool) -> Excesses:
    folder = ROOT / "programs" / "bin_packing_offline"
    programs = {path.stem: path.stem for path in sorted(folder.glob("*.py"))}
    found: Excesses = {stem: {} for stem in programs}
    for name in OFFLINE[:3] if quick else OFFLINE:
        say(f"offline, {name}")
        for stem, excess, _ in excesses("bin_packing_offline", programs, chosen(name, or3), 0):
            found[stem][name] = [excess]
    return found


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A program's quality in the pass of seed 0, by case, and its milliseconds; None if it was not timed."""

    cases: Mapping[str, float]
    ms: float | None

    @property
    def mean(self) -> float:
        return fmean(self.cases.values())


Rows = dict[str, Row | None]
"""By shipped program of a task; None if it fails."""


def rows(name: str, quick: bool) -> Rows:
    task = standard(name, quick)
    found: Rows = {}
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
            elif isinstance(verdict, Scored):
                cases = {case.quality.case: case.quality.value for case in verdict.score.cases}
                found[path.stem] = Row(cases=cases, ms=verdict.score.runtime_ms)
            else:
                found[path.stem] = Row(cases={quality.case: quality.value for quality in verdict}, ms=None)
    return found


def table(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    """A table as the pages have it."""
    print()
    for line in (headings, ["---"] * len(headings), *lines):
        print(f"| {' | '.join(line)} |")


def percent(values: Sequence[float]) -> str:
    spread = f" ({min(values):.2f} to {max(values):.2f})" if len(values) > 1 else ""
    return f"{fmean(values):.2f}{spread}"


def excess_lines(found: Excesses, sets: Sequence[str]) -> dict[str, list[str]]:
    return {
        shown: [shown, *(percent(by_set[name]) if name in by_set else "" for name in sets)]
        for shown, by_set in found.items()
    }


def show(found: Excesses, off: Excesses, figures: dict[str, Any], judged: Mapping[str, Rows]) -> None:
    print(f"{describe()}\n\nOnline bin packing, % of bins over the bound L1 (W5k: five seeds, and their range)")
    published = [[f"{shown}, published", *(f"{value:.2f}" for value in row)] for shown, row in PUBLISHED.items()]
    table(("", *SETS), [*published, *excess_lines(found, SETS).values()])
    print(
        f"\nWeibull 100k, best fit: judged in {figures['weibull100k_judge_s']:.2f} s, packed in "
        f"{figures['weibull100k_pack_s']:.3f} s; a plain loop over the open bins takes "
        f"{figures['weibull100k_speedup']:.0f} times as long, that of FunSearch "
        f"{figures['weibull100k_speedup_published_loop']:.0f} times"
    )
    print("\nOffline bin packing, % of bins over the bound L1")
    table(("", *OFFLINE), list(excess_lines(off, OFFLINE).values()))
    for name, programs in judged.items():
        cases = next(list(row.cases) for row in programs.values() if row is not None)
        print(f"\n{name}: quality in the pass of seed 0, and ms")
        table(("program", *cases, "mean", "ms"), [_line(stem, row, cases) for stem, row in programs.items()])


def _line(stem: str, row: Row | None, cases: Sequence[str]) -> list[str]:
    if row is None:
        return [f"`{stem}`", *("refused" for _ in cases), "", ""]
    values = [f"{row.cases[case]:.4f}" for case in cases]
    return [f"`{stem}`", *values, f"{row.mean:.4f}", "" if row.ms is None else f"{row.ms:.3g}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--or3", type=Path, default=OR3)
    asked = parser.parse_args()
    found, judged_s = online(asked.or3, asked.quick)
    off = offline(asked.or3, asked.quick)
    figures: dict[str, Any] = {"weibull100k_judge_s": judged_s, **speedups(asked.quick)}
    judged = {name: rows(name, asked.quick) for name in TASKS}
    if not asked.json:
        show(found, off, figures, judged)
        return
    for key, name in (("or3", "OR3"), ("weibull5k", "W5k")):
        for shown, stem in OURS.items():
            known = name != "OR3" or asked.or3.exists()
            figures[f"{key}_{stem}"] = fmean(found[shown][name]) if known else None
    quality = {name: {stem: row and row.mean for stem, row in programs.items()} for name, programs in judged.items()}
    print(json.dumps({"machine": describe(), **figures, "weibull5k_seeds": _seeds(found), "quality": quality}))


def _seeds(found: Excesses) -> dict[str, list[float]]:
    return {stem: found[shown]["W5k"] for shown, stem in OURS.items()}


if __name__ == "__main__":
    main()
