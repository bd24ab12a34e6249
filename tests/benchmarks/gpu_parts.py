"""The parts of `gpu.py`: each measures one thing until its time ends, and writes its figures.

Owns: how each figure is taken. Does not know: which parts run, how long, how figures are shown.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from evaluator import (
    TASKS,
    Case,
    Comparison,
    Duel,
    EvaluatorError,
    Judge,
    JudgeSettings,
    LocalExecutor,
    Rejected,
    Scored,
    Task,
    TimingSettings,
    shipped,
)
from evaluator.environment import Target
from evaluator.measuring import lanes
from evaluator.measuring.clocks import Clocks
from evaluator.worker_handle import LocalWorker, Stopped
from harness.patch import apply_reply
from tests.benchmarks.timing import SLOWER, slowed

ROOT = Path(__file__).resolve().parents[2]
EPLB = ROOT / "programs" / "eplb"
PARENT, PATCH = EPLB / "topk_swap.py", EPLB / "patches" / "all_pairs_refinement.patch"
CHILD = f"{PARENT.name} + {PATCH.name}"
SLOWEST = (PARENT.name, "greedy.py", CHILD)
"""Judged last, in this order: of what does not fit into the time, as little as possible."""
CALL_S = 60.0
"""Limit of one call: higher than the default, because the child takes some ten seconds on a CPU."""
WARM_UPS, MOST_CALLS = 3, 100
"""Calls of each program and case before the clocks are compared, and how often they are compared at most."""


class OutOfTime(Exception):
    """The part's share of the time is spent."""


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What the parts share. They write to `figures`, also what was skipped and what failed; `say` prints a line of
    progress; `runs` is the largest number of comparisons of a part.
    """

    target: Target
    cases: tuple[Any, ...]
    reference: Path
    timing: TimingSettings
    runs: int
    say: Callable[[str], None]
    figures: dict[str, Any]

    def task(self, form: str = "triple") -> Task:
        return TASKS["eplb"]({"cases": list(self.cases), "form": form})

    def judge(self, task: Task, reference: Path) -> Judge:
        return Judge(
            task,
            reference=reference.read_text(encoding="utf-8"),
            reference_name=reference.name,
            device=self.target.device,
            settings=JudgeSettings(timeout_s=CALL_S, timing=self.timing),
        )

    def skip(self, what: str) -> None:
        self.figures["skipped"].append(what)
        self.say(f"{what}: skipped, the time is up")

    def fail(self, what: str, why: str) -> None:
        self.figures["failed"].append(f"{what}: {why}")
        self.say(f"{what}: FAILED: {why}")


def seconds_to(end: float) -> float:
    """Seconds until `end` on the monotonic clock, at least 0."""
    return max(0.0, end - time.monotonic())


@contextmanager
def within(judge: Judge, end: float) -> Iterator[None]:
    """Interrupt the judge at `end`. Raises OutOfTime if that was needed, whatever the judge says of it; after any other
    EvaluatorError the judge starts anew with its next program.
    """
    if not seconds_to(end):
        raise OutOfTime
    late = threading.Event()

    def stop() -> None:
        late.set()
        judge.stop()

    timer = threading.Timer(seconds_to(end), stop)
    timer.start()
    try:
        yield
    except EvaluatorError:
        if not late.is_set():
            judge.stop()
            raise
    finally:
        timer.cancel()
        timer.join()
    if late.is_set():
        raise OutOfTime


def gpu_tests(bench: Bench, end: float) -> None:
    """The GPU tests. On a CPU without a GPU beside it all are deselected, and that is what the summary says."""
    # Only the files that have such tests: collecting all of them takes seconds.
    files = [str(path) for path in sorted((ROOT / "tests").rglob("test_*.py")) if "mark.gpu" in path.read_text()]
    command = [sys.executable, "-m", "pytest", "-n", "0", "-m", "gpu", "-p", "no:cacheprovider", *files]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, env=environ, start_new_session=True
        )
        try:
            code = process.wait(seconds_to(end))
        except subprocess.TimeoutExpired:
            raise OutOfTime from None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        log.seek(0)
        lines = [line.strip() for line in log if line.strip()]
    bench.figures["tests"] = lines[-1] if lines else ""
    bench.say(f"tests: {bench.figures['tests']}")
    none_selected = code == 5 and bench.target.device == "cpu"
    if code and not none_selected:
        named = [line for line in lines if line.startswith(("FAILED ", "ERROR "))]
        bench.fail("tests", "; ".join([*named[:10], f"exit code {code}"]))


def torch_programs() -> list[Path]:
    """The shipped programs that can use a GPU: not those in numba, which compile for the CPU."""
    return [path for path in sorted(EPLB.glob("*.py")) if not path.stem.endswith("_numba")]


def shipped_programs() -> dict[str, dict[str, str]]:
    """Sources of the shipped programs and of the child, by the form of their answers and by name, slowest last."""
    sources = {path.name: path.read_text(encoding="utf-8") for path in torch_programs()}
    sources[CHILD] = apply_reply(PATCH.read_text(encoding="utf-8"), sources[PARENT.name]).source
    names = sorted(sources, key=lambda name: SLOWEST.index(name) if name in SLOWEST else -1)
    forms: dict[str, dict[str, str]] = {"phy2log": {}, "triple": {}}
    for name in names:
        forms["phy2log" if name.endswith("_phy2log.py") else "triple"][name] = sources[name]
    return forms


def programs(bench: Bench, end: float) -> None:
    """Every shipped program and the child, judged on the cases."""
    rows = bench.figures["programs"] = []
    for form, sources in shipped_programs().items():
        task = bench.task(form)
        reference = bench.reference if form == "triple" else shipped(task.reference)
        with bench.judge(task, reference) as judge:
            for name, source in sources.items():
                try:
                    with within(judge, end):
                        verdict = judge.evaluate(source)
                except OutOfTime:
                    bench.skip(f"programs, {name}")
                    continue
                except EvaluatorError as error:
                    bench.fail(f"programs, {name}", str(error))
                    continue
                rows += program_rows(name, verdict)
                if isinstance(verdict, Rejected):
                    bench.fail(f"programs, {name}", rows[-1]["rejected"])
                else:
                    score = verdict.score
                    bench.say(f"programs, {name}: {score.runtime_ms:.3g} ms, balance {score.quality.value:.4f}")


def program_rows(name: str, verdict: Scored | Rejected) -> list[dict[str, Any]]:
    """A verdict as rows of figures, one a case."""
    if isinstance(verdict, Rejected):
        return [{"program": name, "rejected": f"{verdict.stage} ({verdict.reason}): {verdict.detail}"}]
    return [
        {
            "program": name,
            "case": case.quality.case,
            "balance": round(case.value, 4),
            "ceiling": round(case.quality.ceiling, 4),
            "runtime_ms": round(case.runtime_ms, 3),
            "speedup": round(case.speedup.median, 3),
            "speedup_low": round(case.speedup.low, 3),
            "speedup_high": round(case.speedup.high, 3),
        }
        for case in verdict.score.cases
    ]


def calls(worker: LocalWorker, task: Task, case: Case) -> Iterator[tuple[int, int]]:
    """Calls of a loaded program, pass after pass over the case, without end: nanoseconds on the judge's clock and on
    the worker's own. Every answer is validated.
    """
    plans: tuple[Any, ...] = ()
    while True:
        step = len(plans) % task.steps(case)
        plans = plans if step else ()
        answer, elapsed_ns = worker.call(task.call(case, step, plans), step, what=f"case {case.name}")
        plans += (task.read(case, answer),)
        yield elapsed_ns, worker.own_ns


def clock(bench: Bench, end: float) -> None:
    """The judge's clock and the device's own, call by call."""
    bench.figures["clock"] = []
    target, paths = bench.target, list(dict.fromkeys((bench.reference, PARENT)))
    lane = lanes.usable((), target.device, asked=target.device, address=target.address)
    apart: list[tuple[int, int]] = []
    with LocalExecutor(JudgeSettings()) as executor, lanes.hold(lane):
        for at, path in enumerate(paths):
            until = time.monotonic() + seconds_to(end) / (len(paths) - at)
            try:
                apart += clock_of(bench, executor, path, until)
            except Stopped as stopped:
                bench.fail(f"clock, {path.name}", stopped.verdict.detail)
            finally:
                executor.end()
    if apart:
        bench.figures["clock_gap_us_median"] = round(median(gap for gap, _ in apart) / 1000, 1)
        bench.figures["clock_gap_us_largest"] = round(max(apart)[0] / 1000, 1)
        bench.figures["clock_gap_share_largest"] = round(max(gap / elapsed for gap, elapsed in apart), 4)


def clock_of(bench: Bench, executor: LocalExecutor, path: Path, until: float) -> list[tuple[int, int]]:
    """Call one program on all cases, in one process. For each call, how far its two times are apart, and its time on
    the judge's clock, in nanoseconds. Raises Stopped.
    """
    source, task = path.read_text(encoding="utf-8"), bench.task()
    cases = task.cases(0)
    size = max(6 * len(source), *(task.call_bytes(case) for case in cases)) + (1 << 16)
    answer = max(task.answer_bytes(case) for case in cases)
    worker = executor.open(request_bytes=size, answer_bytes=answer, device=bench.target.address)
    worker.load(source, task.entry_point, ())
    apart: list[tuple[int, int]] = []
    for at, case in enumerate(cases):
        name = f"clock, {path.name}, {case.name}"
        case_end = time.monotonic() + seconds_to(until) / (len(cases) - at)
        times = warm_calls(worker, task, case, case_end)
        if not times:
            bench.skip(name)
            continue
        row = clock_row(path.name, case.name, times)
        bench.figures["clock"].append(row)
        bench.say(f"{name}: {row['calls']} calls, gap {row['gap_us_median']} us")
        if dispute := disputed(times):
            bench.fail(name, dispute)
        apart += [(abs(elapsed - own), elapsed) for elapsed, own in times]
    return apart


def warm_calls(worker: LocalWorker, task: Task, case: Case, end: float) -> list[tuple[int, int]]:
    """Both times of each call after the first few, in nanoseconds, until `end`."""
    times = []
    for pair in calls(worker, task, case):
        times.append(pair)
        if len(times) >= WARM_UPS + MOST_CALLS or not seconds_to(end):
            break
    return times[WARM_UPS:]


def clock_row(program: str, case: str, times: Sequence[tuple[int, int]]) -> dict[str, Any]:
    """The times of one program and case as a row of figures."""
    gaps_us = [(elapsed - own) / 1000 for elapsed, own in times]
    return {
        "program": program,
        "case": case,
        "calls": len(times),
        "elapsed_ms": round(median(elapsed for elapsed, _ in times) / 1e6, 3),
        "gap_us_median": round(median(gaps_us), 1),
        "gap_us_least": round(min(gaps_us), 1),
        "gap_us_most": round(max(gaps_us), 1),
    }


def disputed(times: Sequence[tuple[int, int]]) -> str:
    """What the judge would reject an honest program for; "" if the clocks agree. Nothing excuses a busy machine."""
    clocks = Clocks()
    for elapsed_ns, own_ns in times:
        clocks.add(elapsed_ns=elapsed_ns, own_ns=own_ns, other_elapsed_ns=0, other_own_ns=0)
    return clocks.dispute()


def comparisons(bench: Bench, end: float, part: str, source: str) -> list[Duel]:
    """A program against the reference, as often as fits. Raises OutOfTime if there is no time at all."""
    if not seconds_to(end):
        raise OutOfTime
    reference = bench.reference.read_text(encoding="utf-8")
    duels: list[Duel] = []
    seconds: list[float] = []
    with bench.judge(bench.task(), bench.reference) as judge:
        while len(duels) < bench.runs and seconds_to(end) > max(seconds, default=0):
            begin = time.monotonic()
            try:
                with within(judge, end):
                    duel = judge.compare(source, reference)
            except OutOfTime:
                if not duels:
                    bench.skip(part)
                break
            except EvaluatorError as error:
                bench.fail(part, str(error))
                break
            if isinstance(duel, Rejected):
                bench.fail(part, f"{duel.stage} ({duel.reason}): {duel.detail}")
                break
            duels.append(duel)
            seconds.append(time.monotonic() - begin)
            found = f"{duel.comparison} {duel.speedup.median:.3f} [{duel.speedup.low:.3f}, {duel.speedup.high:.3f}]"
            bench.say(f"{part} {len(duels)}: {found}, {len(duel.samples[0].rounds)} rounds, {seconds[-1]:.1f} s")
    bench.figures[f"{part}_runs"] = len(duels)
    if not duels:
        return duels
    bench.figures[f"{part}_speedup"] = round(median(duel.speedup.median for duel in duels), 4)
    bench.figures[f"{part}_seconds"] = round(median(seconds), 2)
    return duels


def share(duels: Sequence[Duel], outcome: Comparison) -> float | None:
    """The share of the comparisons with an outcome; None without any."""
    return round(sum(duel.comparison == outcome for duel in duels) / len(duels), 3) if duels else None


def aa(bench: Bench, end: float) -> None:
    """The reference against itself."""
    duels = comparisons(bench, end, "aa", bench.reference.read_text(encoding="utf-8"))
    bench.figures.update({"aa_better": share(duels, "better"), "aa_worse": share(duels, "worse")})


def slow(bench: Bench, end: float) -> None:
    """The reference, made slower by 5 % of its time, against itself."""
    duels = comparisons(bench, end, "slow", slowed(bench.reference.read_text(encoding="utf-8"), SLOWER))
    bench.figures["slow_worse"] = share(duels, "worse")
