"""Judge every program of the landscape once, for real, and write what was measured.

    python -m tests.benchmarks.laboratory.measure [--depth 4] [--file FILE] [--minutes N]

Every program is loaded and called in this one process, which stays warm, with one thread: first the task's hard
cases, then `CALLS` calls of each case. Each call is paired with the reference's on the same loads, in the order
A B B A, and times are those of the processor: so the ratio of the two survives a busy machine. All programs get the
same draws of loads, so that their balances differ by what they plan alone. It can be interrupted at any time: the file
has one line for each program, and what it holds is not measured again. `PAUSE_FILE` in the environment names a file
that makes it wait while it exists.

The first line names the patches, the cases, the reference and the machine. Each further line is a list: the program
(the start of its id), the numbers of the patches that lead to it, the ways to it in one patch (program and patch), its
shape, and either the rejection (stage, reason) or the logarithms of the ratios (reference time / its time) of the calls
of each case in thousandths, the gains in balance over the reference in millionths, and its median milliseconds.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import astuple
from pathlib import Path
from statistics import median
from typing import Any

import numba
import numpy as np
import torch

from evaluator import TASKS
from evaluator.screen import screen
from evaluator.types import Call, Case, InvalidAnswer
from harness.shape import shape
from tests.benchmarks.laboratory.catalogue import Reached, patches, reachable
from tests.benchmarks.machine import describe

ROOT = Path(__file__).resolve().parents[3]
FILE = Path(__file__).with_name("measured.jsonl")
CASES = ("hier-ep32", "global-ep72")
REFERENCE = "programs/eplb/vectorised_greedy.py"
CALLS = 8
"""Calls of each case, each on a draw of loads of its own."""
TIMEOUT_S = 1.0
"""A program that takes longer for a call is rejected."""
Solve = Callable[..., tuple[torch.Tensor, ...]]


class CompileOnce:
    """Stands for `numba.njit`: the programs of the catalogue share a few functions, each compiled once."""

    def __init__(self) -> None:
        self._njit, self._known = numba.njit, {}

    def __call__(self, signature: Any, **options: Any) -> Callable[[Any], Any]:
        def compiled(function: Any) -> Any:
            code = function.__code__
            key = (code.co_code, code.co_consts, code.co_names, code.co_varnames, str(signature), str(options))
            if key not in self._known:
                self._known[key] = self._njit(signature, **options)(function)
            return self._known[key]

        return compiled


def loaded(source: str, name: str) -> Solve:
    """The entry point of a program. The catalogue is ours: it runs in this process."""
    space: dict[str, Any] = {"__name__": name}
    exec(compile(source, name, "exec"), space)
    return space["rebalance_experts"]


def tensors(call: Call, solve: Solve) -> Callable[[], tuple[torch.Tensor, ...]]:
    """The call, with inputs of its own."""

    def own(value: Any) -> Any:
        return torch.from_numpy(np.array(value)) if isinstance(value, np.ndarray) else value

    names = solve.__code__.co_varnames[: solve.__code__.co_argcount]
    args = [own(value) for value in call.args]
    offered = {name: own(value) for name, value in call.offered.items() if name in names}
    return lambda: solve(*args, **offered)


class Bench:
    """The cases, their draws and the reference: what every program is measured with."""

    def __init__(self) -> None:
        self.task = TASKS["eplb"]({"cases": list(CASES)})
        self._hard = self.task.hard_cases(0)
        self._reference = loaded((ROOT / REFERENCE).read_text(), "reference")
        self._calls: list[list[tuple[Case, int, Call, float]]] = []
        for at, case in enumerate(self.task.cases(0)):
            drawn = []
            for number in range(CALLS):
                draw = self.task.draw(case, np.random.default_rng([7, at, number]))
                step = number % self.task.steps(draw)
                call = self._call(draw, step)
                drawn.append((draw, step, call, self._balance(self._reference, draw, step, call)[0]))
            self._calls.append(drawn)

    def _call(self, case: Case, step: int) -> Call:
        """The call of a step. The placement in force is made up: no program of the catalogue takes it."""
        before = np.zeros((case.sizes["layers"], case.sizes["replicas"]), np.int64)
        return self.task.call(case, step, (before,) * step)

    def _balance(self, solve: Solve, case: Case, step: int, call: Call) -> tuple[float, float]:
        run = tensors(call, solve)
        begun = time.thread_time()
        answer = run()
        spent = time.thread_time() - begun
        plan = self.task.read(case, tuple(table.numpy() for table in answer))
        return self.task.pass_quality(case, step, plan), spent

    def measure(self, source: str) -> list[Any]:
        """What a line of the file holds of a program's verdict."""
        refused = screen(source, self.task.entry_point)
        if refused is not None:
            return [refused.stage, refused.reason]
        try:
            solve = loaded(source, "candidate")
        except Exception as error:
            return ["load", type(error).__name__]
        try:
            for hard in self._hard:
                answer = tensors(hard.call, solve)()
                self.task.read(hard.case, tuple(table.numpy() for table in answer))
            return self._timed(solve)
        except InvalidAnswer as error:
            return ["validate", error.reason]
        except Exception as error:
            return ["run", type(error).__name__]

    def _timed(self, solve: Solve) -> list[Any]:
        ratios, gains, times = [], [], []
        for drawn in self._calls:
            self._balance(solve, *drawn[0][:3])  # a warm-up
            logs, better, spent = [], [], []
            for number, (case, step, call, reference) in enumerate(drawn):
                mine = theirs = 0.0
                for turn in (True, False) if number % 2 else (False, True):
                    if turn:
                        balance, mine = self._balance(solve, case, step, call)
                    else:
                        theirs = timed(tensors(call, self._reference))
                if mine > TIMEOUT_S:
                    return ["run", "timeout"]
                logs.append(round(1000 * float(np.log(theirs / mine))))
                better.append(round(1e6 * (balance - reference)))
                spent.append(mine)
            ratios.append(logs)
            gains.append(better)
            times.append(round(1000 * median(spent), 3))
        return [ratios, gains, times]


def timed(run: Callable[[], Any]) -> float:
    begun = time.thread_time()
    run()
    return time.thread_time() - begun


def held(file: Path) -> set[str]:
    """The keys of the programs that a file holds; a line that was cut off is removed."""
    if not file.exists():
        return set()
    text = file.read_bytes()
    whole = text[: text.rfind(b"\n") + 1]
    if whole != text:
        file.write_bytes(whole)
    return {json.loads(line)[0] for line in whole.splitlines()[1:]}


def head(names: Sequence[str]) -> str:
    facts: Mapping[str, Any] = {
        "patches": list(names),
        "cases": list(CASES),
        "calls": CALLS,
        "reference": REFERENCE,
        "machine": describe(),
        "numpy": np.__version__,
        "numba": numba.__version__,
    }
    return json.dumps(facts)


def line(program: Reached, numbers: Mapping[str, int], verdict: Sequence[Any]) -> str:
    ways = [[parent, numbers[name]] for parent, name in program.made_from]
    path = [numbers[name] for name in program.path]
    row = [program.key, path, ways, list(astuple(shape(program.source))), *verdict]
    return json.dumps(row, separators=(",", ":"))


def todo(depth: int, known: set[str]) -> Iterator[tuple[int, int, Reached]]:
    """The programs that are still to be measured: the level, how many of it are left, and the program."""
    for number, level in enumerate(reachable(depth)):
        left = [program for program in level if program.key not in known]
        for at, program in enumerate(left):
            yield number, len(left) - at, program


def main() -> None:
    """Measure what the file does not hold yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--depth", type=int, default=4, help="most patches from the seed program")
    parser.add_argument("--file", type=Path, default=FILE)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after so long; go on later")
    options = parser.parse_args()
    torch.set_num_threads(1)
    numba.njit = CompileOnce()  # type: ignore[assignment]
    names = list(patches())
    numbers = {name: number for number, name in enumerate(names)}
    bench, known = Bench(), held(options.file)
    if not options.file.exists():
        options.file.write_text(head(names) + "\n")
    pause = Path(os.environ.get("PAUSE_FILE") or "/nonexistent")
    begun, done = time.monotonic(), 0
    gc.disable()
    with options.file.open("a") as file:
        for level, left, program in todo(options.depth, known):
            while pause.exists():
                time.sleep(2)
            file.write(line(program, numbers, bench.measure(program.source)) + "\n")
            file.flush()
            done += 1
            if done % 50 == 0:
                gc.collect()
                each = (time.monotonic() - begun) / done
                print(f"depth {level}: {left} left, {each:.2f} s each", file=sys.stderr, flush=True)
            if time.monotonic() - begun > 60 * options.minutes:
                break
    print(f"{done} programs measured in {time.monotonic() - begun:.0f} s: {options.file}")


if __name__ == "__main__":
    main()
