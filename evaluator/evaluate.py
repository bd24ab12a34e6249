"""The verdict on a program: screen, load, run, validate, measure, cheapest first.

Owns: the order of the stages, and what a candidate must do in each. Does not know: searching, archives, printing.

Quality and run time come from the same calls: passes over secret draws of each case, answered by the candidate and by
the reference. The pass over the cases of the run's seed repeats to the last digit; it is shown, and a program whose
secret calls disagree with it is rejected, but nothing else depends on it.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from statistics import fmean
from typing import Self, TypeVar

from evaluator import environment
from evaluator.executors import EXECUTORS, Ready
from evaluator.fate import Fate, OpenDuel, Settled
from evaluator.measuring import lanes, stats
from evaluator.measuring.contest import Contest, Strays
from evaluator.measuring.passes import Plans, ask_hard_cases, pass_over_cases
from evaluator.measuring.race import ROUND_PAIRS, Race
from evaluator.measuring.redraws import Redrawn, redraw
from evaluator.scoring import first_dispute, score_duel, score_program
from evaluator.screen import screen
from evaluator.settings import JudgeSettings
from evaluator.splits import Split, SplitCases
from evaluator.task_file import identified
from evaluator.task_protocol import Task, driver_of
from evaluator.types import (
    CaseQuality,
    Duel,
    Environment,
    EvaluatorError,
    OtherFailed,
    Progress,
    Rejected,
    Samples,
    Score,
    Scored,
    Verdict,
)
from evaluator.worker_handle import Stopped, Worker

ROUNDS, DUEL_ROUNDS = 5, 20
"""Into how many rounds of fresh processes the time of a measurement, and of a comparison, is divided."""
PASSES_KEPT = 256
"""The largest number of programs whose times in the pass are kept, which tell the slow ones."""
SLOW_LOAD_NS = 250_000_000
"""Loading a program that takes longer, because it compiles, is not repeated for the sake of the first round alone."""

Report = Callable[[Progress], None]
Outcome = TypeVar("Outcome")


class Judge:
    """Judges programs on one task, against one reference, on one device. A context manager; not thread-safe, except for
    `stop`.

    Raises EvaluatorError if the machine, the workload or the reference is at fault, never for the candidate's faults.
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
        self._target = environment.find(device)
        self.device = self._target.device
        self._search = SplitCases(task, seed, self.settings)
        self._splits: dict[Split, SplitCases] = {"search": self._search}
        self.cases = self._search.cases
        self._lanes = lanes.usable(self.settings.lanes, self.device, asked=device, address=self._target.address)
        self._width = lanes.width(self.device, self.settings.threads)
        self._claim = contextlib.ExitStack()
        self._cpus: tuple[int, ...] = ()
        self._reference, self._reference_name = reference, reference_name
        self._reference_passes: dict[str, Plans] = {}
        self._anchors: list[float] = []
        self._strays = {case.name: Strays() for case in self.cases}
        self._loads_ns: dict[str, list[int]] = {}
        self._pass_ns: dict[str, tuple[float, ...]] = {}
        self._executor = EXECUTORS[executor](self.settings)
        self._quiet: Report = lambda progress: None
        self._aborted = threading.Event()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as claim:  # given up again if the helper processes cannot be started
            self._cpus = claim.enter_context(lanes.claim(lanes.spare(self._lanes), self._width))
            self._executor.__enter__()
            self._claim = claim.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._claim.close()
        self._executor.__exit__(*error)

    def stop(self) -> None:
        """Interrupt work in another thread: it ends at once with an EvaluatorError, or with a verdict to discard."""
        self._aborted.set()
        self._executor.abort()

    @property
    def ready(self) -> Ready:
        """The confinement in force; waits for the helper processes."""
        return self._executor.ready

    def _of_split(self, split: Split) -> SplitCases:
        if split not in self._splits:
            self._splits[split] = SplitCases.of(self.task, split, self.seed, self.settings)
        return self._splits[split]

    def evaluate(self, source: str, *, progress: Report | None = None) -> Verdict:
        """Judge a program's source: `Scored`, or `Rejected` with the stage, the reason and what to change.

        Raises EvaluatorError.
        """
        return self._judged(source, lambda: self._verdict(source, progress or self._quiet))

    def race(self, source: str, fate: Fate, *, progress: Report | None = None) -> Verdict:
        """Like `evaluate`, but measure no longer than `fate` needs to decide, unless the policy is `full`."""
        return self._judged(source, lambda: self._verdict(source, progress or self._quiet, fate))

    def qualify(self, source: str, *, progress: Report | None = None) -> tuple[CaseQuality, ...] | Rejected:
        """The quality of a program on every case, without measuring its run time. Raises EvaluatorError."""

        def judge() -> tuple[CaseQuality, ...]:
            _, passes = self._pass(source, progress or self._quiet)
            return tuple(self.task.score(case, passes[case.name]) for case in self.cases)

        return self._judged(source, judge)

    def requalify(self, source: str, score: Score) -> tuple[Redrawn, ...] | Rejected:
        """Answer the secret calls of a program's score again, case by case. Raises EvaluatorError."""
        return self._judged(source, lambda: redraw(self.task, self.cases, score, self._load(source)))

    def _judged(self, source: str, judge: Callable[[], Outcome]) -> Outcome | Rejected:
        """What `judge` returns, or why the program was rejected; no process of it is left afterwards."""
        refused = screen(source, self.task.entry_point, max_bytes=self.settings.source_bytes)
        if refused is not None:
            return refused
        self._revive()
        self._loads_ns = {}
        try:
            return judge()
        except Stopped as stopped:
            return stopped.verdict
        finally:
            self._executor.end()

    def _revive(self) -> None:
        """Start the helper processes again if `stop` ended them."""
        if self._aborted.is_set():
            self._aborted.clear()
            self._executor.__exit__()
            self._executor.__enter__()

    def _pass(self, source: str, report: Report) -> tuple[Worker, dict[str, Plans]]:
        """A worker in which the program passed the hard cases, and its plans. Raises Stopped."""
        worker = self._load(source)
        ask_hard_cases(self.task, self._search.hard_cases, self.seed, worker)
        return worker, self._pass_over_cases(source, worker, report)

    def _pass_over_cases(self, source: str, worker: Worker, report: Report) -> dict[str, Plans]:
        while len(self._pass_ns) >= PASSES_KEPT:
            del self._pass_ns[next(iter(self._pass_ns))]
        steps = self._steps("run", report)
        passes, self._pass_ns[source] = pass_over_cases(self.task, self.cases, self.seed, worker, steps)
        return passes

    def _pass_of_reference(self) -> None:
        """Make the reference's pass over the cases, once. Raises EvaluatorError."""
        if self._reference_passes:
            return
        try:
            passes = self._pass_over_cases(self._reference, self._load(self._reference), self._quiet)
        except Stopped as stopped:
            verdict = stopped.verdict
            raise EvaluatorError(
                f"the reference {self._reference_name} failed at {verdict.stage} ({verdict.reason}): "
                f"{verdict.detail}; correct it, or choose another reference program"
            ) from None
        self._executor.end()
        self._anchors = [self.task.score(case, passes[case.name]).value for case in self.cases]
        self._reference_passes = passes

    def _load(self, source: str, at: SplitCases | None = None) -> Worker:
        at = at or self._search
        (request, answer), where = at.bytes, self._target.address
        worker = self._executor.open(request_bytes=request, answer_bytes=answer, device=where, cpus=self._cpus)
        elapsed = worker.load(source, at.task.entry_point, at.offered, driver_of(at.task))
        self._loads_ns.setdefault(source, []).append(elapsed)
        return worker

    @contextlib.contextmanager
    def _lane(self, report: Report) -> Iterator[None]:
        """Hold a timing lane; pin the processes started meanwhile to its cores, if it names some, as many as a program
        may use.
        """

        def waiting() -> None:
            stage = "waiting for another measurement on this device"
            report(Progress(stage=stage, case="", done=0, total=len(self.cases)))

        with lanes.hold(self._lanes, waiting) as lane:
            claimed = self._cpus
            self._cpus = lane.cpus[: self._width] or claimed
            try:
                with lanes.away_from(self._cpus, self._lanes):
                    yield
            finally:
                self._cpus = claimed

    def _contest(
        self,
        source: str,
        other: str,
        name: str,
        report: Callable[[int], None],
        at: SplitCases,
        strays: dict[str, Strays] | None = None,
    ) -> Contest:
        known = self._pass_ns if at is self._search else {}
        mine, theirs = known.get(source, ()), known.get(other, ())
        return Contest(
            at.task,
            at.cases,
            hard_cases=at.hard_cases,
            open_candidate=partial(self._load, source, at),
            open_other=partial(self._load, other, at),
            end=self._executor.end,
            other_name=name,
            report=report,
            until_steady=self.device != "cpu",
            strays=strays,
            usual_ns=tuple(zip(mine, theirs, strict=False)),
        )

    def _verdict(self, source: str, report: Report, fate: Fate | None = None) -> Verdict:
        self._pass_of_reference()
        worker, passes = self._pass(source, report)
        qualities = [self.task.score(case, passes[case.name]) for case in self.cases]
        settings, name = self.settings.timing, f"the reference {self._reference_name}"
        steps = self._steps("measure", report)
        contest = self._contest(source, self._reference, name, steps, self._search, strays=self._strays)
        race = None
        if fate is not None and settings.policy == "race":
            race = Race(fate, fmean(self._anchors), settings.half_width, self.task.resolution)

        def enough(so_far: Sequence[Samples]) -> bool:
            narrow = stats.narrow_enough(so_far, settings.half_width, self.task.resolution)
            return narrow or (race is not None and race.is_over(so_far))

        with self._lane(report):
            loaded = self._kept(source, worker)
            timing = settings if race is None else settings.with_rounds_of(ROUND_PAIRS)
            measure = partial(contest.measure, timing, budget_s=settings.budget_s * len(self.cases), rounds=ROUNDS)
            try:
                samples = measure(enough=enough, loaded=loaded)
                scatters = contest.quality_scatter(settings.budget_s / 2)
                refused = first_dispute(self.task, self.cases, passes, self._reference_passes, samples, scatters)
                if refused is not None:  # a few calls may differ by chance, so as many again decide with them
                    both = [stats.joined(parts) for parts in zip(samples, measure(enough=lambda _: False), strict=True)]
                    refused = first_dispute(self.task, self.cases, passes, self._reference_passes, both, scatters)
            except OtherFailed as error:
                raise EvaluatorError(f"{error}; correct it, or choose another reference program") from None
        if refused is not None:
            return refused
        score = score_program(
            self.task,
            qualities,
            samples,
            references=self._anchors,
            loads_ns=self._loads_ns[source],
            secret=contest.secret,
            decided=race.decided if race is not None else "",
        )
        return Scored(score=score, environment=self._environment_of(contest))

    def _kept(self, source: str, worker: Worker) -> Worker | None:
        """The process that made the pass, for the first round, if programs like this take long to load. Otherwise it is
        ended: it has answered more calls than the reference's, and was 1 % faster for that.
        """
        if slow := self._loads_ns[source][0] >= SLOW_LOAD_NS:
            worker.pin(self._cpus)
        else:
            self._executor.end()
        return worker if slow else None

    def _steps(self, stage: str, report: Report, where: SplitCases | None = None) -> Callable[[int], None]:
        cases = (where or self._search).cases
        return lambda at: report(Progress(stage=stage, case=cases[at].name, done=at, total=len(cases)))

    def compare(
        self,
        source: str,
        other: str,
        *,
        level: float = stats.DECISION_LEVEL,
        other_name: str = "the other program",
        settled: Settled | None = None,
        progress: Report | None = None,
        split: Split = "search",
    ) -> Duel | Rejected:
        """Measure a program against another, head to head, on secret loads of a split and in fresh processes, for at
        most `duel_s` seconds, or until both questions are settled; with `settled`, until that says so.

        `better` means faster, `quality_comparison` says which is better in quality, each with a probability of error of
        at most 1 - level. Rejected if the program itself fails. Raises OtherFailed if the other program fails twice.
        """
        report, at = progress or self._quiet, self._of_split(split)
        duel = partial(self._duel, source, other, other_name, level, settled, report, at)

        def judge() -> Duel:
            try:
                return duel()
            except OtherFailed:
                self._executor.end()
                return duel()

        return self._judged(source, judge)

    def _duel(
        self, source: str, other: str, name: str, level: float, settled: Settled | None, report: Report, at: SplitCases
    ) -> Duel:
        settings, resolution = self.settings.timing, self.task.resolution
        contest = self._contest(source, other, name, self._steps("duel", report, at), at)
        here = self._here()

        def enough(samples: Sequence[Samples]) -> bool:
            decided = stats.settled(samples, level, settings.half_width, resolution)
            if settled is None or settings.policy == "full":
                return decided
            now = OpenDuel(
                duel=score_duel(samples, level, here, contest.secret),
                half_width=settings.half_width,
                resolution=resolution,
                enough_rounds=len(samples[0].rounds) >= stats.ENOUGH_ROUNDS,
                decided=decided,
            )
            return settled(now)

        short = settings if settings.policy == "full" else settings.with_rounds_of(ROUND_PAIRS)
        with self._lane(report):
            samples = contest.measure(short, budget_s=settings.duel_s, rounds=DUEL_ROUNDS, enough=enough)
        return score_duel(samples, level, self._environment_of(contest), contest.secret)

    def _environment_of(self, contest: Contest) -> Environment:
        here = self._here(contest.empty_call_us)
        return replace(here, scatter=contest.scatter, warnings=(*here.warnings, *contest.warnings))

    def environment(self) -> Environment:
        """Where this judge takes its scores. Raises EvaluatorError if the helper processes do not start."""
        self._revive()
        return self._here()

    def _here(self, empty_call_us: int = 0) -> Environment:
        return environment.of_scores(
            self._target,
            threads=self.settings.threads,
            torch=self.ready.torch,
            sandbox=self.ready.level,
            task=identified(self.task),
            reference=f"{self._reference_name} {hashlib.sha256(self._reference.encode()).hexdigest()[:12]}",
            empty_call_us=empty_call_us,
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
    """Judge one program: opens a `Judge`, calls its `evaluate`, and closes it. Raises EvaluatorError."""
    with Judge(
        task, reference=reference, reference_name=reference_name, device=device, seed=seed, settings=settings
    ) as judge:
        return judge.evaluate(source, progress=progress)
