"""The verdict on a program: screen, load, run, validate, measure, cheapest first.

Owns: the order of the stages, and what is asked of a candidate in each. Does not know: searching, archives, printing.

Quality comes from one pass over each case's windows under the run's seed. Run time comes from calls on freshly
relabelled and rescaled inputs, whose answers are validated and whose quality must agree with the pass, so that the
program that is timed is the program that is scored.
"""

from __future__ import annotations

import hashlib
import platform
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, median
from typing import Self

import numpy as np

from evaluator import environment, stats, timing
from evaluator.executors import EXECUTORS, Ready
from evaluator.screen import screen
from evaluator.settings import JudgeSettings
from evaluator.types import (
    Answer,
    Call,
    Case,
    CaseQuality,
    CaseScore,
    Environment,
    EvaluatorError,
    InvalidAnswer,
    Plan,
    Quality,
    Rejected,
    Score,
    Scored,
    Task,
    Verdict,
)
from evaluator.workers import Stopped, Worker, stop

PINGS = 20
_Plans = tuple[Plan, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where an evaluation is: the stage, the case, and how many of the cases are done."""

    stage: str
    case: str
    done: int
    total: int


Report = Callable[[Progress], None]


def _call_seed(seed: int, *parts: object) -> int:
    """A seed for one call, the same on every machine."""
    text = "/".join(str(part) for part in (seed, *parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big")


class Judge:
    """Judges programs on one task, against one reference, on one device. A context manager; not for several threads.

    Raises EvaluatorError where the machine, the workload or the reference is at fault, never for the candidate's
    faults.
    """

    def __init__(
        self,
        task: Task,
        *,
        reference: str,
        reference_name: str = "reference",
        device: str = "auto",
        seed: int = 0,
        settings: JudgeSettings | None = None,
        executor: str = "local",
    ) -> None:
        self.task = task
        self.settings = settings or JudgeSettings()
        self.seed = seed
        self.device = environment.resolve_device(device)
        self.cases = task.cases(seed)
        self._reference, self._reference_name = reference, reference_name
        self._executor = EXECUTORS[executor](self.settings)
        self._quiet: Report = lambda progress: None

    def __enter__(self) -> Self:
        self._executor.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._executor.__exit__(*error)

    @property
    def ready(self) -> Ready:
        """The confinement in force; waits for the helper processes."""
        return self._executor.ready

    @cached_property
    def _hardware(self) -> str:
        return environment.hardware(self.device)

    @cached_property
    def _sizes(self) -> tuple[int, int]:
        """Bytes of the largest request and the largest valid answer of this task."""
        answer = max(self.task.answer_bytes(case) for case in self.cases)
        call = max(self.task.call_bytes(case) for case in self.cases)
        # JSON may write one byte of source as six.
        return max(call + (1 << 16), 6 * self.settings.source_bytes + (1 << 16)), answer

    @cached_property
    def _offered(self) -> tuple[str, ...]:
        """Keyword parameters that a solver may declare."""
        return tuple(sorted({name for case in self.cases for name in self.task.call(case, 0, ()).offered}))

    def _open(self) -> Worker:
        request, answer = self._sizes
        return self._executor.open(request_bytes=request, answer_bytes=answer, device=self.device)

    def evaluate(self, source: str, *, progress: Report | None = None) -> Verdict:
        """Judge a program's source: `Scored`, or `Rejected` with the stage, the reason and what to do about it."""
        refused = screen(source, self.task.entry_point, max_bytes=self.settings.source_bytes)
        if refused is not None:
            return refused
        report = progress or self._quiet
        try:
            worker = self._load(source)
            passes = self._quality_pass(worker, report)
            return self._measure(worker, passes, report)
        except Stopped as stopped:
            return stopped.verdict
        finally:
            self._executor.end()

    def qualify(self, source: str, *, progress: Report | None = None) -> tuple[CaseQuality, ...] | Rejected:
        """The quality of a program on every case, without measuring its run time."""
        refused = screen(source, self.task.entry_point, max_bytes=self.settings.source_bytes)
        if refused is not None:
            return refused
        try:
            passes = self._quality_pass(self._load(source), progress or self._quiet)
            return tuple(self.task.score(case, passes[case.name]) for case in self.cases)
        except Stopped as stopped:
            return stopped.verdict
        finally:
            self._executor.end()

    def _load(self, source: str) -> Worker:
        worker = self._open()
        worker.load(source, self.task.entry_point, self._offered)
        return worker

    def _read(self, case: Case, answer: Answer, what: str) -> Plan:
        try:
            return self.task.read(case, answer)
        except InvalidAnswer as invalid:
            raise stop("validate", invalid.reason, f"{what}: {invalid.detail}") from None

    def _quality_pass(self, worker: Worker, report: Report) -> dict[str, _Plans]:
        """Plans of every step of every case, on the inputs as they are and in their order."""
        passes: dict[str, _Plans] = {}
        for done, case in enumerate(self.cases):
            report(Progress(stage="run", case=case.name, done=done, total=len(self.cases)))
            plans: _Plans = ()
            for step in range(self.task.steps(case)):
                what = f"case {case.name}, window {step + 1} of {self.task.steps(case)}"
                call = self.task.call(case, step, plans)
                answer, _ = worker.call(call, _call_seed(self.seed, case.name, step), what=what)
                plans += (self._read(case, answer, what),)
            passes[case.name] = plans
        return passes

    def _load_reference(self) -> Worker:
        try:
            return self._load(self._reference)
        except Stopped as stopped:
            raise self._reference_failed(stopped) from None

    def _reference_failed(self, stopped: Stopped) -> EvaluatorError:
        verdict = stopped.verdict
        return EvaluatorError(
            f"the reference {self._reference_name} failed at {verdict.stage} ({verdict.reason}): {verdict.detail}; "
            f"choose another reference program"
        )

    def _measure(self, worker: Worker, passes: dict[str, _Plans], report: Report) -> Verdict:
        qualities = [self.task.score(case, passes[case.name]) for case in self.cases]
        scores: list[CaseScore] = []
        total = len(self.cases)

        def waiting() -> None:
            report(Progress(stage="waiting for another measurement on this device", case="", done=0, total=total))

        with timing.lane(self.device, waiting):
            reference = self._load_reference()
            empty_us = int(median(reference.ping() for _ in range(PINGS)) / 1000)
            for done, (case, quality) in enumerate(zip(self.cases, qualities, strict=True)):
                report(Progress(stage="measure", case=case.name, done=done, total=total))
                timed = _TimedCase(self, case, passes[case.name], worker, reference)
                samples = timing.measure(timed.pair, self.settings.timing)
                timed.check_quality()
                scores.append(
                    CaseScore(
                        quality=quality,
                        runtime_ms=stats.runtime_ms(samples.candidate_us),
                        reference_ms=stats.runtime_ms(samples.reference_us),
                        speedup=stats.speedup(samples),
                        samples=samples,
                    )
                )
        return Scored(score=self._score(scores), environment=self.environment(empty_us))

    def _score(self, scores: list[CaseScore]) -> Score:
        metrics = {name: fmean(score.quality.metrics[name] for score in scores) for name in self.task.headline_metrics}
        return Score(
            quality=Quality(
                name=self.task.quality_name,
                value=fmean(score.quality.quality for score in scores),
                ceiling=fmean(score.quality.ceiling for score in scores),
            ),
            runtime_ms=stats.geometric_mean([score.runtime_ms for score in scores]),
            speedup=stats.combined_speedup([score.samples for score in scores]),
            cases=tuple(scores),
            metrics=metrics,
        )

    def environment(self, empty_call_us: int = 0) -> Environment:
        """Where this judge's scores are taken."""
        return Environment(
            device=self.device,
            hardware=self._hardware,
            cores=environment.cores(),
            threads=self.settings.threads,
            python=platform.python_version(),
            torch=self.ready.torch,
            kernel=platform.release(),
            sandbox=self.ready.level,
            task=f"{self.task.name}/{self.task.version}",
            reference=f"{self._reference_name} {hashlib.sha256(self._reference.encode()).hexdigest()[:12]}",
            empty_call_us=empty_call_us,
            warnings=environment.noise_warnings(),
        )


class _TimedCase:
    """Timed pairs of calls on one case: fresh inputs for each pair, every answer of the candidate validated."""

    def __init__(self, judge: Judge, case: Case, plans: _Plans, candidate: Worker, reference: Worker) -> None:
        self._judge, self._case, self._plans = judge, case, plans
        self._candidate, self._reference = candidate, reference
        self._rng = np.random.default_rng(secrets.randbits(128))
        self._shortfalls: list[float] = []
        self._reference_checked = False

    def pair(self, reference_first: bool) -> tuple[int, int]:
        """Nanoseconds of the candidate's and of the reference's call on the same inputs. Raises Stopped."""
        task, case = self._judge.task, self._case
        step = int(self._rng.integers(task.steps(case)))
        variation = task.vary(case, step, self._plans, self._rng)
        seed = int(self._rng.integers(2**48))
        what = f"case {case.name}, a timed call"
        reference_ns = 0
        if reference_first:
            reference_ns = self._call_reference(variation.call, seed)
        answer, candidate_ns = self._candidate.call(variation.call, seed, what=what)
        if not reference_first:
            reference_ns = self._call_reference(variation.call, seed)
        plan = variation.restore(self._judge._read(case, answer, what))
        expected = task.step_quality(case, step, self._plans[step])
        self._shortfalls.append(expected - task.step_quality(case, step, plan))
        return candidate_ns, reference_ns

    def _call_reference(self, call: Call, seed: int) -> int:
        try:
            answer, elapsed_ns = self._reference.call(call, seed, what=f"case {self._case.name}")
            if not self._reference_checked:
                self._judge._read(self._case, answer, f"case {self._case.name}")
                self._reference_checked = True
        except Stopped as stopped:
            raise self._judge._reference_failed(stopped) from None
        return elapsed_ns

    def check_quality(self) -> None:
        """The timed answers must be as good as those that were scored. Raises Stopped."""
        shortfall, allowed = fmean(self._shortfalls), self._judge.task.tolerance
        if shortfall > allowed:
            raise stop(
                "measure",
                "quality_disputed",
                f"case {self._case.name}: the plans of timed calls, made on the same windows under other labels, are "
                f"worse than the scored ones by {shortfall:.4f} on average, {allowed:g} is allowed",
            )


def evaluate(
    source: str,
    task: Task,
    *,
    reference: str,
    reference_name: str = "reference",
    device: str = "auto",
    seed: int = 0,
    settings: JudgeSettings | None = None,
    progress: Report | None = None,
) -> Verdict:
    """Judge one program: see `Judge`, which this opens and closes."""
    with Judge(
        task, reference=reference, reference_name=reference_name, device=device, seed=seed, settings=settings
    ) as judge:
        return judge.evaluate(source, progress=progress)
