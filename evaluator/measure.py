"""Measuring one program against another on the cases of a task.

Owns: what a timed call is: fresh inputs, every answer validated, and as good as those that were scored; fresh processes
for each round. Does not know: statistics, how a process is started, what becomes of the samples.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from statistics import fmean, median, pstdev

import numpy as np

from evaluator import timing
from evaluator.settings import TimingSettings
from evaluator.types import Answer, Call, Case, InvalidAnswer, OtherFailed, Plan, Samples, Task
from evaluator.workers import Stopped, Worker, stop

PINGS = 5
"""Empty calls a round."""

CHANCE = 3.0
"""Standard errors within which a difference in the quality of the pass is taken for chance."""

Plans = tuple[Plan, ...]


def read_answer(task: Task, case: Case, answer: Answer, what: str) -> Plan:
    """The plan of an answer. Raises Stopped where it is not valid."""
    try:
        return task.read(case, answer)
    except InvalidAnswer as invalid:
        raise stop("validate", invalid.reason, f"{what}: {invalid.detail}") from None


class TimedCase:
    """Timed pairs of calls on one case: fresh inputs for each pair, every answer of the candidate validated."""

    def __init__(
        self,
        task: Task,
        case: Case,
        plans: Plans,
        *,
        failed: Callable[[Stopped], OtherFailed],
        report: Callable[[], None],
    ) -> None:
        self._task, self._case, self._plans = task, case, plans
        self._failed, self._report = failed, report
        self._rng = np.random.default_rng(secrets.randbits(128))
        self._scored = [self._worth(step, plan) for step, plan in enumerate(plans)]
        self._shortfalls: list[float] = []
        self._pass_shortfalls: list[float] = []
        self._unread = True

    def begin(self, candidate: Worker, other: Worker) -> timing.TimedPair:
        """The pair function of a round with these processes."""
        self._candidate, self._other, self._unread = candidate, other, True
        return self._pair

    def _pair(self, other_first: bool) -> tuple[int, int]:
        """Nanoseconds of the candidate's and of the other's call on the same inputs. Raises Stopped, OtherFailed."""
        task, case = self._task, self._case
        if self._unread:
            self._report()
        step = int(self._rng.integers(task.steps(case)))
        variation = task.vary(case, step, self._plans, self._rng)
        seed = int(self._rng.integers(2**48))
        what = f"case {case.name}, a timed call"
        answer, candidate_ns, other, other_ns = None, 0, None, 0
        for turn in (other_first, not other_first):
            if turn:
                other, other_ns = self._call_other(variation.call, seed)
            else:
                answer, candidate_ns = self._candidate.call(variation.call, seed, what=what)
        assert answer is not None and other is not None
        if self._unread:
            self._read_other(other)
        plan = variation.restore(read_answer(task, case, answer, what))
        shown, coming = self._worth(step, plan)
        shown_scored, coming_scored = self._scored[step]
        self._shortfalls.append(shown_scored - shown)
        self._pass_shortfalls.append(coming_scored - coming)
        return candidate_ns, other_ns

    def _worth(self, step: int, plan: Plan) -> tuple[float, float]:
        """The quality of a plan on the window it was made for, and as the pass counts it."""
        return self._task.step_quality(self._case, step, plan), self._task.pass_quality(self._case, step, plan)

    def _call_other(self, call: Call, seed: int) -> tuple[Answer, int]:
        try:
            return self._other.call(call, seed, what=f"case {self._case.name}")
        except Stopped as stopped:
            raise self._failed(stopped) from None

    def _read_other(self, answer: Answer) -> None:
        try:
            read_answer(self._task, self._case, answer, f"case {self._case.name}")
        except Stopped as stopped:
            raise self._failed(stopped) from None
        self._unread = False

    def check_quality(self) -> None:
        """The timed answers must be as good as those that were scored. Raises Stopped."""
        shortfall, allowed = fmean(self._shortfalls), self._task.tolerance
        if shortfall > allowed:
            raise stop(
                "measure",
                "quality_disputed",
                f"case {self._case.name}: the plans of timed calls, made on the same windows under other labels, are "
                f"worse than the scored ones by {shortfall:.4f} on average, {allowed:g} is allowed",
            )
        # What a plan is worth for loads that its maker was not shown is partly chance.
        steps, timed = self._task.steps(self._case), len(self._pass_shortfalls)
        chance = CHANCE * pstdev(self._pass_shortfalls) * math.sqrt(1 / steps + 1 / timed)
        surplus, allowed = fmean(self._pass_shortfalls), self._task.tolerance / 4 + chance
        if surplus > allowed:
            raise stop(
                "measure",
                "quality_disputed",
                f"case {self._case.name}: the scored plans suit the loads to come better than the plans of timed "
                f"calls, made on the same windows under other labels, by {surplus:.4f} on average, {allowed:.4f} is "
                f"allowed: a program may not know loads that it is not given",
            )


class Contest:
    """A program measured against another. `open_*` start and load a fresh process, `end` ends all of them."""

    def __init__(
        self,
        task: Task,
        cases: Sequence[Case],
        passes: Mapping[str, Plans],
        *,
        open_candidate: Callable[[], Worker],
        open_other: Callable[[], Worker],
        end: Callable[[], None],
        other_name: str,
        report: Callable[[int], None],
    ) -> None:
        """`report` is told the index of a case whenever a round comes to it."""
        self._open_candidate, self._open_other, self._end = open_candidate, open_other, end
        self._other_name = other_name
        self._timed = [
            TimedCase(task, case, passes[case.name], failed=self._failed, report=partial(report, at))
            for at, case in enumerate(cases)
        ]
        self._noise = timing.NoiseProbe()
        self._pings_ns: list[int] = []
        self._round = 0

    @property
    def empty_call_us(self) -> int:
        """The cost of an empty call."""
        return int(median(self._pings_ns) / 1000)

    @property
    def warnings(self) -> tuple[str, ...]:
        return self._noise.warnings()

    def measure(
        self,
        settings: TimingSettings,
        *,
        budget_s: float,
        rounds: int,
        enough: Callable[[Sequence[Samples]], bool],
        loaded: Worker | None = None,
    ) -> tuple[Samples, ...]:
        """Samples a case. `loaded`: a process of the candidate that is there already, for the first round.

        Raises Stopped for the candidate's fault, OtherFailed for the other's.
        """

        def begin_round(other_first: bool) -> list[timing.TimedPair]:
            return self._begin(other_first, loaded if self._round == 0 else None)

        rng = np.random.default_rng(secrets.randbits(128))
        samples = timing.measure(begin_round, settings, budget_s=budget_s, rounds=rounds, enough=enough, rng=rng)
        self._noise.look()
        for timed in self._timed:
            timed.check_quality()
        return samples

    def _begin(self, other_first: bool, loaded: Worker | None) -> list[timing.TimedPair]:
        if self._round:
            self._end()
        self._round += 1
        self._noise.look()
        if loaded is not None:
            candidate, other = loaded, self._start_other()
        elif other_first:
            other = self._start_other()
            candidate = self._open_candidate()
        else:
            candidate = self._open_candidate()
            other = self._start_other()
        return [timed.begin(candidate, other) for timed in self._timed]

    def _start_other(self) -> Worker:
        try:
            other = self._open_other()
            self._pings_ns += [other.ping() for _ in range(PINGS)]
        except Stopped as stopped:
            raise self._failed(stopped) from None
        return other

    def _failed(self, stopped: Stopped) -> OtherFailed:
        verdict = stopped.verdict
        return OtherFailed(f"{self._other_name} failed at {verdict.stage} ({verdict.reason}): {verdict.detail}")
