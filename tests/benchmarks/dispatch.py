"""What is planned, and what static dispatch sends: our solver beside the engines' own policies, placed globally.

    python tests/benchmarks/dispatch.py [--quick] [--json] [--trace FILE] [--engine-wheel FILE ...]

256 experts on 32 GPUs, all layers of a recorded trace, planned and scored on the same window. A key is nodes x slots.
`planned` is the balance if replicas shared evenly, `dispatched` the balance under `sglang_static`, `ms` the median time
of a call on one thread, in a process of its own. `vllm` is the default policy of a vLLM wheel, and `sglang` the policy
`deepseek`, SGLang's choice for global placement, of an SGLang wheel: without the wheel they are null. Get one with
`pip download --no-deps vllm==0.32.0`. Nothing of a wheel is run but the files of the policy.
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
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from evaluator.tasks.eplb.dispatch import Dispatch
from evaluator.tasks.eplb.metrics import balance
from evaluator.tasks.eplb.traces import read_traces
from tests.benchmarks.machine import describe

ROOT = Path(__file__).resolve().parents[2]
OURS = ROOT / "programs" / "eplb" / "dispatch_aware_numba.py"
TRACE = ROOT / ".." / "shared" / "traces" / "prefill_in1024.json"
GPUS = 32
CASES = ((4, 288), (4, 320), (4, 384), (2, 288))
TARGET = "ours: at least 0.998 dispatched, in at most 10 ms"
# By hand, with counts of 1, 2 or 4, on ten layers: .9996 dispatched in each case.
POLICIES = {
    "vllm": ("vllm/distributed/eplb/policy/abstract.py", "vllm/distributed/eplb/policy/default.py"),
    "sglang": ("sglang/srt/eplb/eplb_algorithms/deepseek.py",),
}

Array = np.ndarray[Any, np.dtype[Any]]
Planner = Callable[[Any, int, int], Any]


def planner(who: str, folder: str) -> Planner:
    """The function from loads, slots and nodes to a plan `[L, R]`, loaded in this process."""
    if who == "ours":
        spec = importlib.util.spec_from_file_location("ours", OURS)
        assert spec is not None and spec.loader is not None
        ours = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(ours)
        return lambda weight, slots, nodes: ours.rebalance_experts(
            weight, slots, 1, nodes, GPUS, dispatch="sglang_static", num_dispatch_nodes=nodes
        )[0]
    sys.path.insert(0, folder)  # folders without __init__.py are packages too
    policy = importlib.import_module(POLICIES[who][-1].removesuffix(".py").replace("/", "."))
    if who == "vllm":
        default = policy.DefaultEplbPolicy
        return lambda weight, slots, nodes: default.rebalance_experts(weight, slots, 1, nodes, GPUS)
    return lambda weight, slots, nodes: policy.rebalance_experts(weight, slots, 1, nodes, GPUS, False)[0]


def plans(who: str, folder: str, load_LE: Array, calls: int) -> list[tuple[Array, float]]:
    """The plan of each case and the median of the milliseconds of some calls; runs in a process of its own."""
    import torch

    torch.set_num_threads(1)
    plan = planner(who, folder)
    found = []
    for nodes, slots in CASES:
        times = []
        for _ in range(calls + 1):  # the first is a warm-up
            weight = torch.from_numpy(load_LE.astype(np.float32))
            begin = time.perf_counter()
            answer = plan(weight, slots, nodes)
            times.append((time.perf_counter() - begin) * 1e3)
        found.append((answer.numpy().astype(np.int64), median(times[1:])))
    return found


def figures(plan_LR: Array, ms: float, load_LE: Array, nodes: int) -> dict[str, float]:
    """The balance as planned and as sent, and the time."""
    sent_LR = Dispatch(rule="sglang_static").slot_loads(plan_LR, load_LE, GPUS, nodes)
    sent_LM = sent_LR.reshape(len(sent_LR), GPUS, -1).sum(axis=2)
    return {
        "planned": round(balance(plan_LR, load_LE, GPUS), 5),
        "dispatched": round(float(sent_LM.mean(axis=1).sum() / sent_LM.max(axis=1).sum()), 5),
        "ms": round(ms, 3),
    }


def unpack(wheels: list[Path], folder: Path) -> set[str]:
    """Put the policy's files of each wheel into the folder; returns whose files are there."""
    found = set()
    for path in wheels:
        try:
            with zipfile.ZipFile(path) as wheel:
                names = set(wheel.namelist())
                engines = [engine for engine, files in POLICIES.items() if names.issuperset(files)]
                for engine in engines:
                    found.add(engine)
                    for file in POLICIES[engine]:
                        wheel.extract(file, folder)
        except (OSError, zipfile.BadZipFile) as error:
            raise SystemExit(f"{path}: expected a wheel, found {error}") from None
        if not engines:
            raise SystemExit(f"{path}: expected a wheel of {' or '.join(POLICIES)}, found no policy that we know in it")
    return found


def measured(load_LE: Array, calls: int, wheels: list[Path]) -> dict[str, dict[str, dict[str, float] | None]]:
    """The figures of each case and contestant."""
    result: dict[str, dict[str, dict[str, float] | None]] = {f"{nodes}x{slots}": {} for nodes, slots in CASES}
    with tempfile.TemporaryDirectory(prefix="packsmith-dispatch-") as name:
        there = unpack(wheels, Path(name))
        for who in ("ours", *POLICIES):
            if who != "ours" and who not in there:
                for case in result.values():
                    case[who] = None
                continue
            print(f"{who} ...", file=sys.stderr, flush=True)
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
                found = pool.submit(plans, who, name, load_LE, calls).result()
            for (nodes, slots), (plan_LR, ms) in zip(CASES, found, strict=True):
                result[f"{nodes}x{slots}"][who] = figures(plan_LR, ms, load_LE, nodes)
    return result


def main() -> None:
    """Measure, print, and with --json print one object of figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="every sixth layer and few calls")
    parser.add_argument("--json", action="store_true", help="print one object of figures")
    parser.add_argument("--trace", type=Path, default=TRACE, help="loads of 256 experts; the last window counts")
    parser.add_argument("--engine-wheel", type=Path, action="append", default=[], metavar="FILE")
    options = parser.parse_args()
    if not options.trace.exists():
        raise SystemExit(f"{options.trace}: no such trace: name one with --trace FILE")
    load_LE = read_traces([options.trace]).loads[-1]
    if options.quick:
        load_LE = load_LE[::6]
    result = measured(np.ascontiguousarray(load_LE), 3 if options.quick else 15, options.engine_wheel)
    if options.json:
        print(json.dumps(result))
        return
    print(describe())
    print(f"target of {TARGET}; {len(load_LE)} layers of {options.trace.name}")
    print(f"{'nodes x slots':<14}{'policy':<8}{'planned':>9}{'dispatched':>12}{'ms':>8}")
    for case, contestants in result.items():
        for who, values in contestants.items():
            if values is not None:
                print(f"{case:<14}{who:<8}{values['planned']:>9.4f}{values['dispatched']:>12.4f}{values['ms']:>8.1f}")


if __name__ == "__main__":
    main()
