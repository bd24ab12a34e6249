"""Measuring one program against another on the cases of a task.

Owns: what a timed call is: fresh inputs, every answer validated, and answers as good as the scored ones; fresh
processes for each round. Does not know: statistics, how a process starts, how the samples are used.
"""

from __future__ import annotations

import contextlib
import math
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from statistics import fmean, median, pstdev

import numpy as np

from evaluator.measuring import timing
from evaluator.measuring.clocks import Clocks
from evaluator.measuring.warmup import Form, form
from evaluator.settings import TimingSettings
from evaluator.task_protocol import Task
from evaluator.types import Answer, Call, Case, HardCase, InvalidAnswer, OtherFailed, Plan, Samples
from evaluator.worker_handle import Stopped, Worker, stop

PINGS = 5
"""Empty calls per round."""

SUSPICION, CHANCE = 2.0, 4.0
"""Beyond SUSPICION standard errors we collect more answers; up to CHANCE we attribute a difference to chance."""

SCATTERED = 0.1
"""On a quiet machine, call times of one program differ from call to call by at most this much (a log ratio)."""

NULL_PAIR_NS = 50_000_000
"""We repeat a call twice to measure how quiet the machine is only if it takes at most this many nanoseconds."""

ENOUGH_ANSWERS = 60
"""With this many answers, chance cannot hide a relevant difference in quality."""

Plans = tuple[Plan, ...]


def read_answer(task: Task, case: Case, answer: Answer, what: str) -> Plan:
    """The plan of an answer. Raises Stopped if the answer is invalid; `what` names the call in its text."""
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
        small: Mapping[Form, HardCase],
        failed: Callable[[Stopped], OtherFailed],
        report: Callable[[], None],
    ) -> None:
        """`small`: a small call of each form that there is one of."""
        self._task, self._case, self._plans, self._small = task, case, plans, small
        self._failed, self._report = failed, report
        self._rng = np.random.default_rng(secrets.randbits(128))
        self._scored = [
            (task.step_quality(case, step, plan), task.pass_quality(case, step, plan))
            for step, plan in enumerate(plans)
        ]
        self._shortfalls: list[float] = []
        self._pass_shortfalls: list[float] = []
        self._repeated: list[bool] = []
        self._met: set[int] = set()
        self._clocks = Clocks()
        self._last: Call | None = None
        self._other_ns = 0
        self._unread = True
        self._answered: set[Form] = set()

    def begin(self, candidate: Worker, other: Worker, answered: set[Form]) -> timing.TimedPair:
        """Start a round with these processes; returns its pair function. `answered`: the forms of calls that both have
        answered, which grows.
        """
        self._candidate, self._other, self._unread = candidate, other, True
        self._met, self._answered = set(), answered
        return self._pair

    def _pair(self, other_first: bool) -> tuple[int, int]:
        """Nanoseconds of the candidate's and the other's call on the same inputs. Raises Stopped, OtherFailed."""
        task, case = self._task, self._case
        if self._unread:
            self._report()
        step = int(self._rng.integers(task.steps(case)))
        variation = task.vary(case, step, self._plans, self._rng)
        seed = int(self._rng.integers(2**48))
        self._meet(form(variation.call), step)
        what = f"case {case.name}, a timed call"
        answer, candidate_ns, other, other_ns = None, 0, None, 0
        for turn in (other_first, not other_first):
            if turn:
                other, other_ns = self._call_other(variation.call, seed)
            else:
                answer, candidate_ns = self._candidate.call(variation.call, seed, what=what)
        assert answer is not None and other is not None
        self._clocks.add(
            elapsed_ns=candidate_ns,
            own_ns=self._candidate.own_ns,
            other_elapsed_ns=other_ns,
            other_own_ns=self._other.own_ns,
        )
        if self._unread:
            self._read_other(other)
        shown, coming = variation.qualities(read_answer(task, case, answer, what))
        shown_scored, coming_scored = self._scored[step]
        self._shortfalls.append(shown_scored - shown)
        self._pass_shortfalls.append(coming_scored - coming)
        self._repeated.append(step in self._met)
        self._met.add(step)
        self._last, self._other_ns = variation.call, other_ns
        return candidate_ns, other_ns

    def _meet(self, kind: Form, step: int) -> None:
        """Make a call of this form untimed, unless the processes have answered one: what a program compiles when it
        meets new types is not timed. A small call does, so this costs slow programs nothing; without one, it is a
        variation of the step. Raises Stopped.
        """
        if kind in self._answered:
            return
        self._answered.add(kind)
        if kind in self._small:
            case, call = self._small[kind].case, self._small[kind].call
        else:
            case, call = self._case, self._task.vary(self._case, step, self._plans, self._rng).call
        seed, what = int(self._rng.integers(2**48)), f"case {case.name}, an untimed call"
        read_answer(self._task, case, self._candidate.call(call, seed, what=what)[0], what)
        # The other program need not answer hard cases; if its process has ended, the next call says so.
        with contextlib.suppress(Stopped):
            self._other.call(call, seed, what=what)

    def check_clock(self, patience_s: float) -> None:
        """Check that the clocks of the candidate's processes agree with the judge's. Raises Stopped if they do not.

        If they seem to disagree, we first take more pairs for at most `patience_s` seconds, because the machine may be
        the cause.
        """
        end = time.monotonic() + patience_s
        while self._clocks.doubtful and time.monotonic() < end:
            self._pair(other_first=False)
        if dispute := self._clocks.dispute():
            raise stop("measure", "clock_disputed", f"case {self._case.name}: {dispute}")

    def null_pair(self) -> list[float]:
        """|ln(time / time)| of the other program called twice on the last inputs; [] if that takes too long."""
        if self._last is None or self._other_ns > NULL_PAIR_NS:
            return []
        first, second = (self._call_other(self._last, 0)[1] for _ in range(2))
        return [abs(math.log(first / second))]

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

    @property
    def doubtful(self) -> bool:
        """Whether the timed answers seem worse than the scored ones but are so few that chance may be the cause."""
        few = len(self._shortfalls) < ENOUGH_ANSWERS
        return few and any(mean > allowed + SUSPICION * error for mean, allowed, error, _ in self._differences())

    def check_quality(self) -> None:
        """Check that the timed answers are as good as the scored ones. Raises Stopped if they are not."""
        for mean, allowed, error, what in self._differences():
            if mean > allowed + CHANCE * error:
                raise stop(
                    "measure",
                    "quality_disputed",
                    f"case {self._case.name}: {what} by {mean:.4f} on average, and {allowed + CHANCE * error:.4f} is "
                    f"allowed",
                )

    def _differences(self) -> Iterator[tuple[float, float, float, str]]:
        """Each quality difference that we check: its mean, the allowed mean, its standard error (sd / sqrt(n); of a
        difference of two means, sd * sqrt(1/n + 1/m)), and its meaning as text.
        """
        steps, timed, close = self._task.steps(self._case), len(self._shortfalls), self._task.tolerance / 4
        spread = pstdev(self._shortfalls)
        worse = (
            "the plans of timed calls, which see the scored windows under other labels, are worse than the scored plans"
        )
        # The few scored plans may be lucky: only a little, unless a program varies its answers on purpose.
        both = math.sqrt(1 / steps + 1 / timed)
        yield fmean(self._shortfalls), close, spread * both, worse
        yield fmean(self._shortfalls), self._task.tolerance, spread / math.sqrt(timed), worse
        yield (
            fmean(self._pass_shortfalls),
            close,
            pstdev(self._pass_shortfalls) * both,
            "the scored plans fit the next window better than the plans of timed calls, which see the same windows "
            "under other labels, as if the program knew loads that it was not given: they differ",
        )
        # A cached plan is nearly right when a window returns under other labels.
        firsts = [value for value, repeated in zip(self._shortfalls, self._repeated, strict=True) if not repeated]
        repeats = [value for value, repeated in zip(self._shortfalls, self._repeated, strict=True) if repeated]
        if firsts and repeats:
            yield (
                fmean(repeats) - fmean(firsts),
                close,
                spread * math.sqrt(1 / len(firsts) + 1 / len(repeats)),
                "plans are worse when the same process has seen a similar window before, as if it reused a cached plan "
                "(each call must plan for the loads it is given): they differ",
            )


class Contest:
    """Measures a program against another. `open_*` start a new process and load a program; `end` ends all of them."""

    def __init__(
        self,
        task: Task,
        cases: Sequence[Case],
        passes: Mapping[str, Plans],
        *,
        hard_cases: Sequence[HardCase],
        open_candidate: Callable[[], Worker],
        open_other: Callable[[], Worker],
        end: Callable[[], None],
        other_name: str,
        report: Callable[[int], None],
        until_steady: bool = False,
    ) -> None:
        """`hard_cases` serve as small calls. `report` receives the index of a case whenever a round starts it.
        `until_steady`: warm up until calls no longer get faster, as on a GPU, instead of a fixed number of times.
        """
        self._until_steady = until_steady
        self._open_candidate, self._open_other, self._end = open_candidate, open_other, end
        self._other_name = other_name
        small = {form(hard.call): hard for hard in hard_cases}
        self._timed = [
            TimedCase(task, case, passes[case.name], small=small, failed=self._failed, report=partial(report, at))
            for at, case in enumerate(cases)
        ]
        self._noise = timing.NoiseProbe()
        self._pings_ns: list[int] = []
        self._scatter: list[float] = []
        self._round = 0

    @property
    def empty_call_us(self) -> int:
        """Median time of an empty call, in microseconds."""
        return int(median(self._pings_ns) / 1000)

    @property
    def scatter(self) -> float:
        """How much the other program's time varies: the median of |ln(time / time)| of two successive calls."""
        return median(self._scatter) if self._scatter else 0.0

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings that the machine was disturbed; () if it was quiet."""
        if self.scatter <= SCATTERED:
            return self._noise.warnings()
        scatter = f"{self._other_name} varied by {math.expm1(self.scatter):.0%} from one call to the next (median)"
        return (*self._noise.warnings(), f"{scatter}: the machine was disturbed, so run times are less certain")

    def measure(
        self,
        settings: TimingSettings,
        *,
        budget_s: float,
        rounds: int,
        enough: Callable[[Sequence[Samples]], bool],
        loaded: Worker | None = None,
    ) -> tuple[Samples, ...]:
        """The samples of each case, in order. `budget_s` seconds are divided among all cases and `rounds` rounds;
        `enough` ends the measurement early; `loaded` is a running process of the candidate for the first round.

        Raises Stopped if the candidate fails, OtherFailed if the other program fails.
        """

        def begin_round(other_first: bool) -> list[timing.TimedPair]:
            return self._begin(other_first, loaded if self._round == 0 else None)

        rng = np.random.default_rng(secrets.randbits(128))
        samples = timing.measure(
            begin_round,
            settings,
            budget_s=budget_s,
            rounds=rounds,
            enough=enough,
            rng=rng,
            until_steady=self._until_steady,
        )
        self._look()
        self._ask_more(begin_round, settings)
        for timed in self._timed:
            timed.check_quality()
            timed.check_clock(settings.budget_s)
        return samples

    def _look(self) -> None:
        """Measure how quiet the machine is after a round: by the probe loop, and by two equal calls."""
        self._noise.look()
        self._scatter += self._timed[0].null_pair()

    def _ask_more(self, begin_round: timing.BeginRound, settings: TimingSettings) -> None:
        """If a few timed answers seem worse than the scored ones, collect more before rejecting the program."""
        end = time.monotonic() + settings.duel_s
        while any(timed.doubtful for timed in self._timed) and time.monotonic() < end:
            for timed, pair in zip(self._timed, begin_round(False), strict=True):
                for _ in range(settings.round_pairs if timed.doubtful else 0):
                    pair(False)

    def _begin(self, other_first: bool, loaded: Worker | None) -> list[timing.TimedPair]:
        if self._round:
            self._look()
            self._end()
        else:
            self._noise.look()
        self._round += 1
        if loaded is not None:
            candidate, other = loaded, self._start_other()
        elif other_first:
            other = self._start_other()
            candidate = self._open_candidate()
        else:
            candidate = self._open_candidate()
            other = self._start_other()
        answered: set[Form] = set()
        return [timed.begin(candidate, other, answered) for timed in self._timed]

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
