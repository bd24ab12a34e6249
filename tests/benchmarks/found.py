"""The solvers that searches found, beside vLLM's default policy, on recorded loads that no search saw.

    python tests/benchmarks/found.py [--quick] [--json] [--traces FOLDER] [--engine-wheel FILE]

256 experts in all layers of recorded traces, on one thread. Each call gets the loads under other labels (layers, groups
and experts permuted), and calls of a solver and of vLLM's policy alternate in one process; times are medians. Without
the wheel vLLM's figures are null. Get it with `pip download --no-deps vllm==0.32.0`; nothing of it is run but the files
of the policy.

- Standard cases: `even/best.py`, planned and scored on the same window, of the trace that the targets are for.
- `static-288`, `static-384`: `static/best.py`, 4 nodes, global placement, scored as SGLang's static dispatch sends.
- `turns-...`: `turns/best.py` with a history. Each of the four traces is left out in turn; the three others are the
  windows so far, each the latest in turn. `balance` is on the window to come if the three take turns: the oldest one.
  `lost` is what the latest window loses against a plan on it alone, `unseen` the balance on the trace left out, and
  `of_mean` what the greedy plan on the mean of the windows gives on the window to come.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import multiprocessing
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from evaluator.tasks.eplb.cases import STANDARD_CASES
from evaluator.tasks.eplb.dispatch import EVEN, Dispatch
from evaluator.tasks.eplb.metrics import balance
from evaluator.tasks.eplb.relabelling import Relabelling
from evaluator.tasks.eplb.traces import read_traces
from tests.benchmarks.machine import describe

ROOT = Path(__file__).resolve().parents[2]
FOUND = ROOT / "programs" / "eplb" / "found"
GREEDY = ROOT / "programs" / "eplb" / "vectorised_greedy.py"
TRACES = ROOT / ".." / "shared" / "traces"
NAMES = ("decode_in1000out1000", "decode_in500out1500", "prefill_in1024", "prefill_in4096")
TARGETED = "prefill_in1024"
POLICY = ("vllm/distributed/eplb/policy/abstract.py", "vllm/distributed/eplb/policy/default.py")
STATIC = Dispatch(rule="sglang_static")
STATIC_NODES = 4

Array = np.ndarray[Any, np.dtype[Any]]
Sizes = tuple[int, int, int, int]
"""Replicas, groups, nodes, GPUs, in the order of the solvers' parameters."""
Solver = Callable[..., Any]
Figures = dict[str, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a found solver has to reach in a case; `most` and `least` name figures and their bounds."""

    least: dict[str, float]
    most: dict[str, float]


TARGETS = {
    "hier-ep32": Target(least={"balance": 0.8612, "times_vllm": 50}, most={}),
    "global-ep32": Target(least={"balance": 0.9991, "times_vllm": 25}, most={}),
    "global-ep72": Target(least={"balance": 0.9990, "times_vllm": 6}, most={}),
    "global-ep144": Target(least={"balance": 0.875, "times_vllm": 8}, most={}),
    "static-288": Target(least={"balance": 0.999}, most={"ms": 5}),
    "static-384": Target(least={"balance": 0.999}, most={"ms": 5}),
    "turns-hier-ep32": Target(least={"balance": 0.77}, most={"lost": 0.003}),
    "turns-global-ep32": Target(least={"balance": 0.925}, most={"lost": 0.003}),
}


def loaded(path: Path, name: str) -> Solver:
    """The entry point of a program, loaded in this process."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    solver: Solver = module.rebalance_experts
    return solver


def policy(folder: str | None) -> Solver | None:
    """vLLM's default policy, from its files in a folder."""
    if folder is None:
        return None
    sys.path.insert(0, folder)  # folders without __init__.py are packages too
    default: Solver = importlib.import_module(
        "vllm.distributed.eplb.policy.default"
    ).DefaultEplbPolicy.rebalance_experts
    return default


def sizes_of(case: str) -> Sizes:
    """The sizes of a standard case."""
    standard = STANDARD_CASES[case]
    return standard.replicas, standard.groups, standard.nodes, standard.gpus


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    """An answer, and the milliseconds until it was there."""
    begin = time.perf_counter()
    answer = call()
    return answer, (time.perf_counter() - begin) * 1e3


def doubled(plan_LR: Array, gpus: int) -> int:
    """Slots that hold an expert a second time on its GPU."""
    sorted_LMK = np.sort(plan_LR.reshape(len(plan_LR), gpus, -1), axis=2)
    return int((sorted_LMK[:, :, 1:] == sorted_LMK[:, :, :-1]).sum())


def draws(load_LE: Array, groups: int, calls: int) -> Iterator[Array]:
    """The loads `[L, E]` under other labels, `calls` times."""
    for seed in range(calls):
        names = Relabelling.draw(*load_LE.shape, groups, np.random.default_rng(seed))
        yield names.moved(load_LE)


def one_window(
    solver: Solver, vllm: Solver | None, load_LE: Array, sizes: Sizes, calls: int, rule: Dispatch = EVEN
) -> Figures:
    """Plans on one window, scored on it, as `rule` sends; the first call of each warms up."""
    import torch

    told = {"dispatch": "sglang_static", "num_dispatch_nodes": STATIC_NODES} if rule is STATIC else {}
    gpus, found, ms, theirs = sizes[3], [], [], []
    for drawn_LE in draws(load_LE, sizes[1], calls + 1):
        weight = torch.from_numpy(drawn_LE.astype(np.float32))
        answer, took = timed(lambda weight=weight: solver(weight, *sizes, **told))
        plan_LR = answer[0].numpy().astype(np.int64)
        sent_LM = rule.slot_loads(plan_LR, drawn_LE, gpus, STATIC_NODES).reshape(len(plan_LR), gpus, -1).sum(axis=2)
        found.append((sent_LM.mean(axis=1).sum() / sent_LM.max(axis=1).sum(), doubled(plan_LR, gpus)))
        ms.append(took)
        if vllm is not None:
            theirs.append(timed(lambda weight=weight: vllm(weight, *sizes))[1])
    return {
        "balance": round(mean(one for one, _ in found), 5),
        "times_vllm": round(median(theirs[1:]) / median(ms[1:]), 1) if theirs else None,
        "doubled": round(mean(two for _, two in found), 2),
        "ms": round(median(ms[1:]), 3),
    }


def with_history(
    solver: Solver, greedy: Solver, vllm: Solver | None, loads_TLE: Array, sizes: Sizes, calls: int
) -> Figures:
    """Plans on three windows, scored on the oldest, on the latest and on the trace that was left out."""
    import torch

    gpus, rows, ms, theirs = sizes[3], [], [], []
    shares_TLE = loads_TLE / loads_TLE.sum(axis=2, keepdims=True)
    for turn in range(calls + 1):
        kept = [trace for trace in range(len(loads_TLE)) if trace != turn % len(loads_TLE)]
        latest = turn // len(loads_TLE) % len(kept)
        order = [*kept[latest + 1 :], *kept[: latest + 1], turn % len(loads_TLE)]
        names = Relabelling.draw(*loads_TLE.shape[1:], sizes[1], np.random.default_rng(turn))
        drawn_TLE, mine_TLE = names.moved(shares_TLE[order]), names.moved(loads_TLE[order])
        history = torch.from_numpy(mine_TLE[:3].astype(np.float32))
        answer, took = timed(lambda past=history: solver(past[-1], *sizes, history=past))
        alone = solver(history[-1], *sizes, history=history[-1:])[0]
        blended = greedy(torch.from_numpy(drawn_TLE[:3].mean(axis=0)), *sizes)[0]
        plans = [plan.numpy().astype(np.int64) for plan in (answer[0], alone, blended)]
        scores = [[balance(plan, drawn_LE, gpus) for drawn_LE in drawn_TLE] for plan in plans]
        rows.append((scores[0][0], scores[1][2] - scores[0][2], scores[0][3], scores[2][0], doubled(plans[0], gpus)))
        ms.append(took)
        if vllm is not None:
            theirs.append(timed(lambda past=history: vllm(past[-1], *sizes))[1])
    figures = [mean(row[at] for row in rows) for at in range(5)]
    return {
        "balance": round(figures[0], 5),
        "times_vllm": round(median(theirs[1:]) / median(ms[1:]), 2) if theirs else None,
        "doubled": round(figures[4], 2),
        "ms": round(median(ms[1:]), 3),
        "lost": round(figures[1], 5),
        "unseen": round(figures[2], 5),
        "of_mean": round(figures[3], 5),
    }


def measured(loads_TLE: Array, folder: str | None, quick: bool) -> dict[str, Figures]:
    """The figures of every case; runs in a process of its own. `loads_TLE` are the traces in the order of NAMES."""
    import torch

    torch.set_num_threads(1)
    vllm, calls = policy(folder), 3 if quick else 23
    targeted_LE = loads_TLE[NAMES.index(TARGETED)]
    result: dict[str, Figures] = {}
    solvers = {kind: loaded(FOUND / kind / "best.py", kind) for kind in ("even", "static", "turns")}
    greedy = loaded(GREEDY, "greedy")
    for case in TARGETS:
        print(f"{case} ...", file=sys.stderr, flush=True)
        kind, _, rest = case.partition("-")
        if kind == "static":
            sizes = (int(rest), 1, STATIC_NODES, 32)
            result[case] = one_window(solvers[kind], vllm, targeted_LE, sizes, calls, STATIC)
        elif kind == "turns":
            result[case] = with_history(solvers[kind], greedy, vllm, loads_TLE, sizes_of(rest), 3 if quick else 11)
        else:
            result[case] = one_window(solvers["even"], vllm, targeted_LE, sizes_of(case), calls)
    return result


def missed(case: str, figures: Figures) -> list[str]:
    """The targets that a case misses, as short texts; a figure that could not be taken misses none."""
    target, short = TARGETS[case], []
    for name, bound in (*target.least.items(), *target.most.items()):
        value = figures[name]
        if value is not None and (value < bound if name in target.least else value > bound):
            short.append(f"{name} {value} against {bound}")
    return short


def unpack(path: Path, folder: Path) -> None:
    """Put the policy's files of a wheel into the folder."""
    try:
        with zipfile.ZipFile(path) as wheel:
            for file in POLICY:
                wheel.extract(file, folder)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise SystemExit(f"{path}: expected a wheel of vLLM with its default policy, found {error}") from None


def show(result: dict[str, Figures]) -> None:
    """Print the table, and which targets are missed."""
    print(f"{'case':<18}{'balance':>9}{'target':>8}{'ms':>9}{'times':>7}{'target':>8}{'doubled':>9}")
    for case, figures in result.items():
        least = TARGETS[case].least
        times, bound = figures["times_vllm"], least.get("times_vllm")
        print(
            f"{case:<18}{figures['balance']:>9.4f}{least['balance']:>8.4f}{figures['ms']:>9.2f}"
            f"{'-' if times is None else f'{times:.3g}':>7}{'-' if bound is None else f'{bound:g}':>8}"
            f"{figures['doubled']:>9.1f}"
        )
    print(f"\n{'case':<18}{'lost':>9}{'target':>8}{'unseen':>9}{'of mean':>9}")
    for case, figures in result.items():
        if "lost" in figures:
            bound = TARGETS[case].most["lost"]
            row = f"{figures['lost']:>9.4f}{bound:>8.4f}{figures['unseen']:>9.4f}{figures['of_mean']:>9.4f}"
            print(f"{case:<18}{row}")
    short = [f"{case}: {text}" for case, figures in result.items() for text in missed(case, figures)]
    print("\n" + ("all targets are met" if not short else "missed:\n  " + "\n  ".join(short)))


def main() -> None:
    """Measure, print, and with --json print one object of figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="every sixth layer and few calls")
    parser.add_argument("--json", action="store_true", help="print one object of figures")
    parser.add_argument("--traces", type=Path, default=TRACES, help="the folder of the four recorded traces")
    parser.add_argument("--engine-wheel", type=Path, metavar="FILE", help="a wheel of vLLM")
    options = parser.parse_args()
    paths = [options.traces / f"{name}.json" for name in NAMES]
    if absent := [str(path) for path in paths if not path.exists()]:
        raise SystemExit(f"no such trace: {', '.join(absent)}: name their folder with --traces FOLDER")
    loads_TLE = np.ascontiguousarray(read_traces(paths).loads[:, :: 6 if options.quick else 1])
    with tempfile.TemporaryDirectory(prefix="packsmith-found-") as name:
        if options.engine_wheel is not None:
            unpack(options.engine_wheel, Path(name))
        folder = None if options.engine_wheel is None else name
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            result = pool.submit(measured, loads_TLE, folder, options.quick).result()
    if options.json:
        print(json.dumps(result))
        return
    print(describe())
    show(result)


if __name__ == "__main__":
    main()
