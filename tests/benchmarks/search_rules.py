"""Which rule of picking parents finds most: thousands of searches over a measured landscape of real programs.

    python tests/benchmarks/search_rules.py [--quick] [--json] [--seeds 50] [--attempts 150] [--plot FILE.svg]

The landscape (`laboratory/measured.jsonl`, made by `python -m tests.benchmarks.laboratory.measure`) holds what was
measured of every program that up to four patches make of `programs/eplb/landscape/seed.py`. A search picks parents by a
rule; a stand-in for a model changes them (`laboratory/searches.py`); verdicts are as noisy as measured, drawn again
from the calls of a program. `share` is the hypervolume of what a search has found, in truth, as a share of that of the
whole landscape: the mean over the seeds, with its 95 % interval. All rules face the same stand-in, with the same random
states, for the same number of attempts. `lucky` is the share of promotions to champion by a duel that were none in
truth, and of those that mere readings of the speed would have made. Ablations are the default rule without one of its
parts, in ten times as many searches; `lost` is how much less they have found, seed by seed, in the mean over all
attempts. `select_ms_at_100000` is the largest of all rules: milliseconds of a pick after one more attempt in a run of
100,000; `first_pick_s` is that of the first pick of a process, which reads the whole run.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from harness.figures import svg
from harness.figures.chart import LETTERS, Axis, Chart, Line, Panel
from harness.figures.layout import draw
from harness.select import (
    DEFAULT,
    SELECTORS,
    Pareto,
    RuleSettings,
    Selector,
    Standing,
    TradeOffSettings,
    build,
    standing,
)
from tests.benchmarks.laboratory import landscape, peers
from tests.benchmarks.laboratory.searches import Found, Rule, search
from tests.benchmarks.machine import describe
from tests.harness.builders import PROGRAM, REJECTED, entry, scored

LONG = 100_000
MORE = 10
FIRST_SEED = 5_000
"""Options were chosen with other seeds."""
PLOTTED = (DEFAULT, "front", "random", "best", "seed alone", "ShinkaEvolve")


def ours(name: str, settings: RuleSettings | None = None) -> Rule:
    return lambda source: build(name, settings or RuleSettings(), source)


def trade_offs(**options: float) -> Rule:
    return ours("trade_offs", RuleSettings(trade_offs=TradeOffSettings(**options)))


RULES: Mapping[str, Rule] = {name: ours(name) for name in SELECTORS}
OTHERS: Mapping[str, Rule] = {
    "seed alone": peers.seed_alone,
    "best reading": peers.best_reading,
    "OpenEvolve": peers.OpenEvolve,
    "ShinkaEvolve": peers.ShinkaEvolve,
    "AdaEvolve": peers.AdaEvolve,
    "LEVI": peers.Levi,
}
ABLATIONS: Mapping[str, Rule] = {
    "without the goal": trade_offs(goal=0.0),
    "the goal alone": trade_offs(goal=1.0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What the searches of a rule found: the mean share with its interval, halfway and at the end, and luck."""

    rule: str
    kind: str
    half: float
    share: float
    low: float
    high: float
    lucky: float
    lucky_readings: float
    curve: tuple[float, ...]
    lost: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """For an ablation: how much less than the default it has found, in the mean over all attempts."""


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """The mean with its 95 % interval."""
    middle, half = mean(values), 1.96 * stdev(values) / math.sqrt(len(values))
    return middle, middle - half, middle + half


def row(rule: str, kind: str, found: Sequence[Found], whole: Sequence[Found] = ()) -> Row:
    """The row of a rule; for an ablation, `whole` are the searches of the default under the same seeds."""
    curve = tuple(mean(values) for values in zip(*(one.curve for one in found), strict=True))
    share, low, high = interval([one.curve[-1] for one in found])
    lost = [mean(full.curve) - mean(one.curve) for full, one in zip(whole, found, strict=False)]
    crowned = sum(one.crowned for one in found)
    return Row(
        rule=rule,
        kind=kind,
        half=curve[len(curve) // 2 - 1],
        share=share,
        low=low,
        high=high,
        lucky=sum(one.lucky for one in found) / max(1, crowned),
        lucky_readings=sum(one.lucky_readings for one in found) / max(1, sum(one.readings for one in found)),
        curve=curve,
        lost=interval(lost) if lost else (0.0, 0.0, 0.0),
    )


def searched(world: landscape.Landscape, name: str, rule: Rule, seeds: int, attempts: int) -> list[Found]:
    print(f"\r{name:<20}", end="", file=sys.stderr, flush=True)
    return [search(world, rule, attempts, seed) for seed in range(FIRST_SEED, FIRST_SEED + seeds)]


def compared(world: landscape.Landscape, seeds: int, attempts: int) -> list[Row]:
    """A row for each rule, the best of each kind first. Ablations get `MORE` times as many searches: their differences
    are smaller.
    """
    rows = []
    for kind, rules in (("ours", RULES), ("other", OTHERS)):
        made = [row(name, kind, searched(world, name, rule, seeds, attempts)) for name, rule in rules.items()]
        rows += sorted(made, key=lambda one: -one.share)
    whole = searched(world, DEFAULT, RULES[DEFAULT], MORE * seeds, attempts)
    for name, rule in {"the whole rule": RULES[DEFAULT], **ABLATIONS}.items():
        found = whole if name not in ABLATIONS else searched(world, name, rule, MORE * seeds, attempts)
        rows.append(row(name, "ablation", found, whole))
    print("\r", end="", file=sys.stderr)
    return rows


def long_run(attempts: int) -> Standing:
    """The standing of a run of this length."""
    rng = random.Random(0)
    entries = [entry(0, scored(0.80, 1.0))]
    for number in range(1, attempts + 1):
        verdict = scored(round(rng.uniform(0.78, 0.95), 4), round(2 ** rng.uniform(-2, 4), 3), noise=0.01)
        parents = (f"e{rng.randrange(max(0, number - 500), number)}",)
        entries.append(entry(number, REJECTED if rng.random() < 0.2 else verdict, parents=parents))
    return standing(entries, Pareto())


def picks(name: str, where: Standing) -> tuple[float, float]:
    """Milliseconds of a pick after one more attempt in a long run (the median of nine), seconds of the first pick."""
    times, attempts = [], len(where.attempts)
    rule: Selector = build(name, RuleSettings(), lambda entry_id: PROGRAM)
    begun = time.perf_counter()
    rule(where, random.Random(0), 4)
    first_s = time.perf_counter() - begun
    for more in range(9):
        where = where.add(entry(attempts + more, scored(0.9, 3.0 + more), parents=("e1",)))
        begun = time.perf_counter()
        rule(where, random.Random(more), 4)
        times.append(1000 * (time.perf_counter() - begun))
    return sorted(times)[4], first_s


def verdict(rows: Sequence[Row]) -> dict[str, Any]:
    """Whether the default is surely ahead of the plain rules, and behind no other."""
    by_name = {one.rule: one for one in rows if one.kind != "ablation"}
    default = by_name[DEFAULT]
    plain = [by_name[name] for name in ("random", "best", "seed alone")]
    others = [one for one in by_name.values() if one.rule != DEFAULT]
    return {
        "default": DEFAULT,
        "ahead_of_plain": all(default.low > one.high for one in plain),
        "behind": [one.rule for one in others if one.low > default.high],
        "mean_above_all": all(default.share >= one.share for one in others),
    }


def plot(rows: Sequence[Row], attempts: int) -> str:
    """The mean share against attempts, for some of the rules."""
    drawn = [one for name in PLOTTED for one in rows if one.rule == name]
    lines = tuple(
        Line(
            name=one.rule,
            tone=LETTERS[at % len(LETTERS)],
            dash=at,
            points=tuple((float(number), value) for number, value in enumerate(one.curve, 1)),
        )
        for at, one in enumerate(drawn)
    )
    panel = Panel(
        x=Axis(title="attempts", low=0.0, high=float(attempts), whole=True),
        y=Axis(title="share of the hypervolume", low=0.0, high=1.0),
        marks=lines,
    )
    names = ", ".join(one.rule for one in drawn)
    chart = Chart(
        title="What searches find under each rule",
        description=f"The mean share of the landscape's hypervolume that is found, against attempts: {names}.",
        rows=((panel,),),
        height=340,
    )
    return svg.file(draw(chart, 760))


def main() -> None:
    """Compare, print, and with --json print one object of figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="8 seeds, and a run of 10,000 attempts for the times")
    parser.add_argument("--seeds", type=int, help="searches of each rule (default 50)")
    parser.add_argument("--attempts", type=int, default=150)
    parser.add_argument("--plot", type=Path, help="write the curves as SVG")
    parser.add_argument("--json", action="store_true", help="print one object of figures")
    options = parser.parse_args()
    world = landscape.read()
    seeds = options.seeds or (8 if options.quick else 50)
    begun = time.monotonic()
    rows = compared(world, seeds, options.attempts)
    seconds = time.monotonic() - begun
    length = LONG // 10 if options.quick else LONG
    where = long_run(length)
    times = {name: picks(name, where) for name in SELECTORS}
    if options.plot:
        options.plot.write_text(plot(rows, options.attempts), encoding="utf-8")
    figures: dict[str, Any] = {
        "programs": len(world.programs),
        "seeds": seeds,
        "attempts": options.attempts,
        "share": {one.rule: [round(value, 4) for value in (one.share, one.low, one.high)] for one in rows},
        "half": {one.rule: round(one.half, 4) for one in rows},
        "lost": {one.rule: [round(value, 4) for value in one.lost] for one in rows if one.kind == "ablation"},
        "lucky": {one.rule: round(one.lucky, 4) for one in rows},
        "lucky_readings": {one.rule: round(one.lucky_readings, 4) for one in rows},
        **verdict(rows),
        "searches_per_s": round((len(rows) - 3 + 3 * MORE) * seeds / seconds, 1),
        f"select_ms_at_{length}": round(max(ms for ms, _ in times.values()), 3),
        "first_pick_s": round(max(first_s for _, first_s in times.values()), 2),
        "select_ms": {name: round(ms, 3) for name, (ms, _) in times.items()},
    }
    if options.json:
        print(json.dumps(figures))
        return
    print(describe())
    print(f"{len(world.programs)} measured programs; {seeds} searches of {options.attempts} attempts under each rule\n")
    for one in rows:
        name = one.rule + (" *" if one.rule == DEFAULT else "")
        print(
            f"{one.kind:<9} {name:<18} {one.half:.3f} at half  {one.share:.3f} [{one.low:.3f}, {one.high:.3f}]"
            + (
                f"  less by {one.lost[0]:.3f} [{one.lost[1]:.3f}, {one.lost[2]:.3f}]"
                if one.kind == "ablation"
                else f"  lucky {one.lucky:.3f}, by readings {one.lucky_readings:.3f}"
            )
        )
    print()
    shown = ("default", "ahead_of_plain", "behind", "mean_above_all", "searches_per_s", f"select_ms_at_{length}")
    for key in shown:
        print(f"{key:<22} {figures[key]}")


if __name__ == "__main__":
    main()
