"""What a plan on several windows can reach: simple predictors of the window to come, and bounds, on recorded loads.

    python tests/benchmarks/predictors.py [--quick] [--json] [--traces FOLDER]

Each of four recorded traces is left out in turn; the three others are the windows so far, each the latest in turn. A
plan is scored on each window so far (`known`: the window to come is of a kind that was seen, as where workloads take
turns) and on the trace left out (`unseen`: it is of a new kind). A predictor gives one load for each expert, and the
greedy plan is made on it. `turns/best.py` plans on all windows, and on more: with an even window among them, or with
a `told` one as the latest. That is a regression of the trace left out on functions of the windows so far, made for each
layer with knowledge of that trace: what a predictor of single experts could know at best. No plan before the event can
know it. `itself` is planned on the window that it is scored on.

`groups` is a bound for placements that keep groups on nodes: the balance if every node were level, where the pairs of
groups are chosen by the windows so far (several rules), by the best affine mixture of them that can be told from the
window to come itself, or by that window.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import mean
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from evaluator.tasks.eplb.metrics import balance
from evaluator.tasks.eplb.traces import read_traces
from tests.benchmarks.found import FOUND, GREEDY, NAMES, TRACES, Array, Sizes, Solver, loaded, sizes_of

CASES = ("global-ep32", "hier-ep32")
TINY = 1e-12

Planner = Callable[[Array, Array], Array]
"""A plan `[L, R]` from windows so far `[T, L, E]`, and the trace left out `[L, E]`, of which only bounds know."""
Predictor = Callable[[Array], Array]
"""One load for each expert `[L, E]`, from windows so far `[T, L, E]`, shares of their layers, the latest last."""
Figures = dict[str, float]


def geometric(past_TLE: Array) -> Array:
    """The geometric mean of the windows."""
    logs_TLE = np.log(np.maximum(past_TLE, TINY))
    return np.asarray(np.exp(logs_TLE.mean(axis=0)))


def trend(past_TLE: Array) -> Array:
    """As far beyond the latest window as that is beyond the one before; never below a tenth of it."""
    return np.maximum(2 * past_TLE[-1] - past_TLE[-2], past_TLE[-1] / 10)


def weighted(past_TLE: Array) -> Array:
    """A mean in which each window weighs twice as much as the one before."""
    return np.asarray(np.average(past_TLE, axis=0, weights=2.0 ** np.arange(len(past_TLE))))


def told(past_TLE: Array, out_LE: Array, terms: str) -> Array:
    """The window left out as a linear regression by least squares on functions of the windows so far, for each layer.

    `terms` is "linear" for the windows and a constant, or "curved" for their logarithms times themselves, roots,
    products and roots of products too.
    """
    loads_TLE = np.maximum(past_TLE * past_TLE.shape[2], 1e-3)
    functions = [np.ones_like(loads_TLE[:1]), loads_TLE]
    if terms == "curved":
        products = [one * two for one, two in itertools.combinations(loads_TLE, 2)]
        functions += [loads_TLE * np.log(loads_TLE), np.sqrt(loads_TLE), loads_TLE**2]
        functions += [np.stack(products), np.sqrt(products)]
    basis_LEF = np.concatenate(functions).transpose(1, 2, 0)
    pairs = zip(basis_LEF, out_LE, strict=True)
    fitted = [basis_EF @ np.linalg.lstsq(basis_EF, load_E, rcond=None)[0] for basis_EF, load_E in pairs]
    return np.maximum(fitted, out_LE.mean() / 50)


PREDICTORS: dict[str, Predictor] = {
    "latest": lambda past: past[-1],
    "mean": lambda past: past.mean(axis=0),
    "weighted by age": weighted,
    "trend": trend,
    "geometric mean": geometric,
    "root mean square": lambda past: np.sqrt((past**2).mean(axis=0)),
    "largest": lambda past: past.max(axis=0),
    "mean, a quarter even": lambda past: 0.75 * past.mean(axis=0) + 0.25 / past.shape[2],
    "mean + 1 deviation": lambda past: past.mean(axis=0) + past.std(axis=0),
}


def orders(traces: int) -> Iterator[tuple[list[int], int]]:
    """The windows so far, latest last, and the trace left out."""
    for out in range(traces):
        kept = [trace for trace in range(traces) if trace != out]
        for latest in range(len(kept)):
            yield [*kept[latest + 1 :], *kept[: latest + 1]], out


def planned(solver: Solver, past_TLE: Array, sizes: Sizes, *, history: bool = False) -> Array:
    """The solver's plan `[L, R]` on the latest window, and with `history` on all of them."""
    import torch

    past = torch.from_numpy(past_TLE.astype(np.float32))
    answer = solver(past[-1], *sizes, history=past) if history else solver(past[-1], *sizes)
    plan_LR: Array = answer[0].numpy().astype(np.int64)
    return plan_LR


def scored(plan_of: Planner, shares_TLE: Array, gpus: int) -> Figures:
    """Means over all orders of windows: balance on windows of known kinds, and on the trace left out."""
    known: dict[int, list[float]] = {}
    unseen: dict[int, list[float]] = {}
    for past, out in orders(len(shares_TLE)):
        plan_LR = plan_of(shares_TLE[past], shares_TLE[out])
        known.setdefault(out, []).extend(balance(plan_LR, shares_TLE[each], gpus) for each in past)
        unseen.setdefault(out, []).append(balance(plan_LR, shares_TLE[out], gpus))
    figures = {"known": mean(map(mean, known.values())), "unseen": mean(map(mean, unseen.values()))}
    figures |= {f"known without {NAMES[out]}": mean(each) for out, each in known.items()}
    return figures | {f"unseen {NAMES[out]}": mean(each) for out, each in unseen.items()}


def pairings(groups: tuple[int, ...]) -> Iterator[tuple[tuple[int, int], ...]]:
    """All ways to make pairs."""
    if not groups:
        yield ()
        return
    first, *others = groups
    for other in others:
        for rest in pairings(tuple(each for each in others if each != other)):
            yield ((first, other), *rest)


def of_groups(shares_TLE: Array, sizes: Sizes) -> dict[str, float]:
    """The balance on the trace left out if each node were level, by how pairs of groups are chosen; means."""
    traces, layers, _ = shares_TLE.shape
    groups_TLG = shares_TLE.reshape(traces, layers, sizes[1], -1).sum(axis=3)
    pairs_PN2 = np.array(list(pairings(tuple(range(sizes[1])))))
    nodes_TLPN = groups_TLG[:, :, pairs_PN2].sum(axis=4)
    most_TLP = nodes_TLPN.max(axis=3) * sizes[2]
    rows: dict[str, list[float]] = {}
    for out in range(traces):
        past = [trace for trace in range(traces) if trace != out]

        def reached(chosen_LP: Array, out: int = out) -> float:
            best_L1 = chosen_LP.argmin(axis=1)[:, None]
            return float(1 / np.take_along_axis(most_TLP[out], best_L1, axis=1).mean())

        mixtures = []
        for one, two in itertools.product(np.linspace(-1, 2, 16), repeat=2):
            mixed_LPN = np.tensordot([one, two, 1 - one - two], nodes_TLPN[past], axes=1)
            mixtures.append(reached(np.abs(mixed_LPN).max(axis=2)))
        for name, figure in {
            "by the mean": reached(nodes_TLPN[past].mean(axis=0).max(axis=2)),
            "by the sum of the heaviest": reached(most_TLP[past].sum(axis=0)),
            "by the worst window": reached(most_TLP[past].max(axis=0)),
            "by the sum of fourth powers": reached((most_TLP[past] ** 4).sum(axis=0)),
            "by the best mixture": max(mixtures),
            "by the window itself": reached(most_TLP[out]),
        }.items():
            rows.setdefault(name, []).append(figure)
    return {name: mean(each) for name, each in rows.items()}


def of_case(case: str, shares_TLE: Array) -> dict[str, Figures]:
    """The figures of every predictor in a case."""
    greedy, turns, sizes = loaded(GREEDY, "greedy"), loaded(FOUND / "turns" / "best.py", "turns"), sizes_of(case)
    even_LE = np.full(shares_TLE.shape[1:], 1 / shares_TLE.shape[2])
    windows: dict[str, Planner] = {
        "turns/best.py": lambda past, _: past,
        "and an even window": lambda past, _: np.stack([even_LE, *past]),
        "and a told one, linear": lambda past, out: np.stack([*past, told(past, out, "linear")]),
        "and a told one, curved": lambda past, out: np.stack([*past, told(past, out, "curved")]),
    }
    rows = {
        name: scored(lambda past, _, of=of: planned(greedy, of(past)[None], sizes), shares_TLE, sizes[3])
        for name, of in PREDICTORS.items()
    } | {
        name: scored(lambda past, out, of=of: planned(turns, of(past, out), sizes, history=True), shares_TLE, sizes[3])
        for name, of in windows.items()
    }
    itself = mean(balance(planned(turns, each[None], sizes), each, sizes[3]) for each in shares_TLE)
    return {**rows, "itself": {"known": itself, "unseen": itself}}


def measured(shares_TLE: Array) -> dict[str, Any]:
    """All figures: by case and predictor, and the bound of groups."""
    result: dict[str, Any] = {}
    for case in CASES:
        print(f"{case} ...", file=sys.stderr, flush=True)
        result[case] = of_case(case, shares_TLE)
    return {**result, "groups": of_groups(shares_TLE, sizes_of("hier-ep32"))}


def show(result: dict[str, Any]) -> None:
    """Print a table for each case, then the bound."""
    outs = [f"unseen {name}" for name in NAMES]
    for case in CASES:
        heads = [f"{name[:3]} {name.split('_in')[1].split('out')[0]}" for name in NAMES]
        print(f"{case:<22}{'known':>8}{'unseen':>8}" + "".join(f"{head:>10}" for head in heads))
        for name, row in result[case].items():
            each = "".join(f"{row[out]:>10.4f}" for out in outs if out in row)
            print(f"{name:<22}{row['known']:>8.4f}{row['unseen']:>8.4f}{each}")
        print()
    print(f"{'known, without':<22}{'greedy on mean':>20}{'turns/best.py':>20}")
    print(" " * 22 + f"{'global':>12}{'hier':>8}" * 2)
    for name in NAMES:
        each = [result[case][row][f"known without {name}"] for row in ("mean", "turns/best.py") for case in CASES]
        print(f"{name:<22}" + "".join(f"{figure:>{12 - at % 2 * 4}.4f}" for at, figure in enumerate(each)))
    print("\ngroups on nodes, the window to come is of a new kind, every node level")
    for name, figure in result["groups"].items():
        print(f"  {name:<28}{figure:>8.4f}")


def main() -> None:
    """Measure, print, and with --json print one object of figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="every sixth layer")
    parser.add_argument("--json", action="store_true", help="print one object of figures")
    parser.add_argument("--traces", type=Path, default=TRACES, help="the folder of the four recorded traces")
    options = parser.parse_args()
    paths = [options.traces / f"{name}.json" for name in NAMES]
    if absent := [str(path) for path in paths if not path.exists()]:
        raise SystemExit(f"no such trace: {', '.join(absent)}: name their folder with --traces FOLDER")
    loads_TLE = np.asarray(read_traces(paths).loads[:, :: 6 if options.quick else 1])
    result = measured(loads_TLE / loads_TLE.sum(axis=2, keepdims=True))
    if options.json:
        print(json.dumps(result))
    else:
        show(result)


if __name__ == "__main__":
    main()
